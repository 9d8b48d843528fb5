import gc
import os
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.tokens import BOUNDARY
from ostinato.tokens.data import streams
from ostinato.tokens.data.streams import Piece, Streams, Vocabulary, write_streams
from ostinato.tokens.data.windows import Windows

PIECES = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=12), min_size=3, max_size=9)


def written(folder, pieces, names=10):
    """Streams of pieces: the first is for validation, the second for the test."""
    splits = ["valid", "test", *["train"] * len(pieces)]
    given_ = [
        Piece(str(i), split, (), lambda piece=piece: iter([np.array(piece)]), len(piece))
        for i, (split, piece) in enumerate(zip(splits, pieces, strict=False))
    ]
    shifts = np.arange(names, dtype=np.int32)[None]
    vocabulary = Vocabulary(np.arange(names - 1), ["", *map(chr, range(33, 32 + names))], shifts)
    write_streams(folder, given_, vocabulary, {})
    return Streams(folder)


def all_windows(found, length):
    """Every window there is."""
    every = Windows(found, length)
    numbers = np.arange(len(every))
    windows, lengths = every.cut(numbers, np.zeros(len(numbers), int))
    return [tuple(w[: n + 1]) for w, n in zip(windows.tolist(), lengths, strict=True)], windows


@settings(max_examples=30)
@given(PIECES)
def test_streams_are_pieces_with_boundaries_around_them(tmp_path_factory, pieces):
    found = written(tmp_path_factory.mktemp("streams"), pieces)
    expected = [BOUNDARY]
    for piece in pieces[2:]:
        expected += [number + 1 for number in piece] + [BOUNDARY]
    assert found["train"].tolist() == expected
    assert [piece.tolist() for piece in found.pieces("train")] == [
        [number + 1 for number in piece] for piece in pieces[2:]
    ]


@settings(max_examples=30)
@given(PIECES, st.integers(1, 8))
def test_windows_are_moved_over_each_piece_by_one(tmp_path_factory, pieces, length):
    found = written(tmp_path_factory.mktemp("streams"), pieces)
    expected = []
    for piece in found.pieces("train"):
        whole = (BOUNDARY, *piece.tolist(), BOUNDARY)
        begins = range(1 - length, len(whole) - 1)
        cut = [whole[max(first, 0) : first + length + 1] for first in begins]
        expected += [whole] * length if len(whole) - 1 <= length else cut
    windows, padded = all_windows(found, length)
    assert windows == expected
    assert padded.shape[1] == length + 1
    assert all(
        set(p[len(w) :]) <= {BOUNDARY} for w, p in zip(windows, padded.tolist(), strict=True)
    )


@given(PIECES, st.integers(1, 8))
def test_every_token_is_in_as_many_windows(tmp_path_factory, pieces, length):
    found = written(tmp_path_factory.mktemp("streams"), pieces)
    counts = Counter(token for window in all_windows(found, length)[0] for token in window[1:])
    assert counts == {t: n * length for t, n in Counter(found["train"][1:].tolist()).items()}


def test_every_dtype_is_read_as_it_was_written(tmp_path):
    numbers = [*range(299)] * 3
    found = written(tmp_path, [numbers] * 3, names=300)
    assert found["train"].dtype == np.uint16
    window, _ = Windows(found, 300).cut(np.array([399]), np.array([0]))
    assert window[0].tolist() == found["train"][100:401].tolist()


def test_a_missing_folder_is_one_error(tmp_path, monkeypatch):
    others = []
    monkeypatch.setattr(sys, "unraisablehook", others.append)
    with pytest.raises(FileNotFoundError):
        Streams(tmp_path / "nowhere")
    gc.collect()
    assert others == []


def test_the_file_is_closed_with_the_streams(tmp_path):
    found = written(tmp_path, [[1, 2, 3]] * 3)
    opened = found._train
    del found
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened)


def test_only_so_much_is_compared_with(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_COMPARED", 7)
    found = written(tmp_path, [[1, 2, 3]] * 5)
    [known] = found.transpositions()
    assert known.tolist() == found["train"][:7].tolist()
