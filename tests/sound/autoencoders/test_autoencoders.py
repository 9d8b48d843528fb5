import copy
import math

import numpy as np
import pytest
import torch
from making_sound import AUTOENCODER_CONFIGS, AUTOENCODERS

from ostinato.core.models import build
from ostinato.scores.wav import RATE
from ostinato.sound.autoencoders import conv
from ostinato.sound.data.sound import FRAME
from ostinato.sound.report import measures


def chords(count: int, frames: int, extra: int, seed: int) -> torch.Tensor:
    """Crops of a few tones each, which begin somewhere."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames * FRAME + extra) / RATE
    crops = np.zeros((count, 2, len(time)), np.float32)
    for crop in crops:
        for _ in range(4):
            start, hertz = rng.uniform(0, 0.5), 110 * 2 ** (rng.integers(36) / 12)
            tone = np.sin(2 * np.pi * hertz * time) * np.exp(-2 * (time - start)) * (time > start)
            crop += 0.2 * tone * rng.uniform(0.5, 1, (2, 1))
    return torch.from_numpy(crops)


@pytest.fixture(scope="module", params=AUTOENCODER_CONFIGS)
def model(request):
    torch.manual_seed(0)
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS[request.param])
    model.start(chords(80, 8, model.overlap, 0))
    model.finish(chords(20, 8, model.overlap, 9))
    return model.eval()


@pytest.mark.parametrize("samples", [1, FRAME, FRAME + 1, 5 * FRAME - 7])
def test_any_length_goes_through_512_numbers_a_frame(model, samples):
    sound = chords(1, 6, 0, 1)[0, :, :samples]
    numbers = model.encode(sound)
    assert numbers.shape[1] == 512
    assert len(numbers) <= math.ceil((samples + model.overlap) / FRAME)
    assert model.decode(numbers).shape[1] >= samples


def test_unheard_chords_are_still_chords(model):
    sound = chords(1, 12, 0, 2)[0]
    heard = model.decode(model.encode(sound))[:, : sound.shape[1]]
    assert measures.snr([sound.numpy()], [heard.numpy()]) > 10


def test_silence_stays_silence(model):
    heard = model.decode(model.encode(torch.zeros(2, 4 * FRAME)))
    assert heard.abs().max() < 0.02


def test_the_loss_has_a_gradient_everywhere(model):
    loss = model(chords(2, 2, model.overlap, 3))
    loss.backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing == []
    assert torch.isfinite(loss)
    model.zero_grad()


def test_what_was_heard_stays_as_it_was_when_contents_follow(model):
    sound = chords(1, 9, 0, 4)[0]
    content = model.encode(sound)[:, : model.content]
    begun = sound[:, : 6 * FRAME]
    completed = torch.cat(list(model.complete(content, begun)))
    torch.testing.assert_close(completed[:, : model.content], content)
    heard = model.decode(completed)[:, : 5 * FRAME].numpy()
    plain = model.decode(model.encode(sound))[:, : 5 * FRAME].numpy()
    true = begun[:, : 5 * FRAME].numpy()
    assert measures.snr([true], [heard]) > measures.snr([true], [plain]) - 1


@pytest.fixture(scope="module")
def linear():
    """As it starts."""
    torch.manual_seed(0)
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS["conv"])
    model.start(chords(80, 8, model.overlap, 0))
    model.finish(chords(20, 8, model.overlap, 9))
    return model.eval()


@pytest.fixture(scope="module")
def convolutional(linear):
    model = copy.deepcopy(linear)
    # Make every part of it count, not only what it starts with.
    for last in (model.encoder[-1], model.decoder[-1], model.neighbours):
        torch.nn.init.normal_(last.weight, std=0.02)
    return model.eval()


def test_long_sound_is_coded_in_parts_as_if_at_once(convolutional, monkeypatch):
    sound = chords(1, 30, 0, 5)[0]
    at_once = convolutional.encode(sound)
    whole = convolutional.decode(at_once)
    monkeypatch.setattr(conv, "PART", 7)
    in_parts = convolutional.encode(sound)
    torch.testing.assert_close(in_parts[:, :64], at_once[:, :64], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(convolutional.decode(in_parts), whole, atol=1e-3, rtol=0)


def test_a_note_may_begin_anywhere(convolutional):
    """The error does not depend on where frames begin, on the average of six sounds."""
    sounds = [torch.nn.functional.pad(chords(1, 16, 0, seed)[0], (FRAME, 0)) for seed in range(6)]
    ratios = []
    for shift in (0, 1000, 4321, 9000):
        parts = [sound[:, shift:] for sound in sounds]
        heard = [convolutional.decode(convolutional.encode(p))[:, : p.shape[1]] for p in parts]
        each = zip(parts, heard, strict=True)
        ratios.append(np.mean([measures.snr([p.numpy()], [h.numpy()]) for p, h in each]))
    assert max(ratios) - min(ratios) < 2


def test_frame_borders_do_not_click(convolutional):
    sound = chords(1, 100, 0, 7)[0]
    error = convolutional.decode(convolutional.encode(sound))[:, : sound.shape[1]] - sound
    assert measures.border_ratio([error.numpy()]) < 1.1
    assert measures.border_ratio([np.where(np.arange(FRAME * 9) % FRAME < 9, 0.1, 0)[None]]) > 100


def sustained(count: int, frames: int, extra: int, seed: int) -> torch.Tensor:
    """Crops of three tones that go on, fourths or more apart."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames * FRAME + extra) / RATE
    steps = np.array([0, 12, 24]) + rng.integers(8, size=(count, 3))
    hertz = 110 * 2 ** (steps[..., None] / 12)
    phase = rng.uniform(0, 2 * np.pi, (count, 3, 1))
    waves = 0.2 * np.sin(2 * np.pi * hertz * time + phase).sum(1, keepdims=True)
    return torch.from_numpy(waves.repeat(2, 1).astype(np.float32))


def test_tones_go_on_after_they_were_heard(monkeypatch):
    """From contents alone, a part at a time: the details are found again."""
    monkeypatch.setattr(conv, "PART", 9)
    torch.manual_seed(0)
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS["conv"])
    model.start(sustained(80, 8, model.overlap, 0))
    model.finish(sustained(20, 8, model.overlap, 9))
    sound = sustained(1, 24, 0, 1)[0]
    content = model.eval().encode(sound)[:23, :64]
    heard = model.decode(torch.cat(list(model.complete(content, sound[:, : 8 * FRAME]))))[
        :, 10 * FRAME : 20 * FRAME
    ]
    true = sound[:, 10 * FRAME : 20 * FRAME]
    assert abs(measures.level(heard.numpy()) - measures.level(true.numpy())) < 2
    window = torch.hann_window(10 * FRAME)
    spectra = [torch.fft.rfft(x[0] * window).abs() for x in (true, heard)]
    for part in (slice(0, 480), slice(480, 960), slice(960, 2000)):  # an octave each, in 0.4 Hz
        places = [spectrum[part].argmax().item() * 0.4 for spectrum in spectra]
        assert places[1] == pytest.approx(places[0], rel=0.03)


def test_what_is_brighter_than_all_before_does_not_explode(convolutional):
    """Networks exaggerate what they have never heard, such as cymbals."""
    bright = copy.deepcopy(convolutional)
    with torch.no_grad():
        bright.decoder[-1].bias[-2 * conv.BANDS :] += 8  # 80 dB
    sound = chords(1, 8, 0, 2)[0]
    ours, theirs = (model.decode(model.encode(sound)) for model in (convolutional, bright))
    assert theirs.abs().max() < 1.2 * ours.abs().max()


def test_the_soft_choice_sums_to_the_number_of_coefficients():
    torch.manual_seed(0)
    power = (3 * torch.randn(2, 3, 6400)).requires_grad_()
    chosen = conv._softly_chosen(power, 448, 0.25)
    torch.testing.assert_close(chosen.sum(-1), torch.full((2, 3), 448.0), rtol=1e-3, atol=0)
    chosen.sum().backward()
    assert power.grad.abs().max() < 1e-4  # growing together changes nothing


@pytest.mark.parametrize("name", AUTOENCODER_CONFIGS)
def test_numbers_may_come_in_parts(name):
    """The parts are of any length, and what is heard does not tell where they end."""
    torch.manual_seed(0)
    model = build(AUTOENCODERS, AUTOENCODER_CONFIGS[name]).eval()
    numbers = torch.randn(500, 512)
    whole = model.decode(numbers)
    for size in (30, 240, 333):
        parts = list(model.decode_parts(iter(numbers.split(size))))
        assert len(parts) > 1
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)
