"""Which process of a training this one is, and whether the dvc that started it has ended."""

import os

RANKS = "RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"
"""Environment variables by which torchrun, Lightning Fabric and SLURM number processes."""


PARENT = os.getppid()
"""The process that started this one; a stage whose dvc was killed gets another parent."""


def orphaned() -> bool:
    """Whether DVC started this process, and has ended."""
    return "DVC_STAGE" in os.environ and os.getppid() != PARENT


def first() -> bool:
    """Whether this process is the first of a training, or the only one; it alone writes."""
    return all(os.environ.get(name, "0") in ("", "0") for name in RANKS)


def local() -> int:
    """The number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
