import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.core import files
from ostinato.core.errors import UserError
from ostinato.tokens.data import letters
from ostinato.tokens.data.streams import Streams

TEXT = "Grüße aus dem Süden, 𝄞 und so weiter.\n"

LATEX = r"""\section{Ring}
\begin{lemma} Let $R$ be a ring, $\mathfrak{p} \subset R$ a prime. \end{lemma}
\begin{proof} Clear: $\{0\} \neq 100\,\%$ of $R_{\mathfrak p}$. \end{proof}
"""


def build(tmp_path, texts, labels=None):
    """Streams of a folder with some files: name to content."""
    folder, out = tmp_path / "text", tmp_path / "out"
    out.mkdir(exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    letters.build(out, "folder", folder, labels)
    return Streams(out)


def text_of(streams, tokens):
    return "".join(streams.names[token] for token in tokens)


@settings(max_examples=40)
@given(text=st.text(st.characters(codec="utf-8"), min_size=20).filter(lambda t: len(set(t)) > 1))
def test_a_text_is_cut_in_three_and_nothing_is_lost(tmp_path_factory, text):
    streams = build(tmp_path_factory.mktemp("text"), {"a.txt": text})
    parts = [streams.pieces(split) for split in ("train", "valid", "test")]
    assert [len(part) for part in parts] == [1, 1, 1]
    # A file may begin with a byte order mark, which is no letter of the text.
    assert "".join(text_of(streams, part[0]) for part in parts) == text.removeprefix("\ufeff")
    assert abs(len(parts[0][0]) - 0.8 * len(text)) <= 1.5
    for split in ("train", "valid", "test"):
        assert streams[split][0] == streams[split][-1] == 0


def test_letters_of_several_bytes_survive_the_end_of_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "BLOCK", 3)
    streams = build(tmp_path, {"a.txt": TEXT * 3})
    parts = [streams.pieces(split)[0] for split in ("train", "valid", "test")]
    assert text_of(streams, np.concatenate(parts)) == TEXT * 3


def test_latex_is_text(tmp_path):
    streams = build(tmp_path, {"ring.tex": LATEX * 5})
    assert streams.config["kind"] == "text"
    assert {"\\", "{", "$", "%"} <= set(streams.names)
    assert text_of(streams, streams.pieces("train")[0]).startswith(LATEX)


def test_every_file_gives_something_to_each_split(tmp_path):
    streams = build(tmp_path, {"a.txt": "abcdefghij" * 10, "b/c.txt": "klmnopqrst" * 10})
    assert [text_of(streams, p) for p in streams.pieces("test")] == ["abcdefghij", "klmnopqrst"]


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ({}, "holds no file; put text in UTF-8 there"),
        ({"a.txt": ""}, "holds no text; a.txt: 0 characters"),
        ({"a.txt": "aaaaaaaa"}, "holds no character but 'a'"),
        ({"a.txt": b"gr\xfc\xdfe"}, "holds no text; a.txt: byte 2 is not UTF-8"),
        ({"a.txt": "abc \xe4".encode()[:-1]}, "holds no text; a.txt: byte 4 is not UTF-8"),
        ({"a.txt": "ab"}, "nothing is left for valid; give 3 pieces at least, or a longer text"),
    ],
)
def test_what_is_no_text_is_one_line(tmp_path, texts, line):
    (tmp_path / "text").mkdir()
    with pytest.raises(UserError) as caught:
        build(tmp_path, texts)
    assert line in str(caught.value)


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match=r"tokens.letters.folder: .*nowhere is no folder"):
        letters.build(tmp_path, "folder", tmp_path / "nowhere", None)


def test_the_place_of_a_wrong_byte_is_that_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "BLOCK", 3)
    with pytest.raises(UserError, match="byte 9 is not UTF-8"):
        build(tmp_path, {"a.txt": "äöüabc".encode() + b"\xff"})


def test_a_file_that_is_no_text_does_not_stop_the_others(tmp_path):
    streams = build(tmp_path, {"a.txt": TEXT * 9, "b.txt": b"\x80", "c.txt": TEXT * 9})
    assert len(streams.pieces("train")) == 1
    rejected = files.read_table(tmp_path / "out" / "rejected.csv")
    assert rejected == [
        {"source": "b.txt", "reason": "byte 0 is not UTF-8"},
        {"source": "c.txt", "reason": "the same text as a.txt"},
    ]


def test_the_place_of_a_wrong_byte_counts_a_byte_order_mark(tmp_path):
    with pytest.raises(UserError, match="byte 6 is not UTF-8"):
        build(tmp_path, {"a.txt": "\ufeffabc".encode() + b"\xff"})


def test_tunes_of_an_abc_file_are_pieces(tmp_path):
    tunes = "".join(f"X:{n}\nT:Tune {n}\nM:4/4\nK:C\nC{n}D{n}|\n\n" for n in range(2, 40))
    streams = build(tmp_path, {"my.abc": tunes})
    assert streams.config["kind"] == "tunes"
    pieces = [p for split in ("train", "valid", "test") for p in streams.pieces(split)]
    assert len(pieces) == 38
    assert "M:4/4\nK:C\nC7D7|\n" in [text_of(streams, piece) for piece in pieces]


def test_beside_abc_files_nothing_else_is_read(tmp_path):
    texts = {f"{n}.abc": f"X:1\nK:C\n{key}{n}|\n" for n, key in enumerate("CDEFG", 2)}
    build(tmp_path, texts | {"README.txt": "My tunes", "no.abc": "abc", "latin.abc": b"X:1\n\xe4"})
    assert files.read_table(tmp_path / "out" / "rejected.csv") == [
        {"source": "README.txt", "reason": "not ABC, as other files are"},
        {"source": "latin.abc", "reason": "byte 4 is not UTF-8"},
        {"source": "no.abc", "reason": "no tune with number, key, music and one voice"},
    ]


def test_versions_of_a_tune_stay_in_one_split(tmp_path):
    tunes = [f"X:1\nK:C\n{a}{b}cdefgabcdef|\n" for a in "ABCDE" for b in "ABCDE"]
    texts = {f"{n}{v}.abc": t + v for n, t in enumerate(tunes) for v in ("", "g2|\n", "A,|\n")}
    streams = build(tmp_path, texts)
    heads = [
        {text_of(streams, piece).splitlines()[1] for piece in streams.pieces(split)}
        for split in ("train", "valid", "test")
    ]
    assert sum(map(len, heads)) == len(set.union(*heads)) == 25


FOLDERS = {
    f"{era}/{place}/{n}.txt": f"{era} {place} " * (n + 2)
    for era in ("old", "new")
    for place in ("north", "south")
    for n in range(5)
}


@pytest.mark.parametrize(
    ("labels", "expected"), [("one", ["new", "old"]), ("several", ["new", "north", "old", "south"])]
)
def test_labels_are_the_names_of_folders(tmp_path, labels, expected):
    streams = build(tmp_path, FOLDERS, labels)
    assert streams.labels == expected
    for split in ("train", "valid", "test"):
        targets = streams.targets(split)
        for piece, target in zip(streams.pieces(split), targets, strict=True):
            words = text_of(streams, piece).split()
            assert [label in words for label in expected] == target.astype(bool).tolist()
    assert json.loads((tmp_path / "out/config.json").read_text())["labelling"] == labels


def test_one_label_is_none(tmp_path):
    with pytest.raises(
        UserError, match=r"two labels at least .* only 'old' is there to learn from"
    ):
        build(tmp_path, {name: text for name, text in FOLDERS.items() if "old" in name}, "one")


def test_several_labels_that_all_have_are_one(tmp_path):
    texts = {f"a/b/{number}.txt": f"{number} and more" for number in range(30)}
    with pytest.raises(UserError, match="only 'a/b' is there to learn from"):
        build(tmp_path, texts, "several")


def test_what_is_too_short_to_be_cut_leaves_no_empty_piece(tmp_path):
    streams = build(tmp_path, {"a.txt": "abcd", "b.txt": "some words " * 9}, None)
    for split in ("train", "valid", "test"):
        assert all(len(piece) for piece in streams.pieces(split))
        assert "00" not in "".join(map(str, streams[split].clip(0, 1)))


def test_a_text_in_no_folder_has_no_label(tmp_path):
    build(tmp_path, FOLDERS | {"top.txt": "somewhere"}, "one")
    [rejected] = files.read_table(tmp_path / "out" / "rejected.csv")
    assert rejected == {"source": "top.txt", "reason": "in no folder, which would be its label"}
