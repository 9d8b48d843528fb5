"""Writing around what is given of a piece."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from making import CONFIG, DECODER, PERFORMER, WHOLE, make_score, with_drums

from ostinato.core.errors import UserError
from ostinato.notes.compose import around, outline
from ostinato.notes.compose.around import sample
from ostinato.notes.compose.outline import Outline, Plan
from ostinato.notes.data.positions import FINAL, UNKNOWN
from ostinato.notes.parts.given import HELD, SILENT, STRUCK
from ostinato.notes.system import System
from ostinato.scores.grid import with_swing
from ostinato.scores.score import Metre, Part, Score, Tempo, tidy

BEAT = 480
TUNE = make_score([(BEAT * i + BEAT * (i > 4), BEAT, 72 + i % 5) for i in range(12)])
"""Quarters, with a rest."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    """Untrained models seldom draw what fits, which takes time, and is not what is tested."""
    monkeypatch.setattr(around, "PATIENCE", 4)


@pytest.fixture(scope="module")
def system() -> System:
    torch.manual_seed(1)
    system = System(WHOLE, PERFORMER)
    with torch.no_grad():  # it plays more than a model that has learned nothing
        system.generator.sampler.sampler.sounds.bias += 0.2
    return system.eval()


def chorale() -> Score:
    """Four voices in four bars."""
    rows = [
        (BEAT * beat, BEAT, pitch - (beat * (3 + voice)) % 5, 80, voice)
        for beat in range(16)
        for voice, pitch in enumerate((76, 70, 64, 52))
    ]
    parts = [Part(name) for name in ("Soprano", "Alto", "Tenor", "Bass")]
    dtype = TUNE.notes.dtype
    return Score(tidy(np.array(rows, dtype)), parts, [Metre(0, 4, 4)], [Tempo(0, 90.0)], "Chorale")


def rows(notes: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(map(int, (n["onset"], n["length"], n["pitch"]))) for n in notes]


def sounding(score: Score, tick: int) -> np.ndarray:
    ends = score.notes["onset"] + score.notes["length"]
    return np.sort(score.notes["pitch"][(score.notes["onset"] <= tick) & (ends > tick)])


@pytest.mark.parametrize("voice", [0, 1, -1])
def test_a_melody_stays_and_the_other_voices_keep_to_their_side(system, voice):
    [piece] = sample(system, outline.melody(TUNE, voice), particles=4)
    assert rows(piece.score.notes[piece.given]) == rows(TUNE.notes)
    assert len(piece.score.notes) > len(TUNE.notes) + 10
    own = piece.score.parts.index(replace(TUNE.parts[0], name="Piano"))
    assert own == (len(piece.score.parts) - 1 if voice == -1 else voice)
    for onset, _, pitch in rows(TUNE.notes):
        chord = sounding(piece.score, onset)
        if voice == -1:
            assert chord[0] == pitch
        else:
            assert (chord > pitch).sum() <= voice


def test_each_voice_of_a_chorale_can_be_the_melody():
    for voice, own in ((0, 0), (1, 1), (2, 2), (-1, 3)):
        given = outline.melody(chorale(), voice)
        assert rows(given.score.notes) == rows(chorale().notes[chorale().notes["part"] == own])
    assert Plan(given, 4).positions[0, FINAL] == int(given.score.notes["pitch"][-1]) % 12


@pytest.mark.parametrize(
    ("score", "voice", "line"),
    [
        (make_score([]), 0, "no note to harmonise"),
        (make_score([(0, 480, 60), (0, 480, 64)]), 0, "bar 1 has several notes at once"),
        (make_score([(0, 480, 60), (1920, 480, 112)]), 0, "bar 2 has a note of pitch 112"),
        (chorale(), 4, "of 4 voices, none is number 5"),
    ],
)
def test_what_is_no_melody_is_said(score, voice, line):
    with pytest.raises(UserError, match=line):
        outline.melody(score, voice)


def test_bars_are_written_anew_and_all_others_stay(system):
    song = chorale()
    pieces = sample(system, outline.gap(song, 2, 3), pieces=3, particles=4, seed=2)
    outside = (song.notes["onset"] < 4 * BEAT) | (song.notes["onset"] >= 12 * BEAT)
    for piece in pieces:
        assert rows(piece.score.notes[piece.given]) == rows(song.notes[outside])
        new = piece.score.notes[~piece.given]["onset"]
        assert new.min() >= 4 * BEAT
        assert new.max() < 12 * BEAT
    assert len({tuple(rows(piece.score.notes)) for piece in pieces}) == 3
    nats = [piece.nats for piece in pieces]
    assert nats == sorted(nats, reverse=True)


@pytest.mark.parametrize(
    ("bars", "line"),
    [
        ((0, 2), "there are bars 1 to 4"),
        ((4, 5), "there are bars 1 to 4"),
        ((3, 2), "bar 2 comes before bar 3"),
    ],
)
def test_bars_that_do_not_exist_are_said(bars, line):
    with pytest.raises(UserError, match=line):
        outline.gap(chorale(), *bars)


def test_drums_and_a_note_that_sounds_into_the_gap_stay(system):
    song = with_drums(3)
    notes = song.notes.copy()
    notes["length"][(notes["onset"] == 3 * BEAT) & (notes["part"] == 0)] = 2 * BEAT
    song = replace(song, notes=tidy(notes))
    [piece] = sample(system, outline.gap(song, 2, 2), particles=2)
    kept = song.drums | (song.notes["onset"] < 4 * BEAT) | (song.notes["onset"] >= 8 * BEAT)
    assert rows(piece.score.notes[piece.given]) == rows(song.notes[kept])


@pytest.mark.parametrize("by", ["random", "beat", "voice"])
def test_half_of_the_notes_are_kept(system, by):
    song = chorale()
    given = outline.variation(song, 0.5, by)
    assert len(given.score.notes) == len(song.notes) // 2
    assert set(rows(given.score.notes)) <= set(rows(song.notes))
    if by == "beat":
        assert (given.score.notes["onset"] % (2 * BEAT) == 0).all()
    if by == "voice":
        assert set(given.score.notes["part"].tolist()) == {0, 1}
    [piece] = sample(system, given, particles=4)
    new = piece.score.notes[~piece.given]
    if by == "voice":
        assert set(new["part"].tolist()) == {2, 3}
        assert all(note["pitch"] < sounding(given.score, note["onset"]).max() for note in new)
    else:
        assert set(new["part"].tolist()) >= {0, 3}
    assert rows(piece.score.notes[piece.given]) == rows(given.score.notes)


@pytest.mark.parametrize(("keep", "count"), [(0.1, 1), (0.5, 2), (0.95, 3), (0.0, 0)])
def test_at_least_a_voice_is_kept_and_one_is_drawn_again(keep, count):
    assert len(outline.variation(chorale(), keep, "voice").kept) == count


def test_notes_that_are_a_little_late_are_in_the_same_voices(system):
    """They stay to the tick, and new ones are divided as if they were on time."""
    late = chorale().delayed(0)
    late.notes["onset"] += 10
    on_time, found = (
        sample(system, outline.variation(score, 0.5), particles=4)[0] for score in (chorale(), late)
    )
    assert rows(found.score.notes[found.given]) == rows(outline.variation(late, 0.5).score.notes)
    divided = [
        sorted((n["onset"] // 120, n["pitch"], n["part"]) for n in piece.score.notes[~piece.given])
        for piece in (on_time, found)
    ]
    assert divided[0] == divided[1]


def test_no_more_notes_sound_at_once_than_voices_are_asked_for_or_the_song_has(system):
    for known, most in (
        (outline.melody(TUNE, count=2), 2),
        (outline.melody(TUNE), 4),
        (outline.gap(TUNE, 2, 2), 1),
        (outline.gap(chorale(), 2, 3), 4),
    ):
        [piece] = sample(system, known, particles=4)
        counts = [len(sounding(piece.score, tick)) for tick in range(0, piece.score.end, 120)]
        assert max(counts) == most


def test_the_last_note_counts_however_short_it_is(system):
    short = make_score([(BEAT * i, BEAT, 72 + i % 5) for i in range(4)] + [(4 * BEAT, 20, 72)])
    assert (Plan(outline.melody(short), 4).roll > 0).sum() == 5
    [piece] = sample(system, outline.melody(make_score([(0, 10, 60)])), particles=2)
    assert rows(piece.score.notes[piece.given]) == [(0, 10, 60)]


def test_notes_of_a_melody_may_overlap_a_little():
    legato = make_score([(BEAT * i, BEAT + 50, 72 + i % 5) for i in range(8)])
    assert rows(outline.melody(legato).score.notes) == rows(legato.notes)
    with pytest.raises(UserError, match="several notes at once"):
        outline.melody(make_score([(0, 2 * BEAT, 72), (BEAT, BEAT, 74)]))


def test_what_is_new_ends_where_the_gap_does(system):
    [piece] = sample(system, outline.gap(chorale(), 2, 2), particles=4)
    new = piece.score.notes[~piece.given]
    assert (new["onset"] + new["length"]).max() <= 8 * BEAT


def test_a_song_does_not_get_longer():
    """The last bar is written anew, as far as it goes: with the pickup, it makes a whole one."""
    song = make_score([(BEAT * beat, BEAT, 60 + beat % 7) for beat in range(3, 15)])
    assert len(Plan(outline.gap(song, 4, 4), 4).given) == 15 * 4


def test_a_variation_in_which_nothing_varies_is_refused():
    with pytest.raises(UserError, match="no note would be drawn again"):
        outline.variation(chorale(), 1.0)


def test_new_notes_swing_as_the_song_does_and_given_ones_stay_to_the_tick(system):
    straight = make_score([(BEAT // 2 * i, BEAT // 2, 72 + i % 5) for i in range(16)])
    song = with_swing(straight, 2 / 3, 2)
    given = replace(outline.melody(song), swing=(2 / 3, 2))
    [piece] = sample(system, given, particles=4)
    assert rows(piece.score.notes[piece.given]) == rows(song.notes)
    new = piece.score.notes[~piece.given]["onset"] % BEAT
    assert set(new.tolist()) <= {0, 160, 320, 400}
    assert 320 in new


def test_a_piece_does_not_depend_on_how_many_there_are(system):
    given = outline.melody(TUNE)
    alone = sample(system, given, pieces=1, particles=4, seed=5)
    three = sample(system, given, pieces=3, particles=4, seed=5)
    assert rows(alone[0].score.notes) in [rows(piece.score.notes) for piece in three]


def test_systems_that_cannot_do_it_say_so():
    torch.manual_seed(0)
    with pytest.raises(UserError, match="cannot write around what is given"):
        sample(System(CONFIG, DECODER).eval(), outline.melody(TUNE))


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9), st.integers(40, 90)), min_size=1))
@settings(max_examples=50, deadline=None)
def test_what_is_given_of_steps_is_what_is_given_of_the_piece(notes):
    score = make_score([(120 * onset, 120 * length, pitch) for onset, length, pitch in notes])
    plan = Plan(Outline(score, score, 0, score.end, score.end), 4)
    allowed = torch.stack([each.allowed for each in plan.given]).numpy()
    roll = np.zeros((len(allowed), 88), int)
    for onset, length, pitch in rows(score.notes):
        begin, end = onset // 120, (onset + length) // 120
        roll[begin:end, pitch - 21] = -1
        roll[begin, pitch - 21] = 1
    assert (allowed[roll > 0] == [False, True, False]).all()
    assert (allowed[roll < 0] == [False, False, True]).all()
    silent = roll == 0
    # New notes are neither higher nor lower than those of the song, nor more at once.
    pitches = score.notes["pitch"].astype(int) - 21
    inside = silent.copy()
    inside[:, : pitches.min()] = inside[:, pitches.max() + 1 :] = False
    assert (allowed[silent & ~inside] == [True, False, False]).all()
    assert allowed[inside][:, [SILENT, STRUCK]].all()
    over = inside[1:] & (roll[:-1] != 0)
    assert not allowed[1:][over][:, HELD].any()
    assert allowed[1:][inside[1:] & ~over][:, HELD].all()
    assert {each.most for each in plan.given} == {(roll != 0).sum(1).max()}


def test_a_whole_song_is_written_anew_in_its_voices(system):
    [piece] = sample(system, outline.gap(chorale(), 1, 4), particles=4)
    assert not piece.given.any()
    assert set(piece.score.notes["part"].tolist()) == {0, 1, 2, 3}


def test_without_notes_of_its_own_a_piano_plays_beside_the_drums(system):
    song = with_drums(3)
    [piece] = sample(system, outline.variation(replace(song, notes=song.notes[song.drums]), 0.5))
    assert (piece.score.notes["part"][~piece.given] == 3).all()
    assert [part.name for part in piece.score.parts] == ["Lead", "Bass", "Kit", "Piano"]
    assert not piece.score.drums[~piece.given].any()


def test_bars_in_which_the_drums_play_alone_are_filled(system):
    song = with_drums(3)
    song = replace(song, notes=song.notes[song.drums | (song.notes["onset"] >= 4 * 4 * BEAT)])
    [piece] = sample(system, outline.gap(song, 1, 2), particles=4)
    assert piece.score.notes["onset"][~piece.given].min() < 8 * BEAT


@pytest.mark.parametrize("name", ["lstm", "dynamics"])
def test_velocities_are_learned_where_they_are(name):
    torch.manual_seed(1)
    learned = System(WHOLE, PERFORMER | {"velocity": {"name": name, "hidden": 4}}).eval()
    [piece] = sample(learned, outline.melody(TUNE), particles=2)
    assert rows(piece.score.notes[piece.given]) == rows(TUNE.notes)
    assert len(np.unique(piece.score.notes["velocity"][~piece.given])) > 1


def test_two_notes_of_a_melody_may_be_on_one_step(system):
    ornament = make_score([(0, 30, 72), (30, 450, 74), (480, 480, 72)])
    [piece] = sample(system, outline.melody(ornament), particles=4)
    assert rows(piece.score.notes[piece.given]) == rows(ornament.notes)


def test_new_notes_leave_room_for_given_ones_that_are_late(system):
    late = make_score([(480 * i + 10, 470, 72 + i % 5) for i in range(8)])
    [piece] = sample(system, outline.variation(late, 0.5), particles=4)
    notes = piece.score.notes
    for pitch in np.unique(notes["pitch"]):
        own = notes[notes["pitch"] == pitch]
        assert (own["onset"][1:] >= own["onset"][:-1] + own["length"][:-1]).all()
    assert piece.given.sum() == 4


def test_a_pickup_is_bar_1_and_what_comes_before_it_stays_silent(system):
    song = make_score([(480 * beat, 480, 60 + beat % 7) for beat in range(3, 16)])
    [piece] = sample(system, outline.gap(song, 1, 1), particles=4)
    assert piece.score.notes["onset"].min() >= 3 * 480


def test_the_final_is_known_if_the_end_is_given():
    last = int(chorale().notes["pitch"][-4:].min()) % 12
    middle = Plan(outline.gap(chorale(), 2, 2), 4)
    assert (middle.positions[0, FINAL], middle.likely) == (last, None)
    longer = chorale()
    longer.notes["length"][-3] += 5  # released a little later than the other voices
    assert Plan(outline.gap(longer, 2, 2), 4).positions[0, FINAL] == last
    end = Plan(outline.gap(chorale(), 4, 4), 4)
    assert (end.positions[0, FINAL], end.likely) == (UNKNOWN, last)
