"""What the page says of runs."""

import numpy as np
import pytest
import soundfile
import torch
from making import CONFIG, DECODER
from making_page import TUNE, data_of, make_run

from ostinato.core.models import write_model
from ostinato.notes.system import System
from ostinato.page.build import write_page
from ostinato.page.seen import bar_lines, roll_of
from ostinato.page.sound import mp3
from ostinato.scores.midi import read_midi
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo
from ostinato.scores.wav import RATE


def shelf(data, name):
    return next(each for each in data["shelves"] if each["id"] == name)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_page(folder / "page", [make_run(folder / "run")])
    return folder / "page"


def test_every_piece_is_there_beside_the_song_that_it_begins_as(page):
    items = shelf(data_of(page), "pieces")["items"]
    assert [item["title"] for item in items] == ["Piece 1", "Piece 2"]
    assert items[0]["versions"][0]["files"]["MIDI"].startswith("midi/piece-01-")
    for item in items:
        assert [version["name"] for version in item["versions"]] == ["composed", "the song"]
        for version in item["versions"]:
            assert soundfile.info(page / version["audio"]).duration == pytest.approx(
                version["seconds"], abs=0.01
            )
            assert len(read_midi(page / version["files"]["MIDI"]).notes) == len(
                version["roll"]["notes"]
            )
    composed, song = items[0]["versions"]
    assert composed["roll"]["given"] == song["roll"]["given"] == pytest.approx(4 * 60 / 100)
    # The song in the tempo of the piece: its bars are where those of the piece are.
    assert song["bars"] == composed["bars"][: len(song["bars"])]


def test_bands_have_their_parts_and_drums(page):
    [first, *_] = shelf(data_of(page), "bands")["items"]
    version = first["versions"][0]
    assert version["roll"]["parts"] == [
        {"name": "Lead", "drums": False},
        {"name": "Bass", "drums": False},
        {"name": "Kit", "drums": True},
    ]
    assert version["roll"]["given"] == pytest.approx(4 * 60 / 150, abs=0.01)
    assert first["versions"][1]["name"] == "the song"


def test_tunes_and_sounds_are_there(page):
    data = data_of(page)
    [tune] = shelf(data, "tunes")["items"][0]["versions"]
    assert tune["abc"] == TUNE
    assert tune["begin"] == pytest.approx(3 * 60 / 100)  # a rest stands before the pickup
    assert tune["begin"] < tune["music"] < tune["seconds"]
    names = [version["name"] for version in shelf(data, "improvised")["items"][0]["versions"]]
    assert names == ["improvised", "the piece"]
    for version in shelf(data, "heard")["items"][0]["versions"]:
        assert (page / version["picture"]).stat().st_size > 1000


def test_windows_of_the_blind_test_are_whole_bars_after_what_was_given(page):
    windows = data_of(page)["blind"]
    assert len(windows) >= 2
    given = shelf(data_of(page), "pieces")["items"][0]["versions"][0]["roll"]["given"]
    for window in windows:
        for version in (window["composed"], window["song"]):
            assert version["from"] >= given - 0.01
            assert version["to"] - version["from"] == pytest.approx(4 * 4 * 60 / 100, abs=0.01)
            assert version["to"] < version["seconds"]
            assert 0 < version["volume"] <= 1
        assert max(window[which]["volume"] for which in ("composed", "song")) == 1


def test_figures_stand_beside_those_of_songs(page):
    figures = data_of(page)["figures"]
    [counted] = figures["counted"]
    assert counted["sets"] == ["compositions", "test songs"]
    rows = {row["name"]: row["values"] for row in counted["rows"]}
    assert rows["parallel fifths and octaves"] == [[0.02, 0.01], [0.01, 0.01]]
    assert "alike after 2 bars" not in rows  # not known of every set
    assert figures["curves"][0]["lines"] == [{"points": [[1, 3, 4], [2, 1.5, 2], [3, 1, 4 / 3]]}]
    systems = {row["values"][0]: row["values"] for row in data_of(page)["systems"]["rows"]}
    assert systems["tied-2"][1] == systems["tied"][1] == "ours"
    numbers = next(each for each in figures["numbers"] if each["title"] == "Coding sound")
    assert [row["name"] for row in numbers["rows"]] == ["border ratio, conv"]


def test_runs_are_compared_piece_by_piece(tmp_path):
    first = make_run(tmp_path / "a", "first")
    other = make_run(tmp_path / "b", "other", seed=2)
    write_page(tmp_path / "page", [first, other])
    data = data_of(tmp_path / "page")
    assert data["changes"] == [["seed", 1, 2]]
    versions = shelf(data, "pieces")["items"][0]["versions"]
    assert [version["name"] for version in versions] == ["first", "other", "the song"]
    # What both have is one version.
    tune = shelf(data, "tunes")["items"][0]["versions"]
    assert [version["name"] for version in tune] == ["first = other"]
    numbers = next(each for each in data["figures"]["numbers"] if each["title"] == "Writing keys")
    assert {row["name"]: row["values"] for row in numbers["rows"]}["prediction, nll"] == [1.25] * 2


def test_where_a_memory_reads_is_shown_over_the_roll(tmp_path):
    run = make_run(tmp_path / "run")
    torch.manual_seed(0)
    writer = System(CONFIG, DECODER)
    write_model(run.path("models/generator"), writer.generator, {"kind": "generator"} | CONFIG)
    write_model(run.path("models/decoder"), writer.performer, DECODER)
    write_page(tmp_path / "page", [run])
    version = shelf(data_of(tmp_path / "page"), "pieces")["items"][0]["versions"][0]
    read = version["reading"]
    assert read["step"] == pytest.approx(0.15)  # of four steps a beat, at 100
    assert len(read["weights"]) == 160
    lags = set(writer.generator.memory.lags)
    assert all(lag in lags and 0.05 <= w <= 1 for step in read["weights"] for lag, w in step)


def test_what_a_run_has_not_made_is_left_out(tmp_path):
    run = make_run(tmp_path / "run")
    for name in ("results/evaluate.json", "results/systems.json", "results/compose/piece-02.wav"):
        run.path(name).unlink()
    write_page(tmp_path / "page", [run])
    data = data_of(tmp_path / "page")
    assert data["systems"] is None
    assert data["figures"]["counted"] == []
    assert len(shelf(data, "pieces")["items"]) == 1


def test_the_same_run_gives_the_same_bytes(tmp_path, page):
    write_page(tmp_path / "page", [make_run(tmp_path / "run")])
    names = sorted(path.relative_to(page) for path in page.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "page")
        for path in (tmp_path / "page").rglob("*")
        if path.is_file()
    )
    for name in names:
        assert (page / name).read_bytes() == (tmp_path / "page" / name).read_bytes()


def test_the_page_needs_nothing_from_elsewhere(page):
    for path in page.glob("*.*"):
        if path.name.startswith("abcjs"):
            continue
        text = path.read_text(encoding="utf-8")
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "@import" not in text


def test_bars_and_notes_are_in_seconds_of_the_tempo():
    notes = np.array([(0, 480, 60, 80, 0), (2880, 960, 64, 80, 0)], NOTE)
    metres, tempi = [Metre(0, 4, 4), Metre(1920, 3, 4)], [Tempo(0, 120), Tempo(1920, 60)]
    score = Score(notes, [Part("Flute", 73)], metres, tempi)
    assert bar_lines(score) == [0, 2, 5]
    assert roll_of(score, "480") == {
        "notes": [[0, 0.5, 60, 0, 80, 1], [4, 2, 64, 0, 80, 0]],
        "parts": [{"name": "Flute", "drums": False}],
        "given": 0.5,
    }


@pytest.mark.parametrize("seconds", [0.01, 1, 2.5])
def test_sound_is_as_long_as_it_was_and_begins_when_it_did(tmp_path, seconds):
    def tone(rate):
        moments = np.arange(round(seconds * rate)) / rate
        return (0.5 * np.sin(2 * np.pi * 350 * moments)).astype(np.float32)

    (tmp_path / "a.mp3").write_bytes(mp3(tone(RATE)[:, None].repeat(2, 1)))
    again, rate = soundfile.read(tmp_path / "a.mp3")
    expected = tone(rate)
    assert again.shape == (len(expected), 2)
    inner = slice(rate // 20, -rate // 20)
    assert np.abs(again[inner, 0] - expected[inner]).max(initial=0) < 0.05
