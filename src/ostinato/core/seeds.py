"""Seeds: the one in params.yaml, and those that everything else derives from it."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """Derive the seed of one thing from a seed and the names that lead to that thing.

    Parameters
    ----------
    seed : int
        The seed that it comes from.
    *names : str or int
        What it is for, such as ``"compose", 3``.

    Returns
    -------
    int
        Between 0 and 2**63 - 1; different names give unrelated seeds.
    """
    return stable_hash("/".join(map(str, (seed, *names)))) >> 1


def stable_hash(text: str) -> int:
    """Hash a text to 64 bits, the same on every machine and in every process (SHA-256)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
