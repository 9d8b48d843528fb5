"""How far music can be told from other music."""

import numpy as np
import pytest

from ostinato.notes.report import likeness
from ostinato.notes.report.features import describe
from ostinato.notes.report.likeness import overlaps, told_apart


def windows(seed: int, count: int, keys: range, together: int = 3) -> list:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        roll = np.zeros((32, 88), np.int8)
        for step in range(0, 32, 2):
            roll[step, rng.choice(keys, together, replace=False)] = 1
        found.append(describe(roll, 4, 4))
    return found


ONE, SAME = windows(1, 30, range(30, 50)), windows(2, 30, range(30, 50))
HIGHER, MORE = windows(3, 30, range(36, 56)), windows(4, 30, range(30, 50), 5)
GROUPS = [i // 2 for i in range(30)]
OTHERS = [group + 15 for group in GROUPS]


def test_the_same_kind_of_music_cannot_be_told_apart_and_another_can():
    mean, deviation = told_apart(ONE, GROUPS, SAME, GROUPS)
    assert 0.25 < mean < 0.75
    assert 0 < deviation < 0.1
    assert told_apart(ONE, GROUPS, HIGHER, GROUPS)[0] > 0.95
    assert told_apart(ONE, GROUPS, MORE, GROUPS)[0] == 1


def test_windows_of_a_song_are_not_learned_from_and_tested():
    """Two windows of each song are the same; who had seen one would know the other."""
    ours = [window for window in ONE[:15] for _ in range(2)]
    theirs = [window for window in SAME[:15] for _ in range(2)]
    assert told_apart(ours, GROUPS, theirs, OTHERS)[0] < 0.8
    assert told_apart(ours, [*range(30)], theirs, [*range(30, 60)])[0] > 0.8


def test_few_songs_are_not_divided():
    assert told_apart(ONE, [0] * 30, SAME, GROUPS) is None


def test_distances_between_the_same_kind_of_music_are_as_those_within_it():
    same, other = (overlaps(windows, GROUPS, ONE, OTHERS) for windows in (SAME, MORE))
    assert all(area > 0.85 for area, _ in same.values())
    area, divergence = same["polyphony"]
    assert area == pytest.approx(1, abs=0.01)  # all windows have the same polyphony
    assert divergence == pytest.approx(0, abs=0.01)
    assert other["polyphony"][0] < 0.01
    assert other["polyphony"][1] > 1
    assert other["intervals"][1] >= 0


def test_windows_of_a_song_are_not_compared(monkeypatch):
    """Equal windows of a song would have a distance of 0, and so would a piece and its song."""
    seen = []
    monkeypatch.setattr(likeness, "_overlap", lambda *both: seen.append(both))
    overlaps(ONE[:5] * 2, [*range(5)] * 2, ONE[:5] * 2, [*range(5)] * 2)
    within, between = seen[len(likeness.FIGURES)]  # of pitch class transitions
    assert (len(within), len(between)) == (10 * 9 // 2 - 5, 10 * 10 - 20)
    assert (within > 0).all()
    assert (between > 0).all()


def test_equal_windows_overlap():
    same = overlaps(ONE[:1] * 20, [*range(20)], ONE[:1] * 20, [*range(20)])
    assert same["intervals"] == [1, 0]


def test_two_songs_are_too_few_to_compare_distances():
    assert overlaps(ONE, GROUPS, SAME[:4], GROUPS[:4]) == {}
