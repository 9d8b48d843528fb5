import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.tokens import BOUNDARY, streams
from ostinato.tokens.streams import Piece, Streams, Vocabulary, write_streams

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
def test_a_window_stays_in_its_piece(tmp_path_factory, pieces, length):
    found = written(tmp_path_factory.mktemp("streams"), pieces)
    stream = found["train"].tolist()
    places = np.arange(1, len(stream))
    windows, lengths = found.windows(places, np.zeros(len(places), int), length)
    for place, window, counted in zip(places, windows.tolist(), lengths, strict=True):
        begin = max(n for n in range(place) if stream[n] == BOUNDARY)
        end = min(n for n in range(place, len(stream)) if stream[n] == BOUNDARY)
        first = max(begin, place - length)
        last = min(end, first + length) if first == begin else place
        assert window[: counted + 1] == stream[first : last + 1]
        assert set(window[counted + 1 :]) <= {BOUNDARY}
        assert len(window) == length + 1


def test_every_dtype_is_read_as_it_was_written(tmp_path):
    numbers = [*range(299)] * 3
    found = written(tmp_path, [numbers] * 3, names=300)
    assert found["train"].dtype == np.uint16
    window, _ = found.windows(np.array([400]), np.array([0]), 300)
    assert window[0].tolist() == found["train"][100:401].tolist()


def test_only_so_much_is_compared_with(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "LEARNED", 7)
    found = written(tmp_path, [[1, 2, 3]] * 5)
    [learned] = found.learned()
    assert learned.tolist() == found["train"][:7].tolist()
