import pytest
import torch
from making_sound import SCORE_CREATOR_CONFIGS, SCORE_CREATORS

from ostinato.core.models import build
from ostinato.sound.data.frames import NEXT, PAST
from ostinato.sound.report.score_creator import energy_score


@pytest.fixture(params=SCORE_CREATOR_CONFIGS)
def model(request):
    torch.manual_seed(0)
    return build(SCORE_CREATORS, SCORE_CREATOR_CONFIGS[request.param], 6)


def windows(count: int, seed: int) -> torch.Tensor:
    """Slow waves: what follows is known, but for an unknown sign that it ends with."""
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(count, 1, 6, generator=generator) * 6
    time = torch.arange(PAST + NEXT)[:, None]
    waves = torch.sin(0.5 * time + phase)
    sign = torch.randint(2, (count, 1, 1), generator=generator) * 2.0 - 1
    waves[:, PAST:] += 2 * sign
    return waves


def test_forty_frames_become_five(model):
    model.eval()
    past = windows(3, 0)[:, :PAST]
    noise = torch.randn(3, NEXT, 6)
    drawn = model.sample(past, noise)
    assert drawn.shape == (3, NEXT, 6)
    torch.testing.assert_close(model.sample(past[:1], noise[:1]), drawn[:1])


def test_it_learns_what_can_be_known_and_draws_what_cannot(model):
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(300):
        torch.manual_seed(step)
        loss = model(windows(64, step), torch.randn(2, 64, NEXT, 6), torch.rand(2, 64, NEXT))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    test = windows(200, 999)
    past, true = test[:, :PAST], test[:, PAST:]
    drawn = torch.stack([model.sample(past, torch.randn(200, NEXT, 6)) for _ in range(8)])
    last = past[None, :, -1:].expand(1, -1, NEXT, -1)
    assert energy_score(drawn, true).mean() < 0.6 * energy_score(last, true).mean()
    signs = drawn.mean((2, 3))
    assert 0.2 < (signs > 0).float().mean() < 0.8
    assert signs.abs().mean() > 1  # not the mean of both endings
