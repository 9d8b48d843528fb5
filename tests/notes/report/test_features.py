"""What is counted in whole notes."""

import numpy as np

from ostinato.notes.report import features


def roll(*voices: str) -> np.ndarray:
    """Voices as strings: a letter strikes its key (a is 0), a dash holds it, a point is silent."""
    found = np.zeros((len(voices[0]), 88), np.int8)
    for voice in voices:
        key = 0
        for step, sign in enumerate(voice):
            if sign == "-":
                found[step, key] = -1
            elif sign != ".":
                key = ord(sign) - ord("a")
                found[step, key] = 1
    return found


def test_notes_and_their_lengths():
    some = roll("a-b-b-", "h---..")
    assert sorted(features.note_lengths(some)) == [2, 2, 2, 4]
    assert features.polyphony(some).tolist() == [2, 2, 2, 2, 1, 1]
    assert sorted(features.note_lengths(some[1:])) == [1, 2, 2, 3]


def test_dissonance_is_a_share_of_sounding_steps():
    assert features.dissonance(roll("aaaa..", "hbgm..")) == 0.5


def test_moves_of_the_top_voice_leave_out_repeated_notes():
    assert features.moves(roll("aaccba", "......")).tolist() == [2, -1, -1]


def test_parallels_are_of_outer_voices_that_both_move():
    assert features.parallels(roll("abcc", "hijj"), 1) == 1
    assert features.parallels(roll("abcc", "hhjk"), 1) == 0
    assert features.parallels(roll("acb", "hji"), 1) == 1
    assert features.parallels(roll("ab", "mm"), 1) == 0


def test_windows_are_of_eight_bars():
    song = np.tile(roll("abcd"), (10, 1))
    assert [len(part) for part in features.windows(song, 2)] == [16, 16]
    assert [len(part) for part in features.windows(song, 8)] == [40]


def test_the_summary_is_over_windows():
    song = np.concatenate([roll("a-a-a-a-"), roll("abababab")])
    found = features.summary([song], [1], 1)
    assert found["note_length"] == [1.5, 0.5]
    assert found["struck"] == [0.75, 0.25]
    assert found["top_by_step"] == [0.5, 0.5]
