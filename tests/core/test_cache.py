"""The cache remembers what was made of a file, as long as neither it nor the code changes."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ostinato.core import cache

CALLS: list[tuple[str, int]] = []


def length(path: Path, times: int) -> int:
    CALLS.append((path.name, times))
    return len(path.read_bytes()) * times


@dataclass(frozen=True)
class Content:
    data: bytes
    share: float


def content(path: Path) -> list[Content | None]:
    CALLS.append((path.name, 0))
    return [Content(path.read_bytes() + b"\xff\0", 1 / 3), None]


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


def test_what_was_returned_is_the_same_when_it_comes_from_the_cache(folder):
    first, second = (cache.remembered(content, folder / "a", version="1") for _ in range(2))
    assert first == second == [Content(b"one\xff\0", 1 / 3), None]
    assert len(CALLS) == 1


@pytest.mark.parametrize("place", [0, 33, -1])
def test_what_is_damaged_in_the_cache_is_made_again(folder, place):
    cache.remembered(length, folder / "a", 2, version="1")
    [kept] = cache.folder(cache.READINGS).glob("??/*")
    damaged = bytearray(kept.read_bytes())
    damaged[place] ^= 1
    kept.write_bytes(damaged)
    for _ in range(2):
        assert cache.remembered(length, folder / "a", 2, version="1") == 6
    assert len(CALLS) == 2


def test_what_is_not_used_for_a_month_is_forgotten(folder):
    for times in (2, 3):
        cache.remembered(length, folder / "a", times, version="1")
    old, _ = cache.folder(cache.READINGS).glob("??/*")
    os.utime(old, (0, 0))
    cache.forget_old()
    assert len(list(cache.folder(cache.READINGS).glob("??/*"))) == 1


def test_the_code_of_a_module_is_that_of_what_it_imports():
    assert cache.code_of("ostinato.scores.corpus") == cache.code_of("ostinato.scores.corpus")
    assert cache.code_of("ostinato.scores.corpus") != cache.code_of("ostinato.scores.midi")
