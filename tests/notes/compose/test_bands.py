"""Songs of several instruments that go on."""

from dataclasses import replace

import numpy as np
from making import make_score

from ostinato.notes.compose.bands import by_height, drums_again
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo


def band():
    rows = [
        (beat * 480, 480, pitch, 80, part)
        for beat in range(16)
        for part, pitch in ((0, 40), (1, 70))
    ]
    rows += [(bar * 1920 + 60 * bar, 60, 38, 90, 2) for bar in range(8)]
    parts = [Part("Bass", 33), Part("Lead", 80), Part("Kit", 0, drums=True)]
    return Score(np.sort(np.array(rows, NOTE)), parts, [Metre(0, 4, 4)], [Tempo(0, 100)])


def test_notes_go_to_the_instrument_that_played_nearest():
    new = make_score([(0, 480, 42), (0, 480, 54), (0, 480, 57), (0, 480, 90)]).notes
    assert by_height(new, band(), 1920)["part"].tolist() == [0, 0, 1, 1]


def test_the_bars_around_a_note_tell_how_high_instruments_play():
    rows = [
        (beat * 480, 480, pitch, 80, part)
        for beat in range(4 * 60)
        for part, pitch in enumerate((40, 70) if beat < 4 * 30 else (70, 40))
    ]
    score = replace(band(), notes=np.sort(np.array(rows, NOTE)))
    new = make_score([(0, 480, 42), (59 * 1920, 480, 42), (80 * 1920, 480, 42)]).notes
    assert by_height(new, score, 1920)["part"].tolist() == [0, 1, 1]


def test_drums_play_their_last_four_bars_again():
    new = drums_again(band(), 8 * 1920, 6, Metre(0, 4, 4))
    again = [4, 5, 6, 7, 4, 5]
    assert new["onset"].tolist() == [(8 + i) * 1920 + 60 * bar for i, bar in enumerate(again)]
    assert set(new["part"].tolist()) == {2}


def test_without_drums_nothing_is_repeated():
    assert len(drums_again(make_score([(0, 480, 60)]), 1920, 4, Metre(0, 4, 4))) == 0


def test_a_song_shorter_than_four_bars_is_repeated_whole():
    score = band()
    short = Score(score.notes[score.notes["onset"] < 1920], score.parts, score.metres, score.tempi)
    new = drums_again(short, 1920, 3, Metre(0, 4, 4))
    assert new["onset"].tolist() == [1920, 3840, 5760]
