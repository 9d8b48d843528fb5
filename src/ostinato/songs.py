"""Reading and writing songs, of whatever kind a file is.

What a kind needs is imported when it is met, since all of it together takes seconds.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ostinato.core.errors import UserError

if TYPE_CHECKING:
    from ostinato.scores.score import Score

MIDI, SOUND, NOTATION = (".mid", ".midi"), (".wav",), (".musicxml", ".xml")


class Song(NamedTuple):
    """A song that was read: its score, and how it swings, if it does."""

    score: "Score"
    swing: tuple[float, int] | None


def read(path: Path, believed: bool = True) -> Song:
    """Read a song: MIDI, MusicXML, ABC or Humdrum.

    Parameters
    ----------
    path : Path
    believed : bool
        Whether a metre that the file says is taken for right, so that bars and notes stay where
        they are, also if the notes contradict it.

    Returns
    -------
    Song

    Raises
    ------
    UserError
        If it can't be read.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a song' if path.is_dir() else 'no such file'}")
    from ostinato.scores.corpus import read_score
    from ostinato.scores.grid import STRAIGHT
    from ostinato.scores.score import UnreadableScore

    try:
        score, rhythm = read_score(path, believed)
    except UnreadableScore as error:
        raise UserError(f"{path}: {error}") from error
    grid = rhythm.grid
    return Song(score, (grid.swing, grid.unit) if grid and grid.swing != STRAIGHT else None)


def check_output(path: Path, song: Path | None = None) -> None:
    """Raise UserError if `write` knows no such kind of file, or if it is the song itself."""
    if song is not None and path.resolve() == song.resolve():
        raise UserError(f"{path}: the song itself would be lost; write to another file")
    known = *MIDI, *SOUND, *NOTATION
    if path.suffix.lower() not in known:
        raise UserError(f"{path}: only {', '.join(known[:-1])} and {known[-1]} files are written")


def write(path: Path, score: "Score") -> None:
    """Write a score as MIDI, sound (WAV) or notation (MusicXML), by the name of the file."""
    check_output(path)
    from ostinato.core import files

    kind = path.suffix.lower()
    if kind in MIDI:
        from ostinato.scores.midi import midi_bytes

        files.write(path, midi_bytes(score))
    elif kind in SOUND:
        from ostinato.scores.synthesis import render
        from ostinato.scores.wav import write_wav

        write_wav(path, render(score))
    else:
        from ostinato.scores.engraving import musicxml_bytes

        files.write(path, musicxml_bytes(score))
