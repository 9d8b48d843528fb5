"""Playing while sound is made."""

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from ostinato import speakers
from ostinato.core.errors import UserError

PARTS = [np.full((3, 2), number, np.float32) for number in range(5)]


class PortAudioError(Exception):
    pass


class Stream:
    """What sounddevice.OutputStream does, into a list; it fails after some parts."""

    played: ClassVar[list[float]] = []
    most = 99

    def __init__(self, rate: int, channels: int, dtype: str):
        assert (rate, channels, dtype) == (44_100, 2, "float32")

    def start(self) -> None:
        pass

    def close(self) -> None:
        self.played.append(-1)

    def write(self, part: np.ndarray) -> None:
        if len(self.played) == self.most:
            raise PortAudioError("unplugged")
        self.played.append(float(part[0, 0]))


@pytest.fixture
def stream(monkeypatch):
    class Own(Stream):
        played: ClassVar[list[float]] = []

    fake = SimpleNamespace(OutputStream=Own, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return Own


def test_parts_are_heard_in_order_and_passed_on(stream):
    passed = list(speakers.heard(PARTS))
    assert stream.played == [0, 1, 2, 3, 4, -1]
    assert all(one is other for one, other in zip(passed, PARTS, strict=True))


def test_what_is_written_does_not_depend_on_what_is_heard(stream, capsys):
    stream.most = 2
    assert len(list(speakers.heard(PARTS))) == 5
    assert stream.played == [0, 1, -1]
    assert "the sound broke off: unplugged" in capsys.readouterr().err


def test_without_a_way_to_play_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match="--play needs sounddevice"):
        next(speakers.heard(PARTS))


def test_an_error_on_the_way_ends_it(stream):
    def broken():
        yield PARTS[0]
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="full"):
        list(speakers.heard(broken()))
    assert stream.played[-1] == -1
