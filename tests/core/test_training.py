import math
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from threadpoolctl import threadpool_info
from torch import nn

from ostinato.core import code, devices, files, noise, ranks, training
from ostinato.core.errors import UserError
from ostinato.core.models import build, read_model
from ostinato.core.schema import Training
from ostinato.core.training import Task

SETTINGS = Training(
    optimizer="adam",
    batch=4,
    learning_rate=0.05,
    lr_min_factor=0.1,
    epsilon=1e-8,
    weight_decay=0.01,
    clip=1.0,
    ema_decay=0.0,
    max_steps=40,
    validate_every=5,
    patience=100,
    precision="float32",
    devices=1,
    nodes=1,
    strategy="ddp",
)


class Line(nn.Module):
    """Learns y = 2x + 1 from noisy points, some of which it leaves out."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.map = nn.Linear(1, 1)

    def forward(self, x, y):
        return nn.functional.dropout((self.map(x) - y).square(), 0.2, self.training).mean()


def batch(step: int):
    x = noise.uniforms((4, 1), 0, "x", step)
    return x, 2 * x + 1 + 0.1 * noise.uniforms((4, 1), 0, "noise", step)


class Killed(Exception):
    pass


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "checkpoints"


def line(settings=SETTINGS, kill_at=None, validate=None, inputs=(), model=None) -> Task:
    """A training of a line, which dies at a step."""
    model = model or Line()

    def batch_or_die(step: int):
        if step == kill_at:
            raise Killed
        return batch(step)

    @torch.no_grad()
    def loss() -> float:
        model.eval()
        return model(*batch(10_000)).item()

    return Task(
        what="line",
        model=model,
        config={"name": "line"},
        batch=batch_or_die,
        validate=lambda part: ((validate or loss)(), 1),
        settings=settings,
        seed=3,
        inputs=list(inputs),
    )


def checkpoint(cache: Path) -> Path:
    [path] = cache.glob("*/checkpoint.safetensors")
    return path


@pytest.mark.parametrize(("optimizer", "ema"), [("adam", 0.0), ("adam", 0.9), ("rmsprop", 0.0)])
def test_an_interrupted_training_ends_as_if_it_had_not_been(cache, optimizer, ema):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer, "ema_decay": ema})
    whole = line(settings)
    curves = training.fit(whole)
    for kill_at in (7, 23, 39):
        with pytest.raises(Killed):
            training.fit(line(settings, kill_at))
        assert checkpoint(cache).exists()
    again = line(settings)
    assert training.fit(again) == curves
    weights = again.model.state_dict()
    assert all(torch.equal(v, weights[name]) for name, v in whole.model.state_dict().items())
    assert [row["step"] for row in curves] == list(range(5, 41, 5))
    assert not list(cache.glob("*/checkpoint.safetensors"))
    assert not again.model.training


def test_a_damaged_checkpoint_is_one_line(cache):
    with pytest.raises(Killed):
        training.fit(line(kill_at=20))
    data = bytearray(checkpoint(cache).read_bytes())
    data[-3] ^= 1
    checkpoint(cache).write_bytes(data)
    with pytest.raises(UserError, match=r"is damaged.*; remove it, and training begins anew"):
        training.fit(line())


def test_what_was_validated_is_there_to_be_watched(cache, tmp_path):
    out, results, model, seen = tmp_path / "out", tmp_path / "results", Line(), []

    def validate() -> float:
        if (out / "model.safetensors").exists():
            rows = (results / "curves.tsv").read_text().splitlines()[1:]
            seen.append((len(rows), load_file(out / "model.safetensors")["map.weight"].item()))
        weights.append(model.map.weight.half().item())
        return 1.0

    weights: list[float] = []
    training.fit_and_write(line(validate=validate, model=model), out, results)
    assert seen == [(n, weight) for n, weight in enumerate(weights[:-1], 1)]


def test_the_best_weights_are_kept_and_training_stops_early(cache):
    losses, model, seen = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0]), Line(), []

    def validate() -> float:
        seen.append(model.map.weight.item())
        return next(losses)

    settings = SETTINGS.model_copy(update={"patience": 3})
    curves = training.fit(line(settings, validate=validate, model=model))
    assert [row["valid"] for row in curves] == [3.0, 1.0, 2.0, 2.0, 2.0]
    assert model.map.weight.item() == seen[1]
    assert training.best_of(curves) == curves[1]


def test_without_patience_training_goes_on_and_the_last_weights_are_kept(cache, tmp_path):
    losses, model = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), Line()
    settings = SETTINGS.model_copy(update={"patience": 0})
    task = line(settings, validate=lambda: next(losses), model=model)
    training.fit_and_write(task, tmp_path / "model", tmp_path / "results")
    told = files.read_json(tmp_path / "results/training.json")
    assert (told["step"], told["valid"]) == (settings.max_steps, 8)


def test_the_learning_rate_falls_along_half_a_cosine(cache, monkeypatch):
    rates, step = [], torch.optim.AdamW.step

    def noted(optimizer, *args, **kwargs):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    with pytest.raises(Killed):
        training.fit(line(kill_at=17))
    killed = rates[:15]  # steps that no checkpoint has are taken again
    rates.clear()
    training.fit(line())
    falling = [0.05 * (0.1 + 0.45 * (1 + math.cos(math.pi * n / 40))) for n in range(40)]
    assert killed + rates == pytest.approx(falling, rel=1e-6)


def test_averaged_weights_are_validated_and_kept(cache):
    followed, seen = [], []

    class Followed(Line):
        def forward(self, x, y):
            followed.append(self.map.weight.item())
            return super().forward(x, y)

    model = Followed()

    def validate() -> float:
        seen.append(model.map.weight.item())
        return -len(seen)

    settings = SETTINGS.model_copy(update={"ema_decay": 0.8})
    training.fit(line(settings, validate=validate, model=model))
    # What stands before a step are the weights after the step before it.
    mean, expected = followed[1], []
    for step, weight in enumerate(followed[1:], 1):
        kept = min(0.8, step / (step + 10)) if step > 1 else 0
        mean = kept * mean + (1 - kept) * weight
        if step % 5 == 0:
            expected.append(mean)
    assert seen[:-1] == pytest.approx(expected, rel=1e-5)
    assert model.map.weight.item() == seen[-1]


def test_a_training_whose_dvc_has_ended_stops_and_can_be_gone_on_with(cache, monkeypatch):
    whole = line()
    curves = training.fit(whole)
    monkeypatch.setenv("DVC_STAGE", "line")
    parents = iter([*[ranks.PARENT] * 6, 0])
    with monkeypatch.context() as patch:
        patch.setattr(os, "getppid", lambda: next(parents))
        with pytest.raises(UserError, match="line: dvc has ended; stopped after step 7"):
            training.fit(line())
    assert checkpoint(cache).exists()
    again = line()
    assert training.fit(again) == curves
    assert torch.equal(again.model.map.weight, whole.model.map.weight)


def test_a_model_is_written_with_its_history(cache, tmp_path):
    task = line()
    training.fit_and_write(task, tmp_path / "model", tmp_path / "results")
    config, weights = read_model(tmp_path / "model")
    assert config == task.config
    assert torch.equal(weights["map.weight"], task.model.map.weight.half())
    written = files.read_json(tmp_path / "results" / "training.json")
    assert written.keys() == {"weights", "step", "train", "valid"}
    assert written["weights"] == 2
    rows = (tmp_path / "results" / "curves.tsv").read_text().splitlines()
    assert rows[0] == "step\ttrain\tvalid"
    assert len(rows) == 1 + 8


def test_losses_are_averaged_by_what_they_are_means_of():
    assert training.mean_loss([(1.0, 3), (5.0, 1)]) == 2


def test_a_loss_that_is_no_number_is_one_line(cache):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(UserError, match=r"the loss is (nan|inf) at step \d+; lower"):
        training.fit(line(settings))


def test_a_validation_loss_that_is_no_number_is_one_line(cache):
    with pytest.raises(UserError, match="the validation loss is nan at step 5"):
        training.fit(line(validate=lambda: math.nan))


OTHER = """
import sys, time
from ostinato.core import cache, training
from test_training import line
task = line()
batch = task.batch
def waiting(step):
    print("step", step, flush=True)
    while sys.argv[1] == "stay" or (
        sys.argv[1] == "wait" and not list(cache.folder(cache.CHECKPOINTS).glob("*/waiting-*"))
    ):
        time.sleep(0.05)
    return batch(step)
waiting.__module__ = batch.__module__
object.__setattr__(task, "batch", waiting)
history = training.fit(task, told=lambda row: sys.argv.__setitem__(1, "go"))
print(history[-1]["valid"])
"""


def start(cache: Path, way: str) -> subprocess.Popen:
    """Train the line in another process.

    It may "go" on, "wait" in its first step for somebody who waits for it, or "stay" there.
    """
    paths = os.pathsep.join(["src", "tests/core"])
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )


def test_who_waits_for_the_same_training_takes_its_result(cache):
    first = start(cache, "wait")
    assert first.stdout.readline() == "step 0\n"
    second = start(cache, "go")
    *_, found = first.communicate()[0].splitlines()
    assert second.communicate()[0] == f"{found}\n"  # without a step of its own
    assert (first.returncode, second.returncode) == (0, 0)
    assert [path.name for path in cache.glob("*/*")] == ["lock"]


def test_a_killed_training_is_gone_on_with_by_who_waits_for_it(cache):
    first = start(cache, "stay")
    assert first.stdout.readline() == "step 0\n"
    second = start(cache, "go")
    assert "waiting for another process" in second.stderr.readline()
    first.kill()
    first.communicate()
    output, _ = second.communicate()
    assert second.returncode == 0
    assert "step 39\n" in output


def test_trainings_that_nobody_goes_on_with_are_removed(cache):
    for name, days in (("old", 31), ("new", 29)):
        path = cache / name / "checkpoint.safetensors"
        path.parent.mkdir(parents=True)
        path.touch()
        changed = time.time() - days * 24 * 3600
        for each in (path, path.parent):
            os.utime(each, (changed, changed))
    training.fit(line())
    assert not (cache / "old").exists()
    assert (cache / "new" / "checkpoint.safetensors").exists()


def test_the_fingerprint_knows_parameters_data_and_seed(tmp_path):
    data = tmp_path / "data"
    data.write_text("a")
    task = line(inputs=[data])
    one = training.fingerprint(task)
    assert training.fingerprint(line(inputs=[data])) == one
    others = [
        replace(task, settings=SETTINGS.model_copy(update={"clip": 2.0})),
        replace(task, seed=4),
        replace(task, config={"name": "curve"}),
        replace(task, used={"steps": 3}),
    ]
    data.write_text("b")
    others.append(task)
    assert len({one, *map(training.fingerprint, others)}) == 6


def test_the_fingerprint_knows_the_code_that_a_model_uses_and_no_other(tmp_path, monkeypatch):
    package = tmp_path / "ostinato"
    shutil.copytree(code.FOLDER, package)
    monkeypatch.setattr(code, "FOLDER", package)
    model = build("ostinato.notes.memory", {"name": "none", "local": 2, "aggregation": 2}, 4)
    task = replace(line(), model=model)
    one = training.fingerprint(task)
    for path, matters in (
        ("notes/memory/none.py", True),
        ("notes/parts/memory.py", True),
        ("core/recurrent.py", True),
        ("core/training.py", True),
        ("notes/memory/capsules.py", False),
        ("notes/samplers/banning.py", False),
        ("core/errors.py", False),
    ):
        before = (package / path).read_bytes()
        (package / path).write_bytes(before + b"\n# changed\n")
        assert (training.fingerprint(task) != one) == matters, path
        (package / path).write_bytes(before)
    assert training.fingerprint(task) == one


def test_devices_but_the_cpu_train_in_float32():
    assert not devices.computes_bfloat16("cuda", "auto")
    with pytest.raises(UserError, match=r"bfloat16, which this processor cannot compute LSTMs in"):
        devices.computes_bfloat16("cuda", "bfloat16")


def test_a_device_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.chosen("auto") == torch.device("cpu")
    with pytest.raises(UserError, match=r"device: there is no cuda here .* choose auto or cpu"):
        devices.chosen("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.chosen("auto") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.chosen("cuda") == torch.device("cuda:1")


def test_bfloat16_is_refused_in_one_line_where_it_cannot_be_computed(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(UserError, match="choose auto or float32"):
        devices.computes_bfloat16("cpu", "bfloat16")
    assert not devices.computes_bfloat16("cpu", "auto")
    assert not devices.computes_bfloat16("cpu", "float32")


def test_the_threads_of_numpy_are_those_of_the_parameter():
    before = torch.get_num_threads()
    try:
        devices.prepare(3, 0)
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        assert {pool["num_threads"] for pool in pools} == {3}
    finally:
        devices.prepare(before, 0)
