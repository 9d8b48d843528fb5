"""Which of the processes of a training this one is."""

import os

RANKS = "RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"
"""Environment variables by which torchrun, Lightning Fabric and SLURM number processes."""


def first() -> bool:
    """Whether this process is the first of a training, or the only one; it alone writes."""
    return all(os.environ.get(name, "0") in ("", "0") for name in RANKS)


def local() -> int:
    """The number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
