import zipfile

import pytest
from making import melody, write_corpus

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores.archive import Stored
from ostinato.scores.midi import midi_bytes

SONGS = {f"{n}.mid": ("train", melody(n, beats=4)) for n in range(4)}


def stored(corpus):
    return [Stored.of(corpus, song) for song in files.rows(corpus / "songs.csv")]


def test_people_can_open_an_archive_and_each_song_is_read_alone(tmp_path):
    corpus = write_corpus(tmp_path, SONGS)
    data = [midi_bytes(score) for _, score in SONGS.values()]
    assert [song.read() for song in stored(corpus)] == data
    with zipfile.ZipFile(corpus / "midi.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["0.mid", "1.mid", "2.mid", "3.mid"]
        assert [archive.read(name) for name in archive.namelist()] == data
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.create_system, entry.external_attr >> 16) == (3, 0o644)


def test_the_same_songs_give_the_same_bytes(tmp_path):
    one, other = (write_corpus(tmp_path / name, SONGS) for name in ("one", "other"))
    assert (one / "midi.zip").read_bytes() == (other / "midi.zip").read_bytes()


@pytest.mark.parametrize("damage", ["a bit", "the end", "another archive"])
def test_a_damaged_archive_is_one_line(tmp_path, damage):
    corpus = write_corpus(tmp_path / "corpus", SONGS)
    first, *_, last = stored(corpus)
    data = bytearray(first.archive.read_bytes())
    if damage == "a bit":
        data[last.first + 20] ^= 1
    elif damage == "the end":
        del data[last.first + 20 :]
    else:
        data = write_corpus(tmp_path / "other", dict(list(SONGS.items())[1:])) / "midi.zip"
        data = data.read_bytes()
    first.archive.write_bytes(data)
    with pytest.raises(UserError, match=r"midi\.zip: damaged.*no 3\.mid at byte") as error:
        last.read()
    assert "\n" not in str(error.value)
    if damage != "another archive":
        assert first.read() == midi_bytes(SONGS["0.mid"][1])


def test_a_missing_archive_is_named(tmp_path):
    [song, *_] = stored(write_corpus(tmp_path, SONGS))
    song.archive.unlink()
    with pytest.raises(FileNotFoundError, match=r"midi\.zip"):
        song.read()
