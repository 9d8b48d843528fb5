import sampling
import torch

from ostinato.notes.parts import unions
from ostinato.notes.samplers import stacked


def test_each_pass_is_given_the_same_features_and_the_probability_so_far():
    model = sampling.build(stacked, passes=3, hidden=6)
    some = sampling.music(model)
    heard, answers = [], []
    model.network.register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    model.answer.register_forward_hook(lambda _, args, answer: answers.append(answer))
    loss = sampling.loss(model, some)
    p = torch.zeros_like(some.notes)
    for seen, answer in zip(heard, answers, strict=True):
        torch.testing.assert_close(seen, torch.cat([some.features, p], -1))
        p = p + (1 - p) * answer[..., 0, :-1].exp()
    torch.testing.assert_close(loss, unions.cross_entropy(p, some.notes))
    assert len(heard) == 3
