import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from making import (
    CONFIG,
    DECODER,
    PERFORMER,
    WHOLE,
    make_score,
    melody,
    with_drums,
    write_corpus,
)
from making_sound import AUTOENCODER_CONFIGS, PLAYER, SCORE_CREATOR_CONFIGS

from ostinato import folders
from ostinato.cli import OVERVIEW, SHELLS, main
from ostinato.core.models import build, write_model
from ostinato.notes.system import System
from ostinato.scores.corpus import read_score
from ostinato.scores.midi import midi_bytes, read_midi
from ostinato.scores.score import Metre, Part, Tempo
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import FRAME
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.sound.transcriber import Transcriber
from ostinato.tokens.data import events
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken

ROOT = Path(__file__).parents[1]
CONV = AUTOENCODER_CONFIGS["conv"] | {"content": 8, "width": 8, "phase_iterations": 5}
LSTM = SCORE_CREATOR_CONFIGS["lstm"] | {"hidden": 8, "flow": 8}


@pytest.fixture(scope="module", params=["lstm", "player"])
def models(tmp_path_factory, request):
    """A folder of models that improvise with frames, or with notes."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    listener = Transcriber(4)
    with torch.no_grad():
        listener.last.bias.fill_(-0.5)  # hears notes in noise
    write_model(folder / "transcriber", listener, {"channels": 4})
    if request.param == "player":
        player = build(score_creator.PACKAGE, PLAYER)
        write_model(folder / "score_creator", player, {"score_creator": PLAYER})
        system = System(CONFIG, DECODER)
        write_model(folder / "generator", system.generator, {"kind": "generator"} | CONFIG)
        write_model(folder / "decoder", system.performer, DECODER)
        return folder
    encoder = build(autoencoder.PACKAGE, CONV)
    encoder.start(0.1 * torch.randn(8, 2, 8 * FRAME + encoder.overlap))
    write_model(folder / "autoencoder", encoder, {"autoencoder": CONV})
    creator = build(score_creator.PACKAGE, LSTM, 8)
    write_model(folder / "score_creator", creator, {"size": 8, "score_creator": LSTM})
    return folder


def song(path, seconds: float, rate: int = RATE):
    noise = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate))
    soundfile.write(path, noise, rate)
    return str(path)


def test_a_song_goes_on(models, tmp_path):
    """Mono, at another rate, and longer than what is read of it."""
    out = tmp_path / "out.wav"
    arguments = [song(tmp_path / "song.flac", 13, 22_050), "--models", str(models)]
    main(["improvise", *arguments, "-o", str(out), "--seconds", "1"])
    sound, rate = soundfile.read(out)
    assert (rate, sound.shape) == (RATE, (11 * RATE, 2))
    given, _ = soundfile.read(tmp_path / "song.flac")
    # What is given stays as it is.
    at = np.arange(0, 9 * RATE, 2)
    assert np.corrcoef(sound[at, 0], given[at // 2])[0, 1] > 0.95
    assert np.abs(sound[10 * RATE :]).max() > 0
    assert len(read_midi(out.with_suffix(".mid"), pickup=False).notes) > 0
    again, other = tmp_path / "again.wav", tmp_path / "other.wav"
    main(["improvise", *arguments, "-o", str(again), "--seconds", "1"])
    main(["improvise", *arguments, "-o", str(other), "--seconds", "1", "--seed", "2"])
    assert again.read_bytes() == out.read_bytes()
    assert other.read_bytes() != out.read_bytes()


def test_mistakes_are_one_line(models, tmp_path):
    good, short, text = tmp_path / "good.wav", tmp_path / "short.wav", tmp_path / "text.wav"
    song(good, 11)
    song(short, 3)
    text.write_text("no sound")
    out = tmp_path / "out.wav"
    for source, target, folder, line in [
        (short, out, models, "3.00 s of sound, shorter than the 10 s that are needed"),
        (text, out, models, "not a sound file or video that can be read"),
        (tmp_path / "none.wav", out, models, "no such file"),
        (good, tmp_path / "out.mp3", models, "only .wav files are written"),
        (good, out, tmp_path, "holds no model; `dvc pull --allow-missing`"),
    ]:
        with pytest.raises(SystemExit) as error:
            main(["improvise", str(source), "-o", str(target), "--models", str(folder)])
        assert line in str(error.value)
        assert "\n" not in str(error.value)
    assert not out.exists()


def test_a_midi_file_of_a_person_is_not_replaced(models, tmp_path):
    own = tmp_path / "out.mid"
    own.write_bytes(b"mine")
    out = tmp_path / "out.wav"
    with pytest.raises(SystemExit, match=r"out\.mid would be replaced"):
        main(
            ["improvise", song(tmp_path / "song.wav", 11), "-o", str(out), "--models", str(models)]
        )
    assert own.read_bytes() == b"mine"
    assert not out.exists()


def test_what_is_made_when_a_person_stops_it_is_kept(models, tmp_path, monkeypatch, capsys):
    def stopped(*arguments):
        yield np.zeros((2, RATE), np.float32)
        raise KeyboardInterrupt

    monkeypatch.setattr("ostinato.sound.compose.improvise.improvise", stopped)
    out = tmp_path / "out.wav"
    main(["improvise", song(tmp_path / "song.wav", 11), "-o", str(out), "--models", str(models)])
    assert soundfile.info(out).frames == RATE
    assert "stopped" in capsys.readouterr().err


def test_what_has_no_notes_cannot_go_on_by_notes(models, tmp_path):
    deaf = tmp_path / "models"
    shutil.copytree(models, deaf)
    listener = Transcriber(4)
    with torch.no_grad():
        listener.last.bias.fill_(-30.0)
    write_model(deaf / "transcriber", listener, {"channels": 4})
    out = tmp_path / "out.wav"
    arguments = [song(tmp_path / "song.wav", 11), "-o", str(out), "--models", str(deaf)]
    if (models / "autoencoder").exists():
        main(["improvise", *arguments, "--seconds", "1"])
        assert out.exists()
        assert len(read_midi(out.with_suffix(".mid"), pickup=False).notes) == 0
        return
    with pytest.raises(SystemExit) as error:
        main(["improvise", *arguments, "--seconds", "1"])
    assert "no note is heard" in str(error.value)
    assert list(tmp_path.glob("*out*")) == []


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """The folder of a generator, beside which its decoder lies."""
    folder = tmp_path_factory.mktemp("writer")
    torch.manual_seed(0)
    system = System(CONFIG, DECODER)
    write_model(folder / "generator", system.generator, {"kind": "generator"} | CONFIG)
    write_model(folder / "decoder", system.performer, DECODER)
    return folder / "generator"


def test_a_midi_file_goes_on_after_its_last_bar(writer, tmp_path):
    given = melody(3, beats=10, metre=(3, 4))
    (tmp_path / "song.mid").write_bytes(midi_bytes(given))
    out = tmp_path / "longer.mid"
    arguments = ["continue", str(tmp_path / "song.mid"), "--model", str(writer), "--bars", "4"]
    main([*arguments, "-o", str(out)])
    longer = read_midi(out)
    end = 4 * 3 * 480  # ten beats are three bars and a part of the fourth
    known = len(given.notes)
    assert longer.notes[:known].tolist() == given.notes.tolist()
    new = longer.notes[known:]
    assert len(new) > 5
    assert new["onset"].min() >= end
    assert longer.parts == given.parts
    assert (new["onset"] + new["length"]).max() <= end + 4 * 3 * 480
    assert (longer.metre, longer.tempi[0].bpm) == ("3/4", pytest.approx(given.tempi[0].bpm))
    again, other = tmp_path / "again.mid", tmp_path / "other.mid"
    main([*arguments, "-o", str(again)])
    main([*arguments, "-o", str(other), "--seed", "2"])
    assert again.read_bytes() == out.read_bytes()
    assert other.read_bytes() != out.read_bytes()


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """A corpus of songs with a bass, a lead and drums, and a model of their events."""
    folder = tmp_path_factory.mktemp("band")
    songs = {f"{i}": (s, with_drums(i)) for i, s in enumerate(["train", "valid", "test"])}
    settings = events.Settings("all", "remi", 4, 16, 0, [0, 0])
    (folder / "streams").mkdir()
    events.build(folder / "streams", write_corpus(folder / "corpus", songs), settings, None)
    torch.manual_seed(0)
    config = {"kind": "token_model", "network": "transformer", "input": "embedding", "window": 64}
    config |= {"embedding": 8, "hidden": 32, "layers": 1, "dropout": 0.0}
    streams = Streams(folder / "streams")
    config["data"] = streams.config
    model = NextToken(config)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    song = torch.from_numpy(streams["train"].astype(np.int64))
    for step in range(150):
        first = 37 * torch.arange(8) + step
        windows = song[(first[:, None] + torch.arange(65)) % len(song)]
        optimizer.zero_grad()
        model(windows, torch.full((8,), 64)).backward()
        optimizer.step()
    write_model(folder / "events", model, config)
    return folder / "events"


def test_a_song_of_a_band_goes_on_as_a_band(band, tmp_path):
    """Its parts, its tempi, its notes stay, though its lead is an instrument of its own."""
    given = with_drums(7, program=84, tempi=[Tempo(0, 90), Tempo(960, 100)])
    (tmp_path / "song.mid").write_bytes(midi_bytes(given))
    out = tmp_path / "longer.mid"
    arguments = ["continue", str(tmp_path / "song.mid"), "--model", str(band), "--bars", "2"]
    main([*arguments, "-o", str(out), "--temperature", "1"])
    longer = read_midi(out, pickup=False)
    assert longer.parts == given.parts
    assert [t.tick for t in longer.tempi] == [0, 960]
    end = 4 * 1920
    assert longer.notes[longer.notes["onset"] < end].tolist() == given.notes.tolist()
    new = longer.notes[longer.notes["onset"] >= end]
    assert set(new["part"].tolist()) == {0, 1, 2}
    assert (new["onset"] + new["length"]).max() <= end + 2 * 1920
    waltz = replace(given, metres=[Metre(0, 3, 4)])
    (tmp_path / "song.mid").write_bytes(midi_bytes(waltz))
    with pytest.raises(SystemExit, match="the model knows no bars of 3/4, only of 4/4"):
        main([*arguments, "-o", str(out)])


@pytest.mark.parametrize("programs", [(72, 33), (80, 81), (0, 1), (33, 33)])
def test_instruments_that_a_model_does_not_know_play_on(band, tmp_path, programs):
    given = with_drums(7)
    parts = [Part("a", programs[0]), Part("b", programs[1]), given.parts[2]]
    (tmp_path / "song.mid").write_bytes(midi_bytes(replace(given, parts=parts)))
    out = tmp_path / "longer.mid"
    arguments = ["continue", str(tmp_path / "song.mid"), "--model", str(band), "--bars", "2"]
    main([*arguments, "-o", str(out), "--temperature", "1"])
    longer = read_midi(out, pickup=False)
    assert longer.parts == parts
    new = longer.notes[longer.notes["onset"] >= 4 * 1920]
    assert set(new["part"].tolist()) == {0, 1, 2}


def test_a_tempo_after_the_end_of_a_song_does_not_matter(band, tmp_path):
    given = with_drums(7)
    late = replace(given, tempi=[*given.tempi, Tempo(40 * 1920, 80)])
    (tmp_path / "song.mid").write_bytes(midi_bytes(late))
    out = tmp_path / "longer.mid"
    arguments = ["continue", str(tmp_path / "song.mid"), "--model", str(band), "--bars", "2"]
    main([*arguments, "-o", str(out), "--temperature", "1"])
    new = read_midi(out, pickup=False).notes
    assert 4 * 1920 <= new["onset"][new["onset"] >= 4 * 1920].min() < 6 * 1920


def test_folders_that_cannot_be_written_to_or_begun_from_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    songs = tmp_path / "songs"
    songs.mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/dvc.yaml").touch()
    for out, start, line in [
        (songs / "mine", [], "name another folder, not that of a project, and not in"),
        (tmp_path / "project", [], "name another folder, not that of a project"),
        (tmp_path / "out", ["--start", str(tmp_path / "none")], "none: no such folder"),
        (tmp_path / "out", ["--start", str(tmp_path / "project")], "project holds no model"),
    ]:
        with pytest.raises(SystemExit, match=line):
            main(["train", str(songs), "-o", str(out), *start])
        assert not (out / "params.yaml").exists()


def test_a_folder_is_checked_and_learned(tmp_path, monkeypatch, capsys):
    """The stages themselves run, with the project's parameters made small."""
    (tmp_path / "songs").mkdir()
    for seed in range(5):
        (tmp_path / f"songs/{seed}.mid").write_bytes(midi_bytes(with_drums(seed)))
    (tmp_path / "songs/text.txt").write_text("no song")
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "stages").symlink_to(ROOT / "stages")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    small = {"window": 32, "hidden": 32, "embedding": 8, "layers": 1}
    params["token_model"]["events"] |= small
    params["token_compose"]["events"]["tokens"] = 100
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(project)
    main(["check", str(tmp_path / "songs")])
    told = capsys.readouterr().out
    assert "5 songs can be read: 3 to learn, 1 to validate, 1 to test" in told
    assert "text.txt: neither MIDI, MusicXML, ABC nor Humdrum by its name" in told
    assert "`ostinato train` would learn events" in told
    assert len(told.splitlines()) <= 20
    monkeypatch.setitem(
        folders.LEARNING,
        folders.EVENTS,
        {
            "token_model": {"events": {"training": {"max_steps": 2, "validate_every": 1}}},
            "token_compose": {"events": {"pieces": 2}},
        },
    )
    main(["train", str(tmp_path / "songs"), "-o", str(tmp_path / "out")])
    pieces = sorted((tmp_path / "out/results/token_compose/events").glob("*.mid"))
    assert len(pieces) == 2
    assert any(part.drums for part in read_midi(pieces[0], pickup=False).parts)
    assert '"id":"bands"' in (tmp_path / "out/results/page/data.js").read_text()


def test_without_a_command_it_says_in_a_few_lines_what_there_is(capsys):
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 12
    assert lines[2].startswith("  ostinato continue SONG -o NEW.mid")


def test_every_command_has_an_example(capsys):
    commands = [line.split()[1] for line in OVERVIEW.splitlines() if line.startswith("  ostinato")]
    for command in commands:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert f"examples:\n  ostinato {command}" in capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_are_told_the_commands(shell, capsys):
    main(["completion", shell])
    script = capsys.readouterr().out
    assert "improvise" in script
    assert "--bars" in script


def test_the_page_is_written_where_the_project_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"params\.yaml: no such file; run this in the project"):
        main(["page"])


def test_a_midi_file_goes_on_as_sound(writer, tmp_path):
    (tmp_path / "song.mid").write_bytes(midi_bytes(melody(3, beats=8)))
    out = tmp_path / "longer.wav"
    main(["continue", str(tmp_path / "song.mid"), "--model", str(writer), "-o", str(out)])
    sound, rate = soundfile.read(out)
    assert len(sound) / rate > 32 * 4 * 60 / 100  # 32 bars at 100 quarter notes a minute


def test_a_score_of_any_kind_goes_on(writer, tmp_path):
    (tmp_path / "tune.abc").write_text("X:1\nM:3/4\nL:1/4\nK:C\nCDE|FGA|\n")
    out = tmp_path / "longer.mid"
    main(["continue", str(tmp_path / "tune.abc"), "--model", str(writer), "-o", str(out)])
    longer = read_midi(out, pickup=False)
    assert longer.metre == "3/4"
    assert longer.notes["pitch"][:5].tolist() == [60, 62, 64, 65, 67]
    assert longer.notes["onset"].max() > 6 * 480


def test_a_song_that_swings_goes_on_swinging(writer, tmp_path):
    rows = [(480 * i + 320 * k, 120, 60 + (7 * i + k) % 12) for i in range(32) for k in (0, 1)]
    (tmp_path / "swing.mid").write_bytes(midi_bytes(make_score(rows)))
    out = tmp_path / "longer.mid"
    main(["continue", str(tmp_path / "swing.mid"), "--model", str(writer), "-o", str(out)])
    onsets = read_midi(out, pickup=False).notes["onset"]
    assert set((onsets[: len(rows)] % 480).tolist()) == {0, 320}
    new = onsets[onsets >= 32 * 480] % 480
    assert len(new) > 20
    assert set(new.tolist()) <= {0, 160, 320, 400}


@pytest.mark.parametrize(
    ("source", "target", "line"),
    [
        ("song.mid", "out.mp3", ".musicxml and .xml files are written"),
        ("none.mid", "out.mid", "no such file"),
        ("text.mid", "out.mid", "text.mid: "),
        ("silent.mid", "out.mid", "silent.mid: no notes"),
    ],
)
def test_mistakes_with_midi_are_one_line(source, target, line, writer, tmp_path):
    (tmp_path / "song.mid").write_bytes(midi_bytes(melody(3)))
    (tmp_path / "silent.mid").write_bytes(midi_bytes(make_score([])))
    (tmp_path / "text.mid").write_text("no music")
    arguments = [str(tmp_path / source), "-o", str(tmp_path / target), "--model", str(writer)]
    with pytest.raises(SystemExit) as error:
        main(["continue", *arguments])
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / target).exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of models that write whole notes."""
    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(1)
    system = System(WHOLE, PERFORMER)
    write_model(folder / "generator", system.generator, {"kind": "generator"} | WHOLE)
    write_model(folder / "decoder", system.performer, PERFORMER)
    return folder


TUNE = "X:1\nM:6/8\nL:1/8\nK:D\nDEF A2d|f2d A2F|z6|G2B E3|\n"


def test_a_tune_is_harmonised_several_times(whole, tmp_path, capsys):
    (tmp_path / "tune.abc").write_text(TUNE)
    out = tmp_path / "chorale.musicxml"
    options = ["--models", str(whole), "--particles", "4", "--pieces", "2", "--voice", "bass"]
    main(["harmonise", str(tmp_path / "tune.abc"), "-o", str(out), *options])
    for number in (1, 2):
        found, _ = read_score(tmp_path / f"chorale-{number}.musicxml")
        lowest = found.notes[found.notes["part"] == found.notes["part"].max()]
        assert lowest["pitch"].tolist() == [62, 64, 66, 69, 74, 78, 74, 69, 66, 67, 71, 64]
        assert found.metre == "6/8"
    nats = [float(line.split()[2].strip(",")) for line in capsys.readouterr().out.splitlines()]
    assert nats == sorted(nats, reverse=True)


def test_the_example_of_the_readme_writes_what_the_command_does(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(whole)
    (tmp_path / "tune.abc").write_text(TUNE)
    options = ["--pieces", "3", "--particles", "4"]
    main(["harmonise", "tune.abc", "-o", "command.musicxml", *options])
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = text.split("## Write around what you have")[1]
    [code] = re.findall(r"^```python\n(.*?)^```", section.split("\n## ")[0], re.M | re.S)
    exec(code.replace("pieces=3", "pieces=3, particles=4"), {})
    for number in (1, 2, 3):
        commanded, made = (f"{name}-{number}.musicxml" for name in ("command", "chorale"))
        assert Path(made).read_bytes() == Path(commanded).read_bytes()


@pytest.mark.parametrize("suffix", [".mid", ".wav"])
def test_bars_are_filled_and_songs_varied(whole, tmp_path, suffix):
    song = with_drums(3)
    (tmp_path / "song.mid").write_bytes(midi_bytes(song))
    common = ["--models", str(whole), "--particles", "2"]
    for command, more in (("fill", ["--bars", "2-3"]), ("vary", ["--by", "beat"])):
        out = tmp_path / f"{command}{suffix}"
        main([command, str(tmp_path / "song.mid"), "-o", str(out), *more, *common])
        assert out.stat().st_size > 100
        if suffix == ".mid":
            written = read_midi(out, pickup=False)
            assert len(written.notes) > 40
            assert written.notes.tolist() != song.notes.tolist()
            kept = [tuple(note) for note in song.notes[song.drums].tolist()]
            assert set(kept) <= set(map(tuple, written.notes.tolist()))


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("harmonise song.mid -o out.mid", "'Piano': a melody is wanted, and bar 1 has several"),
        ("harmonise tune.abc -o out.mid --voice second", "tune.abc: there is no voice second"),
        ("harmonise none.mid -o out.mid", "none.mid: no such file"),
        ("harmonise song.mid -o song.mid", "song.mid: the song itself would be lost"),
        ("harmonise tune.abc -o out.mid --voice 5", "tune.abc: of 4 voices, none is number 5"),
        ("harmonise tune.abc -o out.pdf", "only .mid, .midi, .wav, .musicxml and .xml files"),
        ("fill song.mid -o out.mid --bars 9", "song.mid: there are bars 1 to 8, and not 9 to 9"),
        ("vary song.mid -o out.mid --by voice", "song.mid: it does not consist of voices"),
    ],
)
def test_mistakes_with_what_is_given_are_one_line(command, line, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.mid").write_bytes(midi_bytes(melody(3)))
    (tmp_path / "tune.abc").write_text(TUNE)
    with pytest.raises(SystemExit) as error:
        main([*command.split(), "--models", str(whole)])
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("out*"))
