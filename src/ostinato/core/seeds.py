"""Seeds: all of them are derived from the one in params.yaml."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """Derive a seed for one purpose from another seed.

    Parameters
    ----------
    seed : int
        The seed to derive it from.
    *names : str or int
        The purpose, such as ``"compose", 3``.

    Returns
    -------
    int
        Between 0 and 2**63 - 1. Different names give unrelated seeds.
    """
    return stable_hash("/".join(map(str, (seed, *names)))) >> 1


def stable_hash(text: str) -> int:
    """Hash text to 64 bits with SHA-256: the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
