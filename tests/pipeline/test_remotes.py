"""DVC remotes that a group uses: what is pushed arrives whole, or not at all."""

import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny import Project, commit, stages_run

SERVING = Path(__file__).parents[1] / "serving.py"
STAGE, MODEL = "token_model@letters", "models/token_model/letters"
PLENTY = 10**9
CUT, FULL = 300_000, 600_000
"""Less than a model has, in bytes."""


class Proxy(socketserver.ThreadingTCPServer):
    """Passes on what clients send to a server, until a number of bytes; then every line is cut."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, to: int):
        super().__init__(("127.0.0.1", 0), _Line)
        self.to, self.left, self.lock = to, PLENTY, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def passes(self, size: int) -> bool:
        with self.lock:
            self.left -= size
            return self.left >= 0


class _Line(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.to)) as server:
            threading.Thread(target=self.answers, args=[server], daemon=True).start()
            with suppress(OSError):
                while (data := self.request.recv(4096)) and self.server.passes(len(data)):
                    server.sendall(data)
            with suppress(OSError):
                self.request.shutdown(socket.SHUT_RDWR)

    def answers(self, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                self.request.sendall(data)


class Remote:
    """A server with an empty remote, behind a proxy."""

    def __init__(self, kind: str, folder: Path):
        self.kind, self.folder = kind, folder
        (folder / "files").mkdir()
        self.give_space(PLENTY)
        if kind == "ssh":
            import asyncssh

            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(folder / "key"))
            key.write_public_key(str(folder / "key.pub"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.proxy = Proxy(port)
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVING), kind, str(folder), str(port)], stdout=log, stderr=log
            )
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        if kind == "s3":
            bucket = urllib.request.Request(f"http://127.0.0.1:{port}/group", method="PUT")
            urllib.request.urlopen(bucket, timeout=30).close()

    def give_space(self, size: int) -> None:
        (self.folder / "space").write_text(str(size))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.proxy.shutdown()
        self.proxy.server_close()

    def join(self, project: Project) -> None:
        """Let a project use the remote: what the commands in docs/machines.md write."""
        where = f"127.0.0.1:{self.proxy.port}"
        if self.kind == "ssh":
            settings = {"url": f"ssh://me@{where}/store", "keyfile": self.folder / "key"}
        else:
            settings = {"url": "s3://group/store", "endpointurl": f"http://{where}"}
            settings |= {"access_key_id": "me", "secret_access_key": "secret"}
        lines = ["['remote \"group\"']"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        (project.folder / ".dvc" / "config.local").write_text("\n".join(lines))
        project.env |= {"HOME": str(self.folder), "AWS_MAX_ATTEMPTS": "1"}


def kind(name: str, *packages: str):
    """A kind of remote, left out where its packages are missing."""
    missing = [package for package in packages if find_spec(package) is None]
    reason = f"{', '.join(missing)} missing: pip install 'ostinato[test]'"
    return pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=reason))


@pytest.fixture(params=[kind("ssh", "dvc_ssh", "asyncssh"), kind("s3", "dvc_s3", "moto")])
def remote(request, tmp_path: Path) -> Iterator[Remote]:
    remote = Remote(request.param, tmp_path)
    yield remote
    remote.stop()


@pytest.fixture(scope="module")
def trained(fresh: Project, tmp_path_factory) -> Project:
    """A project with one trained model, of a megabyte, its lock committed. Not to be changed."""
    project = fresh.clone(tmp_path_factory.mktemp("trained") / "project")
    project.set(token_model__letters__hidden=400)
    project.run("dvc", "repro", STAGE)
    assert project.read(f"{MODEL}/model.safetensors")[1_000_000:]
    commit(project, "trained")
    return project


@pytest.fixture
def pushing(trained: Project, remote: Remote, tmp_path: Path) -> Project:
    """A copy of that project, which uses the remote."""
    project = trained.copy(tmp_path / "pushing")
    remote.join(project)
    return project


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pulled(pushing: Project, remote: Remote) -> Project:
    """Another clone, which pulls from the remote: the same models."""
    clone = pushing.clone(pushing.folder.with_name("clone"))
    remote.join(clone)
    clone.run("dvc", "pull", "-r", "group", "--allow-missing")
    assert contents(clone.folder / MODEL) == contents(pushing.folder / MODEL)
    return clone


def test_a_push_that_was_cut_is_completed_by_the_next_and_another_clone_trains_nothing(
    pushing, remote
):
    remote.proxy.left = CUT
    assert "failed to push data" in pushing.run("dvc", "push", "-r", "group", code=1)
    remote.proxy.left = PLENTY
    assert "pushed" in pushing.run("dvc", "push", "-r", "group")
    clone = pulled(pushing, remote)
    assert stages_run(clone.run("dvc", "repro", "--allow-missing", STAGE)) == []


def test_a_full_remote_fails_the_push_and_harms_nothing(pushing, remote):
    before = contents(pushing.folder / ".dvc" / "cache")
    remote.give_space(FULL)
    assert "failed to push data" in pushing.run("dvc", "push", "-r", "group", code=1)
    assert contents(pushing.folder / ".dvc" / "cache") == before
    remote.give_space(PLENTY)
    assert "pushed" in pushing.run("dvc", "push", "-r", "group")
    pulled(pushing, remote)
