import copy
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from making import CONFIG, DECODER, make_score, positions

from ostinato.core.params import Compose, read_params
from ostinato.notes.compose.compose import (
    SEED_STEPS,
    Piece,
    compose,
    continue_keys,
    continue_score,
    in_parts,
    notes_of,
    prolonged,
    with_finals,
)
from ostinato.notes.compose.learning import HEARD, PART, _heard
from ostinato.notes.compose.pieces import HOUR_LENGTH, hour_roll
from ostinato.notes.compose.voices import silent
from ostinato.notes.data.dataset import quantise
from ostinato.notes.data.fragments import Batch
from ostinato.notes.data.positions import FINAL
from ostinato.notes.data.rolls import KEYS, LOWEST, render_roll
from ostinato.notes.data.songs import STEP_NOTE, Songs
from ostinato.notes.fit.generator import config_of
from ostinato.notes.system import System
from ostinato.scores import picture
from ostinato.scores.midi import midi_bytes, read_midi
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo, tidy
from ostinato.scores.synthesis import render


def settings(**changes) -> Compose:
    plain = {
        "pieces": 1,
        "sounds": 1,
        "bars": 1,
        "given": "beginning",
        "particles": 4,
        "temperature": 1.0,
        "tempo": 100.0,
        "hour": False,
        "learning": "none",
        "learning_steps": 1,
        "learning_rate": 1e-2,
    }
    return Compose(**plain | changes)


@st.composite
def whole_notes(draw):
    """Notes of a song in order; no two of the same key overlap."""
    rows = []
    for pitch in draw(st.lists(st.integers(21, 108), unique=True, max_size=5)):
        onset = 0
        for rest, length in draw(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)))):
            onset += rest
            rows.append((0, onset, length, pitch, draw(st.integers(1, 127))))
            onset += length
    return sorted(rows, key=lambda row: (row[1], row[3]))


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return System(CONFIG, DECODER)


@pytest.fixture(scope="module")
def default():
    """The system of params.yaml, with random weights that let it play about as much as songs do."""
    params = read_params(Path(__file__).parents[3] / "params.yaml")
    torch.manual_seed(0)
    keys = DECODER | {"kind": "none", "decoder": {"name": "none"}}
    return System(config_of(params, 4), keys).eval()


@pytest.mark.parametrize("name", ["system", "default"])
def test_a_piece_is_the_same_however_many_are_made(request, name, songs):
    system = request.getfixturevalue(name)
    few = compose(system, songs, 2, 3, settings(), seed=1)
    many = compose(system, songs, 5, 3, settings(), seed=1)
    later = compose(system, songs, 2, 3, settings(), seed=1, first=3)
    for one, other in zip([*few, *later], [*many[:2], *many[3:]], strict=True):
        assert one.song == other.song
        assert (one.roll == other.roll).all()
    assert not (many[0].roll[SEED_STEPS:] == many[2].roll[SEED_STEPS:]).all()


def test_a_piece_begins_as_an_unseen_song(system, songs):
    pieces = compose(system, songs, 3, 2, settings(), seed=1)
    for piece in pieces:
        assert piece.song in songs.of("test")
        begun = render_roll(songs.song(piece.song), 0, SEED_STEPS) > 0
        assert (piece.roll[:SEED_STEPS] == 80 * begun).all()
        assert piece.roll.shape == (2 * songs.bar[piece.song], KEYS)
        assert set(np.unique(piece.roll)) <= {0, 80}


def test_velocities_are_those_of_the_song_and_then_of_the_model(songs):
    torch.manual_seed(0)
    system = System(CONFIG, DECODER | {"velocity": {"name": "lstm", "hidden": 6}})
    songs = Songs(songs.folder, velocities=True)
    piece = compose(system, songs, 1, 4, settings(), seed=1)[0]
    begun = render_roll(songs.song(piece.song), 0, SEED_STEPS)
    assert (piece.roll[:SEED_STEPS] == begun).all()
    found = np.unique(piece.roll[SEED_STEPS:])
    assert len(found) > 5
    assert found.max() < 128


def test_learning_changes_what_is_composed_and_not_the_trained_weights(system, songs):
    before = copy.deepcopy(system.state_dict())
    pieces = {
        learning: compose(system, songs, 1, 2, settings(learning=learning), seed=1)[0].roll
        for learning in ("none", "reset", "moving")
    }
    torch.testing.assert_close(system.state_dict(), before, rtol=0, atol=0)
    assert not (pieces["none"] == pieces["reset"]).all()
    assert not (pieces["reset"] == pieces["moving"]).all()


def test_learning_at_a_rate_of_almost_nothing_changes_nothing(system, songs):
    plain = compose(system, songs, 1, 2, settings(), seed=1)[0].roll
    for learning in ("reset", "moving"):
        slow = settings(learning=learning, learning_rate=1e-12)
        assert (compose(system, songs, 1, 2, slow, seed=1)[0].roll == plain).all()


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, PART, PART + 3, HEARD + 5])
def test_what_is_learnt_from_are_the_last_steps_alone(system, steps):
    played = (torch.rand(1, steps, KEYS) < 0.1) / 2
    batch, heard = _heard(played, positions(0, steps=steps), system.context_length)
    assert torch.equal(heard, played[:, -HEARD:])
    assert batch.mask.shape[1] % PART == 0
    count = heard.shape[1]
    where = batch.positions[:, :count]
    alone = Batch(batch.past, heard, torch.ones(1, count), where)
    uniforms = torch.rand(*batch.mask.shape, system.num_uniforms)
    torch.testing.assert_close(system(batch, uniforms), system(alone, uniforms[:, :count]))


@pytest.mark.parametrize(("name", "bars"), [("system", 3), ("homing", 1)])
def test_seed_and_temperature_matter_but_not_at_temperature_zero(request, name, bars, songs):
    system = request.getfixturevalue(name)

    def music(temperature: float, seed: int) -> list[Piece]:
        pieces = len(songs.of("test"))
        return compose(system, songs, pieces, bars, settings(temperature=temperature), seed)

    def same(ones, others):
        by_song = {piece.song: piece.roll for piece in others}
        return all((piece.roll == by_song[piece.song]).all() for piece in ones)

    assert not same(music(1.0, 1), music(1.0, 2))
    assert same(music(0.0, 1), music(0.0, 2))


def test_the_models_compose_as_they_are_trained(system):
    """The loss over a whole sequence and the states of composing go the same way."""
    generator = copy.deepcopy(system.generator).double()
    uniforms = torch.rand(2, 30, generator.num_uniforms, dtype=torch.float64)
    past = torch.zeros(2, generator.context_length, 12, dtype=torch.float64)
    where = positions(0, 9, steps=30)
    state = generator.initial(past, where)
    notes = []
    for step in range(30):
        drawn, state = generator.step(state, uniforms[:, step : step + 1], 1.0)
        notes.append(drawn)
    played = torch.cat(notes, 1)
    begin = generator.initial(past, where)
    known, features, after = generator._hear(played, begin)
    voices = begin.sampler
    for step in range(30):
        before, now = known[:, step : step + generator.context_length], slice(step, step + 1)
        again, voices = generator.sampler.sample(
            features[:, now], before, voices, uniforms[:, now], 1.0
        )
        assert torch.equal(again, played[:, now])
    torch.testing.assert_close(after.memory, state.memory)
    assert after.positions.shape[1] == state.positions.shape[1] == 0


@pytest.fixture(scope="module")
def homing(default):
    """The default system with weights that let the final matter."""
    system = copy.deepcopy(default)
    torch.manual_seed(2)
    torch.nn.init.normal_(system.generator.sampler.sampler.degree.weight, std=0.3)
    return system


@pytest.mark.parametrize("given", [5, 12])
@torch.no_grad()
def test_finals_are_as_likely_as_the_beginning_makes_them(homing, given, monkeypatch):
    monkeypatch.setattr("ostinato.notes.compose.compose.HEARD", 8)
    begun, nats = torch.zeros(1, given, KEYS), []
    begun[:, ::4, 30] = begun[:, ::3, 50] = 0.5
    first = max(given - 8, 0)
    past = torch.nn.functional.pad(begun[:, :first], (0, 0, homing.context_length, 0))
    where, unused = positions(0, steps=given + 3), torch.zeros(1, given, homing.num_uniforms)
    for final in range(12):
        where[..., FINAL] = final
        state = homing.initial(past, where[:, first:])
        nats.append(homing.log_prob(begun[:, first:], state, unused[:, first:])[0].sum())
    nats = torch.stack(nats)
    assert nats.std() > 0.1
    for temperature in (1.0, 0.5):
        ends = (nats / temperature).softmax(0).cumsum(0)
        chances = ends - ends.diff(prepend=torch.zeros(1)) / 2
        many = [each.expand(12, -1, -1) for each in (begun, where)]
        found = with_finals(homing, *many, temperature, chances).clone()
        assert found[:, :, FINAL].tolist() == [[final] * (given + 3) for final in range(12)]
        found[..., FINAL] = where[..., FINAL]
        assert torch.equal(found, where.expand_as(found))
    with torch.device("meta"):
        coldest = with_finals(homing, *many, 0.0, chances)
    assert (coldest[..., FINAL] == nats.argmax()).all()


def test_pieces_and_continuations_have_a_final(homing, songs, monkeypatch):
    songs = Songs(songs.folder, "notes", velocities=True)
    finals = []

    def spy(system, past, where):
        finals.extend(where[:, 0, FINAL].tolist())
        return initial(past, where)

    initial = homing.initial
    monkeypatch.setattr(homing.__class__, "initial", spy)
    compose(homing, songs, 2, 2, settings(), seed=1, block=2)
    compose(homing, songs, 2, 2, settings(learning="reset"), seed=1)
    continue_score(homing, make_score([(0, 480, 60), (480, 480, 67)]), 1, 1.0, seed=1)
    assert len(finals) > 5
    assert max(finals) < 12


def test_composing_makes_nothing_without_a_device(system):
    begun, uniforms = torch.zeros(1, 4, KEYS), torch.rand(1, 7, system.num_uniforms)
    with torch.device("meta"):
        keys = continue_keys(system, begun, positions(0, steps=7).to("cpu"), 1.0, uniforms)
    assert keys.device.type == "cpu"


def test_a_note_sounds_until_the_next_onset_or_for_a_bar():
    roll = np.zeros((64, KEYS), np.int8)
    roll[0, 60 - LOWEST] = roll[0, 64 - LOWEST] = roll[3, 62 - LOWEST] = 70
    roll[62, 65 - LOWEST] = 127
    notes = notes_of(roll, Metre(0, 4, 4), 4, "onset")
    assert notes[["onset", "length", "pitch", "velocity"]].tolist() == [
        (0, 360, 60, 70),
        (0, 360, 64, 70),
        (360, 1920, 62, 70),
        (7440, 240, 65, 127),
    ]
    waltz = notes_of(roll, Metre(0, 3, 4), 4, "onset")
    assert waltz["length"][2] == 1440


def test_a_note_that_is_held_sounds_as_long_as_it_stands():
    roll = np.zeros((64, KEYS), np.int8)
    roll[0:6, 60 - LOWEST] = roll[5:64, 64 - LOWEST] = roll[8:10, 60 - LOWEST] = 70
    notes = notes_of(roll, Metre(0, 4, 4), 4, "holding")
    assert notes[["onset", "length", "pitch"]].tolist() == [
        (0, 720, 60),
        (600, 7080, 64),
        (960, 240, 60),
    ]


@given(rows=whole_notes())
def test_whole_notes_are_written_and_read_without_loss(rows):
    """Notes to a roll, to MIDI, and back: no note is lost, none changes."""
    song = np.array([(*row, 0) for row in rows], STEP_NOTE)
    end = int((song["onset"] + song["length"]).max(initial=1))
    metre = Metre(0, 3, 4)
    roll = render_roll(song, 0, end, representation="notes")
    notes = notes_of(roll, metre, 4, "notes")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "piece.mid"
        path.write_bytes(midi_bytes(Score(notes, [Part("Piano")], [metre], [Tempo(0, 90)])))
        again = quantise(read_midi(path, pickup=False), 4)
    assert again.tolist() == song.tolist()


@pytest.mark.parametrize("representation", ["onset", "holding", "notes"])
def test_a_piece_without_notes_can_be_written(representation):
    metre = Metre(0, 4, 4)
    notes = notes_of(np.zeros((32, KEYS), np.int8), metre, 4, representation)
    assert len(notes) == 0
    score = Score(notes, [Part("Piano")], [metre], [Tempo(0, 90)], "100$ and 5_$")
    assert np.abs(render(score)).max() == 0
    save = BytesIO()
    picture.roll(score, np.zeros(0, bool)).savefig(save)
    assert save.getvalue().startswith(b"\x89PNG")


def test_a_held_key_goes_on_from_the_given_notes():
    given_notes = tidy(
        np.array([(0, 480, 60, 70, 0), (240, 240, 64, 70, 1), (0, 480, 60, 9, 2)], NOTE)
    )
    parts = [Part(), Part(), Part(drums=True)]
    score = Score(given_notes, parts, [Metre(0, 4, 4)], [Tempo(0, 100)])
    roll = np.zeros((8, KEYS), np.int8)
    roll[4:7, 60 - LOWEST], roll[4:, 64 - LOWEST] = -70, -70
    roll[5, 64 - LOWEST] = roll[7, 60 - LOWEST] = 70
    notes, rest = prolonged(score, roll, 4, 120, "notes")
    found = notes[["onset", "length", "pitch", "part"]].tolist()
    assert found == [(0, 840, 60, 0), (0, 480, 60, 2), (240, 360, 64, 1)]
    assert np.argwhere(rest).tolist() == [
        [1, 64 - LOWEST],
        [2, 64 - LOWEST],
        [3, 60 - LOWEST],
        [3, 64 - LOWEST],
    ]


def test_a_key_that_is_marked_on_both_sides_of_the_end_is_one_note_when_holding():
    score = make_score([(0, 480, 60), (0, 240, 64)])
    roll = np.zeros((8, KEYS), np.int8)
    roll[:6, 60 - LOWEST], roll[:2, 64 - LOWEST], roll[4:, 64 - LOWEST] = 70, 70, 70
    notes, rest = prolonged(score, roll, 4, 120, "holding")
    assert notes[["length", "pitch"]].tolist() == [(720, 60), (240, 64)]
    assert np.argwhere(rest).tolist() == [[step, 64 - LOWEST] for step in range(4)]
    notes, rest = prolonged(score, roll, 4, 120, "onset")
    assert notes.tolist() == score.notes.tolist()
    assert (rest == roll[4:]).all()


def test_notes_are_divided_among_the_parts_of_a_song():
    rows = [(0, 480, 60, 80, 0), (0, 480, 67, 80, 0), (480, 480, 59, 80, 0), (480, 480, 69, 80, 0)]
    found = in_parts(np.array(rows, NOTE), silent(2), [5, 3])
    assert found[["pitch", "part"]].tolist() == [(60, 3), (67, 5), (59, 3), (69, 5)]


@pytest.mark.parametrize("voices", [True, False])
def test_a_score_of_voices_goes_on_in_its_own_parts(system, voices):
    rows = [
        (beat * 480, 480, pitch, 80, part)
        for beat in range(8)
        for part, pitch in ((0, 52), (1, 76))
    ]
    if not voices:
        rows.append((0, 480, 79, 80, 1))
    parts = [Part("Bass"), Part("Soprano")]
    score = Score(tidy(np.array(rows, NOTE)), parts, [Metre(0, 4, 4)], [Tempo(0, 100)])
    longer = continue_score(system, score, 3, 1.0, 1)
    assert longer.parts == parts
    new = longer.notes[longer.notes["onset"] >= 8 * 480]
    if voices:
        assert set(new["part"].tolist()) == {0, 1}
    else:
        # The bass plays what is nearer to 52 than to 76.
        assert ((new["pitch"] < 64) == (new["part"] == 0))[new["pitch"] != 64].all()
    assert longer.notes[longer.notes["onset"] < 8 * 480].tolist() == score.notes.tolist()


def test_an_hour_is_cut_to_its_length_and_has_pauses():
    pieces = [Piece(0, np.ones((SEED_STEPS + 240, KEYS), np.int8)) for _ in range(120)]
    hour = hour_roll(pieces)
    assert hour.shape == (HOUR_LENGTH, KEYS)
    assert pytest.approx(3595) == HOUR_LENGTH * 0.125
    silent = ~hour.any(1)
    assert silent[240:264].all()
    assert silent.mean() == pytest.approx(24 / 264, abs=0.001)
