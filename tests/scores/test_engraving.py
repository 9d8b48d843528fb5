"""Notation: what is written is what notation programs read."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_score, with_drums

from ostinato.scores.corpus import read_score
from ostinato.scores.engraving import musicxml_bytes
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy

NOTES = st.lists(
    st.tuples(st.integers(0, 64), st.integers(1, 12), st.integers(36, 84), st.integers(0, 1)),
    min_size=1, max_size=30,
)  # fmt: skip


def read_back(score: Score, folder: Path) -> Score:
    (folder / "score.musicxml").write_bytes(musicxml_bytes(score))
    return read_score(folder / "score.musicxml")[0]


def rows(score: Score) -> list[tuple[int, ...]]:
    names = "onset", "length", "pitch"
    return sorted(tuple(int(note[name]) for name in names) for note in score.notes)


@given(NOTES, st.sampled_from([(4, 4), (3, 4), (6, 8)]))
@settings(max_examples=15, deadline=None)
def test_what_is_written_is_read_again(tmp_path_factory, notes, metre):
    """Chords, voices that overlap, ties over bar lines, and two parts."""
    array = np.array(
        [(120 * on, 120 * long, pitch, 80, part) for on, long, pitch, part in notes], NOTE
    )
    used = sorted({part for *_, part in notes})
    array["part"] = np.searchsorted(used, array["part"])
    parts = [Part(f"Part {number}", 40 * number) for number in used]
    score = Score(tidy(array), parts, [Metre(0, *metre)], [Tempo(0, 96.0)], "Both")
    again = read_back(score, tmp_path_factory.mktemp("notation"))
    assert rows(again) == rows(score)
    assert again.metre == score.metre
    assert [part.name for part in again.parts] == [part.name for part in score.parts]
    assert again.tempi == score.tempi


def test_triplets_and_a_change_of_metre(tmp_path):
    score = make_score([(160 * i, 160, 60 + i) for i in range(12)])
    score = Score(score.notes, score.parts, [Metre(0, 2, 4), Metre(960, 3, 4)], score.tempi)
    again = read_back(score, tmp_path)
    assert rows(again) == rows(score)
    assert again.metres == score.metres


@pytest.mark.parametrize(
    ("pitches", "fifths", "names"),
    [
        ([62, 66, 69, 62, 64, 66, 67, 69, 71, 73, 74], 2, {"C#", "F#"}),
        ([65, 67, 69, 70, 72, 74, 76, 77, 72, 69, 65, 60, 65], -1, {"B-"}),
        ([57, 59, 60, 62, 64, 65, 68, 69, 57, 64, 68, 69], 0, {"G#"}),
    ],
)
def test_notes_have_the_names_of_their_key(pitches, fifths, names):
    score = make_score([(480 * i, 480, pitch) for i, pitch in enumerate(pitches)])
    root = ElementTree.fromstring(musicxml_bytes(score))
    assert root.find(".//key/fifths").text == str(fifths)
    found = {
        pitch.findtext("step") + {"1": "#", "-1": "-"}[pitch.findtext("alter")]
        for pitch in root.iter("pitch")
        if pitch.findtext("alter", "0") != "0"
    }
    assert found == names


def test_drums_are_left_out(tmp_path):
    score = with_drums(1)
    again = read_back(score, tmp_path)
    assert [part.name for part in again.parts] == ["Lead", "Bass"]
    assert len(again.notes) == len(score.pitched)


def test_every_part_has_whole_bars_of_notes_and_rests_after_the_pickup(tmp_path):
    rows = [(1440, 480, 72, 80, 0), (1920, 960, 74, 80, 0), (3840, 480, 72, 80, 0)]
    rows += [(2400, 480, 48, 80, 1)]
    parts = [Part("Soprano"), Part("Bass")]
    notes = tidy(np.array(rows, NOTE))
    score = Score(notes, parts, [Metre(0, 4, 4)], [Tempo(0, 96.0)], "")
    root = ElementTree.fromstring(musicxml_bytes(score))
    for part in root.findall("part"):
        first, *others = part.findall("measure")
        assert first.get("implicit") == "yes"
        beats = [sum(int(each.text) for each in bar.iter("duration")) for bar in (first, *others)]
        assert beats == [beats[0], 4 * beats[0], 4 * beats[0]]
        assert [each.get("number") for each in others] == ["1", "2"]
    assert not root.findall(".//note[@print-object='no']")
    assert root.find(".//creator") is None
    assert read_back(score, tmp_path).notes["onset"].tolist() == notes["onset"].tolist()
