"""Which of the processes of a training this one is."""

import os

RANKS = "RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"
"""Environment variables by which torchrun, Lightning Fabric and SLURM number processes."""


def first() -> bool:
    """Whether this process is the first of a training, or the only one; it alone writes."""
    return all(int(os.environ.get(name, 0)) == 0 for name in RANKS)
