import numpy as np
import pytest

from ostinato.core import files
from ostinato.scores import corpus
from ostinato.scores.wav import RATE
from ostinato.sound.data import collection
from ostinato.sound.data.crops import Crops
from ostinato.sound.data.sound import FRAME, Sounds


@pytest.fixture
def rendered(songs_folder, tmp_path):
    corpus.build(tmp_path / "corpus", "folder", songs_folder(4, beats=8))

    def render(name: str, seed: int) -> Sounds:
        (tmp_path / name).mkdir()
        collection.build_rendered(tmp_path / name, tmp_path / "corpus", [0, 19, 73], seed)
        return Sounds(tmp_path / name)

    return render


def test_a_corpus_becomes_sound_in_the_same_splits(rendered, tmp_path):
    sounds = rendered("one", 1)
    rows = {row["id"]: row["split"] for row in files.rows(tmp_path / "corpus/songs.csv")}
    assert dict(zip(sounds.id, sounds.split, strict=True)) == rows
    for index in range(4):
        piece = sounds.piece(index)
        assert piece.shape == (2, sounds.samples[index])
        assert np.abs(piece).max() == pytest.approx(0.9, abs=1e-3)


def test_pieces_to_listen_to_are_rendered_alone_and_sound_the_same(rendered, tmp_path):
    whole, parts = rendered("whole", 1), {}
    for name, splits in {"learned": ["train", "valid"], "held out": ["test"]}.items():
        (tmp_path / name).mkdir()
        corpus_folder = tmp_path / "corpus"
        collection.build_rendered(tmp_path / name, corpus_folder, [0, 19, 73], 1, splits)
        parts[name] = Sounds(tmp_path / name)
    assert set(parts["held out"].split) == {"test"}
    assert set(parts["learned"].split) == {"train", "valid"}
    both = Sounds(tmp_path / "learned", tmp_path / "held out")
    assert sorted(both.id) == sorted(whole.id)
    for index, name in enumerate(both.id):
        np.testing.assert_array_equal(both.piece(index), whole.piece(whole.id.index(name)))


def test_the_seed_decides_how_a_piece_is_played(rendered, tmp_path):
    rendered("one", 1)
    rendered("again", 1)
    rendered("other", 2)
    one, again, other = (
        (tmp_path / name / "sound.pcm").read_bytes() for name in ("one", "again", "other")
    )
    assert one == again
    assert one != other


def test_tempo_start_and_instruments_vary_within_their_bounds(rendered, tmp_path):
    rendered("one", 1)
    lines = (tmp_path / "one/songs.csv").read_text().splitlines()[1:]
    tempi = {float(line.split("tempo ")[1].split(",")[0]) for line in lines}
    starts = {float(line.split("start ")[1].split(" ")[0]) for line in lines}
    assert len(tempi) > 1
    assert len(starts) > 1
    assert min(tempi) >= 0.85
    assert max(tempi) <= 1.2
    assert 0 <= min(starts) <= max(starts) <= 0.25


def test_crops_come_from_everywhere_and_short_pieces_are_filled(rendered):
    sounds = rendered("one", 1)
    crops = Crops(sounds, [0, 1], FRAME)
    drawn = crops.draw(64, 3)
    assert drawn.shape == (64, 2, FRAME)
    np.testing.assert_array_equal(drawn, crops.draw(64, 3))
    longest = Crops(sounds, [0], 60 * RATE).draw(1, 0)[0]
    np.testing.assert_array_equal(longest[:, : sounds.samples[0]], sounds.piece(0))
    assert not longest[:, sounds.samples[0] :].any()
