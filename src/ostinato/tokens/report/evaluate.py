"""Metrics of a token model on held-out pieces, beside those of simple baselines."""

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from ostinato.scores.sources import SPLITS
from ostinato.tokens.batches import MAX_READ, bits, classify
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import Classifier, NextToken
from ostinato.tokens.report.kneser_ney import KneserNey

MAX_ORDER = 20
"""The longest n-grams that are tried."""
MAX_TESTED = 1_000_000
"""The most tokens that are used of the test stream, and of the validation stream."""

MAX_COUNTED = 3
"""The longest n-grams that logistic regression counts."""
STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse strengths of its regularisation; the validation pieces choose one."""

FIRST_CHARACTER = 0x4E00
"""For scikit-learn, classes become characters from here on, none of which is white space."""


def evaluate_next_token(model: NextToken, streams: Streams) -> dict[str, Any]:
    """Measure how well the model predicts the next token, beside n-grams.

    Parameters
    ----------
    model : NextToken
    streams : Streams

    Returns
    -------
    dict
        ``model_bits`` and ``ngram_bits``: bits per token of the test stream. For events and chords
        also ``model_bits_a_note`` and ``ngram_bits_a_note``: those of all tokens, boundaries
        included, divided by the number of notes, which can be compared between vocabularies.
        ``ngram_order``: the length of n-grams that is best on the validation stream.
        ``ngram_learned`` and ``model_learned``: the number of training tokens, counted in all
        transpositions. ``tested``: the number of test tokens.
    """
    learned = streams.transpositions()
    valid, test = streams["valid"][:MAX_TESTED], streams["test"][:MAX_TESTED]
    ngrams = KneserNey(learned, len(streams.names), MAX_ORDER)
    order = int(ngrams.bits(valid).argmin())
    found = {
        "model": float(bits(model, test).mean()),
        "ngram": float(ngrams.bits(test)[order]),
    }
    notes = notes_of_tokens(streams.config)[test].sum()
    a_note = {f"{n}_bits_a_note": b * (len(test) - 1) / notes for n, b in found.items() if notes}
    return {
        **{f"{name}_bits": value for name, value in found.items()},
        **a_note,
        "ngram_order": order + 1,
        "ngram_learned": sum(map(len, learned)),
        "model_learned": len(streams["train"]) * len(streams.shifts),
        "tested": len(test) - 1,
    }


def notes_of_tokens(data: dict[str, Any]) -> np.ndarray:
    """Count the notes that each class stands for, from the config.json of streams.

    Returns
    -------
    ndarray[int64], shape [classes]
        Zeros for text, whose notes are not counted. A chord without octaves counts as many notes as
        it has pitch classes.
    """
    names = data["names"]
    if data["kind"] == "events":
        return np.array([name.count("Pitch") for name in names])
    if data["kind"] == "chords":
        return np.array([len(name.split(".")) if name else 0 for name in names])
    return np.zeros(len(names), int)


def evaluate_classifier(model: Classifier, streams: Streams) -> dict[str, Any]:
    """Measure for how many test pieces all labels are predicted correctly.

    Parameters
    ----------
    model : Classifier
    streams : Streams

    Returns
    -------
    dict
        Accuracies: ``model_accuracy``; ``logistic_accuracy``, of logistic regression on the counts
        of n-grams of one to three tokens; ``majority_accuracy``, of always predicting what is most
        frequent among training pieces. ``tested``: the number of test pieces.
    """
    truth = streams.targets("test").astype(int)
    sets, counts = np.unique(streams.targets("train"), axis=0, return_counts=True)
    predictions = {
        "model": classify(model, streams.pieces("test")),
        "logistic": _logistic(streams),
        "majority": np.broadcast_to(sets[counts.argmax()], truth.shape),
    }
    return {
        **{f"{n}_accuracy": float((p == truth).all(1).mean()) for n, p in predictions.items()},
        "tested": len(truth),
    }


def _logistic(streams: Streams) -> np.ndarray:
    """Predict labels of test pieces by logistic regression: ndarray[int64], [pieces, labels]."""
    several = streams.config["labelling"] == "several"
    counter = CountVectorizer(analyzer="char", ngram_range=(1, MAX_COUNTED), lowercase=False)
    # Like the model, it learns every transposition.
    moved = [_texts(streams, "train", shift) for shift in range(len(streams.shifts))]
    learned = counter.fit_transform([text for texts in moved for text in texts])
    counts = {split: counter.transform(_texts(streams, split)) for split in ("valid", "test")}
    targets = {split: streams.targets(split).astype(int) for split in SPLITS}
    targets["train"] = np.tile(targets["train"], (len(moved), 1))

    def fitted(strength: float) -> OneVsRestClassifier:
        regression = LogisticRegression(C=strength, solver="liblinear", random_state=0)
        return OneVsRestClassifier(regression).fit(learned, targets["train"])

    def predicted(model: OneVsRestClassifier, split: str) -> np.ndarray:
        probabilities = model.predict_proba(counts[split])
        best = np.eye(len(streams.labels), dtype=int)[probabilities.argmax(1)]
        return (probabilities > 0.5).astype(int) if several else best

    def accuracy(model: OneVsRestClassifier) -> float:
        return (predicted(model, "valid") == targets["valid"]).all(1).mean()

    return predicted(max(map(fitted, STRENGTHS), key=accuracy), "test")


def _texts(streams: Streams, split: str, shift: int = 0) -> list[str]:
    pieces = (streams.transpose(piece[:MAX_READ], shift) for piece in streams.pieces(split))
    return ["".join(chr(FIRST_CHARACTER + int(token)) for token in piece) for piece in pieces]
