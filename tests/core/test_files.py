import errno
from pathlib import Path

import pytest

from ostinato.core import files


def test_a_full_disk_names_the_file_and_leaves_the_one_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write(path, b"whole")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full") as caught:
        files.write(path, b"other")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"whole"
