import numpy as np

from ostinato.notes.report.metrics import Copies, recurrence, repetition, self_similarity

RNG = np.random.default_rng(0)


def roll(*chords: tuple[int, list[int]], steps: int = 16) -> np.ndarray:
    result = np.zeros((steps, 88), np.uint8)
    for step, keys in chords:
        result[step, keys] = 1
    return result


def song(seed: int, steps: int = 160) -> np.ndarray:
    rng = np.random.default_rng(seed)
    result = np.zeros((steps, 88), np.uint8)
    for step in range(0, steps, 2):
        result[step, rng.choice(np.arange(30, 60), 3, replace=False)] = 1
    return result


def test_self_similarity_finds_the_lag_at_which_a_piece_repeats():
    bars = [song(seed, 16) for seed in range(2)]
    piece = np.concatenate([bars[0], bars[1]] * 4)
    assert self_similarity(piece, 16, 2) == 1
    assert self_similarity(piece, 16, 1) < 0.5
    assert self_similarity(piece[:16], 16, 1) is None


def test_recurrence_finds_the_most_similar_bar_that_is_near_enough():
    one, two, three, four = (song(seed, 16) for seed in range(4))
    piece = np.concatenate([one, two, three, four, one])
    near, far = recurrence(piece, 16, 3), recurrence(piece, 16, 4)
    assert far - near > 0.1
    assert recurrence(np.concatenate([one, one]), 16, 4) == 1
    assert recurrence(np.concatenate([one, roll(), roll()]), 16, 4) == 0
    assert recurrence(one, 16, 4) is None


def test_a_copied_run_is_found_in_any_transposition_and_nowhere_else():
    known = [song(1), song(2)]
    piece = song(3)
    piece[40:81] = np.roll(known[1][60:101], 5, 1)
    copies = Copies(known)
    assert copies.longest(piece) == 40
    assert copies.longest(song(4)) < 8
    assert copies.longest(known[0]) == 158
    assert copies.longest(roll()) == 0


def test_a_run_does_not_go_on_from_one_song_into_the_next():
    joined = np.concatenate([song(1), song(2)])
    assert Copies([song(1), song(2)]).longest(joined) == 158


def test_repetition_is_the_share_of_onsets_in_runs_that_stand_some_beats_before():
    piece = song(1, 64)
    assert repetition(piece, 4, 16) == 0
    twice = np.concatenate([piece, piece])
    assert repetition(twice, 4, 16) == 0.5
    assert repetition(np.roll(twice, 1, 1), 4, 16) == 0.5
    broken = twice.copy()
    broken[64::8] = 0  # every fourth onset is missing: three in a row at most
    assert repetition(broken, 4, 16) == 0
    assert repetition(np.zeros((32, 88)), 4, 16) is None
    assert repetition(twice, 4, 4) == 0  # eight bars of four steps do not reach so far
