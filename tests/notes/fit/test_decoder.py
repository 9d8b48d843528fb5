"""What is trained beside the generator."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from making import FILTERS, melody, write_corpus

from ostinato.core.params import Params, read_params
from ostinato.experiments import merged
from ostinato.notes.data import dataset, fragments
from ostinato.notes.fit.dataset import Data
from ostinato.notes.fit.decoder import fit_performer
from ostinato.notes.parts.dynamics import Dynamics
from ostinato.notes.parts.velocity import Velocity
from ostinato.scores.score import Score
from ostinato.scores.sources import SPLITS

ROOT = Path(__file__).parents[3]


def params(folder: Path, velocity: str) -> Params:
    training = {"batch": 2, "max_steps": 30, "validate_every": 10}
    changes = {
        "threads": 1,
        "decoder": {"velocity": velocity},
        "velocity": {"hidden": 8, "training": training},
    }
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    (folder / "params.yaml").write_text(yaml.safe_dump(merged(values, changes)))
    return read_params(folder / "params.yaml")


def data(folder: Path, accents: bool) -> Data:
    """Three songs; with accents, notes on the beat are louder."""

    def song(seed: int) -> Score:
        score = melody(seed)
        score.notes["velocity"] = 80
        if accents:
            score.notes["velocity"] -= 30 * (score.notes["onset"] % 480 > 0).astype(np.uint8)
        return score

    songs = {str(seed): (split, song(seed)) for seed, split in enumerate(SPLITS)}
    dataset.build(folder / "dataset", write_corpus(folder / "corpus", songs), FILTERS)
    found = Data(folder / "dataset", folder / "fragments", "notes", 64, velocities=True)
    fragments.write_table(found.fragments, found.songs, 64, 32, (0, 0))
    return found


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "checkpoints"))


def test_dynamics_are_learned_where_songs_have_them(tmp_path):
    model, config, _, history = fit_performer(params(tmp_path, "auto"), data(tmp_path, True))
    assert isinstance(model.velocity, Dynamics)
    assert config["velocity"] == {"name": "dynamics", "hidden": 8}
    assert history[-1]["valid"] < history[0]["valid"] < 4.9


@pytest.mark.parametrize(("velocity", "accents"), [("auto", False), ("none", True)])
def test_nothing_is_learned_where_all_velocities_are_equal(tmp_path, velocity, accents):
    model, config, _, history = fit_performer(params(tmp_path, velocity), data(tmp_path, accents))
    assert model.velocity is None
    assert config["velocity"] is None
    assert history == []


def test_the_model_of_the_notebooks_has_its_name(tmp_path):
    model, config, _, _ = fit_performer(params(tmp_path, "lstm"), data(tmp_path, True))
    assert isinstance(model.velocity, Velocity)
    assert config["velocity"]["name"] == "lstm"
