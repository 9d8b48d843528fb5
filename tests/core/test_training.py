import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from ostinato.core import noise, training
from ostinato.core.errors import UserError
from ostinato.core.schema import Training

SETTINGS = Training(
    batch=4,
    epsilon=1e-8,
    learning_rate=0.05,
    final_rate=0.1,
    clip=1.0,
    max_steps=40,
    validate_every=5,
    patience=100,
    precision="float32",
)


ADAM, RMSPROP = torch.optim.Adam, torch.optim.RMSprop


class Line(nn.Module):
    """Learns y = 2x + 1 from noisy points."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Linear(1, 1)

    def forward(self, x, y):
        return (self.map(x) - y).square().mean()


def batch(step: int):
    x = noise.uniforms((4, 1), 0, "x", step)
    return x, 2 * x + 1 + 0.1 * noise.uniforms((4, 1), 0, "noise", step)


class Killed(Exception):
    pass


def fit(
    tmp_path,
    monkeypatch,
    settings=SETTINGS,
    kill_at=None,
    validate=None,
    optimizer=ADAM,
    average=0.0,
):
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    model = Line()

    def batch_or_die(step: int):
        if step == kill_at:
            raise Killed
        return batch(step)

    def loss() -> float:
        with torch.no_grad():
            return model(*batch(10_000)).item()

    history = training.train(
        model, batch_or_die, validate or loss, settings, "key", "line", optimizer, average
    )
    return model.state_dict(), history


@pytest.mark.parametrize(("optimizer", "average"), [(ADAM, 0.0), (ADAM, 0.9), (RMSPROP, 0.0)])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    tmp_path, monkeypatch, optimizer, average
):
    way = {"optimizer": optimizer, "average": average}
    whole, curves = fit(tmp_path / "a", monkeypatch, **way)
    for kill_at in (7, 23, 39):
        with pytest.raises(Killed):
            fit(tmp_path / "b", monkeypatch, kill_at=kill_at, **way)
        assert (tmp_path / "b/cache/key/checkpoint.safetensors").exists()
    again, curves_again = fit(tmp_path / "b", monkeypatch, **way)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert curves == curves_again
    assert [row["step"] for row in curves] == list(range(5, 41, 5))
    assert not (tmp_path / "b/cache/key/checkpoint.safetensors").exists()


def test_the_best_weights_are_kept_and_training_stops_early(tmp_path, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    settings = SETTINGS.model_copy(update={"patience": 3})
    best, curves = fit(tmp_path, monkeypatch, settings, validate=lambda: next(losses))
    assert [row["valid"] for row in curves] == [3.0, 1.0, 2.0, 2.0, 2.0]
    with pytest.raises(Killed):
        fit(tmp_path / "b", monkeypatch, kill_at=10)
    model = Line()
    run = training._Run(model, SETTINGS, tmp_path / "b/cache/key/checkpoint.safetensors", ADAM, 0.0)
    run.load()
    assert all(torch.equal(best[name], value) for name, value in model.state_dict().items())


def test_averaged_weights_are_validated_and_kept(tmp_path, monkeypatch):
    followed, seen = [], []

    class Followed(Line):
        def forward(self, x, y):
            followed.append(self.map.weight.item())
            return super().forward(x, y)

    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    model = Followed()

    def validate() -> float:
        seen.append(model.map.weight.item())
        return -len(seen)

    training.train(model, batch, validate, SETTINGS, "key", "line", ADAM, 0.8)
    # What stands before a step are the weights after the step before it.
    mean, expected = followed[0], []
    for step, weight in enumerate(followed[1:], 1):
        kept = min(0.8, step / (step + 10))
        mean = kept * mean + (1 - kept) * weight
        if step % 5 == 0:
            expected.append(mean)
    assert seen[:-1] == pytest.approx(expected, rel=1e-5)
    assert model.map.weight.item() == seen[-1]


def test_a_loss_that_is_no_number_is_one_line(tmp_path, monkeypatch):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"the loss is (nan|inf) at step \d+; lower"):
        fit(tmp_path, monkeypatch, settings)


WAITING = """
import sys, time
from pathlib import Path
from ostinato.core import training
with training._lock(Path(sys.argv[1]), "line"):
    print("locked", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def start(folder: Path, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", WAITING, str(folder), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "src"},
    )


def test_two_trainings_of_the_same_do_not_run_at_once(tmp_path):
    first = start(tmp_path, 60)
    assert first.stdout.readline() == "locked\n"
    second = start(tmp_path, 0)
    assert "waiting for another process" in second.stderr.readline()
    time.sleep(0.3)
    assert second.poll() is None
    first.kill()  # a killed process leaves no lock behind
    assert second.stdout.readline() == "locked\n"
    assert second.wait() == 0
    first.communicate()
    second.communicate()


def test_the_fingerprint_knows_parameters_data_and_code(tmp_path):
    data = tmp_path / "data"
    data.write_text("a")
    one = training.fingerprint({"training": SETTINGS}, [data])
    assert training.fingerprint({"training": SETTINGS}, [data]) == one
    other = SETTINGS.model_copy(update={"clip": 2.0})
    assert training.fingerprint({"training": other}, [data]) != one
    data.write_text("b")
    assert training.fingerprint({"training": SETTINGS}, [data]) != one


def test_bfloat16_is_refused_in_one_line_where_it_cannot_be_computed(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(UserError, match="choose auto or float32"):
        training.computes_bfloat16("cpu", "bfloat16")
    assert not training.computes_bfloat16("cpu", "auto")
    assert not training.computes_bfloat16("cpu", "float32")
