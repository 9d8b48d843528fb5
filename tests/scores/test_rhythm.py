"""Rhythm: grids, swing, metres and beats are found in notes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_score

from ostinato.scores.beats import performed
from ostinato.scores.grid import find_grid, places, straightened, without_swing
from ostinato.scores.rhythm import FILE, NOTES, aligned
from ostinato.scores.score import NOTE, Metre, Score, Tempo, seconds

BAR_OF_FOUR = [(0, 960, 48), (0, 480, 64), (480, 240, 67), (720, 240, 65), (960, 960, 55),
               (960, 480, 64), (1440, 480, 60)]  # fmt: skip
BAR_OF_THREE = [(0, 480, 36), (0, 1440, 76), (480, 480, 60), (480, 480, 64), (960, 480, 60),
                (960, 480, 64)]  # fmt: skip
EIGHTHS = [(0, 960, 48), (960, 960, 52), *((240 * i, 240, 60 + i % 3 * 4) for i in range(8))]
ROOTS = [0, 5, 7, 0, 9, 2, 7, 0]


def piece(bar: list[tuple[int, int, int]], length: int, late: int = 0) -> Score:
    """Sixteen bars, whose harmony changes with each."""
    notes = [
        (number * length + onset + late, lasting, pitch + ROOTS[number % 8])
        for number in range(16)
        for onset, lasting, pitch in bar
    ]
    return make_score(notes)


def without_metre(score: Score) -> Score:
    return replace(score, metre_known=False)


@pytest.mark.parametrize("steps", [4, 6, 8, 12])
@pytest.mark.parametrize("late", [-25, 0, 31])
def test_a_grid_is_as_fine_as_notes_need(steps, late):
    numbers = np.random.default_rng(1)
    onsets = np.unique(numbers.integers(0, 64 * steps, 300)) * 480 // steps + 480 + late
    grid = find_grid(onsets)
    step = 480 / steps
    assert grid.steps == steps
    assert (grid.offset - late + step / 2) % step - step / 2 == pytest.approx(0, abs=1)
    assert abs(grid.offset) <= step / 2 + 1
    assert grid.share > 0.95


def test_a_few_stray_notes_need_no_finer_grid():
    onsets = np.sort(np.append(np.arange(0, 480 * 64, 120), [37, 4000 + 40]))
    assert find_grid(onsets).steps == 4


def test_notes_played_to_a_click_are_on_their_steps():
    numbers = np.random.default_rng(2)
    onsets = np.arange(0, 480 * 64, 240) + numbers.integers(-24, 25, 128)
    grid = find_grid(np.maximum(onsets, 0))
    assert (grid.steps, grid.swing) == (4, 0.5)
    assert 10 < grid.spread < 17


def test_onsets_at_random_have_no_grid():
    assert find_grid(np.sort(np.random.default_rng(3).integers(0, 480 * 200, 800))) is None


@pytest.mark.parametrize(("swing", "unit"), [(0.6, 2), (2 / 3, 2), (0.7, 2), (0.6, 4), (2 / 3, 4)])
def test_swing_is_found_and_undone(swing, unit):
    straight = np.arange(0, 480 * 32, 480 // unit)
    pair = 960 // unit
    swung = np.where(straight % pair, straight // pair * pair + round(pair * swing), straight)
    grid = find_grid(swung)
    assert (grid.steps, grid.unit) == (4, unit)
    assert grid.swing == pytest.approx(swing, abs=0.01)
    np.testing.assert_allclose(straightened(swung, grid.swing, unit) * 480, straight, atol=3)


def test_triplets_are_no_swing():
    onsets = np.arange(0, 480 * 32, 160)
    assert (find_grid(onsets).steps, find_grid(onsets).swing) == (6, 0.5)


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    st.floats(0.54, 0.76),
    st.sampled_from([2, 4]),
)
def test_undoing_swing_keeps_the_order_and_the_beats(ticks, swing, unit):
    notes = [*ticks, 0, 480, 960]
    score = make_score([(tick, 10, 60) for tick in sorted(set(notes))])
    straight = without_swing(score, swing, unit).notes["onset"]
    assert (np.diff(straight) >= 0).all()
    assert {0, 480, 960} <= set(straight.tolist())
    assert (places(4, swing, unit)[::2] * 480 % (960 // unit) < 480).all()


@pytest.mark.parametrize(
    ("bar", "length", "metre"), [(BAR_OF_FOUR, 1920, "4/4"), (BAR_OF_THREE, 1440, "3/4")]
)
@pytest.mark.parametrize("late", [0, 480, 960, 505])
def test_metre_and_bars_are_found_where_a_file_says_none(bar, length, metre, late):
    score, rhythm = aligned(without_metre(piece(bar, length, late)))
    assert (score.metre, rhythm.metre_from) == (metre, NOTES)
    first = score.notes["onset"][0]
    assert first % length == (0 if late % 480 == 0 or late == 505 else first % length)


def test_a_metre_that_is_right_is_kept():
    given_ = piece(BAR_OF_THREE, 1440)
    score = Score(given_.notes, given_.parts, [Metre(0, 3, 4)], given_.tempi)
    found, rhythm = aligned(score)
    assert (found.metre, rhythm.metre_from) == ("3/4", FILE)
    assert found.notes.tolist() == score.notes.tolist()


def test_a_metre_that_notes_contradict_is_not():
    score = piece(BAR_OF_FOUR, 1920, late=1440)  # whose bars begin a beat before those of the file
    found, rhythm = aligned(score)
    assert rhythm.metre_from == NOTES
    assert found.notes["onset"][0] % 1920 == 0
    certain, _ = aligned(score, certain=True)
    assert certain.notes.tolist() == score.notes.tolist()
    believed, rhythm = aligned(score, believed=True)
    assert (believed.notes.tolist(), rhythm.metre_from) == (score.notes.tolist(), FILE)


def test_who_believes_a_file_also_leaves_notes_that_are_a_little_late():
    score = piece(BAR_OF_FOUR, 1920, late=20)
    assert aligned(score, believed=True)[0].notes.tolist() == score.notes.tolist()
    late, _ = aligned(piece(BAR_OF_FOUR, 1920, late=35), believed=True)
    assert (late.notes["onset"] % 240 == 0).all()


def test_what_is_late_is_put_on_its_step():
    score, rhythm = aligned(piece(BAR_OF_FOUR, 1920, late=35))
    assert rhythm.grid.offset == pytest.approx(35, abs=1)
    assert (score.notes["onset"] % 240 == 0).all()
    early, _ = aligned(piece(BAR_OF_FOUR, 1920, late=1920 - 35))
    assert (early.notes["onset"] % 240 == 0).all()


def performance(seed: int, tempo: float = 0.5) -> tuple[Score, np.ndarray]:
    """A piece played with a tempo that drifts, and when its beats are, in seconds."""
    numbers = np.random.default_rng(seed)
    score = piece(EIGHTHS, 1920)
    lengths = tempo * np.exp(np.cumsum(numbers.normal(0, 0.015, 80)))
    beats = 1 + np.append(0, np.cumsum(lengths))
    notes = score.notes.copy()
    for name, when in (("onset", notes["onset"]), ("length", notes["onset"] + notes["length"])):
        played = np.interp(when / 480, np.arange(81), beats)
        notes[name] = np.round((played + numbers.normal(0, 0.008, len(notes))) * 960)
    notes["length"] = np.maximum(notes["length"] - notes["onset"], 1)
    notes = np.sort(notes.astype(NOTE), order=["onset", "pitch", "part"])
    played = Score(notes, score.parts, [Metre(0, 4, 4)], [Tempo(0, 120.0)])
    return played, beats[:64]


@pytest.mark.parametrize("seed", range(3))
def test_the_beats_of_a_performance_are_found(seed):
    score, beats = performance(seed, tempo=0.45 + 0.1 * seed)
    found, rhythm = aligned(score)
    assert rhythm.grid is None
    first = [seconds(each, each.notes["onset"][:1])[0] for each in (score, found)]
    ours = seconds(found, np.arange(0, found.notes["onset"].max() + 480, 480))
    ours += first[0] - first[1]  # a rest may stand before the first bar
    ours = ours[ours > beats[0] - 0.07]
    near = np.abs(beats[:, None] - ours) < 0.07
    assert near.any(1).mean() > 0.95
    assert near.any(0).mean() > 0.9


def test_a_performance_sounds_the_same_on_its_beats():
    score, _ = performance(1)
    found = performed(score)
    before, after = (seconds(each, each.notes["onset"]) for each in (score, found))
    order = [
        np.lexsort((each.notes["pitch"], when)) for each, when in ((score, before), (found, after))
    ]
    moved = after[order[1]] - before[order[0]]
    assert np.ptp(moved) < 0.01
    assert found.notes["pitch"][order[1]].tolist() == score.notes["pitch"][order[0]].tolist()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 500), st.integers(21, 108)),
        min_size=1,
        max_size=12,
    )
)
def test_any_notes_can_be_aligned(notes):
    score, _ = aligned(without_metre(make_score(notes)))
    assert len(score.notes) > 0
    assert score.notes["onset"].min() >= 0
    assert performed(make_score(notes)).notes["onset"].min() >= 0


def test_dotted_notes_are_no_swing():
    onsets = np.sort(np.concatenate([np.arange(0, 480 * 32, 480), np.arange(360, 480 * 32, 480)]))
    assert (find_grid(onsets).steps, find_grid(onsets).swing) == (4, 0.5)


def test_two_late_notes_are_no_swing():
    onsets = np.sort(np.append(np.arange(0, 480 * 32, 480), [320, 800]))
    assert find_grid(onsets).swing == 0.5


def test_a_piece_that_swings_begins_on_a_beat():
    """Chords are anticipated, as in jazz: the strongest notes are the last ones before a beat."""
    rows = [
        (1920 * bar + 1760 * early, 960, 48 + ROOTS[bar % 8])
        for bar in range(16)
        for early in (0, 1)
    ]
    rows += [(480 * i + 320 * k, 120, 65 + (5 * i + k) % 7) for i in range(64) for k in (0, 1)]
    score, rhythm = aligned(without_metre(make_score(sorted(rows))))
    assert rhythm.grid.swing == pytest.approx(2 / 3, abs=0.01)
    straight = without_swing(score, rhythm.grid.swing, rhythm.grid.unit).notes["onset"]
    assert (straight % 240 == 0).mean() > 0.95
