import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.core import categorical
from ostinato.tokens import BOUNDARY
from ostinato.tokens.compose.sampling import distribution, sample
from ostinato.tokens.model import NextToken

LOGITS = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64).log()
VALUES = st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=9)


def made(bias=()):
    torch.manual_seed(1)
    config = {
        "network": "lstm",
        "input": "embedding",
        "embedding": 5,
        "hidden": 6,
        "layers": 2,
        "dropout": 0.0,
        "window": 9,
    }
    model = NextToken(config | {"data": {"names": ["", *"abcdef"]}}).eval()
    for token, value in dict(bias).items():
        model.output.bias.data[token] = value
    return model


def uniforms(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


@given(VALUES, st.floats(0.1, 2))
def test_a_temperature_takes_probabilities_to_a_power(values, temperature):
    logits = torch.tensor(values, dtype=torch.float64)
    power = logits.softmax(-1) ** (1 / temperature)
    found = distribution(logits, temperature, 0, 1.0)
    torch.testing.assert_close(found, power / power.sum())


@given(VALUES, st.floats(0, 2), st.integers(0, 9), st.floats(0.01, 1))
def test_what_is_drawn_from_is_always_a_distribution(values, temperature, top_k, top_p):
    logits = torch.tensor(values)
    found = distribution(logits, temperature, top_k, top_p)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found.argmax() == logits.argmax() or found.max() == found[logits.argmax()]
    assert (found > 0).sum() <= (top_k or len(values))


def test_at_temperature_zero_the_most_probable_is_taken():
    assert distribution(LOGITS, 0, 0, 1.0).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (2, 1.0, [0, 4 / 7, 0, 3 / 7]),
        (0, 0.39, [0.0, 1, 0, 0]),
        (0, 0.69, [0, 4 / 7, 0, 3 / 7]),
        (0, 0.71, [0, 4 / 9, 2 / 9, 3 / 9]),
        (3, 0.5, [0, 4 / 7, 0, 3 / 7]),  # 4 of the 9 tenths that are left is less than half
    ],
)
def test_top_k_and_top_p_leave_the_most_probable(top_k, top_p, expected):
    found = distribution(LOGITS, 1.0, top_k, top_p)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.5, 3, 0.9), (0, 0, 1)]
)
def test_carrying_the_state_writes_the_same_as_reading_everything_again(temperature, top_k, top_p):
    model, prompt, random = made({BOUNDARY: -9}), torch.tensor([[0, 3, 4]]), uniforms(1, 30)
    [written] = sample(model, prompt, random, temperature, top_k, top_p)
    text = prompt[0].tolist()
    for number in random[0]:
        logits, _ = model.logits(torch.tensor([text]), model.initial(1))
        probable = distribution(logits[0, -1], temperature, top_k, top_p)
        text.append(int((probable.cumsum(0) <= number).sum()))
    assert written == text[3:]


def test_pieces_side_by_side_are_those_written_alone():
    model, random = made({BOUNDARY: 0.5}), uniforms(4, 25)
    prompts = torch.tensor([[0, 1], [0, 2], [0, 3], [0, 4]])
    together = sample(model, prompts, random, 1.0)
    for prompt, row, piece in zip(prompts, random, together, strict=True):
        assert sample(model, prompt[None], row[None], 1.0) == [piece]
    assert min(map(len, together)) < 25


def test_a_piece_ends_at_a_boundary_but_never_before_it_began():
    model = made({BOUNDARY: 50.0})
    [piece] = sample(model, torch.tensor([[BOUNDARY]]), uniforms(1, 9), 1.0)
    assert len(piece) == 1
    assert BOUNDARY not in piece


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"top_p": 0.7}])
def test_no_sum_depends_on_an_order(monkeypatch, options):
    """On CUDA, cumulative sums of floating-point numbers are refused where bytes have to repeat."""
    cumsum = torch.Tensor.cumsum

    def exact(tensor, *args, **kwargs):
        assert not tensor.is_floating_point()
        return cumsum(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "cumsum", exact)
    found = distribution(torch.randn(4, 9), 0.8, **({"top_k": 0, "top_p": 1.0} | options))
    categorical.draw(found, torch.rand(4))
