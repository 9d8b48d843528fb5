"""Humdrum files: spines that split and join, and repeats."""

import pytest

from ostinato.scores.humdrum import read_humdrum
from ostinato.scores.score import UnreadableScore


def table(*lines: str) -> str:
    """A file: columns are divided by spaces here, and chords by plus signs."""
    return "\n".join(line.replace(" ", "\t").replace("+", " ") for line in lines) + "\n"


def test_all_paths_of_a_spine_sound():
    score = read_humdrum(
        table(
            "**kern **kern",
            "*M4/4 *M4/4",
            "=1 =1",
            "* *^",
            "* * *^",
            "1C 2e 2g 4cc",
            ". . . 4dd",
            ". 2f 2a 2ff",
            "* *v *v *v",
            "=2 =2",
            "1D 1d+1f#",
            "*- *-",
        )
    )
    assert score.notes[["onset", "length", "pitch", "part"]].tolist() == [
        (0, 1920, 48, 1), (0, 960, 64, 0), (0, 960, 67, 0), (0, 480, 72, 0), (480, 480, 74, 0),
        (960, 960, 65, 0), (960, 960, 69, 0), (960, 960, 77, 0),
        (1920, 1920, 50, 1), (1920, 1920, 62, 0), (1920, 1920, 66, 0),
    ]  # fmt: skip


def test_pitches_durations_ties_and_grace_notes():
    score = read_humdrum(
        table("**kern", "*M2/4", "*MM90", "=1", "8.C#", "16BB-", "[4ccc", "=2", "qd", "4ccc]", "4r",
              "=3", "3%2c", "=4", "0d", "*-")
    )  # fmt: skip
    assert score.notes[["onset", "length", "pitch"]].tolist() == [
        (0, 360, 49), (360, 120, 46), (480, 960, 84), (1920, 1280, 60), (3200, 3840, 62),
    ]  # fmt: skip
    assert (score.metre, score.tempi[0].bpm) == ("2/4", 90)


def test_other_spines_are_left_out():
    score = read_humdrum(
        table("**dynam **kern **text", "* *M3/4 *", "p 4c la", "f . .", ". 2d .", "*- *- *-")
    )
    assert score.notes["onset"].tolist() == [0, 480]


BODY = ["=1", "4c", "4d", "{0}", "4e", "4f", "=3:|!", "*>B", "2g", "==", "*-"]


@pytest.mark.parametrize(
    ("order", "line", "heard"),
    [
        ("*>[A,A,B]", "=2", "cdefcdefg"),
        ("*>[A,B]", "=2", "cdefg"),
        (None, "=2", "cdefcdefg"),
        (None, "=2!|:", "cdefefg"),
        (None, "=2:|!|:", "cdcdefefg"),
    ],
)
def test_repeats_are_played_as_the_file_says(order, line, heard):
    body = "\n".join(BODY).format(line)
    head = ["**kern", *([order, "*>A"] if order else []), "*M2/4"]
    score = read_humdrum("\n".join([*head, body]))
    pitches = dict(zip("cdefg", (60, 62, 64, 65, 67), strict=True))
    assert score.notes["pitch"].tolist() == [pitches[note] for note in heard]


def test_a_pickup_ends_its_bar_and_a_transposing_instrument_sounds_as_written():
    score = read_humdrum(table("**kern", "*ITrd1c2", "*M3/4", "4g", "=1", "2.cc", "==", "*-"))
    assert score.notes[["onset", "pitch"]].tolist() == [(960, 67), (1440, 72)]


def test_lines_that_cannot_be_read_end_the_piece():
    score = read_humdrum(table("**kern **kern", "*M4/4 *M4/4", "4c 4e", "4d", "4e 4g", "*- *-"))
    assert len(score.notes) == 2
    assert score.mended == ("line 4 and all after it: 1 columns where there are 2",)


def test_without_notes_it_says_why():
    with pytest.raises(UnreadableScore, match="kern"):
        read_humdrum("**text\nla\n*-\n")
