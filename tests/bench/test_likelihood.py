"""The benchmark of the likelihood: a figure of papers has to be what they mean by it."""

import argparse
import json
import math
import shutil
from pathlib import Path

import likelihood
import numpy as np
import pytest
import scipy.io
import torch
import yaml
from making import positions

from ostinato.core import files, training
from ostinato.core.errors import UserError
from ostinato.core.params import Params, read_params
from ostinato.notes.data.songs import Songs
from ostinato.notes.fit.generator import config_of
from ostinato.notes.generator import Generator
from ostinato.scores.sources import SPLITS

PARAMS = Path(__file__).parents[2] / "params.yaml"
TINY = [
    "threads=1",
    "augment.steps=8",
    "augment.hop=8",
    "memory.none.local=4",
    "memory.none.aggregation=4",
    "samplers.tied.cells=4",
    "samplers.tied.hidden=4",
    "samplers.tied.match_steps=6",
]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with params.yaml, which is the current one."""
    shutil.copy(PARAMS, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTINATO_CACHE", "")  # which the benchmark sets
    return tmp_path


def songs() -> dict[str, list[np.ndarray]]:
    """Songs of very different lengths, one of them silent."""
    numbers = np.random.default_rng(1)
    lengths = {"train": [20, 1, 9], "valid": [12, 3], "test": [2, 25, 5]}
    cells = {
        split: [(numbers.random((length, 88)) < 0.03).astype(np.uint8) for length in lengths[split]]
        for split in SPLITS
    }
    cells["train"][1][:] = 0
    return cells


def write(path: Path, cells: dict[str, list[np.ndarray]]) -> Path:
    """Write songs as MATLAB does."""
    arrays = {}
    for split, rolls in cells.items():
        arrays[f"{split}data"] = np.empty((1, len(rolls)), object)
        arrays[f"{split}data"][0] = rolls
    scipy.io.savemat(path, arrays)
    return path


def run(monkeypatch, data: Path, *options: str) -> None:
    argv = ["likelihood.py", "--data", str(data), "--set", *TINY, *options]
    monkeypatch.setattr("sys.argv", argv)
    likelihood.main()


def parameters(work: Path, *settings: str) -> Params:
    """What the benchmark takes from the current folder's params.yaml."""
    work.mkdir()
    return likelihood.check(likelihood.choose([*TINY, *settings], "cpu"), songs(), work)


@torch.no_grad()
@pytest.mark.parametrize("memory", ["none", "history_user"])
def test_every_frame_of_every_song_counts_once(project, memory):
    params, cells = parameters(project / "work", f"generator.memory={memory}"), songs()
    torch.manual_seed(3)
    network = Generator(config_of(params, 4)).eval()
    likelihood.write_dataset(project, cells, lengths=False)
    found = likelihood.frame_nats(network, Songs(project), "test")
    expected = []
    for frames in cells["test"]:
        notes = torch.from_numpy(frames.astype(np.float32))[None]
        past = notes.new_zeros(1, network.context_length, 88)
        begin = network.initial(past, positions(0, steps=notes.shape[1]))
        for step in range(notes.shape[1]):
            log_prob, begin = network.log_prob(notes[:, step : step + 1], begin, None)
            expected.append(-log_prob.item())
    np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-4)
    # Averages of models rest on it.
    assert np.array_equal(likelihood.frame_nats(network, Songs(project), "test"), found)


def test_the_average_is_that_of_probabilities():
    probs = np.array([[0.5, 0.1, 1e-300], [0.25, 0.3, 1e-310]])
    found = likelihood.average(list(-np.log(probs)))
    np.testing.assert_allclose(found, -np.log(probs.mean(0)), rtol=1e-6)


def test_what_is_written_repeats_the_run(project, monkeypatch, capsys):
    data = write(project / "Two.mat", songs())
    run(monkeypatch, data, "--steps", "3", "--models", "2")
    found = files.read_json(project / "results/likelihood/Two.json")
    printed = capsys.readouterr().out
    assert f"test NLL: {found['test']:.4f}" in printed
    assert found["models"][found["chosen"] - 1]["valid"] == found["valid"]
    assert found["valid"] == min(each["valid"] for each in found["models"])
    assert found["sampler"]["cells"] == 4
    run(monkeypatch, data, "--steps", str(found["steps"]), "--models", "2", "--out", "again.json")
    again = files.read_json(project / "again.json")
    for name in ("test", "test_average", "valid", "valid_average", "chosen", "weights", "sha256"):
        assert again[name] == found[name]
    assert again["models"][0]["valid"] != again["models"][1]["valid"]


def test_the_test_songs_decide_nothing(project, monkeypatch):
    cells, found = songs(), []
    for name in ("One", "Two"):
        run(monkeypatch, write(project / f"{name}.mat", cells), "--steps", "3", "--models", "2")
        found.append(files.read_json(project / f"results/likelihood/{name}.json"))
        cells["test"] = cells["test"][:1]
    one, two = found
    assert one["test"] != two["test"]
    assert (one["valid"], one["valid_average"]) == (two["valid"], two["valid_average"])
    histories = [
        [[(row["train"], row["valid"]) for row in model["history"]] for model in each["models"]]
        for each in found
    ]
    assert histories[0] == histories[1]


def test_a_trial_leaves_the_test_songs_alone(project, monkeypatch, capsys):
    data = write(project / "Two.mat", songs() | {"test": [np.ones((3, 88), np.uint8)]})
    limited = [
        "--steps",
        "2",
        "--set",
        "generator.sampler=ordered",
        "samplers.ordered.max_notes=12",
    ]
    run(monkeypatch, data, "--trial", *limited)
    assert "test" not in capsys.readouterr().out
    assert not (project / "results").exists()
    with pytest.raises(SystemExit, match="testdata, song 1: up to 88 keys"):
        run(monkeypatch, data, *limited)


def test_what_was_trained_is_kept_if_the_end_fails(project, monkeypatch):
    frame_nats = likelihood.frame_nats

    def failing(model, songs, split):
        if split == "test":
            raise MemoryError
        return frame_nats(model, songs, split)

    data, folder = write(project / "Two.mat", songs()), project / "results/likelihood"
    with monkeypatch.context() as patch:
        patch.setattr(likelihood, "frame_nats", failing)
        with pytest.raises(MemoryError):
            run(patch, data, "--steps", "2")
    assert [path.name for path in folder.iterdir()] == ["Two.unfinished.json"]
    assert files.read_json(folder / "Two.unfinished.json")["valid"] > 0
    run(monkeypatch, data, "--steps", "2")
    assert [path.name for path in folder.iterdir()] == ["Two.json"]


def test_a_budget_is_a_number_of_steps_with_their_validations(project, monkeypatch):
    """A step takes 0.5 s, a validation 30 s but for the probes, and what starts once 7 s."""
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def fit(task):
        valid = len(Songs(project / "work/dataset").of("valid"))
        clock[0] += 0.5 * task.settings.max_steps + 7 * (clock[0] == 0) + (valid == 1)

    def nats(model, songs, split):
        clock[0] += 30 * (len(songs.of(split)) == 2)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(likelihood, "frame_nats", nats)
    params = parameters(project / "work", "generator.training.validate_every=20")

    def plan(minutes: float, models: int) -> tuple[int, int]:
        options = argparse.Namespace(budget=minutes, models=models, device="cpu")
        return likelihood.plan(options, params, songs(), project / "work")

    found = plan(100, 3)
    every = 300  # so that 30 s are a fifth of 300 * 0.5 s
    spent = 7 + 3 + 0.5 * sum(likelihood.PROBES) + 30
    end = 30 + 30 + 30 * 32 / 15  # by frames: the test songs have 32, those for validation 15
    assert found == (math.floor(((100 * 60 - spent) / 3 - end) / (0.5 + 30 / every)), every)
    for minutes in (0.3, 0.4, 2):  # over while steps are measured, then the validation, and the end
        with pytest.raises(UserError, match="too few"):
            plan(minutes, 1)


REFUSED = {
    "generator.sampler=banning": "banning only bounds the likelihood",
    "generator.sampler=linear": "linear as it is set cannot draw all frames of traindata, song 1",
    "generator.sampler=best": "'best' is no sampler",
    "generator.samplers=tied": "generator.samplers is no parameter",
    "samplers.tied.cells=many": "samplers.tied.cells",
    "seed=5": "--set seed=5: models have the seeds",
    "generator.training.max_steps=5": "say --steps",
    "generator.keys=12": "frames have 88 keys",
    "samplers.tied.cells=[": "is not YAML",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_settings_that_have_no_exact_likelihood_are_refused(project, monkeypatch, setting):
    data = write(project / "Two.mat", songs())
    with pytest.raises(SystemExit, match=REFUSED[setting]):
        run(monkeypatch, data, "--steps", "1", "--trial", "--set", setting)


def test_options_are_checked_before_anything_is_trained(project, monkeypatch, capsys):
    data = write(project / "Two.mat", songs())
    (project / "file").touch()
    for option, value, message in (
        ("--budget", "nan", "minutes above 0"),
        ("--budget", "0", "minutes above 0"),
        ("--steps", "0", "1 at least"),
        ("--out", ".", "a folder"),
        ("--out", "file/Two.json", "file/Two.json: "),
        ("--device", "none", "--device none: "),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(monkeypatch, data, option, value)
        assert message in capsys.readouterr().err


def test_files_of_another_kind_are_refused(project):
    path = project / "Two.mat"
    with pytest.raises(UserError, match="no such file"):
        likelihood.read_collection(path)
    for cut in (b"MATLAB 7.3", b"MATLAB 5.0 MAT-file".ljust(100)):
        path.write_bytes(cut)
        with pytest.raises(UserError, match="no whole MATLAB file"):
            likelihood.read_cells(path)
    cells = songs()
    write(path, {"train": cells["train"], "test": cells["test"]})
    with pytest.raises(UserError, match="no cell array validdata"):
        likelihood.read_cells(path)
    for wrong in (np.zeros((4, 87)), np.full((4, 88), 2.0), np.zeros((0, 88))):
        write(path, cells | {"valid": [cells["valid"][0], wrong]})
        with pytest.raises(UserError, match="validdata, song 2 is not an array of frames"):
            likelihood.read_cells(path)
    write(path, cells)
    for split, rolls in likelihood.read_cells(path).items():
        assert all(np.array_equal(*both) for both in zip(rolls, cells[split], strict=True))


def chorales(seed: int, frames: int) -> list[list[int]]:
    """Four parts that move sometimes; two of them sing the same key sometimes, or nothing."""
    numbers = np.random.default_rng(seed)
    voices, found = [72, 67, 60, 48], []
    for _ in range(frames):
        moves = numbers.integers(-2, 3, 4) * (numbers.random(4) < 0.3)
        voices = [voice + int(move) for voice, move in zip(voices, moves, strict=True)]
        heard = [-1 if numbers.random() < 0.05 else voice for voice in voices]
        if len(found) in (0, frames - 1):
            heard = list(voices)
        found.append([heard[0], heard[0] if numbers.random() < 0.1 else heard[1], *heard[2:]])
    return found


def test_keys_that_go_on_are_one_note(tmp_path):
    frames = np.zeros((5, 88), np.uint8)
    frames[0:3, 40] = frames[4, 40] = frames[2:4, 47] = 1
    cells = {"train": [frames, frames[1:]]}
    likelihood.write_dataset(tmp_path, cells, lengths=True)
    songs = Songs(tmp_path, "notes")
    held = frames.astype(int)
    held[1:3, 40], held[3, 47] = -1, -1
    assert (songs.roll(0, 0, 5) == held).all()
    assert (songs.roll(1, 0, 4)[1:] == held[2:]).all()


@torch.no_grad()
def test_a_key_that_sounds_cannot_be_struck_again(project):
    torch.manual_seed(0)
    path = project / "sixteenths.yaml"
    values = likelihood.choose(TINY, "cpu", sixteenths=True)
    path.write_text(yaml.safe_dump(values))
    model = Generator(config_of(read_params(path), 4)).eval()
    notes = torch.zeros(2, 3, 88)
    notes[:, :, 40] = torch.tensor([[1.0, -1.0, -1.0], [1.0, -1.0, 1.0]])

    def nats() -> torch.Tensor:
        begin = model.initial(torch.zeros(2, model.context_length, 88), positions(0, 0, steps=3))
        return model.log_prob(notes, begin, torch.zeros(2, 3, model.num_uniforms))[0][:, 2]

    before = nats()
    likelihood.only_hold(model)
    held, again = nats().tolist()
    assert before[1] > -100 > again
    assert held > before[0]


def test_all_lengths_of_songs_have_a_probability_of_one_together():
    known = np.array([100, 132, 148, 196, 132, 260])
    nats = likelihood.nats_of_length(known, np.arange(1, 200_000))
    assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-3)
    likely, rare = likelihood.nats_of_length(known, np.array([132, 133]))
    assert likely < rare - 1


def test_bars_end_with_the_song(tmp_path):
    frames = np.ones((36, 88), np.uint8)
    likelihood.write_dataset(tmp_path, {"valid": [frames, frames[:32]]}, lengths=True)
    assert [[bar.bar for bar in bars] for bars in Songs(tmp_path).bars] == [[4, 16], [16]]


def test_silence_that_would_tell_too_much_is_refused(project):
    cells = songs()
    values = likelihood.choose(TINY, "cpu", sixteenths=True)
    with pytest.raises(UserError, match="true is for chorales in sixteenths"):
        likelihood.choose([*TINY, "generator.metre=true"], "cpu")
    cells["valid"][0][-1] = 0
    with pytest.raises(UserError, match="valid, song 1 begins or ends in silence"):
        likelihood.check(values, {"valid": cells["valid"]}, project)


@pytest.mark.parametrize("splits", [SPLITS, SPLITS[:2]])
def test_chorales_of_four_parts_are_measured_in_nats_a_token(project, monkeypatch, splits, capsys):
    songs = {split: [chorales(i, 20 + i) for i in (1, 2, 3)] for split in splits}
    data = project / "four.json"
    data.write_text(json.dumps(songs))
    monkeypatch.setattr("four_parts.EPOCHS", 1)
    run(monkeypatch, data, "--steps", "2")
    found = files.read_json(project / "results/likelihood/four.json")
    assert set(found["tokens"]) == set(splits) - {"train"}
    for split, nats in found["tokens"].items():
        assert found["lengths"][split] > 0
        parts = found["divided"][split] + found["lengths"][split]
        assert nats == pytest.approx(found[split] / 4 + parts)
    printed = capsys.readouterr().out
    assert all(
        f"{split}: {nats:.4f} nats a token" in printed for split, nats in found["tokens"].items()
    )


def test_wrong_chorales_are_one_line(tmp_path):
    path = tmp_path / "some.json"
    good = {split: [chorales(1, 4)] for split in SPLITS}
    for content, line in (
        ("[", "no JSON"),
        ("[1]", "no songs under train and valid"),
        (json.dumps({"train": []}), "no songs under train and valid"),
        (json.dumps(good | {"valid": [[[60, 62, 64]]]}), "valid, song 1 is not frames of four"),
        (json.dumps(good | {"test": [good["test"][0], [[5, 1, 1, 1]]]}), "test, song 2 is not"),
        (json.dumps(good | {"train": [[[60, 60, 60, "C"]]]}), "train, song 1 is not"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=line) as error:
            likelihood.read_collection(path)
        assert "\n" not in str(error.value)
