"""Every model on torch's meta device, where a CPU tensor made on the way is an error."""

import pytest
import torch
from making_sound import (
    AUTOENCODER_CONFIGS,
    AUTOENCODERS,
    SCORE_CREATOR_CONFIGS,
    SCORE_CREATORS,
)

from ostinato.core.models import build
from ostinato.sound.data.frames import NEXT, PAST, WINDOW
from ostinato.sound.data.sound import CHANNELS, FRAME
from ostinato.sound.transcriber import HOP, Transcriber

SIZE = 6


def meta(*shape: int) -> torch.Tensor:
    return torch.empty(shape, device="meta")


@pytest.mark.parametrize("name", AUTOENCODER_CONFIGS)
def test_an_autoencoder_makes_no_tensor_on_the_cpu(name):
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS[name]).to("meta")
    model.start(meta(80, CHANNELS, 8 * FRAME + model.overlap))
    loss = model(meta(4, CHANNELS, 8 * FRAME + model.overlap))
    loss.backward()
    model.eval().finish(meta(4, CHANNELS, 8 * FRAME + model.overlap))
    numbers = model.encode(meta(CHANNELS, 12 * FRAME))
    sound = model.decode(numbers)
    content = numbers[:, : model.content]
    completed = torch.cat(list(model.complete(content, meta(CHANNELS, 8 * FRAME))))
    assert {x.device.type for x in (loss, numbers, sound, completed)} == {"meta"}
    assert sound.shape == (CHANNELS, len(numbers) * FRAME - model.overlap)
    assert completed.shape == numbers.shape


@pytest.mark.parametrize("name", SCORE_CREATOR_CONFIGS)
def test_a_score_creator_makes_no_tensor_on_the_cpu(name):
    model = build(SCORE_CREATORS, SCORE_CREATOR_CONFIGS[name], SIZE).to("meta")
    loss = model(meta(3, WINDOW, SIZE), meta(2, 3, NEXT, SIZE), meta(2, 3, NEXT))
    loss.backward()
    drawn = model.eval().sample(meta(3, PAST, SIZE), meta(3, NEXT, SIZE))
    assert (loss.device.type, drawn.device.type) == ("meta", "meta")
    assert drawn.shape == (3, NEXT, SIZE)


def test_a_transcriber_makes_no_tensor_on_the_cpu():
    model = Transcriber(4).to("meta")
    samples = meta(2, 100 * HOP)
    answers = model.logits(samples)
    loss = model(samples, meta(*answers.shape), meta(*answers.shape))
    loss.backward()
    assert (answers.device.type, loss.device.type) == ("meta", "meta")
    assert answers.shape == (2, 101, 88, 2)
