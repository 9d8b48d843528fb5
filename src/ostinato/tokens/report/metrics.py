"""Figures of a token model on held-out pieces, beside those of simpler ones."""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from ostinato.scores.sources import SPLITS
from ostinato.tokens.batches import READ, classified
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import Classifier, NextToken, bits
from ostinato.tokens.report.ngrams import KneserNey

MOST_ORDER = 20
"""N-grams up to this length are tried."""
TESTED = 1_000_000
"""Tokens that anything is tested on, at the most."""

LONGEST_GRAM = 3
STRENGTHS = (0.01, 0.1, 1.0)
"""Of the regularisation (its inverse) of logistic regression; the validation pieces choose."""

FIRST_LETTER = 0x4E00
"""For scikit-learn, classes are letters that it does not take for white space."""


def compare_bits(model: NextToken, streams: Streams) -> dict[str, Any]:
    """Measure how well the next token is predicted, by the model and by n-grams.

    Parameters
    ----------
    model : NextToken
    streams : Streams

    Returns
    -------
    dict
        ``lstm_bits`` and ``ngram_bits``, a token of the test stream; ``ngram_order``, which the
        validation stream chose; and how many tokens were ``tested``, and learned by the n-grams,
        ``ngram_learned``, and by the model, ``lstm_learned``, transpositions included.
    """
    learned = streams.learned()
    valid, test = streams["valid"][:TESTED], streams["test"][:TESTED]
    ngrams = KneserNey(learned, len(streams.names), MOST_ORDER)
    order = int(_bits(ngrams, valid).argmin())
    return {
        "lstm_bits": float(bits(model, test).mean()),
        "ngram_bits": float(_bits(ngrams, test)[order]),
        "ngram_order": order + 1,
        "ngram_learned": sum(map(len, learned)),
        "lstm_learned": len(streams["train"]) * len(streams.shifts),
        "tested": len(test) - 1,
    }


def _bits(ngrams: KneserNey, stream: np.ndarray) -> np.ndarray:
    return -np.log2(ngrams.probabilities(stream)).mean(1)


def compare_labels(model: Classifier, streams: Streams) -> dict[str, Any]:
    """Measure how many test pieces are called what they are, all their labels right.

    Parameters
    ----------
    model : Classifier
    streams : Streams

    Returns
    -------
    dict
        ``lstm_accuracy``; ``logistic_accuracy``, of logistic regression on the counts of stretches
        of one to three tokens; ``majority_accuracy``, of always naming what the most training
        pieces are called; ``tested`` pieces.
    """
    truth = streams.targets("test").astype(int)
    several = streams.about["labelling"] == "several"
    found = classified(model, streams.pieces("test"))
    sets, counts = np.unique(streams.targets("train"), axis=0, return_counts=True)
    answers = {
        "lstm": found,
        "logistic": _logistic(streams, several),
        "majority": np.broadcast_to(sets[counts.argmax()], truth.shape),
    }
    return {
        **{f"{name}_accuracy": float((a == truth).all(1).mean()) for name, a in answers.items()},
        "tested": len(truth),
    }


def _logistic(streams: Streams, several: bool) -> np.ndarray:
    """Answers of logistic regression for the test pieces: ndarray[int64], [pieces, labels]."""
    counter = CountVectorizer(analyzer="char", ngram_range=(1, LONGEST_GRAM), lowercase=False)
    # As the model, it learns every transposition.
    moved = [_letters(streams, "train", shift) for shift in range(len(streams.shifts))]
    learned = counter.fit_transform([piece for pieces in moved for piece in pieces])
    counts = {split: counter.transform(_letters(streams, split)) for split in ("valid", "test")}
    targets = {split: streams.targets(split).astype(int) for split in SPLITS}
    targets["train"] = np.tile(targets["train"], (len(moved), 1))

    def fitted(strength: float) -> OneVsRestClassifier:
        regression = LogisticRegression(C=strength, solver="liblinear", random_state=0)
        return OneVsRestClassifier(regression).fit(learned, targets["train"])

    def answers(model: OneVsRestClassifier, split: str) -> np.ndarray:
        probable = model.predict_proba(counts[split])
        best = np.eye(len(streams.labels), dtype=int)[probable.argmax(1)]
        return (probable > 0.5).astype(int) if several else best

    def accuracy(model: OneVsRestClassifier) -> float:
        return (answers(model, "valid") == targets["valid"]).all(1).mean()

    return answers(max(map(fitted, STRENGTHS), key=accuracy), "test")


def _letters(streams: Streams, split: str, shift: int = 0) -> list[str]:
    pieces = (streams.transposed(piece[:READ], shift) for piece in streams.pieces(split))
    return ["".join(chr(FIRST_LETTER + int(token)) for token in piece) for piece in pieces]
