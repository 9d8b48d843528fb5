"""The shelves of the page: pieces, bands, chords, tunes and sounds, each as its runs made it.

An item has versions, which are heard at the same place: that of each run, and what a person made.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ostinato.core import devices, files
from ostinato.core.errors import UserError
from ostinato.core.progress import progress, tell
from ostinato.core.workers import in_parallel
from ostinato.notes import system
from ostinato.notes.data import rolls
from ostinato.notes.data.dataset import bars_of, quantise
from ostinato.notes.data.positions import Positions
from ostinato.notes.report.reading import reading
from ostinato.page.run import Run
from ostinato.page.seen import bar_lines, roll_of, write_spectrum
from ostinato.page.sound import mp3_of
from ostinato.scores.archive import MIDI, SONGS, Stored
from ostinato.scores.grid import swing_of, without_swing
from ostinato.scores.midi import midi_bytes, read_midi
from ostinato.scores.parts import chosen
from ostinato.scores.score import Score, seconds

Json = dict[str, Any]

COMPOSED, SONG = "composed", "the song"

KEPT, LEAST = 3, 0.05
"""Of the weights with which a memory reads at a step, the page has the three largest, if they are
not smaller than this."""

PIECES = (
    "Each begins as a song that the model has not learned, in grey, and goes on by itself. Switch "
    "to the song to hear how its composer went on from there."
)
BANDS = "Songs of any instruments, written event by event, after the beginning of one, in grey."
BANDS_ALONE = "Songs of any instruments, written event by event."
CHORDS = "Written note by note and chord by chord."
TUNES = "Written letter by letter, as ABC. Click a note to hear it from there."
PLAYED = "The beginning of a recording that was not learned; then, after the line, improvised."
HEARD = "Recordings before and after the autoencoder."

CORPUS, EVENTS = "data/corpus", "results/token_compose/events"

GIVEN = 10.0
"""So many seconds of a recording begin an improvisation."""


def shelves(out: Path, runs: Sequence[Run]) -> list[Json]:
    """Write the sounds, pictures and MIDI files of all shelves, and say what is on them.

    Parameters
    ----------
    out : Path
        The folder of the page.
    runs : sequence of Run
        At least one. Items are those of the first; the others' are beside them where they have the
        same names.

    Returns
    -------
    list of dict
        In the form that the page's data.js has. Shelves without items are left out.
    """
    begun = any(row["begins_as"] for row in runs[0].rows(f"{EVENTS}/pieces.csv"))
    bands = BANDS if begun else BANDS_ALONE
    made = [
        ("pieces", "Pieces", PIECES, "roll", "results/compose", "mid", _piece),
        ("bands", "Bands", bands, "roll", EVENTS, "mid", _band),
        ("chords", "Chords", CHORDS, "roll", "results/token_compose/chords", "mid", _chords),
        ("tunes", "Tunes", TUNES, "score", "results/token_compose/letters", "abc", _tune),
        ("improvised", "Improvised", PLAYED, "picture", "results/improvise", "png", _played),
        ("heard", "Sound coded", HEARD, "picture", "results/reconstruct", "png", _heard),
    ]
    jobs, counts, found = [], [], []
    for name, title, about, view, folder, suffix, make in made:
        paths = sorted(runs[0].path(folder).glob(f"*.{suffix}"))
        names = [path.stem for path in paths if path.with_suffix(".wav").is_file()]
        jobs += [partial(make, out, runs, folder, each) for each in names]
        counts.append(len(names))
        found.append({"id": name, "title": title, "about": about, "view": view})
    items = iter(progress(in_parallel(jobs), len(jobs), "page"))
    for shelf, count in zip(found, counts, strict=True):
        shelf["items"] = [next(items) for _ in range(count)]
    return [shelf for shelf in found if shelf["items"]]


def _item(name: str, detail: str, versions: Sequence[Json]) -> Json:
    """Put an item together; versions that sound the same are one."""
    distinct: dict[str, Json] = {}
    for version in versions:
        same = distinct.setdefault(version["audio"], version)
        if same is not version:
            same["name"] += f" = {version['name']}"
    return {"title": name, "detail": detail, "versions": list(distinct.values())}


def _numbered(word: str, name: str) -> str:
    """``"Band 1"`` for ``"piece-01"``."""
    number = name.rpartition("-")[2]
    return f"{word} {int(number)}" if number.isdigit() else name


def _own(out: Path, folder: str, name: str, data: bytes, suffix: str) -> Path:
    """Write a file under a name that also depends on its content."""
    path = out / folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.{suffix}"
    files.write(path, data)
    return path


def _sound(out: Path, path: Path) -> Json:
    """Write the sound of a WAV or MIDI file."""
    sound = mp3_of(path)
    name = f"sounds/{_own(out, 'sounds', 'sound', sound.data, 'mp3').name}"
    return {"audio": name, "seconds": round(sound.seconds, 3), "power": files.rounded(sound.power)}


def _sounding(out: Path, score: Score, name: str, wav: Path | None) -> Json:
    """Write the MIDI file and the sound of a score."""
    path = _own(out, "midi", name, midi_bytes(score), "mid")
    version = _sound(out, wav or path)
    return version | {"files": {"MIDI": f"midi/{path.name}", "MP3": version["audio"]}}


def written(out: Path, score: Score, name: str, wav: Path | None = None, given: str = "") -> Json:
    """Write the MIDI file and the sound of a score, and describe it.

    Parameters
    ----------
    out : Path
        The folder of the page.
    score : Score
    name : str
        The beginning of the name of its file.
    wav : Path, optional
        Its sound; by default, it is rendered.
    given : str
        What of it was not composed; see `ostinato.scores.given`.

    Returns
    -------
    dict
        A version of an item, without its name.
    """
    version = _sounding(out, score, name, wav)
    return version | {"roll": roll_of(score, given), "bars": bar_lines(score)}


def _of_runs(
    runs: Sequence[Run],
    folder: str,
    name: str,
    describe: Callable[[Run, Path], Json],
    alone: str = COMPOSED,
) -> list[Json]:
    """Describe what each run wrote under a name, if it can be heard.

    Parameters
    ----------
    runs, folder, name
        As for a job of `shelves`.
    describe : callable
        From a run and the path of a WAV file to a version without its name.
    alone : str
        What a version is called if there is one run only.
    """
    versions = []
    for run in runs:
        path = run.path(f"{folder}/{name}.wav")
        if path.is_file():
            label = run.name if len(runs) > 1 else alone
            versions.append({"name": label, **describe(run, path)})
    return versions


def _by(rows: Iterable[dict[str, str]], column: str, value: str) -> dict[str, str] | None:
    return next((row for row in rows if row[column] == value), None)


def _begun(run: Run, folder: str, name: str, column: str) -> tuple[str, dict[str, str] | None]:
    """Find what of a piece was given, and the row of the song that it is from."""
    row = _by(run.rows(f"{folder}/pieces.csv"), "piece", name)
    if row is None:
        return "", None
    song = _by(run.rows(f"{CORPUS}/{SONGS}"), column, row["begins_as"])
    return row.get("given") or "", song


def _going_on(
    out: Path,
    runs: Sequence[Run],
    folder: str,
    name: str,
    word: str,
    column: str,
    heard: Callable[[Run, Score], Score],
    more: Callable[[Run, Path, dict[str, str] | None], Json] = lambda *_: {},
) -> Json:
    """A piece that begins as a song, and that song, as long and in the tempo of the piece.

    Parameters
    ----------
    out, runs, folder, name
        As for a job of `shelves`.
    word : str
        What such a piece is called.
    column : str
        The column of the corpus' songs.csv that names songs.
    heard : callable
        What a run's model learned of a song.
    more : callable
        What else there is to say of a run's piece.
    """
    begun = {run.name: _begun(run, folder, name, column) for run in runs}
    _, song = begun[runs[0].name]

    def describe(run: Run, wav: Path) -> Json:
        given, own = begun[run.name]
        score = read_midi(wav.with_suffix(".mid"), pickup=False)
        return written(out, score, name, wav, given) | more(run, wav.with_suffix(".mid"), own)

    versions = _of_runs(runs, folder, name, describe)
    for version in versions:
        _, own = begun.get(version["name"], ("", song))
        if own and song and own["id"] != song["id"]:
            version["about"] = f"It begins as another song: {own['title']}."
    title = song["title"] if song else ""
    if song and runs[0].path(f"{CORPUS}/{MIDI}").is_file():
        like = read_midi(runs[0].path(f"{folder}/{name}.mid"), pickup=False)
        score = heard(runs[0], Stored.of(runs[0].path(CORPUS), song).score())
        notes = score.notes[score.notes["onset"] < like.end]
        metres = [metre for metre in score.metres if metre.tick < like.end]
        score = replace(score, notes=notes, metres=metres, tempi=like.tempi)
        if len(notes):
            known, _ = begun[runs[0].name]
            # Its parts may have other numbers.
            known = "" if known.startswith("part") else known
            versions.append({"name": SONG, **written(out, score, song["id"], given=known)})
    return _item(_numbered(word, name), title, versions)


def _piece(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    """A piece of the generator."""

    def heard(run: Run, score: Score) -> Score:
        score = chosen(score, run.params()["dataset.parts"])
        return replace(score, notes=score.pitched)

    return _going_on(out, runs, folder, name, "Piece", "id", heard, _reading)


def _band(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    """A piece of events."""

    def heard(run: Run, score: Score) -> Score:
        return chosen(score, run.params()["tokens.events.parts"])

    return _going_on(out, runs, folder, name, "Band", "source", heard)


def _reading(run: Run, path: Path, song: dict[str, str] | None) -> Json:
    """Where the memory of a run's generator reads in a piece, if it chooses."""
    models = run.path("models/generator"), run.path("models/decoder")
    if not all((model / "config.json").is_file() for model in models):
        return {}
    config = files.read_json(models[0] / "config.json")
    if config.get("memory", {}).get("name", "none") == "none":
        return {}
    devices.prepare(1, 0)
    try:
        writer = system.load(*models)
    except UserError as error:  # such as one of an earlier version
        tell(f"{run.name}: what it reads is not shown: {error}")
        return {}
    score = read_midi(path, pickup=False)
    if song and (swing := swing_of(song)):
        score = without_swing(score, *swing)
    bars = bars_of(score.metres, writer.steps_per_beat)
    notes = quantise(score, writer.steps_per_beat)
    steps = Positions(bars, int((notes["onset"] + notes["length"]).max(initial=1))).steps
    positions = Positions(bars, steps)(0, steps)
    roll = rolls.render_roll(notes, 0, steps, representation=writer.representation)
    weights = reading(writer, np.sign(roll, dtype=np.float32), positions)
    if weights is None:
        return {}
    lags = np.asarray(writer.generator.memory.lags)
    kept = []
    for row in weights:
        best = np.argsort(-row)[:KEPT]
        pairs = ((int(lags[i]), round(float(row[i]), 2)) for i in best if row[i] >= LEAST)
        kept.append(list(pairs))
    step = 60 / score.tempi[0].bpm / writer.steps_per_beat
    return {"reading": {"step": round(step, 5), "weights": kept}}


def _chords(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    def describe(run: Run, wav: Path) -> Json:
        return written(out, read_midi(wav.with_suffix(".mid"), pickup=False), name, wav)

    return _item(_numbered("Chords", name), "", _of_runs(runs, folder, name, describe))


def _tune(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    """A tune, as ABC and as sound."""

    def describe(run: Run, wav: Path) -> Json:
        score = read_midi(wav.with_suffix(".mid"), pickup=False)
        text = wav.with_suffix(".abc").read_text(encoding="utf-8")
        # A pickup has a rest before it, which the score does not have.
        ends = seconds(score, np.array([score.notes["onset"].min(), score.end])).round(3)
        tune = {"abc": text, "begin": float(ends[0]), "music": float(ends[1])}
        return _sounding(out, score, name, wav) | tune | {"bars": bar_lines(score)}

    return _item(_numbered("Tune", name), "", _of_runs(runs, folder, name, describe))


def _played(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    """An improvisation, and how the piece goes on."""
    return _compared(out, runs, folder, name, "improvised", "the piece", GIVEN)


def _heard(out: Path, runs: Sequence[Run], folder: str, name: str) -> Json:
    """A piece after the autoencoder, and before it."""
    return _compared(out, runs, folder, name, "coded", "the recording", 0)


def _compared(
    out: Path, runs: Sequence[Run], folder: str, name: str, ours: str, true: str, given: float
) -> Json:
    """Sounds that runs made, beside what a person did; pictures on the scale of the latter."""
    top: list[float] = []

    def describe(wav: Path) -> Json:
        version = _sound(out, wav)
        picture = f"pictures/{Path(version['audio']).stem}.png"
        samples, _ = soundfile.read(wav, dtype="float32", always_2d=True)
        top.append(write_spectrum(out / picture, samples, *top[:1]))
        links = {"MP3": version["audio"]}
        if (found := wav.with_suffix(".mid")).is_file():
            links["MIDI"] = f"midi/{_own(out, 'midi', name, found.read_bytes(), 'mid').name}"
        return version | {"picture": picture, "given": given, "files": links}

    whole = runs[0].path(f"{folder}/{name}-original.wav")
    original = [{"name": true, **describe(whole)}] if whole.is_file() else []
    versions = _of_runs(runs, folder, name, lambda run, wav: describe(wav), ours)
    return _item(name.rpartition("-")[0] or name, "", [*versions, *original])
