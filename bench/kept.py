"""Models that only benchmarks need: trained once, and kept in the cache."""

from torch import nn

from ostinato.core import cache, models, training
from ostinato.core.training import Task


def trained(task: Task) -> nn.Module:
    """Train a model, unless the cache has it from an earlier run."""
    cache.remove_old(cache.folder("bench"))
    folder = cache.folder("bench") / training.fingerprint(task)
    if not (folder / "config.json").exists():
        training.fit(task)
        models.write_model(folder, task.model, task.config)
    _, weights = models.read_model(folder)
    models.load_weights(task.model, weights, folder)
    return task.model.eval()
