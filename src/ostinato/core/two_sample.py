"""A classifier two-sample test: whether two sets of examples can be told apart."""

from collections.abc import Sequence

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

TREES, FOLDS, SEEDS = 200, 5, 5
"""Trees of a forest, parts that the groups are divided into, and repetitions."""


def told_apart(
    one: np.ndarray, groups: Sequence[int], other: np.ndarray, others: Sequence[int]
) -> list[float] | None:
    """Test whether a classifier learns to tell two sets of examples apart.

    A classifier two-sample test (Lopez-Paz and Oquab, 2017, arXiv:1610.06545) with a forest of
    extremely randomised trees.

    Parameters
    ----------
    one, other : ndarray, shapes [n, features] and [m, features]
    groups, others : sequence of int
        The group of each example, such as its song. Examples of a group, of both sets, are never
        divided between training and test.

    Returns
    -------
    list of float, or None
        Balanced accuracy on examples that the classifier has not learned from, its mean and
        standard deviation over five seeds: 0.5 if nothing tells the sets apart, 1 if every example
        can be told. None if there are fewer than five groups in one of the sets.
    """
    if min(len(set(groups)), len(set(others))) < FOLDS:
        return None
    inputs = np.concatenate([one, other])
    labels = np.repeat([1, 0], [len(one), len(other)])
    belongs = np.array([*groups, *others])
    found = []
    for seed in range(SEEDS):
        forest = ExtraTreesClassifier(TREES, class_weight="balanced", random_state=seed)
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        guessed = cross_val_predict(forest, inputs, labels, groups=belongs, cv=folds)
        found.append(balanced_accuracy_score(labels, guessed))
    return [float(np.mean(found)), float(np.std(found))]
