import errno
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.core import files

NOTE = np.dtype([("song", "<i4"), ("pitch", "u1")])


def saved(array):
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


@given(
    st.lists(st.integers(0, 12), max_size=6),
    st.sampled_from([(NOTE, ()), (np.dtype("<f2"), (64,)), (np.dtype("u1"), (2, 3))]),
)
def test_an_array_written_in_parts_has_the_bytes_of_the_whole(tmp_path_factory, lengths, kind):
    dtype, shape = kind
    rng = np.random.default_rng(len(lengths))
    parts = [rng.integers(0, 200, (n, *shape)).astype(dtype) for n in lengths]
    path = tmp_path_factory.mktemp("array") / "a.npy"
    with files.writing_array(path, dtype, shape) as add:
        for part in parts:
            add(part)
    whole = np.concatenate([np.zeros((0, *shape), dtype), *parts])
    assert path.read_bytes() == saved(whole)


def test_an_array_may_have_any_number_of_rows(tmp_path):
    with files.writing_array(tmp_path / "a.npy", np.dtype("u1")) as add:
        for _ in range(1200):
            add(np.ones(1000, "u1"))
    assert (tmp_path / "a.npy").read_bytes() == saved(np.ones(1_200_000, "u1"))


def test_rows_of_another_kind_are_refused_and_nothing_is_left(tmp_path):
    for wrong in (np.zeros(3), np.zeros((3, 2), "u1")):
        with (
            pytest.raises(ValueError, match="not uint8"),
            files.writing_array(tmp_path / "a.npy", np.dtype("u1")) as add,
        ):
            add(wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_table_written_row_by_row_has_the_same_bytes(tmp_path):
    rows = [{"a": n, "b": f'"{n}", ä\n'} for n in range(5)]
    files.write_table(tmp_path / "whole.csv", ["a", "b"], rows)
    with files.writing_table(tmp_path / "rows.csv", ["a", "b"]) as add:
        for row in rows:
            add(row)
    assert (tmp_path / "rows.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert list(files.rows(tmp_path / "rows.csv")) == files.read_table(tmp_path / "whole.csv")


def test_a_table_that_is_not_finished_is_not_there(tmp_path):
    with (
        pytest.raises(ValueError, match="fields not in"),
        files.writing_table(tmp_path / "rows.csv", ["a"]) as add,
    ):
        add({"a": 1})
        add({"b": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["open", "replace"])
def test_a_full_disk_names_the_file_and_leaves_the_one_that_was_there(
    tmp_path, monkeypatch, method
):
    path = tmp_path / "a.json"
    files.write(path, b"whole")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full") as caught:
        patch.setattr(Path, method, lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        files.write(path, b"other")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"whole"


def test_what_fails_halfway_leaves_nothing(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(OSError, match="full") as caught, files.writing(path) as file:
        file.write(b"half")
        raise OSError(28, "full")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
