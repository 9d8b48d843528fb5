"""Positions: bars of every metre, changes of metre, the end."""

import numpy as np
import pytest
from making import FILTERS

from ostinato.notes.data.dataset import bars_of, rejection
from ostinato.notes.data.positions import (
    BAR,
    BEAT,
    END,
    FINAL,
    LEFT,
    NUMBER,
    PICKUP,
    PLACE,
    SHIFT,
    STEP,
    UNKNOWN,
    Bars,
    Positions,
)
from ostinato.scores.score import NOTE, TICKS_PER_BEAT, Metre, Part, Score, Tempo


@pytest.mark.parametrize(
    ("beats", "unit", "bar", "beat"),
    [
        (4, 4, 16, 4),
        (3, 4, 12, 4),
        (2, 2, 16, 8),
        (6, 8, 12, 6),
        (9, 8, 18, 6),
        (12, 8, 24, 6),
        (5, 4, 20, 4),
        (3, 8, 6, 2),
        (7, 8, 14, 2),
        (6, 4, 24, 4),
    ],
)
def test_bars_and_beats_of_a_metre(beats, unit, bar, beat):
    assert bars_of([Metre(0, beats, unit)], 4) == [Bars(0, bar, beat)]


def test_a_bar_that_is_no_whole_number_of_steps_is_refused():
    with pytest.raises(ValueError, match="5/8"):
        bars_of([Metre(0, 5, 8)], 1)
    notes = np.zeros(1, NOTE)
    notes["length"], notes["pitch"] = 480, 60
    score = Score(notes, [Part()], [Metre(0, 5, 8)], [Tempo(0, 100)])
    anything = FILTERS.__class__(**vars(FILTERS) | {"meters": [], "steps_per_beat": 1})
    assert rejection(score, anything)[0] == "meters"
    assert rejection(score, anything.__class__(**vars(anything) | {"steps_per_beat": 2})) is None


def test_a_waltz_has_bars_of_twelve_steps():
    found = Positions(bars_of([Metre(0, 3, 4)], 4), 36)(0, 40)
    assert found[:, STEP].tolist() == list(range(40))
    assert found[:, PLACE].tolist() == [step % 12 for step in range(40)]
    assert found[:, NUMBER].tolist() == [step // 12 for step in range(40)]
    assert found[:, LEFT].tolist() == [3] * 12 + [2] * 12 + [1] * 12 + [0] * 4


def test_a_metre_may_change_even_within_a_bar():
    metres = [Metre(0, 4, 4), Metre(6 * TICKS_PER_BEAT, 6, 8)]
    piece = Positions(bars_of(metres, 4), 30)
    assert piece.steps == 36  # the last bar is complete
    found = piece(0, 36)
    assert found[:, PLACE].tolist() == [*range(16), *range(8), *range(12)]
    assert found[:, BAR].tolist() == [16] * 24 + [12] * 12
    assert found[:, BEAT].tolist() == [4] * 24 + [6] * 12
    assert found[:, LEFT].tolist() == [3] * 16 + [2] * 8 + [1] * 12
    assert (piece(20, 10) == found[20:30]).all()


def test_a_pickup_and_the_last_bar_make_a_bar_together():
    bars = [Bars(0, 16, 4)]
    whole, upbeat = Positions(bars, 64)(0, 70), Positions(bars, 64, 12)(0, 70)
    assert set(whole[:, PICKUP]) == {0}
    assert whole[:, END].tolist() == [max(64 - step, 0) for step in range(70)]
    assert set(upbeat[:, PICKUP]) == {12}
    assert upbeat[:, END].tolist() == [max(60 - step, 0) for step in range(70)]
    assert (whole[:, : LEFT + 1] == upbeat[:, : LEFT + 1]).all()
    later = Positions(bars, 64, 20, 50)(0, 64)
    assert (later[0, PICKUP], later[0, END], later[63, END]) == (4, 50, 0)


def test_songs_say_where_their_notes_begin_and_end(songs):
    for song in range(len(songs)):
        notes = songs.song(song)
        found = songs.positions(song, 0, int(songs.steps[song]))
        assert (found[:, PICKUP] == notes["onset"][0] % songs.bar[song]).all()
        assert found[0, END] == (notes["onset"] + notes["length"]).max()


def test_a_final_is_transposed_with_the_piece():
    bars = [Bars(0, 16, 4)]
    found = Positions(bars, 32, final=10)(3, 5, 4)
    assert set(found[:, FINAL]) == {2}
    assert set(found[:, SHIFT]) == {4}
    unknown = Positions(bars, 32)(3, 5, -4)
    assert set(unknown[:, FINAL]) == {UNKNOWN}
    assert set(unknown[:, SHIFT]) == {-4}


def test_the_final_of_a_song_is_its_lowest_note_at_the_end(songs):
    for song in range(len(songs)):
        notes, steps = songs.song(song), int(songs.steps[song])
        last = max(note["onset"] + note["length"] for note in notes)
        lowest = min(n["pitch"] for n in notes if n["onset"] + n["length"] == last)
        assert set(songs.positions(song, 0, steps)[:, FINAL]) == {lowest % 12}
        assert set(songs.positions(song, 5, 3, -2)[:, FINAL]) == {(lowest - 2) % 12}
