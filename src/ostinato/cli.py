"""The command ``ostinato``: runs systems by name, and makes music without the pipeline."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from ostinato import experiments, folders
from ostinato.core import files, training
from ostinato.core.errors import UserError
from ostinato.core.models import read_model
from ostinato.core.seeds import derive
from ostinato.notes import system
from ostinato.notes.compose.compose import continue_score
from ostinato.scores.corpus import read_score
from ostinato.scores.grid import with_swing, without_swing
from ostinato.scores.midi import midi_bytes
from ostinato.scores.score import Score, UnreadableScore
from ostinato.scores.synthesis import render
from ostinato.scores.wav import write_wav
from ostinato.sound.compose.improvise import SEED_SAMPLES, improvise
from ostinato.sound.data.recordings import UnreadableSound, read_start
from ostinato.sound.parts import autoencoder, score_creator
from ostinato.tokens import model as token_model
from ostinato.tokens.compose import continuing
from ostinato.tokens.model import NextToken


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        By default, those of the process.

    Raises
    ------
    SystemExit
        With a message on standard error, for mistakes of the user, errors of the operating system,
        and interruption from the keyboard.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or options.output}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit("stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ostinato", description="Music that goes on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("systems", help="list the systems that have names")
    command.set_defaults(run=_systems, output=None)
    command = commands.add_parser("run", help="run a system as a DVC experiment, in a copy")
    command.set_defaults(run=_run, output=None)
    command.add_argument("system", nargs="?", help="its name; see `ostinato systems`")
    command.add_argument("--all", action="store_true", help="queue all systems")
    command.add_argument("-n", "--name", help="of the experiment (that of the system)")
    command.add_argument(
        "-S", "--set-param", action="append", default=[], help="as for dvc exp run"
    )
    command.add_argument("--queue", action="store_true", help="only queue it")
    command = commands.add_parser("continue", help="go on from a song with trained models")
    command.set_defaults(run=_continue)
    command.add_argument("song", type=Path, help="MIDI, MusicXML, ABC or Humdrum")
    command.add_argument(
        "-o", "--output", type=Path, required=True, help="the .mid or .wav file to write"
    )
    command.add_argument(
        "--bars", type=_between(int, 1, 10_000), default=32, help="how many to go on (32)"
    )
    command.add_argument(
        "--temperature", type=_between(float, 0, 10), help="0 to 10 (0.5; of events 0.9)"
    )
    command.add_argument("--seed", type=int, default=1, help="another one plays something else")
    command.add_argument(
        "--model",
        type=Path,
        default=Path("models/generator"),
        help="folder of a generator, beside which its decoder lies, or of a token model of events",
    )
    command = commands.add_parser("check", help="say what would be used of a folder of songs")
    command.set_defaults(run=_check, output=None)
    command.add_argument("folder", type=Path, help="MIDI, MusicXML, ABC and Humdrum files")
    command = commands.add_parser("train", help="learn the songs in a folder, and write pieces")
    command.set_defaults(run=_train)
    command.add_argument("folder", type=Path, help="MIDI, MusicXML, ABC and Humdrum files")
    command.add_argument("-o", "--output", type=Path, required=True, help="the folder to write to")
    command.add_argument(
        "--learn",
        choices=[folders.KEYS, folders.EVENTS],
        help="keys of one instrument, or events of any and of drums (what suits the songs)",
    )
    command.add_argument("--start", type=Path, help="folder of the model to begin from (ours)")
    command = commands.add_parser(
        "improvise", help="go on from the first ten seconds of a sound file"
    )
    command.set_defaults(run=_improvise)
    command.add_argument("song", type=Path, help="WAV, FLAC, OGG or MP3, ten seconds or more")
    command.add_argument("-o", "--output", type=Path, required=True, help="the WAV file to write")
    command.add_argument(
        "--seconds", type=_between(float, 0.1, 3600), default=30.0, help="how long to go on (30)"
    )
    command.add_argument("--seed", type=int, default=1, help="another one plays something else")
    command.add_argument(
        "--models", type=Path, default=Path("models"), help="folder of the trained models"
    )
    return parser


def _between(kind: type, least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return number


def _systems(options: argparse.Namespace) -> None:
    rows = experiments.read_rows()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{row.row:4}  {row.name:{width}}  {row.source}")


def _run(options: argparse.Namespace) -> None:
    if options.all == bool(options.system):
        raise UserError("name one system, or say --all")
    if not options.all:
        row = experiments.find(options.system)
        name = options.name or row.name
        experiments.run(row, name, options.set_param, options.queue)
        if not options.queue:
            print(f"`dvc exp apply {name}` brings its models and music here")
        return
    if options.name:
        raise UserError("--all queues each system under its own name; leave out --name")
    left = []
    for row in experiments.read_rows():
        try:
            experiments.run(row, row.name, options.set_param, queue=True)
        except UserError:  # dvc has printed the reason
            left.append(row.name)
    if left:
        raise UserError(f"not queued: {', '.join(left)}; `dvc exp remove` frees a name")
    print("all queued; `dvc exp run --run-all` runs them, `dvc exp show` compares them")


def _continue(options: argparse.Namespace) -> None:
    kind = options.output.suffix.lower()
    if kind not in (".mid", ".midi", ".wav"):
        raise UserError(f"{options.output}: only .mid and .wav files are written")
    if not options.song.is_file():
        raise UserError(f"{options.song}: no such file")
    try:
        score, rhythm = read_score(options.song)
    except UnreadableScore as error:
        raise UserError(f"{options.song}: {error}") from error
    # The models know straight notes alone.
    swing = rhythm.grid and (rhythm.grid.swing, rhythm.grid.unit)
    if swing:
        score = without_swing(score, *swing)
    training.prepare(torch.get_num_threads(), derive(options.seed, "continue"))
    longer = _longer(options, score)
    if swing:
        longer = with_swing(longer, *swing)
    if kind == ".wav":
        write_wav(options.output, render(longer))
    else:
        files.write(options.output, midi_bytes(longer))
    print(options.output)


def _longer(options: argparse.Namespace, score: Score) -> Score:
    """Let the model that is named continue a score."""
    bars, seed, given = options.bars, options.seed, options.temperature
    if read_model(options.model)[0]["kind"] == "generator":
        writer = system.load(options.model, options.model.parent / "decoder")
        return continue_score(writer, score, bars, 0.5 if given is None else given, seed)
    model = token_model.load(options.model)
    if not isinstance(model, NextToken) or model.data["kind"] != "events":
        raise UserError(f"{options.model}: a token model of events is needed, to go on with a song")
    return continuing.continue_score(model, score, bars, 0.9 if given is None else given, seed)


def _check(options: argparse.Namespace) -> None:
    print(folders.check(options.folder))


def _train(options: argparse.Namespace) -> None:
    folders.train(options.folder, options.output, options.learn, options.start)


def _improvise(options: argparse.Namespace) -> None:
    if options.output.suffix.lower() != ".wav":
        raise UserError(f"{options.output}: only .wav files are written")
    if not options.song.is_file():
        raise UserError(f"{options.song}: no such file")
    try:
        begun = torch.from_numpy(read_start(options.song, SEED_SAMPLES))
    except UnreadableSound as error:
        raise UserError(f"{options.song}: {error}") from error
    training.prepare(torch.get_num_threads(), derive(options.seed, "improvise"))
    encoder = autoencoder.load(options.models / "autoencoder")
    creator = score_creator.load(options.models / "score_creator")
    sound = improvise(encoder, creator, begun, options.seconds, options.seed)
    write_wav(options.output, sound.numpy().T)
    print(options.output)
