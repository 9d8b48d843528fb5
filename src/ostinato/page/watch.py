"""Trainings as they go on: their curves, and at every validation a short piece of the model."""

import time
from collections.abc import Callable
from pathlib import Path

from ostinato.core import devices
from ostinato.core.errors import UserError
from ostinato.core.models import read_model
from ostinato.core.params import Params, read_params
from ostinato.core.progress import tell
from ostinato.core.seeds import derive
from ostinato.core.stage import unfinished
from ostinato.notes import system
from ostinato.notes.compose import compose
from ostinato.notes.data.songs import Songs
from ostinato.page.build import write_data
from ostinato.page.figures import TRAININGS, curve
from ostinato.page.shelves import Json, written
from ostinato.scores import given
from ostinato.scores.score import TICKS_PER_BEAT, Score
from ostinato.tokens.compose import compose as tokens
from ostinato.tokens.data.events import score_of
from ostinato.tokens.data.streams import Streams
from ostinato.tokens.model import NextToken, load

BARS, TOKENS = 8, 600
"""The length of a piece: bars, of events tokens."""

SECONDS, RELOAD = 1.0, 5
"""It is looked for something new every so many seconds, and so often the page reads itself again.
"""


class Watch:
    """What is known of the trainings that run in the working directory.

    Parameters
    ----------
    out : Path
        The folder of the page. What was heard there before is removed.
    """

    def __init__(self, out: Path):
        self.out = out
        for pattern in ("sounds/sound-????????.mp3", "midi/step-*-????????.mid"):
            for old in out.glob(pattern):
                old.unlink()
        self._seen: dict[str, int] = {}
        self._curves: dict[str, list[list[float | None]]] = {}
        self._items: list[Json] = []

    def look(self) -> list[str]:
        """Compose a piece and write the page where there was a validation since the last look.

        Returns
        -------
        list of str
            A line on each of these validations.
        """
        lines = []
        for name in TRAININGS:
            model, results = (unfinished(Path(kind) / name) for kind in ("models", "results"))
            if model is None or results is None:
                continue
            try:
                changed = (results / "curves.tsv").stat().st_mtime_ns
                if changed == self._seen.get(name):
                    continue
                points = curve(results / "curves.tsv")
                self._add(name, model, points)
            except FileNotFoundError:
                continue  # not there yet, or moved to its place since
            except UserError as error:
                if not model.is_dir():
                    continue
                tell(f"{name}: its music cannot be heard: {error}")
            self._seen[name], self._curves[name] = changed, points
            self.write(RELOAD)
            step, learned, valid = points[-1]
            lines.append(f"{name}: step {step:.0f}, learned {learned:.3f}, validation {valid:.3f}")
        return lines

    def _add(self, name: str, model: Path, points: list[list[float | None]]) -> None:
        """Add a piece of a model as it is, if it writes music."""
        step, _, valid = points[-1]
        params = read_params(Path("params.yaml"))
        devices.prepare(1, derive(params.seed, "watch"))
        found = None
        if read_model(model)[0].get("kind") == "generator":
            found = _keys(model, params)
        elif name == "token_model/events":
            found = _events(model, params)
        if found is None or not len(found[0].notes):
            return
        score, known = found
        described = written(self.out, score, f"step-{step:.0f}", given=known)
        version = {"name": f"step {step:.0f}", **described}
        item = {"title": f"Step {step:.0f}", "detail": f"validation {valid:.3f}"}
        self._items.insert(0, item | {"versions": [version]})

    def write(self, reload: int) -> None:
        """Write the page, if there is anything to show.

        Parameters
        ----------
        reload : int
            It reads itself again every so many seconds; 0: never.
        """
        if not self._curves:
            return
        shelf = {
            "id": "pieces",
            "title": "As it learns",
            "about": "The beginning of the same piece, by the model as it was at each validation.",
            "view": "roll",
            "items": self._items,
        }
        curves = [
            {
                "title": name,
                "unit": TRAININGS[name],
                "runs": ["this training"],
                "lines": [{"points": points}],
            }
            for name, points in self._curves.items()
        ]
        write_data(
            self.out,
            title="Ostinato learns",
            notes=["This page reads itself again while nothing is played."] if reload else [],
            shelves=[shelf] if self._items else [],
            figures={"counted": [], "numbers": [], "curves": curves, "plots": []},
            reload=reload,
            stamp=sum(map(len, self._curves.values())),
        )


def _keys(model: Path, params: Params) -> tuple[Score, str] | None:
    decoder = Path("models/decoder")
    if not decoder.is_dir():
        return None
    writer = system.load(model, decoder)
    songs = Songs(Path("data/dataset"), writer.representation, velocities=True)
    settings = params.compose.model_copy(update={"learning": "none"})
    [piece] = compose.compose(writer, songs, 1, BARS, settings, params.seed, 1)
    score = compose.score_of(piece, songs, writer, settings.tempo, "A piece")
    return score, given.before(compose.SEED_STEPS * TICKS_PER_BEAT // writer.steps_per_beat)


def _events(model: Path, params: Params) -> tuple[Score, str] | None:
    writer = load(model)
    if not isinstance(writer, NextToken):
        return None
    streams = Streams(Path("data/tokens/events"))
    settings = params.token_compose.events.model_copy(update={"tokens": TOKENS})
    names, shown = tokens.composed(writer, streams, settings, params.seed, 0)
    known = given.before(tokens.given_ticks(shown, writer))
    return score_of(names, writer.data, "A piece"), known


def watch(out: Path, ready: Callable[[], None]) -> None:
    """Follow the trainings of the working directory until this is interrupted.

    Parameters
    ----------
    out : Path
        The folder of the page.
    ready : callable
        Called once, when the page is there.
    """
    tell("waiting for a validation; `dvc repro` trains; Ctrl-C ends watching, not the training")
    found, shown = Watch(out), False
    try:
        while True:
            lines = found.look()
            for line in lines:
                print(line, flush=True)
            if lines and not shown:
                ready()
                shown = True
            time.sleep(SECONDS)
    finally:
        found.write(0)
