"""The LSTM-RBM decoder: keys that know of each other through hidden units.

The decoder of the systems "rbm_decoder" and "the_model", akin to the RNN-RBM of
Boulanger-Lewandowski, Bengio and Vincent (2012). An LSTM over this step's pitch classes and the
keys of the step before gives the biases of a restricted Boltzmann machine, whose weights are the
same at all times. It is trained by contrastive divergence; composing is one Gibbs step from the
keys of the step before.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.octaves import Octaves, State


class Params(Schema):
    """Sizes of the decoder.

    Attributes
    ----------
    hidden : int
        Cells of the LSTM.
    units : int
        U, hidden units of the machine.
    """

    hidden: Positive
    units: Positive


class Decoder(Octaves):
    """The LSTM-RBM decoder.

    Parameters
    ----------
    params : Params
        Sizes.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each hidden unit, then one for each key.
    reach : int
        Steps before a sequence that it wants to know: one.
    exact : bool
        Whether `log_prob` is exact: it is a lower bound.
    """

    reach = 1
    exact = False

    def __init__(self, params: Params):
        super().__init__(params.hidden)
        self.sizes = [params.units, KEYS]
        self.draws = sum(self.sizes)
        self.biases = nn.Linear(params.hidden, self.draws)
        self.weight = nn.Parameter(torch.empty(params.units, KEYS).normal_(std=0.01))

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the contrastive divergence of a batch of fragments.

        Parameters
        ----------
        past, keys, mask
            As for `ostinato.notes.decoders.lstm.Decoder.forward`.
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1), for one Gibbs step from the true keys.

        Returns
        -------
        Tensor[]
            Free energy of the true keys less that of the keys drawn, in nats, the mean over the
            steps that the songs have. Its gradient is what counts; it says little about quality.
        """
        hidden_bias, key_bias, _ = self._biases(keys, self.initial(past))
        with torch.no_grad():
            drawn, _ = self._gibbs(keys, hidden_bias, key_bias, uniforms, 1)
            drawn = drawn * self.possible(self.classes(keys))
        true, other = (self._free_energy(v, hidden_bias, key_bias) for v in (keys, drawn))
        return ((true - other) * mask).sum() / mask.sum().clamp(min=1)

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Bound the log-probability that the Gibbs step gives keys, given their pitch classes.

        The probability is a mean over all states of the hidden units, given the keys of the step
        before. Here one is drawn, so the logarithm lies below it in expectation (Jensen). Given the
        hidden units the keys are independent; see `Octaves.log_prob_of`.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            The true keys, 0 or 1.
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1), of which only those of the hidden units count.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        before = self.before(keys, state)
        hidden_bias, key_bias, state = self._biases(keys, state)
        _, logits = self._gibbs(before, hidden_bias, key_bias, uniforms, 1)
        return self.log_prob_of(logits, keys), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step, by one Gibbs step from those of the step before.

        Parameters
        ----------
        classes : Tensor[B, 1, 12]
            The pitch classes that sound.
        state : State
        uniforms : Tensor[B, 1, draws]
            Random numbers in [0, 1).
        temperature : float
            Divides the logits of hidden units and keys; at 0 each takes its likelier value.

        Returns
        -------
        keys : Tensor[B, 1, 88]
            Each sounding class has at least one key: its most probable, if none is drawn.
        state : State
        """
        output, lstm = recurrent.run(self.lstm, [classes, state.keys], state.lstm)
        hidden_bias, key_bias = self._split(output)
        drawn, logits = self._gibbs(state.keys, hidden_bias, key_bias, uniforms, temperature)
        keys = self.complete(drawn, logits, classes)
        return keys, State(keys, lstm)

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        """Decode each step of a known sequence, given its true past, at temperature 0.

        Parameters and result are as for `ostinato.notes.decoders.lstm.Decoder.likeliest`.
        """
        before = self.before(keys, state)
        hidden_bias, key_bias, _ = self._biases(keys, state)
        unused = keys.new_zeros(self.draws)
        drawn, logits = self._gibbs(before, hidden_bias, key_bias, unused, 0)
        return self.complete(drawn, logits, self.classes(keys))

    def _biases(self, keys: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        output, state = self.listen(keys, state)
        return *self._split(output), state

    def _split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        biases = self.biases(output)
        wide = biases.to(torch.promote_types(biases.dtype, torch.float32))
        hidden_bias, key_bias = wide.split(self.sizes, -1)
        return hidden_bias, key_bias

    def _gibbs(
        self,
        keys: Tensor,
        hidden_bias: Tensor,
        key_bias: Tensor,
        uniforms: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        """Draw the hidden units given keys, then new keys; and give the logits of the latter."""
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
