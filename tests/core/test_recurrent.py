import pytest
import torch
from torch import nn

from ostinato.core import recurrent


@pytest.mark.parametrize("widths", [[5], [2, 3]])
@pytest.mark.parametrize("batch", [1, recurrent.MANY - 1, recurrent.MANY])
def test_step_by_step_is_the_same_as_at_once(batch, widths):
    torch.manual_seed(1)
    lstm = nn.LSTM(5, 7, batch_first=True)
    inputs = torch.randn(batch, 4, 5)
    state = torch.randn(1, batch, 7), torch.randn(1, batch, 7)
    expected, last = lstm(inputs, state)
    outputs = []
    for step in inputs.split(1, 1):
        output, state = recurrent.run(lstm, list(step.split(widths, -1)), state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1), expected)
    torch.testing.assert_close(state, last)
