"""The LSTM-RBM decoder: keys depend on each other through hidden units.

The decoder of the systems "rbm_decoder" and "the_model", similar to the RNN-RBM of
Boulanger-Lewandowski, Bengio and Vincent (2012). An LSTM reads the pitch classes of the step and
the keys of the previous step. It gives the biases of a restricted Boltzmann machine, whose weights
are the same at all steps. The model is trained by contrastive divergence. It draws keys by one
Gibbs step from the keys of the previous step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.categorical import wide
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.octaves import Octaves, State


class Params(Schema):
    """Sizes of the decoder.

    Attributes
    ----------
    hidden : int
        Number of cells of the LSTM.
    units : int
        U, number of hidden units of the restricted Boltzmann machine.
    """

    hidden: Positive
    units: Positive


class Model(Octaves):
    """The LSTM-RBM decoder; see `Decoder`.

    It needs one random number per hidden unit, then one per key.
    """

    exact = False

    def __init__(self, params: Params):
        super().__init__(params.units + KEYS, 1, params.hidden)
        self.sizes = [params.units, KEYS]
        self.biases = nn.Linear(params.hidden, self.num_uniforms)
        self.weight = nn.Parameter(torch.empty(params.units, KEYS).normal_(std=0.01))

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the loss of contrastive divergence, with one Gibbs step from the true keys.

        It is the free energy of the true keys minus that of the drawn keys, in nats, averaged over
        all steps that are not padding. Only its gradient matters; its value says little about
        quality.
        """
        hidden_bias, key_bias, _ = self._biases(keys, self.initial(past))
        with torch.no_grad():
            drawn, _ = self._gibbs(keys, hidden_bias, key_bias, uniforms, 1)
            drawn = drawn * self.keys_of(self.classes(keys))
        true, other = (self._free_energy(v, hidden_bias, key_bias) for v in (keys, drawn))
        return ((true - other) * mask).sum() / mask.sum().clamp(min=1)

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute a lower bound of the log-probability that the Gibbs step gives the keys.

        The probability is an expectation over the states of the hidden units, given the keys of the
        previous step. Here a single state is drawn, so by Jensen's inequality the result is a lower
        bound in expectation. Given the hidden units, the keys are independent; see
        `Octaves.log_prob_of`.
        """
        before = self.before(keys, state)
        hidden_bias, key_bias, state = self._biases(keys, state)
        _, logits = self._gibbs(before, hidden_bias, key_bias, uniforms, 1)
        return self.log_prob_of(logits, keys), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        output, lstm = recurrent.run(self.lstm, [classes, state.keys], state.lstm)
        hidden_bias, key_bias = self._split(output)
        drawn, logits = self._gibbs(state.keys, hidden_bias, key_bias, uniforms, temperature)
        keys = self.complete(drawn, logits, classes)
        return keys, State(keys, lstm)

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        before = self.before(keys, state)
        hidden_bias, key_bias, _ = self._biases(keys, state)
        unused = keys.new_zeros(self.num_uniforms)
        drawn, logits = self._gibbs(before, hidden_bias, key_bias, unused, 0)
        return self.complete(drawn, logits, self.classes(keys))

    def _biases(self, keys: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        output, state = self.listen(keys, state)
        return *self._split(output), state

    def _split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        hidden_bias, key_bias = wide(self.biases(output)).split(self.sizes, -1)
        return hidden_bias, key_bias

    def _gibbs(
        self,
        keys: Tensor,
        hidden_bias: Tensor,
        key_bias: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        """Draw the hidden units given keys, then new keys; return these and their logits."""
        for_hidden, for_keys = uniforms.split(self.sizes, -1)
        hidden = _draw(functional.linear(keys, self.weight) + hidden_bias, for_hidden, temperature)
        logits = functional.linear(hidden, self.weight.T) + key_bias
        return _draw(logits, for_keys, temperature), logits

    def _free_energy(self, keys: Tensor, hidden_bias: Tensor, key_bias: Tensor) -> Tensor:
        hidden = functional.softplus(functional.linear(keys, self.weight) + hidden_bias)
        return -(keys * key_bias).sum(-1) - hidden.sum(-1)


def _draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
    return drawn.to(logits.dtype)
