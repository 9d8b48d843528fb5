import os
import re
import zipfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make_score, melody
from watching import Alive

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.scores import corpus, notation
from ostinato.scores.archive import Stored
from ostinato.scores.corpus import split, split_key
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import MAX_BEATS

keys = st.dictionaries(st.text(min_size=1), st.text(), min_size=3, max_size=40)


def transposed(score, shift):
    notes = score.notes.copy()
    notes["pitch"] = notes["pitch"] + shift
    return type(score)(notes, score.parts, score.metres, score.tempi, score.title)


@given(keys)
def test_every_split_has_a_song(songs):
    assert set(split(songs).values()) == {"train", "valid", "test"}


@given(keys)
def test_songs_on_one_melody_stay_together(songs):
    if len(set(songs.values())) < 3:
        return  # then the songs themselves are ranked, since each split needs one
    splits = split(songs)
    assert all(len({splits[s] for s in songs if songs[s] == key}) == 1 for key in songs.values())


def test_an_added_song_moves_no_other():
    songs = {f"song{i}": f"melody{i}" for i in range(200)}
    before = split(songs)
    after = split(songs | {f"new{i}": f"other{i}" for i in range(50)})
    assert {song: after[song] for song in songs} == before


def test_about_a_tenth_each_is_held_out():
    counts = Counter(split({str(i): str(i) for i in range(5000)}).values())
    assert 400 < counts["test"] < 600
    assert 400 < counts["valid"] < 600


def test_the_split_key_knows_melodies_in_any_key_and_setting():
    score = melody(3)
    assert split_key(transposed(score, 5)) == split_key(score)
    rows = [(onset, length, pitch) for onset, length, pitch, _, _ in score.notes.tolist()]
    other_bass = [(o, n, p - 7 if p < 52 else p) for o, n, p in rows]
    assert split_key(make_score(other_bass)) == split_key(score)
    assert split_key(melody(4)) != split_key(score)


def test_a_folder_becomes_a_corpus(songs_folder, tmp_path):
    folder = songs_folder(4)
    nested = folder / "Lieder für später" / "Bär & Söhne"
    nested.mkdir(parents=True)
    (nested / "größtes lied.mid").write_bytes(midi_bytes(melody(77)))
    (nested / "tune.abc").write_text("X:1\nT:A tune\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n")
    out = tmp_path / "out"
    corpus.build(out, "folder", folder)
    songs = files.read_table(out / "songs.csv")
    assert list(songs[0]) == corpus.SONG_COLUMNS
    assert {s["metre_from"] for s in songs} == {"file"}
    assert {s["source"] for s in songs} >= {
        "Lieder für später/Bär & Söhne/größtes lied.mid",
        "Lieder für später/Bär & Söhne/tune.abc",
    }
    assert {s["title"] for s in songs} >= {"Song 77", "A tune", "Song 0"}
    assert len(songs) == 6
    for song in songs:
        assert song["id"].isascii()
        assert len(Stored.of(out, song).score().notes) > 0


def test_bad_files_among_good_ones_are_listed_with_their_reason(songs_folder, tmp_path):
    folder = songs_folder(3)
    good = midi_bytes(melody(9))
    bad = {
        "damaged.mid": good[:12],
        "empty.mid": b"",
        "text.mid": b"I am no MIDI file.",
        "silent.mid": midi_bytes(make_score([])),
        "picture.png": b"\x89PNG",
        "doublet.mid": midi_bytes(melody(0)),
        "broken.musicxml": b"<score-partwise",
    }
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    (folder / "one note.mid").write_bytes(midi_bytes(make_score([(0, 480, 60)])))
    (folder / ".hidden").write_bytes(b"not even looked at")
    corpus.build(tmp_path / "out", "folder", folder)
    rejected = files.read_table(tmp_path / "out" / "rejected.csv")
    reasons = {row["source"]: row["reason"] for row in rejected}
    assert set(reasons) == (set(bad) - {"doublet.mid"}) | {"song0.mid"}
    assert reasons["empty.mid"] == "0 bytes"
    assert reasons["silent.mid"] == "no notes"
    assert reasons["song0.mid"] == "the same notes as doublet.mid"
    songs = files.read_table(tmp_path / "out" / "songs.csv")
    assert len(songs) == 4
    with zipfile.ZipFile(tmp_path / "out" / "midi.zip") as archive:
        assert sorted(archive.namelist()) == [f"{song['id']}.mid" for song in songs]


SAME_HASH = 29478, 93128
"""Names whose hashes are the same in the folder of this test."""


def test_two_sources_with_the_same_hash_are_two_songs(songs_folder, tmp_path):
    folder = songs_folder(1) / ("a folder with a name so long that ids say nothing else" * 2)
    folder.mkdir()
    for number, name in enumerate(SAME_HASH):
        (folder / f"{name}.mid").write_bytes(midi_bytes(melody(40 + number)))
    corpus.build(tmp_path / "out", "folder", tmp_path / "scores")
    songs = files.read_table(tmp_path / "out" / "songs.csv")
    one, other = (song for song in songs if song["title"] != "Song 0")
    assert other["id"] == f"{one['id']}-2"
    assert {song["title"] for song in (one, other)} == {"Song 40", "Song 41"}
    for song in (one, other):
        assert Stored.of(tmp_path / "out", song).score().title == song["title"]


def test_the_number_of_processes_changes_no_byte(songs_folder, tmp_path, monkeypatch):
    folder = songs_folder(5)
    for cores in ("1", "3"):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
        monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / f"cache {cores}"))
        corpus.build(tmp_path / cores, "folder", folder)
    names = {path.name for path in (tmp_path / "1").iterdir()}
    assert names == {"midi.zip", "songs.csv", "rejected.csv"}
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_songs_are_written_as_they_are_read(songs_folder, tmp_path, monkeypatch):
    [song] = corpus.read_file(songs_folder(1) / "song0.mid", "song0.mid", None)
    alive = Alive()

    def in_parallel(jobs):
        for number, _ in enumerate(jobs):
            name = str(number)
            digest = number.to_bytes(32)
            one = replace(song, id=name, source=name, key=name, digest=digest, midi=bytes(100))
            alive.count(one)
            yield [one]

    monkeypatch.setattr(corpus, "in_parallel", in_parallel)
    monkeypatch.setattr(corpus, "files_in", lambda *_: [tmp_path / str(n) for n in range(300)])
    corpus.build(tmp_path / "out", "folder", tmp_path)
    assert len(files.read_table(tmp_path / "out" / "songs.csv")) == 300
    assert alive.most < 6


def test_a_file_name_that_is_no_utf8_does_no_harm(songs_folder, tmp_path):
    folder = songs_folder(3)
    (folder / os.fsdecode(b"Gr\xf6sse.mid")).write_bytes(midi_bytes(melody(8)))
    corpus.build(tmp_path / "out", "folder", folder)
    sources = {song["source"] for song in files.read_table(tmp_path / "out" / "songs.csv")}
    assert "Gr\N{REPLACEMENT CHARACTER}sse.mid" in sources


def test_folk_songs_are_melodies(monkeypatch, tmp_path):
    [book] = [path for path in notation.folksong_files() if path.stem == "kinder0"]
    head, *tunes = re.split(r"^(?=X:)", book.read_text("utf-8"), flags=re.MULTILINE)
    start = "X:1\nT:Strange\nM:4/4\nL:1/4\nK:C\n"
    strange = {
        "chord": start + "CDEF|GA[Bd]c|\n\n",
        "two voices": start + "V:1\nCDEF|GABc|\nV:2\nC,D,E,F,|G,A,B,C|\n\n",
        "twice": tunes[0],
        "broken": start + "[CDEF|GABc|\n\n",
    }
    short = tmp_path / "book.abc"
    short.write_text("".join([head, *tunes[:5], *strange.values()]), "utf-8")
    monkeypatch.setitem(corpus.BUILT_IN, "folksongs", (lambda: [short], 1))
    for again in ("a", "b"):
        corpus.build(tmp_path / again, "folksongs", tmp_path / "nowhere")
    songs = files.read_table(tmp_path / "a" / "songs.csv")
    assert {song["source"] for song in songs} == {f"book.abc#{n}" for n in range(1, 6)}
    assert {song["title"] for song in songs} == {re.search("T: *(.*)", t)[1] for t in tunes[:5]}
    for song in songs:
        notes = Stored.of(tmp_path / "a", song).score().notes
        assert (notes["onset"][1:] >= (notes["onset"] + notes["length"])[:-1]).all()
    rejected = files.read_table(tmp_path / "a" / "rejected.csv")
    reasons = {row["source"]: row["reason"] for row in rejected}
    assert reasons["book.abc#6"] == "several notes at once"
    assert reasons["book.abc#7"] == "2 parts, not 1"
    assert reasons["book.abc#8"] == "the same notes as book.abc#1"
    assert reasons["book.abc#9"].startswith("music21: ")
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_no_two_built_in_files_have_one_name():
    for list_files, _ in corpus.BUILT_IN.values():
        names = [path.name for path in list_files()]
        assert len(names) == len(set(names))
    assert {path.stem for path in notation.folksong_files()} == notation.FOLKSONG_BOOKS


def test_a_metre_survives_an_overlong_bar(tmp_path):
    tune = tmp_path / "tune.abc"
    tune.write_text("X:1\nM:3/4\nL:1/4\nK:C\nCDE|FGA|EFGAB|ABc|\n")
    [song] = corpus.read_file(tune, tune.name, 1)
    assert song.metre == "3/4 2/4"


@pytest.mark.parametrize(
    ("count", "message"),
    [(0, "holds no file"), (2, "holds 2 readable songs, at least 3")],
)
def test_too_few_songs_are_one_clear_error(songs_folder, tmp_path, count, message):
    with pytest.raises(UserError, match=message):
        corpus.build(tmp_path / "out", "folder", songs_folder(count))


def test_no_readable_song_tells_a_reason(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"no")
    with pytest.raises(UserError, match=r"0 readable songs.*a\.mid: not a MIDI file"):
        corpus.build(tmp_path / "out", "folder", tmp_path)


def test_a_missing_folder_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        corpus.build(tmp_path / "out", "folder", tmp_path / "nowhere")


def test_three_songs_on_one_melody_still_fill_the_splits(tmp_path):
    rng = np.random.default_rng(0)
    tune = [(i * 480, 480, int(p)) for i, p in enumerate(rng.integers(70, 80, 16))]
    for bass in range(3):
        song = make_score([*tune, (0, 480, 40 + bass)])
        (tmp_path / f"{bass}.mid").write_bytes(midi_bytes(song))
    corpus.build(tmp_path / "out", "folder", tmp_path)
    songs = files.read_table(tmp_path / "out" / "songs.csv")
    assert sorted(s["split"] for s in songs) == ["test", "train", "valid"]


def test_what_was_mended_or_found_in_notes_is_listed(songs_folder, tmp_path):
    folder = songs_folder(3)
    whole = midi_bytes(melody(9))
    (folder / "cut.mid").write_bytes(whole[: len(whole) - 30])
    swung = make_score(
        [(480 * i + 320 * k, 120, 60 + 7 * i % 12) for i in range(64) for k in (0, 1)]
    )
    (folder / "swung.mid").write_bytes(midi_bytes(swung))
    corpus.build(tmp_path / "out", "folder", folder)
    songs = {song["source"]: song for song in files.read_table(tmp_path / "out" / "songs.csv")}
    assert "is cut off" in songs["cut.mid"]["mended"]
    assert songs["song0.mid"]["mended"] == songs["song0.mid"]["swing"] == ""
    assert (songs["swung.mid"]["swing"], songs["swung.mid"]["swung"]) == ("0.67", "2")


def test_a_song_that_is_too_long_when_written_out_is_left_out(tmp_path, monkeypatch):
    long = make_score([(0, 480, 60), (MAX_BEATS * 480 + 480, 480, 60)])
    monkeypatch.setattr(corpus, "_read", lambda path: ([long], True))
    [rejected] = corpus.read_file(tmp_path / "long.abc", "long.abc", None)
    assert "beats long, more than" in rejected.reason
