import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from making import positions

from ostinato import experiments
from ostinato.cli import main
from ostinato.core.errors import UserError
from ostinato.core.params import read_params
from ostinato.experiments import merged, read_rows, settings
from ostinato.notes.fit.generator import config_of
from ostinato.notes.system import System

ROOT = Path(__file__).parents[1]
ROWS = {row.name: row for row in read_rows(ROOT / "systems")}
NOTEBOOKS = [f"A{n}" for n in range(1, 27)] + ["A10b", "B6", "B7", "G1", "G2", "G3", "G4"]


def test_every_row_of_the_notebooks_has_a_name():
    assert set(NOTEBOOKS) <= {row.row for row in ROWS.values()}


@pytest.mark.parametrize("name", ROWS)
def test_every_system_is_valid_and_learns_and_writes(name, tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(merged(values, ROWS[name].params)))
    params = read_params(path)
    torch.manual_seed(0)
    velocity = None
    if params.decoder.velocity == "lstm":
        velocity = {"name": "lstm", "hidden": params.velocity.hidden}
    system = System(
        config_of(params, 4),
        {"decoder": params.config("decoders"), "velocity": velocity},
    )
    played = (torch.rand(2, 6, 88) < 0.02) * 0.5
    silence = torch.zeros(2, system.context_length, 88)
    state = system.initial(silence, positions(0, 7, steps=13))
    log_prob, _ = system.log_prob(played, state, torch.rand(2, 6, system.num_uniforms))
    assert log_prob.shape == (2, 6)
    assert (log_prob <= 1e-6).all()
    state = system.follow(played, state, torch.rand(2, 6, system.num_uniforms))
    step, _ = system.step(state, torch.rand(2, 1, system.num_uniforms), 1.0)
    assert step.shape == (2, 1, 88)
    assert (step.abs() < 1).all()
    assert params.dataset.representation == "notes" or (step >= 0).all()


def test_settings_are_written_as_dvc_takes_them():
    params = {
        "memory": {"history_user": {"lags": [4, 8], "history_as_input": True}},
        "generator": {"memory": "none", "training": {"learning_rate": 0.001}},
        "compose": {"learning_rate": "1e-5"},
    }
    assert settings(params) == [
        "++memory.history_user.lags=[4, 8]",
        "++memory.history_user.history_as_input=true",
        "++generator.memory=none",
        "++generator.training.learning_rate=0.001",
        "++compose.learning_rate=1e-5",
    ]


@pytest.fixture
def commands(monkeypatch):
    """The commands that are called, none of which runs."""
    called = []

    def run(command, **_):
        called.append(command)
        failed = "tied" in command
        return subprocess.CompletedProcess(command, int(failed), stdout="capsules\nother\n")

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(experiments.subprocess, "run", run)
    return called


def test_run_translates_to_dvc(commands):
    main(["run", "capsules", "-S", "seed=2", "-n", "other"])
    [command] = commands
    assert command[:6] == ["dvc", "exp", "run", "--temp", "--name", "other"]
    assert command[-3:] == ["--set-param", "seed=2", "evaluate"]
    assert "++generator.memory=capsules" in command


def test_what_is_asked_for_counts_in_place_of_what_a_system_has(commands):
    main(["run", "capsules", "-S", "generator.training.max_steps=7"])
    [command] = commands
    asked = [word for word in command if "generator.training.max_steps=" in word]
    assert asked == ["generator.training.max_steps=7"]


def test_all_run_one_after_another_but_those_that_are_there_and_failures_are_named(commands):
    with pytest.raises(SystemExit, match="failed: tied; the same command runs these again"):
        main(["run", "--all", "-S", "generator.training.max_steps=4"])
    first, *rest = commands
    assert first == ["dvc", "exp", "list", "--names-only"]
    assert [c[c.index("--name") + 1] for c in rest] == [name for name in ROWS if name != "capsules"]
    assert all("generator.training.max_steps=4" in c for c in rest)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "capsule"], "'capsule' is no system; known: first_model"),
        (["run"], "name one system, or say --all"),
        (["run", "capsules", "--all"], "name one system, or say --all"),
        (["run", "--all", "-n", "x"], "leave out --name"),
    ],
)
def test_mistakes_are_one_line(arguments, line, commands):
    with pytest.raises(SystemExit, match=line):
        main(arguments)
    assert not commands


def test_systems_are_listed_in_order(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    main(["systems"])
    listed = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert listed[0] == ["A1", "first_model"]
    assert [row for row, _ in listed if row.startswith("A10")] == ["A10", "A10b"]
    with pytest.raises(UserError, match="no such folder"):
        read_rows(tmp_path / "none")
