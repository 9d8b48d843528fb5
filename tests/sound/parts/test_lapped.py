import numpy as np
import pytest
import torch

from ostinato.sound.parts.lapped import Lapped


@pytest.mark.parametrize("hop", [25, 64])
def test_every_bin_gives_back_the_sound(hop):
    torch.manual_seed(0)
    samples = torch.randn(2, 7 * hop)
    lapped = Lapped(hop, hop)
    spectrum = lapped(samples)
    for coefficients in (spectrum.real, spectrum):
        back = lapped.inverse(coefficients)
        torch.testing.assert_close(back[:, hop:-hop], samples[:, hop:-hop])


def test_it_is_the_textbook_transform():
    hop, k, n = 16, np.arange(16)[:, None], np.arange(32)
    cosines = np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)) * np.sqrt(2 / hop)
    window = np.sin(np.pi * (n + 0.5) / 32)
    samples = np.random.default_rng(0).normal(size=32)
    heard = Lapped(hop, hop)(torch.from_numpy(samples).float())
    np.testing.assert_allclose(heard.real[0].numpy(), cosines @ (window * samples), atol=1e-5)


def test_loudness_does_not_depend_on_phase():
    """Of a tone half-way between the borders of a bin."""
    hop, time = 64, torch.arange(128)
    loudness = [
        Lapped(hop, hop)(torch.cos(torch.pi / hop * 10.5 * time + phase)).abs()[0, 10].item()
        for phase in (0.0, 0.7, 1.5, 2.9)
    ]
    assert max(loudness) / min(loudness) < 1.02
