import sampling
import torch

from ostinato.notes.samplers import voices


def sampler(objective: str = "marginals"):
    return sampling.build(voices, voices=3, objective=objective)


def test_temperature_zero_takes_the_most_probable_of_each_voice():
    model = sampler()
    likeliest = model.voices(sampling.random(1, 1, sampling.FEATURES))[0, 0].argmax(-1)
    drawn = sampling.draw(model, 1, 0)[0]
    assert drawn.nonzero()[:, 0].tolist() == sorted({*likeliest.tolist()} - {sampling.KEYS})


def test_marginals_are_those_of_the_exact_probabilities():
    model, notes = sampler(), sampling.SETS[5]
    p = sampling.exact(model).exp() @ sampling.SETS
    expected = torch.nn.functional.binary_cross_entropy(p, notes, reduction="sum")
    found = sampling.loss(model, sampling.first(model, notes[None]))
    torch.testing.assert_close(found[0, 0], expected)


def test_the_union_as_loss_is_the_log_probability():
    model = sampler("union")
    step = sampling.first(model, sampling.SETS)
    expected = -sampling.exact(model).masked_fill(sampling.SETS.sum(-1) > 3, 0)
    assert torch.equal(sampling.loss(model, step)[:, 0], expected)
