import numpy as np

from ostinato.core.two_sample import told_apart

GROUPS = [i // 3 for i in range(60)]


def examples(seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(60, 4)) + shift


def test_what_is_in_a_group_helps_nowhere_else():
    """Each group has a mark of its own, in both sets; the sets do not differ otherwise."""
    marks = np.repeat(10 * np.random.default_rng(2).normal(size=(20, 4)), 3, 0)
    assert told_apart(examples(0) + marks, GROUPS, examples(1) + marks, GROUPS)[0] < 0.7


def test_few_groups_are_not_divided():
    assert told_apart(examples(0), [0, 1, 2] * 20, examples(1, 4.0), GROUPS) is None
