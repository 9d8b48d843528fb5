"""MusicXML from strangers: archives and entities that would fill memory, or leave their folder."""

import io
import zipfile
from pathlib import Path

import pytest

from ostinato.scores.notation import read_notation
from ostinato.scores.score import UnreadableScore

SCORE = (
    "<part-list><score-part id='P1'><part-name>A</part-name></score-part></part-list>"
    "<part id='P1'><measure number='1'><attributes><divisions>2</divisions><time><beats>3</beats>"
    "<beat-type>4</beat-type></time></attributes><note><pitch><step>C</step><octave>4</octave>"
    "</pitch><duration>2</duration></note></measure></part>"
)
WHOLE = f"<?xml version='1.0'?><score-partwise version='4.0'>{SCORE}</score-partwise>"
CONTAINER = "<container><rootfiles><rootfile full-path='{}'/></rootfiles></container>"
BOMB = (
    "<!DOCTYPE score-partwise [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


def archive(**members: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def pitches(path: Path) -> list[int]:
    [score] = read_notation(path)
    if isinstance(score, UnreadableScore):
        raise score
    return score.notes["pitch"].tolist()


@pytest.mark.parametrize(
    "members",
    [
        {
            "META-INF/container.xml": CONTAINER.format("song/a.xml"),
            "b.xml": "no",
            "song/a.xml": WHOLE,
        },
        {"META-INF/container.xml": CONTAINER.format("gone.xml"), "a.musicxml": WHOLE},
        {"META-INF/container.xml": "damaged", "cover.png": "no", "a.xml": WHOLE},
        {"a.xml": WHOLE},
        {"META-INF/container.xml": CONTAINER.format("../a.xml"), "../a.xml": WHOLE},
        {"/a.xml": WHOLE, "../../b": "no"},
    ],
)
def test_the_score_in_an_archive_is_read_and_nothing_is_unpacked(tmp_path, members):
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    (folder / "a.mxl").write_bytes(archive(**members))
    assert pitches(folder / "a.mxl") == [60]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "a.mxl"]


def test_an_archive_that_grows_is_refused(tmp_path):
    bomb = archive(**{"a.xml": WHOLE + " " * 100_000_000})
    assert len(bomb) < 200_000
    (tmp_path / "a.mxl").write_bytes(bomb)
    with pytest.raises(UnreadableScore, match="more than 5,000,000 bytes of notation"):
        read_notation(tmp_path / "a.mxl")


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path):
    lying = archive(**{"a.xml": WHOLE})
    size = len(WHOLE).to_bytes(4, "little")
    (tmp_path / "a.mxl").write_bytes(lying.replace(size, (9).to_bytes(4, "little")))
    with pytest.raises(UnreadableScore, match="damaged archive: Bad CRC-32"):
        read_notation(tmp_path / "a.mxl")


def test_an_archive_without_a_score_is_refused(tmp_path):
    (tmp_path / "a.mxl").write_bytes(archive(**{"cover.png": "", "META-INF/a.xml": ""}))
    with pytest.raises(UnreadableScore, match="no score in the archive"):
        read_notation(tmp_path / "a.mxl")


@pytest.mark.parametrize(
    "declared", [BOMB, "<!DOCTYPE a [<!ENTITY i SYSTEM 'file:///etc/hosts'>]>"]
)
def test_entities_are_refused(tmp_path, declared):
    (tmp_path / "a.musicxml").write_text(f"{declared}<score-partwise>&i;</score-partwise>")
    with pytest.raises(UnreadableScore, match="declares what its elements are"):
        read_notation(tmp_path / "a.musicxml")


def test_a_document_type_without_entities_is_no_mistake(tmp_path):
    declared = (
        "<!DOCTYPE score-partwise PUBLIC '-//Recordare//DTD MusicXML 4.0 Partwise//EN' "
        "'http://www.musicxml.org/dtds/partwise.dtd'>"
    )
    text = WHOLE.replace("<score-partwise", f"{declared}<score-partwise", 1)
    (tmp_path / "a.musicxml").write_text(text)
    assert pitches(tmp_path / "a.musicxml") == [60]


@pytest.mark.parametrize("beats", ["129", "2147483647", "1e309", "-3", "3+999"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_metre_of_too_many_beats_is_refused(tmp_path, beats, encoding):
    text = WHOLE.replace("1.0'?", f"1.0' encoding='{encoding}'?").replace(">3<", f">{beats}<")
    (tmp_path / "a.musicxml").write_bytes(text.encode(encoding))
    with pytest.raises(UnreadableScore, match=r"a metre of .* beats, over 128"):
        read_notation(tmp_path / "a.musicxml")


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("?><", "?><!DOCTYPE score-partwise PUBLIC '-//a' 'b'><").replace(
            "<part-name>A", "<part-name>&eacute;"
        ),
        "<score-partwise>" + "<a>" * 5000 + "</a>" * 5000 + "</score-partwise>",
        WHOLE[:-30],
    ],
    ids=["unknown entity", "deep", "cut"],
)  # fmt: skip
def test_damage_before_compression_is_refused(tmp_path, text):
    (tmp_path / "a.mxl").write_bytes(archive(**{"a.xml": text}))
    with pytest.raises(UnreadableScore):
        pitches(tmp_path / "a.mxl")


def test_a_container_without_end_takes_no_time(tmp_path):
    container = "<rootfile " * 100_000
    (tmp_path / "a.mxl").write_bytes(
        archive(**{"META-INF/container.xml": container, "a.xml": WHOLE})
    )
    assert pitches(tmp_path / "a.mxl") == [60]


def test_a_compression_that_musicxml_does_not_have_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.mxl", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.xml", WHOLE)
    with pytest.raises(UnreadableScore, match="compressed in a way"):
        read_notation(tmp_path / "a.mxl")
