"""A lock of a folder ends with its process, and where there are no locks, this is said."""

import errno
import fcntl
import os
import subprocess
import sys
from platform import node

import pytest

from ostinato.core.errors import UserError
from ostinato.core.locks import awaited, locked


def test_what_killed_processes_have_left_is_removed(tmp_path):
    (tmp_path / ".checkpoint.safetensors.123.tmp").write_bytes(b"half")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"whole")
    with locked(tmp_path, "line"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "checkpoint.safetensors",
            "lock",
        ]


def test_only_who_lives_waits(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"waiting-{ended.pid}-{node()}").touch()
    assert not awaited(tmp_path)
    (tmp_path / f"waiting-{os.getpid()}-{node()}").touch()
    assert awaited(tmp_path)


def test_who_may_wait_on_another_machine_waits(tmp_path):
    (tmp_path / "waiting-1-elsewhere").touch()
    assert awaited(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_folder_without_locks_is_one_line(tmp_path, monkeypatch, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    with (
        pytest.raises(UserError, match=r"cannot lock files; OSTINATO_CACHE has to name") as caught,
        locked(tmp_path / "folder", "line"),
    ):
        pass
    assert str(caught.value).startswith(f"{tmp_path / 'folder'}: ")
    assert "\n" not in str(caught.value)
