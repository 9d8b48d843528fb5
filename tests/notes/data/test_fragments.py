import numpy as np
import pytest
import torch

from ostinato.notes.data import rolls
from ostinato.notes.data.fragments import Batches, held_out, window, write_table
from ostinato.notes.data.positions import FINAL, SHIFT
from ostinato.notes.data.songs import Songs

STEPS, HOP = 64, 16


@pytest.fixture(scope="module")
def table(songs, tmp_path_factory):
    out = tmp_path_factory.mktemp("fragments")
    write_table(out, songs, STEPS, HOP, (-6, 5))
    return np.load(out / "fragments.npy")


def test_fragments_cover_every_step_of_every_training_song_and_no_other(songs, table):
    for song in range(len(songs)):
        rows = table[(table["song"] == song) & (table["shift"] == 0)]
        if song not in songs.of("train"):
            assert len(rows) == 0
            continue
        covered = np.zeros(songs.steps[song] + STEPS, bool)
        for start in rows["start"]:
            covered[start : start + STEPS] = True
        assert covered[: songs.steps[song]].all()
        assert (np.diff(rows["start"]) == HOP).all()


def test_a_short_song_is_one_masked_fragment(songs, tmp_path):
    write_table(tmp_path, songs, 4096, HOP, (0, 0))
    table = np.load(tmp_path / "fragments.npy")
    assert len(table) == len(songs.of("train"))
    batch = window(songs, table, 4096, 8, rolls.KEYS)
    assert batch.mask.sum(1).int().tolist() == songs.steps[table["song"]].tolist()
    assert (batch.notes.sum(-1) * (1 - batch.mask)).sum() == 0


def test_shifts_stay_on_the_keyboard(songs, tmp_path):
    write_table(tmp_path, songs, STEPS, HOP, (-48, 48))
    for song, _, shift in np.load(tmp_path / "fragments.npy").tolist():
        pitches = songs.song(song)["pitch"].astype(int) + shift
        assert pitches.min() >= 21
        assert pitches.max() <= 108


def test_the_past_of_a_fragment_is_what_was_played_before(songs, table):
    rows = table[(table["start"] == HOP) & (table["shift"] == 0)]
    later = window(songs, rows, STEPS, HOP, rolls.CLASSES)
    rows = rows.copy()
    rows["start"] = 0
    first = window(songs, rows, STEPS, HOP, rolls.CLASSES)
    assert torch.equal(later.past, first.notes[:, :HOP])
    assert first.past.sum() == 0
    assert torch.equal(later.notes[:, :-HOP], first.notes[:, HOP:])


def test_classes_are_rotated_and_keys_are_shifted(songs, table):
    rows = table[table["shift"] == 3]
    plain = rows.copy()
    plain["shift"] = 0
    for keys, move in ((rolls.CLASSES, 3), (rolls.KEYS, 3)):
        shifted, unshifted = (window(songs, each, STEPS, 4, keys) for each in (rows, plain))
        assert torch.equal(shifted.notes, unshifted.notes.roll(move, -1))
        assert (shifted.positions[..., SHIFT] == 3).all()
        assert (unshifted.positions[..., SHIFT] == 0).all()
        finals = unshifted.positions[..., FINAL]
        assert torch.equal(shifted.positions[..., FINAL], (finals + 3) % 12)


@pytest.mark.parametrize("keys", [rolls.CLASSES, rolls.KEYS])
def test_a_batch_depends_on_its_number_alone(songs, table, keys):
    one = Batches(songs, table, 5, STEPS, 8, keys, seed=7)
    other = Batches(songs, table, 5, STEPS, 8, keys, seed=7)
    for number in range(6):
        one(number)
    assert torch.equal(one(3).notes, other(3).notes)
    assert not torch.equal(one(3).notes, one(4).notes)


def test_a_pass_sees_every_fragment_once(songs, table):
    batches = Batches(songs, table, 1, STEPS, 0, rolls.CLASSES, seed=7)
    seen = [int(batches(number).positions[0, 0, 0]) for number in range(len(batches.rows))]
    assert sorted(seen) == sorted(batches.rows["start"].tolist())


def test_key_batches_take_only_shifts_of_the_table(songs, tmp_path):
    write_table(tmp_path, songs, STEPS, HOP, (-2, 1))
    table = np.load(tmp_path / "fragments.npy")
    batches = Batches(songs, table, 200, STEPS, 0, rolls.KEYS, seed=1)
    drawn = {notes.numpy().tobytes() for notes in batches(0).notes}
    possible = {n.numpy().tobytes() for n in window(songs, table, STEPS, 0, rolls.KEYS).notes}
    assert set(table["shift"].tolist()) == {-2, -1, 0, 1}
    assert drawn <= possible
    assert len(drawn) > len(batches.rows)  # more than the unshifted ones


def test_held_out_songs_are_whole_and_untransposed(songs: Songs):
    shown = []
    for batch in held_out(songs, "train", 8, rolls.KEYS, most=600):
        assert batch.mask.numel() <= 600
        assert batch.mask[-1].all()  # nothing is longer than the longest
        for notes, mask in zip(batch.notes, batch.mask, strict=True):
            shown.append(notes[: int(mask.sum())].numpy().tobytes())
    songs_drawn = [songs.roll(i, 0, int(songs.steps[i])).tobytes() for i in songs.of("train")]
    assert sorted(shown) == sorted(songs_drawn)
