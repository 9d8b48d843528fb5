"""Going on with a performance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from making import CONFIG, DECODER

from ostinato.notes.compose.performance import _in_bars, go_on
from ostinato.notes.system import System
from ostinato.scores.performance import PLAYED, played, score_of
from ostinato.scores.score import Metre

BEAT = 60 / 97


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    return System(CONFIG, DECODER).eval()


@pytest.fixture(scope="module")
def heard():
    """Quarter notes and pairs of eighths, played a little early and late."""
    rng = np.random.default_rng(1)
    beats = [b for i in range(16) for b in ([i] if i % 2 else [i, i + 0.5])]
    notes = np.zeros(len(beats), PLAYED)
    notes["start"] = 0.3 + BEAT * np.array(beats) + rng.normal(0, 0.004, len(beats))
    notes["end"] = notes["start"] + 0.4 * BEAT
    notes["pitch"] = 60 + rng.integers(0, 12, len(beats))
    return notes


END = 0.3 + 16 * BEAT - 0.1


def test_new_notes_stand_on_the_beats_of_the_performance(system, heard):
    new = np.concatenate([notes for notes, _ in go_on(system, heard, END, 8.0, 1, 1.0)])
    assert len(new) > 5
    assert new["start"].min() >= END
    assert new["end"].max() >= END + 8 - 4 * BEAT
    steps = (new["start"] - 0.3) / BEAT * 4
    assert np.abs(steps - np.rint(steps)).max() * BEAT / 4 < 0.03
    assert (new["end"] > new["start"]).all()


def test_notes_come_in_time(system, heard):
    times = []
    for notes, known in go_on(system, heard, END, 8.0, 1, 1.0):
        assert not times or notes["start"].min(initial=np.inf) >= times[-1]
        times.append(known)
    assert times == sorted(times)
    assert len(times) > 3
    assert times[-1] == np.inf


def test_the_seed_decides(system, heard):
    one, again, other = (
        np.concatenate([notes for notes, _ in go_on(system, heard, END, 8.0, seed, 1.0)])
        for seed in (1, 1, 2)
    )
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()


def test_notes_that_are_cut_off_come_back_once(system, heard):
    held = heard.copy()
    held["end"][-1] = END
    found = np.concatenate([notes for notes, _ in go_on(system, held, END, 4.0, 1, 1.0)])
    old = found[found["start"] < END]
    assert old[["start", "pitch"]].tolist() == held[-1:][["start", "pitch"]].tolist()
    assert old["end"][0] >= END


def test_a_single_note_is_enough(system):
    alone = np.array([(1.0, 2.0, 60, 0)], PLAYED)
    known = [known for _, known in go_on(system, alone, 10.0, 4.0, 1, 1.0)]
    assert known[-1] == np.inf


def test_a_performance_as_a_score_sounds_at_the_same_times(heard):
    again = played(score_of(heard))
    order = np.lexsort((heard["pitch"], heard["start"]))
    assert again["pitch"].tolist() == heard["pitch"][order].tolist()
    np.testing.assert_allclose(again["start"], heard["start"][order], atol=0.001)
    np.testing.assert_allclose(again["end"], heard["end"][order], atol=0.002)


def test_no_note_is_waited_for_without_end(system, heard):
    """A key that is held all the time does not keep what is before from being played."""
    held = heard.copy()
    held["end"][-1] = END

    class Held(System):
        def step(self, state, uniforms, temperature):
            velocities, state = super().step(state, uniforms, temperature)
            velocities[..., 20] = 0.5
            return velocities, state

    holding = {"representation": "holding"}
    forever = Held(CONFIG | holding, DECODER | holding)
    forever.load_state_dict(system.state_dict())
    times = [0.0]
    for notes, known in go_on(forever.eval(), held, END, 30.0, 1, 1.0):
        assert (notes["end"] - notes["start"]).max(initial=0) < 10
        times.append(known)
    assert max(np.diff(times[1:-1])) < 10
    assert times[-2] > END + 25


def test_a_metre_that_steps_do_not_fit_is_not_insisted_on(heard):
    """Of 3 steps in a beat, no bar of 5/8 is a whole number."""
    score = replace(score_of(heard), metres=[Metre(0, 5, 8)])
    assert _in_bars(score, 4).metre == "5/8"
    assert _in_bars(score, 3).metre == "4/4"


def test_what_begins_at_the_very_end_is_enough(system):
    late = np.array([(10.0, 10.03, 60, 0)], PLAYED)
    assert [known for _, known in go_on(system, late, 10.0, 2.0, 1, 1.0)][-1] == np.inf
