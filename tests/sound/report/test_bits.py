import numpy as np
import pytest
import torch
from making_music import music
from making_sound import AUTOENCODER_CONFIGS, AUTOENCODERS

from ostinato.core.models import build
from ostinato.scores.wav import RATE
from ostinato.sound.data.sound import FRAME
from ostinato.sound.report import bits, measures


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS["conv"])
    crops = torch.from_numpy(np.stack([music(3, seed) for seed in range(40)]))
    model.start(crops[..., : 8 * FRAME + model.overlap])
    model.finish(crops[:20, :, : 8 * FRAME + model.overlap])
    return model.eval()


def test_more_bits_sound_better(model):
    sounds = [music(4, 50 + seed) for seed in range(3)]
    unheard = music(4, 60)
    found = {}
    for rate in (3000, 8000):
        heard, length = bits.fit(model, sounds, rate).code(unheard)
        assert heard.shape == unheard.shape
        assert length / 4 == pytest.approx(rate, rel=0.2)
        found[rate] = measures.snr([unheard], [heard])
    numbers = model.encode(torch.from_numpy(unheard))
    whole = model.decode(numbers)[:, : 4 * RATE].numpy()
    assert found[3000] + 1 < found[8000] <= measures.snr([unheard], [whole]) + 0.3


def test_the_code_length_is_that_of_probabilities_which_add_up_to_one():
    size = np.array([0.3, 2.0, 40.0])
    integers = np.arange(-2000, 2001)
    for each in size:
        lengths = [bits.code_length(np.array([[n]]), np.array([each])) for n in integers]
        probabilities = 2 ** -np.array(lengths)
        assert probabilities.sum() == pytest.approx(1, abs=1e-6)
        assert (probabilities * np.abs(integers)).sum() == pytest.approx(each, rel=1e-3)
    drawn = np.array([[1, 0, -3], [0, 2, 7]])
    apart = sum(bits.code_length(drawn[:, [n]], size[[n]]) for n in range(3))
    assert bits.code_length(drawn, size) == pytest.approx(apart)
