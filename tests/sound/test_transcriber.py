"""Finding notes."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.scores.performance import PLAYED
from ostinato.scores.wav import RATE
from ostinato.sound import transcriber
from ostinato.sound.fit.transcriber import answers
from ostinato.sound.parts import bands
from ostinato.sound.transcriber import HOP, LOWEST, Transcriber

NOTES = st.lists(
    st.tuples(st.integers(LOWEST, LOWEST + 87), st.integers(1, 80), st.integers(4, 40)),
    min_size=1, max_size=12,
)  # fmt: skip


@given(NOTES)
@settings(max_examples=60, deadline=None)
def test_what_should_be_found_are_the_notes(rows):
    """Notes of a key follow one another with a gap; their answers say all of them."""
    notes, ends = [], {}
    for key, start, length in sorted(rows, key=lambda row: row[1]):
        start = max(start, ends.get(key, -9) + transcriber.APART + 1)
        ends[key] = start + length
        notes.append((start * HOP / RATE, ends[key] * HOP / RATE, key, 0))
    notes = np.sort(np.array(notes, PLAYED), order=("start", "pitch"))
    found = transcriber._notes(answers(notes, 0, 600))
    assert found["pitch"].tolist() == notes["pitch"].tolist()
    for name in ("start", "end"):
        np.testing.assert_allclose(found[name], notes[name], atol=0.6 * HOP / RATE)


def test_a_piece_may_come_in_parts(monkeypatch):
    # Noise has another tuning in every stretch.
    monkeypatch.setattr(bands, "tuning", lambda *_: torch.tensor(0.0))
    torch.manual_seed(0)
    model = Transcriber(4).eval()
    with torch.no_grad():
        model.last.bias.fill_(0.2)  # finds much in noise
    sound = 0.1 * torch.randn(2, 60 * RATE, generator=torch.Generator().manual_seed(0))
    whole = model.transcribe([sound])
    assert len(whole) > 100
    parts = model.transcribe(sound.split(7 * RATE, 1))
    again = model.transcribe(sound.split(25 * RATE, 1))
    assert parts.tolist() == again.tolist()
    one = model.logits(sound[:, : 50 * RATE].mean(0)[None])[0].sigmoid().detach().numpy()
    first = transcriber._notes(one.astype(np.float16))
    early = [notes[notes["start"] < 40] for notes in (parts, first)]
    assert early[0]["pitch"].tolist() == early[1]["pitch"].tolist()
    np.testing.assert_allclose(early[0]["start"], early[1]["start"], atol=1e-4)


def played(notes: np.ndarray, cents: float = 0) -> torch.Tensor:
    """Four seconds of three harmonics."""
    time = np.arange(4 * RATE) / RATE
    sound = np.zeros(len(time))
    for start, end, key, _ in notes:
        angle = 2 * np.pi * 440 * 2 ** ((int(key) - 69 + cents / 100) / 12) * time
        on = (time >= start) & (time < end)
        sound += on * sum(0.2 / n * np.sin(n * angle) for n in (1, 2, 3))
    return torch.from_numpy(sound).float()


def test_it_learns_where_notes_are_in_any_tuning():
    torch.manual_seed(0)
    model = Transcriber(8)
    notes = np.array([(i * 0.5, i * 0.5 + 0.4, 57 + 2 * i, 0) for i in range(8)], PLAYED)
    samples = played(notes)[None]
    true = torch.from_numpy(answers(notes, 0, samples.shape[1] // HOP + 1))[None]
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        model(samples, true, torch.ones_like(true)).backward()
        optimizer.step()
    for cents in (0, 40):
        sound = played(notes, cents).expand(2, -1)
        found = model.eval().transcribe([sound])
        assert found["pitch"].tolist() == notes["pitch"].tolist()
        np.testing.assert_allclose(found["start"], notes["start"], atol=0.03)


def test_silence_has_no_notes():
    torch.manual_seed(0)
    assert len(Transcriber(4).eval().transcribe([torch.zeros(2, 3 * RATE)])) == 0
