"""Playing a second at a time."""

import numpy as np
import pytest
import torch
from making_sound import PLAYER

from ostinato.core.models import build
from ostinato.scores.performance import PLAYED
from ostinato.scores.wav import RATE
from ostinato.sound.compose.play import BLOCK, Playing
from ostinato.sound.parts.tones import HOP


def notes(*rows: tuple[float, float, int]) -> np.ndarray:
    return np.array([(*row, 0) for row in rows], PLAYED)


HEARD = notes((0, 1, 60), (1, 2, 64), (2, 4.99, 67))
LATER = notes((5, 6, 60), (5.5, 5.6, 64), (6.2, 8, 67))


@pytest.fixture(scope="module")
def playing():
    torch.manual_seed(0)
    model = build("ostinato.sound.score_creators", PLAYER).eval().double()
    begun = 0.1 * torch.randn(2, 5 * RATE, generator=torch.Generator().manual_seed(1)).double()
    first = 5 * RATE // HOP

    @torch.no_grad()
    def played(*following: tuple[np.ndarray, float], seed: int = 1) -> torch.Tensor:
        return torch.cat(list(Playing(model, begun, HEARD, first, seed).blocks(following)), 1)

    return played


def test_it_does_not_matter_when_notes_are_known(playing):
    at_once = playing((LATER, 9.0))
    one_by_one = playing(*((LATER[i : i + 1], known) for i, known in enumerate((5.5, 6.2, 9.0))))
    assert at_once.shape == (2, 4 * BLOCK * HOP)
    torch.testing.assert_close(one_by_one, at_once, atol=1e-12, rtol=0)


def test_nothing_is_played_before_its_notes_are_known(playing):
    assert playing((LATER[:1], 5.9), (LATER[1:], 7.1)).shape[1] == 2 * BLOCK * HOP


def test_the_seed_decides_how_it_sounds(playing):
    one, again, other = (playing((LATER, 7.0), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_notes_that_sound_on_are_played_from_where_they_are(playing):
    """A note that began before what was given ended is as loud later as one that begins there."""
    held = playing((notes((4.5, 8, 60)), 9.0))
    silent = playing((notes(), 9.0))
    again = playing((notes((5, 8, 60)), 9.0))
    energy = [(each - silent).square().sum().item() for each in (held, again)]
    assert energy[0] > 0
    assert energy[0] == pytest.approx(energy[1], rel=0.5)
