"""Byte-pair encoding: tokens that often follow each other become one.

Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units, ACL 2016;
for music, Fradet et al., EMNLP 2023.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

FIRST = 0x4E00
"""Tokens become characters from here on, none of which is white space."""

BEGINS = "Bar", "TimeShift"
"""What a word begins with: nothing is joined over its beginning."""


class Pairs:
    """Joins tokens.

    Parameters
    ----------
    single : sequence of str
        The tokens, without spaces.
    merges : iterable of tuple of str
        Which two are joined, in the order in which that is done. Tokens that were joined before
        have spaces between them.

    Attributes
    ----------
    names : list of str
        The single tokens, and those that joined ones are made of.
    merges : list of tuple of str
    """

    def __init__(self, single: Sequence[str], merges: Iterable[Sequence[str]]):
        self.merges = [tuple(pair) for pair in merges]
        self.names = [*single, *map(" ".join, self.merges)]
        self._begins = np.array([name.startswith(BEGINS) for name in single])
        letter = {name: chr(FIRST + number) for number, name in enumerate(single)}

        def spelled(name: str) -> str:
            return "".join(letter[token] for token in name.split(" "))

        pairs = [(spelled(first), spelled(second)) for first, second in self.merges]
        known = {spelled(name): number for number, name in enumerate(self.names)}
        self._model = Tokenizer(models.BPE(known, pairs))
        self._model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()

    @classmethod
    def learned(
        cls, single: Sequence[str], sequences: Iterable[np.ndarray], classes: int
    ) -> "Pairs":
        """Learn what to join.

        Parameters
        ----------
        single : sequence of str
            The tokens.
        sequences : iterable of ndarray of int
            Sequences of their numbers.
        classes : int
            How many different tokens there are afterwards, at the most.
        """
        plain = cls(single, [])
        model = Tokenizer(models.BPE())
        model.pre_tokenizer = plain._model.pre_tokenizer
        letters = [chr(FIRST + number) for number in range(len(single))]
        trainer = trainers.BpeTrainer(
            vocab_size=classes, initial_alphabet=letters, show_progress=False
        )
        model.train_from_iterator(map(plain._text, sequences), trainer)
        merges = json.loads(model.to_str())["model"]["merges"]
        return cls(
            single,
            [[" ".join(single[ord(each) - FIRST] for each in half) for half in m] for m in merges],
        )

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Pairs":
        """Make those of streams, from their config.json."""
        single = {token for name in data["names"][1:] for token in name.split(" ")}
        single |= {token for pair in data["merges"] for name in pair for token in name.split(" ")}
        return cls(sorted(single), data["merges"])

    def join(self, numbers: np.ndarray) -> np.ndarray:
        """Turn numbers of single tokens into numbers of `names`: ndarray[int64]."""
        if not self.merges:
            return numbers.astype(np.int64)
        return np.array(self._model.encode(self._text(numbers)).ids, np.int64)

    def _text(self, numbers: np.ndarray) -> str:
        """Spell tokens, with a space between words."""
        spaces = np.flatnonzero(self._begins[numbers])
        letters = np.insert(numbers.astype(np.uint32) + FIRST, spaces, ord(" "))
        return letters.astype("<u4").tobytes().decode("utf-32-le")


def apart(names: Iterable[str]) -> list[str]:
    """Take joined tokens apart."""
    return [token for name in names for token in name.split(" ")]
