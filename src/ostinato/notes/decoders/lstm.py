"""The LSTM decoder: remembers in which octave the playing goes on.

An LSTM over this step's pitch classes and the keys of the step before gives a probability for each
of the 88 keys; keys whose pitch class is silent are masked, in the loss too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ostinato.core import recurrent
from ostinato.core.schema import Positive, Schema
from ostinato.notes.data.rolls import KEYS
from ostinato.notes.parts.octaves import Octaves, State


class Params(Schema):
    """Size of the decoder: cells of its LSTM."""

    hidden: Positive


class Decoder(Octaves):
    """The LSTM decoder.

    Parameters
    ----------
    params : Params
        Its size.

    Attributes
    ----------
    draws : int
        Random numbers that it needs a step: one for each key.
    reach : int
        Steps before a sequence that it wants to know: one.
    exact : bool
        Whether `log_prob` is exact: yes.
    """

    draws = KEYS
    reach = 1
    exact = True

    def __init__(self, params: Params):
        super().__init__(params.hidden)
        self.keys = nn.Linear(params.hidden, KEYS)

    def forward(self, past: Tensor, keys: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
        """Compute the loss of a batch of fragments.

        Parameters
        ----------
        past : Tensor[B, P, 88]
            The keys before, at least `reach` steps.
        keys : Tensor[B, T, 88]
            The true keys, 0 or 1.
        mask : Tensor[B, T]
            1 where the song has a step.
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1), for decoders that draw in training; not used here.

        Returns
        -------
        Tensor[]
            Cross-entropy in nats, the mean over all keys whose pitch class sounds.
        """
        logits, _ = self._logits(keys, self.initial(past))
        possible = self.possible(self.classes(keys)) * mask[..., None]
        loss = functional.binary_cross_entropy_with_logits(logits, keys, reduction="none")
        return (loss * possible).sum() / possible.sum().clamp(min=1)

    def log_prob(self, keys: Tensor, state: State, uniforms: Tensor) -> tuple[Tensor, State]:
        """Compute the log-probability of keys, given their pitch classes, exactly.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            The true keys, 0 or 1.
        state : State
        uniforms : Tensor[B, T, draws]
            Random numbers in [0, 1), for decoders that only bound it; not used here.

        Returns
        -------
        log_prob : Tensor[B, T]
            Nats.
        state : State
        """
        logits, state = self._logits(keys, state)
        return self.log_prob_of(logits, keys), state

    def sample(
        self, classes: Tensor, state: State, uniforms: Tensor, temperature: float
    ) -> tuple[Tensor, State]:
        """Draw the keys of one step.

        Parameters
        ----------
        classes : Tensor[B, 1, 12]
            The pitch classes that sound.
        state : State
        uniforms : Tensor[B, 1, 88]
            Random numbers in [0, 1).
        temperature : float
            Logits are divided by it; at 0 a key sounds where that is the likelier.

        Returns
        -------
        keys : Tensor[B, 1, 88]
            Each sounding class has at least one key: its most probable, if none is drawn.
        state : State
        """
        output, lstm = recurrent.run(self.lstm, [classes, state.keys], state.lstm)
        logits = self._wide(output)
        drawn = logits > 0 if temperature == 0 else uniforms < (logits / temperature).sigmoid()
        keys = self.complete(drawn.to(logits.dtype), logits, classes)
        return keys, State(keys, lstm)

    def likeliest(self, keys: Tensor, state: State) -> Tensor:
        """Decode each step of a known sequence, given its true past.

        Parameters
        ----------
        keys : Tensor[B, T, 88]
            The true keys; at each step only their pitch classes are used.
        state : State

        Returns
        -------
        Tensor[B, T, 88]
            The keys that are likelier to sound than not, at least one in each sounding class.
        """
        logits, _ = self._logits(keys, state)
        return self.complete((logits > 0).to(keys.dtype), logits, self.classes(keys))

    def _logits(self, keys: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = self.listen(keys, state)
        return self._wide(output), state

    def _wide(self, output: Tensor) -> Tensor:
        logits = self.keys(output)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))
