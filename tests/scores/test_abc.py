"""ABC: tune books of all kinds, and voices inside lines."""

import re
import time
from pathlib import Path

import pytest

from ostinato.scores import abc
from ostinato.scores.midi import from_bytes, midi_bytes
from ostinato.scores.notation import read_abc, read_notation
from ostinato.scores.score import UnreadableScore

HEAD = "X:1\nT:Tune\nM:4/4\nL:1/4\nK:C\n"
SOUND = [(0, 960, 48, 1), (0, 480, 60, 0), (480, 480, 62, 0), (960, 960, 55, 1), (960, 960, 64, 0),
         (1920, 1920, 48, 1), (1920, 480, 67, 0), (2400, 1440, 72, 0)]  # fmt: skip


@pytest.mark.parametrize(
    "music",
    [
        "V:1\nCDE2|Gc3|\nV:2\nC,2G,2|C,4|\n",
        "[V:1]CDE2|Gc3|\n[V:2]C,2G,2|C,4|\n",
        "[V:tenor]CDE2|[V:bass]C,2G,2|\n[V:tenor]Gc3|[V:bass]C,4|\n",
        "V:a\nCDE2|\nV:b\n[K:C]C,2G,2|\nV:a\nGc3|\nV:b\nC,4|\n[V:b]\n",
        "V:1\nCDE2|\nV:2\nC,2G,2|\nV:1\nGc3|\nV:2\nC,4|\n",
        "V:S clef=treble\nCDE2|\n\nV:B\nC,2G,2|\n\nV:S\nGc3|\n\nV:B\nC,4|\n",
        "V:S\nCDE2|Gc3|\nd:*HT\ns:* !trill!\n\nV:B\nC,2G,2|C,4|\n",
        "CDE2 & C,2G,2|Gc3 & C,4|\n",
        '"C"CDE2 & C,2G,2|Gc3&C,4|\n',
    ],
)
def test_voices_begin_together(music):
    score = read_abc(HEAD + music)
    assert score.notes[["onset", "length", "pitch", "part"]].tolist() == SOUND


def test_voices_are_in_the_order_of_the_head():
    score = read_abc(HEAD.replace("K:", "V:up\nV:unused\nV:low\nK:") + "V:low\nC4|\nV:up\nE4|\n")
    assert score.notes[["pitch", "part"]].tolist() == [(60, 1), (64, 0)]


@pytest.mark.parametrize(
    "text",
    [
        "%%begintext\nA bad beggar | e2\n%%endtext\nCDEF|\n",
        "CDEF|\n\nA cabbage, and\nmany words.\n\n",
        "CDEF|\n\n%%begintext\n\nab|e260\n%%endtext\n",
        "%%begintext\nba|d\n%%endtext\n%%beginsvg\nCDEF|\n",
    ],
)
def test_prose_is_no_music(tmp_path: Path, text):
    path = tmp_path / "a.abc"
    path.write_text(HEAD + text + "\n" + HEAD + text)
    for score in read_notation(path):
        assert score.notes["pitch"].tolist() == [60, 62, 64, 65]


@pytest.mark.parametrize(
    ("bar", "beats"), [("CDEF", 4), ("(3CDEF2", 4), ("C>DE2", 4), ("[CE]2z2", 4), ("{g}C/D/", 1)]
)
def test_an_overlay_is_silent_in_bars_without_it(bar, beats):
    score = read_abc(HEAD + f"{bar}|C4&C,4|\n")
    [low] = score.notes[score.notes["pitch"] == 48]
    first = score.notes[score.notes["pitch"] == 60]["onset"].max()
    assert low["onset"] == first
    rest = 0 if beats == 4 else (4 - beats) * 480
    assert low["onset"] - rest == beats * 480


@pytest.mark.parametrize(
    ("music", "onsets"),
    [
        ("CG2D|Z2|E", [0, 1, 3, 12]),
        ("CG2D|X|E", [0, 1, 3, 8]),
        ("CG2D|[M:3/4]Z|[L:1/8]E", [0, 1, 3, 7]),
        ("CG2D|Z&C4|E", [0, 1, 3, 4, 8]),
        ("Cx2Dy3E", [0, 3, 4]),
        ("TCHD~uE2é4", [0, 1, 2]),
        ("J[CE]2!trill!h4D", [0, 0, 2]),
        ('"Zx"C{Tx}DE', [0, 1, 2]),
        ("CG2D|\nE4:|", [0, 1, 3, 4, 8, 9, 11, 12]),
    ],
)
def test_symbols_are_no_notes_and_rests_last(music, onsets):
    score = read_abc(HEAD + f"{music}|\n")
    assert (score.notes["onset"] / 480).tolist() == onsets


def test_the_rest_of_a_long_bar_may_have_a_metre_of_triplets():
    score = read_abc(HEAD + "CDEF|" + "(3C/D/E/" * 37 + "F/4|CDEF|\n")
    assert len(score.notes) == 4 + 3 * 37 + 1 + 4
    assert [str(metre) for metre in score.metres] == ["4/4", "5/16", "4/4"]


def test_a_metre_that_midi_does_not_have_is_left_out_after_a_long_bar():
    score = read_abc("X:1\nM:3/44\nL:1/8\nK:C\nCDEF|CDEF|\n")
    assert from_bytes(midi_bytes(score)).metres == score.metres
    assert all(metre.unit == 4 for metre in score.metres)


def test_tunes_of_many_long_bars_take_no_time():
    begun = time.process_time()
    score = read_abc(HEAD + "CDEF|CDEFG|" * 600 + "\n")
    assert len(score.notes) == 9 * 600
    assert time.process_time() - begun < 7  # with beams, it is over 14


@pytest.mark.parametrize(
    ("tune", "why"),
    [
        ("X:1\nM:none\nL:1/4\nK:C\nC|Z2|\n", "Z2, a rest of whole bars, without a metre"),
        (HEAD + "Z600|C|X600|\n", "rests of over 1,000 bars"),
        ("X:1\nM:100/4\nK:C\nC|Z2|\n", "Z2, a rest of whole bars, of over 16 whole notes"),
        (f"X:1\nM:4/4\nL:{'1' * 5000}/{'1' * 5000}\nK:C\nZ|C|\n", "music21: ValueError"),
    ],
)
def test_rests_without_a_known_length_are_refused(tune, why):
    refused = read_abc(tune)
    assert isinstance(refused, UnreadableScore)
    assert str(refused).startswith(why)


def test_the_ampersand_of_a_chord_symbol_is_no_overlay():
    score = read_abc(HEAD + '"C & G"CDEF|\n')
    assert score.notes["part"].tolist() == [0] * 4


@pytest.mark.parametrize(
    ("data", "titles"),
    [
        ("\ufeffX:1\nT:Größe\nK:C\nCDEF|\n".encode(), ["Größe"]),
        ("X:1\r\nT:Caf\xe9\r\nK:C\r\nCDEF|\r\n".encode("latin-1"), ["Café"]),
        (b"X:1\rT:Old Mac\rK:C\rCDEF|\r", ["Old Mac"]),
        (b"%abc-2.1\n\nSome words.\n\n X:1\n T:One\n K:C\n CDEF|\n\n X:2\n T:Two\n K:C\n C4|\n",
         ["One", "Two"]),
    ],
)  # fmt: skip
def test_texts_of_all_kinds_are_read(tmp_path: Path, data, titles):
    path = tmp_path / "book.abc"
    path.write_bytes(data)
    assert [score.title for score in read_notation(path)] == titles


@pytest.mark.parametrize(
    ("tune", "reason"),
    [
        ("M:2147483647/4\nK:C\nCDEF|", "the metre 2147483647/4, over 128 beats"),
        ("M:1e309/4\nK:C\nCDEF|", "the metre 1e309/4"),
        ("M:4/4\nK:C\nCD[M:999/4]EF|", "the metre 999/4"),
        ("M:4/4\nL:65536/8\nK:C\nCDEF|", "notes of 8,192 whole notes, over 16"),
        ("M:4/4\nL:1/8\nK:C\nC999|", "the note C999, over 16 whole notes"),
        ("M:4/4\nL:2/1\nK:C\n[C,4E]3|", r"the note \[C,4E\]3"),
        (f"M:4/4\nK:C\nz{'9' * 5000}|", "the note z99999"),
    ],
)
def test_what_would_take_minutes_is_refused(tune, reason):
    assert re.match(reason, str(read_abc(f"X:1\n{tune}\n")))


@pytest.mark.parametrize("repeated", ["\n", "{", "[", "[V:", "[M:", '"a', "(", "[C|"])
def test_what_is_repeated_without_end_takes_no_time(repeated):
    tune = f"X:1\nL:1/8\nK:C\n{repeated * 20_000}CDE|\n"
    begun = time.process_time()
    abc.check(tune)
    abc.plain(tune)
    assert time.process_time() - begun < 5  # with a quadratic expression, it is over 10


def test_numbers_that_are_no_lengths_may_be_large():
    tune = 'X:1999\nT:1234567\nM:4/4\nL:1/8\nQ:1/4=200\nK:C\n"Am999"C2 !500! {c999} D128 % e999\n'
    assert read_abc(tune).notes["pitch"].tolist() == [60, 62]
