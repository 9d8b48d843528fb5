import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
import working
from making import FILTERS

from ostinato.core import workers
from ostinato.core.errors import UserError
from ostinato.core.progress import progress
from ostinato.notes.data import dataset
from ostinato.scores import corpus

distributed = pytest.importorskip("distributed", reason="needs ostinato[cluster]")

ROOT = Path(__file__).parents[2]
HERE = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"


class Cluster:
    """A Dask scheduler and its workers, started in a folder that is not the project's."""

    def __init__(self, folder: Path, **env: str):
        self.folder = folder
        self.env = os.environ | {
            "OSTINATO_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": HERE,
            **env,
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.processes: list[subprocess.Popen] = []
        self.start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-show")

    def start(self, *command: str, **env: str) -> subprocess.Popen:
        with (self.folder / f"{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--no-dashboard"],
                cwd=self.folder,
                env=self.env | env,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def worker(self, threads: int = 1, **env: str) -> subprocess.Popen:
        # Without a nanny, which would start a worker again that is killed.
        return self.start("worker", self.address, "--nthreads", str(threads), "--no-nanny", **env)

    def wait(self, count: int) -> None:
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A cluster with a worker."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.worker()
        cluster.wait(1)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Iterator[Cluster]:
    """A cluster without workers, which does not run a job again."""
    none = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    cluster = Cluster(tmp_path_factory.mktemp("bare"), **none)
    try:
        yield cluster
    finally:
        cluster.stop()


def refused(address: str, job: partial | None = None) -> str:
    """Run a job that cannot be run; give the message, which is one line."""
    with workers.on(address), pytest.raises(UserError) as error:
        list(workers.in_parallel([job or partial(working.where)]))
    assert "\n" not in str(error.value)
    return str(error.value)


def build(out: Path) -> dict[str, bytes]:
    for name in ("corpus", "dataset"):
        (out / name).mkdir(parents=True)
    corpus.build(out / "corpus", "folder", Path("scores"))
    dataset.build(out / "dataset", out / "corpus", FILTERS)
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_a_cluster_that_loses_a_worker_makes_the_same_corpus_and_dataset(
    cluster, songs_folder, tmp_path, monkeypatch
):
    songs_folder(24, beats=16)
    damaged = os.fsencode(tmp_path / "scores") + b"/l\xe4uft.mid"
    Path(os.fsdecode(damaged)).write_bytes(b"MThd")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "own"))
    own = build(Path("own_results"))
    victim = cluster.worker()
    cluster.wait(2)

    def killing(items, *args):
        for number, item in enumerate(progress(items, *args)):
            if number == 0:
                victim.kill()
            yield item

    monkeypatch.setattr(corpus, "progress", killing)
    with workers.on(cluster.address):
        assert build(Path("results")) == own
    assert victim.wait() == -signal.SIGKILL
    assert b"uft.mid" in own["corpus/rejected.csv"]


def test_what_a_killed_worker_has_begun_runs_again_on_another(cluster, tmp_path):
    victim, log = cluster.worker(), tmp_path / "log"
    cluster.wait(2)
    with workers.on(cluster.address):
        results = workers.in_parallel(partial(working.logged, log, n) for n in range(60))
        found = [next(results)]
        victim.send_signal(signal.SIGSTOP)
        while not (lost := working.unfinished(log, victim.pid)):
            victim.send_signal(signal.SIGCONT)
            time.sleep(0.01)
            victim.send_signal(signal.SIGSTOP)
        victim.kill()
        assert found + list(results) == list(range(60))
    assert log.read_text().count(f" begins {lost[0]}\n") == 2


def test_jobs_run_in_the_folder_of_the_process_that_wants_their_results(
    cluster, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for address in (workers.LOCAL, cluster.address):
        with workers.on(address):
            assert list(workers.in_parallel([partial(working.where)] * 3)) == [str(tmp_path)] * 3


def test_a_worker_that_does_not_see_the_folder_is_named(cluster, monkeypatch):
    monkeypatch.setattr(workers.Path, "cwd", lambda: Path("/nowhere"))
    found = refused(cluster.address)
    assert re.search(r"tcp://\S+:\d+ sees no folder /nowhere; .*the same paths", found)


def test_a_worker_with_another_library_is_named(cluster, monkeypatch):
    names = workers._libraries()
    assert {"Python", "music21", "numpy"} < set(names)
    versions = workers._versions(names) | {"music21": "0.1"}
    monkeypatch.setattr(workers, "_versions", lambda names: versions)
    assert re.search(r"tcp://\S+:\d+ has music21 \S+, not 0.1", refused(cluster.address))


def test_a_worker_with_other_code_is_named(bare, tmp_path):
    shutil.copytree(ROOT / "src" / "ostinato", tmp_path / "ostinato")
    with (tmp_path / "ostinato" / "__init__.py").open("a") as file:
        file.write("changed = True\n")
    worker = bare.worker(PYTHONPATH=str(tmp_path))
    assert re.search(r"tcp://\S+:\d+ has Ostinato's code \w+, not \w+", refused(bare.address))
    worker.kill()


def test_a_worker_that_runs_several_jobs_at_once_is_named(bare):
    worker = bare.worker(threads=2)
    assert "runs 2 jobs at once in a process; start workers with --nth" in refused(bare.address)
    worker.kill()


def test_a_job_that_kills_its_workers_is_named(bare):
    bare.worker()
    found = refused(bare.address, partial(working.deadly, Path("huge.mid")))
    assert "all were killed that ran deadly of huge.mid; have they too little memory?" in found


def test_a_job_that_kills_a_local_process_ends_with_one_line():
    assert "too little memory" in refused(workers.LOCAL, partial(working.deadly, Path()))


def test_local_processes_end_with_the_one_that_was_killed(tmp_path):
    code = (
        "from functools import partial; from pathlib import Path; import working\n"
        "from ostinato.core import workers\n"
        "jobs = (partial(working.logged, Path('log'), number) for number in range(100_000))\n"
        "for _ in workers.in_parallel(jobs): print(_, flush=True)"
    )
    env = os.environ | {"PYTHONPATH": HERE}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, stdout=subprocess.PIPE
    )
    parent.stdout.readline()
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert children and not alive


def test_a_server_that_is_no_scheduler_is_named(monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert f"no Dask scheduler answers at {address} within 1 second" in refused(address)
    assert f"no Dask scheduler answers at {address} within 1 second" in refused(address)


def test_a_cluster_that_is_lost_ends_with_one_line(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.worker()
    jobs = (partial(working.logged, tmp_path / "log", number) for number in range(60))
    with workers.on(cluster.address), pytest.raises(UserError, match=r"the scheduler .* was lost"):
        for _ in workers.in_parallel(jobs):
            cluster.processes[0].kill()
    cluster.stop()


def test_what_a_cluster_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'ostinato[cluster]'" in refused("tcp://127.0.0.1:8786")


def test_local_jobs_give_their_results_in_order(tmp_path):
    jobs = (partial(working.logged, tmp_path / "log", number) for number in range(40))
    assert list(workers.in_parallel(jobs)) == list(range(40))


def test_results_that_wait_are_few_however_many_jobs_there_are(monkeypatch):
    monkeypatch.setattr(workers, "AHEAD", 2)
    monkeypatch.setattr(workers, "BATCH_MOST", 3)
    taken = 0

    def jobs() -> Iterator[partial]:
        nonlocal taken
        for taken in range(1, 10_001):
            yield partial(abs, -taken)

    results = workers.in_parallel(jobs())
    assert [next(results) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert taken <= 5 + (2 * os.cpu_count() + 1) * 3
    results.close()
