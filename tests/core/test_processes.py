"""A training in two processes: the same as in one, also when it is killed and goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ostinato.core import files

SCRIPT = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from ostinato.core import devices, noise, ranks, training
from ostinato.core.stage import replacing
from test_training import SETTINGS

class Padded(nn.Module):
    '''Learns from batches in which some of the rows count more than others.'''

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 1)

    def forward(self, x, mask):
        error = (self.map(x) - x.sum(1, keepdim=True))[:, 0].square()
        return (error * mask).sum() / mask.sum()

def batch(step):
    time.sleep(float(sys.argv[4]))
    x = noise.uniforms((7, 3), 0, "x", step)
    return x, (noise.uniforms((7,), 0, "mask", step) * 10).ceil()

out, together, patience = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
devices.prepare(1, 5)
model = Padded()
valid = [batch(1000 + part) for part in range(3)]

@torch.no_grad()
def validate(part):
    return model.eval()(*valid[part]).item(), valid[part][1].sum().item()

task = training.Task(
    what="padded", model=model, config={"name": "padded"}, batch=batch, validate=validate, parts=3,
    weight=lambda arguments: arguments[1].sum(), seed=3, inputs=[],
    settings=SETTINGS.model_copy(
        update={"devices": together, "batch": 7, "ema_decay": 0.9, "patience": patience}
    ),
)
history = training.fit(task, lambda rows: print("validated", len(rows), flush=True))
if ranks.first():
    files_ = {"history": history, "weights": [v.tolist() for v in model.state_dict().values()]}
    from ostinato.core import files
    files.write_json(out, files_)
"""
HERE = Path(__file__).parent


@pytest.fixture
def start(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    started = []

    def run(name: str, processes: int, patience: int = 100, pause: float = 0.0):
        started.append(
            subprocess.Popen(
                [sys.executable, tmp_path / "script.py", tmp_path / name]
                + [str(each) for each in (processes, patience, pause)],
                env=os.environ
                | {
                    "OSTINATO_CACHE": str(tmp_path / "cache"),
                    "PYTHONPATH": f"{HERE.parents[1] / 'src'}{os.pathsep}{HERE}",
                    "OMP_NUM_THREADS": "1",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def result(process: subprocess.Popen, path: Path) -> dict:
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return files.read_json(path)


def same(one: dict, other: dict) -> None:
    assert len(one["history"]) == len(other["history"])
    for a, b in zip(one["history"], other["history"], strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    assert np.concatenate([np.ravel(w) for w in one["weights"]]) == pytest.approx(
        np.concatenate([np.ravel(w) for w in other["weights"]]), rel=1e-3
    )


def test_two_processes_learn_as_one_and_go_on_after_a_kill(start, tmp_path):
    one = result(start("one", 1), tmp_path / "one")
    two = result(start("two", 2), tmp_path / "two")
    same(one, two)
    killed = start("two", 2, pause=0.02)
    while "validated 3" not in killed.stdout.readline():
        assert killed.poll() is None
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    (tmp_path / "two").unlink()
    [checkpoint] = (tmp_path / "cache").rglob("checkpoint.safetensors")
    sound = checkpoint.read_bytes()
    checkpoint.write_bytes(sound[:-1])
    told, _ = start("two", 2).communicate(timeout=60)
    assert told.count(f"UserError: {checkpoint} is damaged") == 1
    checkpoint.write_bytes(sound)
    again = start("two", 2)
    assert result(again, tmp_path / "two") == two


def test_when_one_process_ends_all_do(start, tmp_path):
    running = start("two", 2, pause=0.05)
    while "validated 1" not in running.stdout.readline():
        assert running.poll() is None
    found = subprocess.run(
        ["pgrep", "-P", str(running.pid), "-f", "script.py"], capture_output=True, text=True
    ).stdout.split()
    os.kill(int(found[0]), signal.SIGKILL)
    running.communicate(timeout=60)  # which also waits for whoever writes to the same pipe
    assert running.returncode != 0
    assert not (tmp_path / "two").exists()


def test_processes_stop_early_together(start, tmp_path):
    one = result(start("one", 1, 1), tmp_path / "one")
    two = result(start("two", 2, 1), tmp_path / "two")
    same(one, two)
