"""The cache remembers what was made of a file, as long as neither it nor the code changes."""

from pathlib import Path

import pytest

from ostinato.core import cache

CALLS: list[tuple[str, int]] = []


def length(path: Path, times: int) -> int:
    CALLS.append((path.name, times))
    return len(path.read_bytes()) * times


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "cache"))
    CALLS.clear()
    (tmp_path / "a").write_text("one")
    return tmp_path


def test_a_file_is_read_once(folder):
    for _ in range(3):
        assert cache.remembered(length, folder / "a", 2, version="1") == 6
    assert CALLS == [("a", 2)]


def test_what_changes_is_read_again(folder):
    cache.remembered(length, folder / "a", 2, version="1")
    cache.remembered(length, folder / "a", 3, version="1")
    cache.remembered(length, folder / "a", 3, version="2")
    (folder / "a").write_text("other")
    assert cache.remembered(length, folder / "a", 3, version="2") == 15
    assert len(CALLS) == 4


def test_the_same_content_elsewhere_is_known(folder):
    cache.remembered(length, folder / "a", 2, version="1")
    (folder / "a").rename(folder / "b")
    assert cache.remembered(length, folder / "b", 2, version="1") == 6
    assert len(CALLS) == 1


def test_the_code_of_a_module_is_that_of_what_it_imports():
    assert cache.code_of("ostinato.scores.corpus") == cache.code_of("ostinato.scores.corpus")
    assert cache.code_of("ostinato.scores.corpus") != cache.code_of("ostinato.scores.midi")
