"""Writing around what is given, with trained models: harmonies, gaps, variations.

from pathlib import Path

from ostinato.songs import read, write
from ostinato.writing import Writer, melody

writer = Writer.load(Path("models"))
tune = melody(read(Path("tune.abc")), "soprano")
for number, piece in enumerate(writer.sample(given=tune, pieces=3), 1):
    write(Path(f"chorale-{number}.musicxml"), piece.score)
    print(piece.nats)
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ostinato.core.errors import UserError
from ostinato.notes import system
from ostinato.notes.compose import around, outline
from ostinato.notes.compose.around import TEMPERATURE, Piece
from ostinato.notes.compose.outline import CHOIR, RANDOM, VOICES, Outline
from ostinato.notes.system import System
from ostinato.songs import Song


def melody(song: Song, voice: str = "soprano", voices: int = CHOIR) -> Outline:
    """Give a melody, to be harmonised; see `ostinato.notes.compose.outline.melody`.

    Parameters
    ----------
    song : Song
    voice : str
        Where the melody is to stand: soprano, alto, tenor or bass; or 1 for the highest voice, 2
        for the next, and so on.
    voices : int
        How many there are to be.
    """
    if voice in VOICES:
        number = VOICES[voice]
    elif voice.isdecimal() and int(voice):
        number = int(voice) - 1
    else:
        known = ", ".join(VOICES)
        raise UserError(f"there is no voice {voice}; name one of {known}, or a number from 1 on")
    return replace(outline.melody(song.score, number, voices), swing=song.swing)


def gap(song: Song, first: int, last: int) -> Outline:
    """Give all but some bars; see `ostinato.notes.compose.outline.gap`."""
    return replace(outline.gap(song.score, first, last), swing=song.swing)


def variation(song: Song, keep: float = 0.5, by: str = RANDOM, seed: int = 1) -> Outline:
    """Give some of the notes; see `ostinato.notes.compose.outline.variation`."""
    return replace(outline.variation(song.score, keep, by, seed), swing=song.swing)


@dataclass(frozen=True)
class Writer:
    """Trained models that write music.

    Attributes
    ----------
    system : System
    """

    system: System

    @classmethod
    def load(cls, models: Path, device: str | torch.device = "cpu") -> "Writer":
        """Load the generator and the decoder in a folder of models.

        Raises
        ------
        UserError
            If one is missing.
        """
        return cls(system.load(models / "generator", models / "decoder").to(device))

    def sample(
        self,
        given: Outline,
        pieces: int = 1,
        particles: int = 64,
        temperature: float = TEMPERATURE,
        seed: int = 1,
    ) -> list[Piece]:
        """Write pieces around what is given, the best first; see `around.sample`."""
        return around.sample(self.system, given, pieces, particles, temperature, seed)
