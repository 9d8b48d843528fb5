"""The pipeline as a DVC user knows it."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from making import melody
from tiny import wait_for

from ostinato.experiments import merged
from ostinato.scores.midi import midi_bytes, read_midi

ROOT = Path(__file__).parents[2]
MODEL = "models/generator/model.safetensors"


def test_everything_a_person_expects_is_there(done):
    compose = done.folder / "results" / "compose"
    for number in (1, 2):
        piece = compose / f"piece-{number:02d}"
        assert len(read_midi(piece.with_suffix(".mid")).notes) > 0
        for suffix in (".wav", ".png"):
            assert piece.with_suffix(suffix).exists() == (number == 1)
    assert (compose / "piece-01.wav").stat().st_size > 100_000
    assert (compose / "piece-01.png").read_bytes().startswith(b"\x89PNG")
    written = done.folder / "results/token_compose"
    assert len(read_midi(written / "chords/piece-01.mid").notes) > 0
    assert (written / "chords/piece-01.wav").stat().st_size > 100_000
    assert (written / "letters/piece-01.txt").read_text() != ""
    assert len(read_midi(written / "events/piece-01.mid").notes) > 0
    metrics = json.loads(done.read("results/token_model/metrics.json"))
    for vocabulary in ("events", "chords", "letters"):
        assert {"model_bits", "ngram_bits"} <= set(metrics[vocabulary])
        assert (done.folder / f"results/token_evaluate/{vocabulary}.png").exists()
    report = json.loads(done.read("results/evaluate.json"))
    assert set(report) == {"prediction", "music", "sets"}
    composed, valid, test = report["sets"]
    assert set(test) < set(composed) == set(valid)
    assert composed["features"]["four_keys"][0] == report["music"]["four_keys"]
    assert (done.folder / "results/evaluate/reading.png").exists()
    ignored = done.run("git", "status", "--porcelain")
    assert ignored == ""


def test_a_second_run_runs_nothing(project):
    output = project.run("dvc", "repro")
    assert "Running stage" not in output
    assert "up to date" in output


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"evaluate__draws": 1}, ["evaluate", "page"]),
        (
            {"tokens__chords__octaves": True},
            [
                "tokens@chords",
                "token_model@chords",
                "token_compose@chords",
                "token_evaluate",
                "page",
            ],
        ),
    ],
)
def test_a_changed_parameter_runs_what_reads_it_and_what_follows(project, change, stages):
    project.set(**change)
    assert project.repro() == stages


def test_an_added_song_is_noticed(project):
    song = project.folder / "data/scores/neu/noch ein Lied.mid"
    song.parent.mkdir()
    song.write_bytes(midi_bytes(melody(99, beats=24)))
    output = project.run("dvc", "repro", "augment")
    assert stages(output) == ["corpus", "dataset", "augment"]
    assert "neu/noch ein Lied.mid" in project.read("data/corpus/songs.csv").decode()


def test_an_experiment_changes_a_parameter_and_is_compared(project):
    output = project.run("dvc", "exp", "run", "-S", "compose.temperature=0.7", "-n", "cooler")
    assert stages(output) == ["compose", "evaluate", "page"]
    assert "cooler" in project.run("dvc", "exp", "show", "--csv")
    assert "music.longest_copy" in project.run("dvc", "metrics", "diff", "HEAD", "--all")
    project.run("dvc", "plots", "diff", "HEAD", "-o", "plots")
    page = project.read("plots/index.html").decode()
    assert "learning curve of the generator" in page
    assert "histograms.png" in page
    project.run("ostinato", "page", "cooler", "main", "-o", "compared")
    data = project.read("compared/data.js").decode()
    assert '"changes":[["compose.temperature",0.7,0.5]]' in data
    assert '"name":"cooler"' in data
    assert '"name":"the song"' in data
    output = project.run("ostinato", "page", "nosuch", code=1)
    assert "nosuch: unknown Git revision" in output
    assert "Traceback" not in output
    shutil.rmtree(project.folder / ".dvc/cache")
    output = project.run("ostinato", "page", "cooler", code=1)
    assert "cooler: its music is not in the cache; `dvc exp pull` brings" in output
    assert "Traceback" not in output


def test_a_system_runs_by_its_name(project):
    output = project.run("ostinato", "run", "first_model", "-S", "generator.training.max_steps=8")
    # Neither of the two trainings needs the other, and DVC may begin with either.
    assert sorted(stages(output)[:2]) == ["decoder", "generator"], output
    assert stages(output)[2:] == ["compose", "evaluate"], output
    assert project.run("git", "status", "--porcelain") == ""
    project.run("dvc", "exp", "apply", "first_model")
    decoder = json.loads(project.read("models/decoder/config.json"))
    assert decoder["kind"] == "none"
    assert json.loads(project.read("models/generator/config.json"))["keys"] == 88
    assert "octave_accuracy" not in json.loads(project.read("results/evaluate.json"))["prediction"]
    shown = project.run("dvc", "exp", "show", "--csv")
    assert "first_model" in shown
    assert "prediction.log_prob" in shown


def test_a_memory_of_ones_own_works_by_its_name(project):
    """The one in the docs: a file, its parameters, and nothing else."""
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    section = text.split("## A memory of your own")[1]
    [code, changes] = re.findall(r"^```(?:python|yaml)\n(.*?)^```", section, re.M | re.S)[:2]
    assert code.count("\n") <= 30
    (project.folder / "src/ostinato/notes/memory/echo.py").write_text(code)
    path = project.folder / "params.yaml"
    path.write_text(
        yaml.safe_dump(merged(yaml.safe_load(path.read_text()), yaml.safe_load(changes)))
    )
    assert project.repro("evaluate") == ["generator", "compose", "evaluate"]
    memory = json.loads(project.read("models/generator/config.json"))["memory"]
    assert memory == {"name": "echo", **yaml.safe_load(changes)["memory"]["echo"]}


def test_two_cold_clones_give_the_same_lock(twins):
    one, other = (yaml.safe_load(project.read("dvc.lock"))["stages"] for project in twins)
    assert len(other) > 12
    assert one == one | other


def test_trained_models_travel(project, tmp_path):
    project.run("dvc", "push")
    shutil.rmtree(project.folder / ".dvc" / "cache")
    shutil.copytree(project.folder / "store", tmp_path / "store")
    elsewhere = project.clone(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "store", elsewhere.folder / "store", dirs_exist_ok=True)
    elsewhere.run("dvc", "pull", "--allow-missing")
    ran = stages(elsewhere.run("dvc", "repro", "evaluate", "encode", "token_compose@letters"))
    assert set(ran) == {
        *("corpus", "dataset", "augment", "compose", "audio", "held_out", "lessons", "encode"),
        *("tokens@letters", "token_compose@letters"),
    }
    for path in (MODEL, "results/compose/piece-01.wav", "data/frames/frames.npy", "dvc.lock"):
        assert elsewhere.read(path) == project.read(path)


def test_a_killed_run_goes_on_and_ends_with_the_same_model(project):
    """Also what is left out at random in training, and averages, are those of a whole run."""
    project.set(generator__training__learning_rate=0.02, generator__training__max_steps=120)
    project.set(generator__sampler="tied", samplers__tied__dropout=0.2)
    project.set(samplers__tied__cells=8, samplers__tied__hidden=8)
    project.set(samplers__tied__match_steps=32, generator__repeating=True)
    uninterrupted = project.copy(project.folder.with_name("uninterrupted"))
    uninterrupted.run("dvc", "repro", "generator")
    for victim in "trainer", "dvc":
        dvc = project.start("dvc", "repro", "generator")
        wait_for(project.checkpoints, "no checkpoint was written")
        (dvc if victim == "dvc" else project.process_of("generator")).kill()
        dvc.communicate()
        assert dvc.returncode != 0
    output = project.run("dvc", "repro", "generator")
    assert stages(output) == ["generator"]
    assert project.read(MODEL) == uninterrupted.read(MODEL)
    curves = "results/generator/curves.tsv"
    assert project.read(curves) == uninterrupted.read(curves)
    assert project.checkpoints() == []


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("temperature:", "temprature:", "compose.temprature is no parameter"),
        ("seed:", "colour: blue\nseed:", "colour is no parameter"),
    ],
)
def test_a_typo_stops_the_run_before_the_first_stage_works(fresh, tmp_path, right, wrong, line):
    project = fresh.clone(tmp_path / "project")
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace(right, wrong))
    output = project.run("dvc", "repro", code=255)
    assert f"params.yaml: {line}" in output
    assert "Traceback" not in output
    assert not (project.folder / "data/corpus").exists()


def test_texts_in_folders_are_classified(project):
    text = project.folder / "data/text"
    (text / "text.txt").unlink()
    for label, word in (("loud", "TUTTI "), ("soft", "piano ")):
        (text / label).mkdir()
        for number in range(8):
            (text / label / f"{number}.txt").write_text(word * (20 + number))
    project.set(tokens__letters__task="classify")
    ran = project.repro("token_compose@letters", "token_evaluate")
    assert ran[:2] == ["tokens@letters", "token_model@letters"]
    assert set(ran[2:]) == {"token_compose@letters", "token_evaluate"}
    metrics = json.loads(project.read("results/token_model/metrics.json"))["letters"]
    assert metrics["logistic_accuracy"] == 1
    assert 0 <= metrics["model_accuracy"] <= 1
    written = project.folder / "results/token_compose/letters"
    assert [path.name for path in written.iterdir()] == ["config.json"]


def test_a_text_without_a_window_is_one_line(project):
    (project.folder / "data/text/text.txt").write_text("viel zu kurz")
    output = project.run("dvc", "repro", "token_model@letters", code=255)
    assert "there have to be more than token_model.letters.window (16)" in output
    assert "Traceback" not in output


def test_an_empty_folder_is_one_line(fresh, tmp_path):
    project = fresh.clone(tmp_path / "project")
    (project.folder / "leer").mkdir()
    project.set(corpus__folder="leer")
    output = project.run("dvc", "repro", code=255)
    assert "corpus.folder: leer holds no file; put MIDI" in output
    assert "Traceback" not in output


def stages(output: str) -> list[str]:
    return re.findall(r"^Running stage '([\w@]+)'", output, re.MULTILINE)
