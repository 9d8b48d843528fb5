import torch

from ostinato.memory import clock
from ostinato.memory.history_user import Memory, Params

KEYS, BATCH, STEPS = 5, 3, 40
PARAMS = Params(lags=[1, 4, 8, 16], local=6, read=7, aggregation=9)


def inputs(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    notes = (torch.rand(BATCH, STEPS, KEYS, generator=generator) < 0.3).double()
    past = (torch.rand(BATCH, 20, KEYS, generator=generator) < 0.3).double()
    return notes, clock(torch.tensor([0, 7, 100]), STEPS, torch.float64), past


def memory() -> Memory:
    torch.manual_seed(1)
    return Memory(KEYS, PARAMS).double()


def test_shapes():
    model, (notes, time, past) = memory(), inputs()
    features, state = model(notes, time, model.initial(past))
    assert features.shape == (BATCH, STEPS, model.features)
    assert state.past.shape == (BATCH, model.reach - 1, KEYS)


def test_a_whole_sequence_is_the_same_as_its_steps():
    model, (notes, time, past) = memory(), inputs()
    whole, _ = model(notes, time, model.initial(past))
    state = model.initial(past)
    steps = []
    for step in range(STEPS):
        now = slice(step, step + 1)
        features, state = model(notes[:, now], time[:, now], state)
        steps.append(features)
    torch.testing.assert_close(torch.cat(steps, 1), whole)


def test_features_do_not_see_later_inputs():
    model, (notes, time, past) = memory(), inputs()
    before, _ = model(notes, time, model.initial(past))
    changed = notes.clone()
    changed[:, 25:] = 1 - changed[:, 25:]
    after, _ = model(changed, time, model.initial(past))
    torch.testing.assert_close(after[:, :25], before[:, :25])
    assert not torch.allclose(after[:, 25:], before[:, 25:])


def test_it_reads_exactly_the_lags():
    """With weights frozen on one lag the aggregation sees what was played that long ago."""
    model, (notes, time, past) = memory(), inputs()
    seen = []
    model.aggregation.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    everything = torch.cat([past, notes], 1)
    for index, lag in enumerate(PARAMS.lags):
        torch.nn.init.zeros_(model.weigh.weight)
        model.weigh.bias.data = 1e4 * torch.eye(len(PARAMS.lags)).double()[index]
        model(notes, time, model.initial(past))
        recalled = seen.pop()[..., PARAMS.local :]
        first = past.shape[1] + 1 - lag  # lag 1 is the current input
        torch.testing.assert_close(recalled, everything[:, first : first + STEPS])


def test_reading_weights_sum_to_one():
    model, (notes, time, past) = memory(), inputs()
    weights = model.reading(notes, time, model.initial(past))
    assert weights.shape == (BATCH, STEPS, len(PARAMS.lags))
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, STEPS).double())


def test_gradients_reach_every_weight():
    model, (notes, time, past) = memory(), inputs()
    model(notes, time, model.initial(past))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_the_clock_counts_to_64_in_binary():
    bits = clock(torch.tensor([62]), 4, torch.float32)[0]
    numbers = (bits * 2 ** torch.arange(6)).sum(-1)
    assert numbers.tolist() == [62, 63, 0, 1]
