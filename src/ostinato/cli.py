"""The command ``ostinato``: runs systems by name, and makes music without the pipeline.

What a command needs is imported when it runs, since all of it together takes seconds.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostinato.core.errors import UserError

if TYPE_CHECKING:
    import torch

    from ostinato.scores.score import Score

OVERVIEW = """\
Ostinato learns to write music from your own scores and recordings.

  ostinato continue SONG -o NEW.mid   go on from a song: MIDI, MusicXML, ABC or Humdrum
  ostinato harmonise TUNE -o NEW.mid  write voices around a melody; fill: some bars; vary: half
  ostinato train FOLDER -o OUT        learn the songs in a folder, and write eight pieces
  ostinato check FOLDER               say what would be learned of them, and what not, and why
  ostinato improvise SOUND -o NEW.wav go on from the first ten seconds of a recording
  ostinato page [EXPERIMENT ...]      everything that was made, to see, hear and compare
  ostinato watch                      a training as it goes on
  ostinato run SYSTEM, ostinato systems   other systems, by their names

`ostinato COMMAND --help` says more, with examples. `dvc repro` runs the whole pipeline."""

KEYS, EVENTS = "keys", "events"

SHELLS = ["bash", "zsh"]


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
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        sys.exit(str(error))
    except OSError as error:
        where = error.filename or options.output
        sys.exit(f"{where}: {error.strerror or error}" if where else str(error.strerror or error))
    except KeyboardInterrupt:
        sys.exit("stopped")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    whole = argparse.ArgumentParser("ostinato", description="Music that goes on.")
    whole.set_defaults(run=lambda options: print(OVERVIEW), output=None)
    commands = whole.add_subparsers(metavar="COMMAND")

    def add(name: str, run: Callable[[Any], None], about: str, *examples: str) -> Any:
        shown = "\n".join(f"  ostinato {name} {example}".rstrip() for example in examples)
        command = commands.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.",
            epilog=f"examples:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run, output=None)
        return command

    command = add(
        "continue",
        _continue,
        "go on from a song with trained models",
        "song.mid -o longer.mid",
        "tune.abc -o longer.wav --bars 16 --temperature 0.8 --seed 2",
        "band.mid -o longer.mid --model models/token_model/events",
    )
    command.add_argument("song", type=Path, help="MIDI, MusicXML, ABC or Humdrum")
    command.add_argument(
        "-o", "--output", type=Path, required=True, help="the .mid, .wav or .musicxml file to write"
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
    _add_device(command)

    command = add(
        "harmonise",
        _harmonise,
        "write voices around a melody",
        "tune.abc -o chorale.musicxml",
        "song.mid -o song-in-parts.mid --voice bass --pieces 4",
    )
    _add_around(command)
    command.add_argument(
        "--voice",
        default="soprano",
        help="where the melody stands: soprano, alto, tenor, bass, or a number from the top "
        "(soprano); of a song in voices, the one that is kept",
    )
    command.add_argument(
        "--voices", type=_between(int, 2, 6), default=4, help="how many there are to be (4)"
    )

    command = add(
        "fill",
        _fill,
        "write some bars of a song anew",
        "song.mid --bars 9-12 -o new.mid",
        "song.musicxml --bars 5 -o new.musicxml --pieces 4",
    )
    _add_around(command)
    command.add_argument(
        "--bars",
        type=_bars,
        required=True,
        help="which, from 1 on, a pickup being bar 1: 9-12, or 9",
        metavar="BARS",
    )

    command = add(
        "vary",
        _vary,
        "keep some notes of a song, and draw the others again",
        "song.mid -o new.mid",
        "song.mid -o new.mid --keep 0.25 --by beat",
    )
    _add_around(command)
    command.add_argument(
        "--keep", type=_between(float, 0, 1), default=0.5, help="the share of notes (0.5)"
    )
    command.add_argument(
        "--by",
        choices=["random", "beat", "voice"],
        default="random",
        help="what is kept: any notes, those on strong beats, or the highest voices (random)",
    )

    command = add(
        "train",
        _train,
        "learn the songs in a folder, and write eight pieces",
        "~/music -o mine",
        "~/music -o mine --learn keys --start models/generator",
    )
    command.add_argument("folder", type=Path, help="MIDI, MusicXML, ABC and Humdrum files")
    command.add_argument("-o", "--output", type=Path, required=True, help="the folder to write to")
    command.add_argument(
        "--learn",
        choices=[KEYS, EVENTS],
        help="keys of one instrument, or events of any and of drums (what suits the songs)",
    )
    command.add_argument("--start", type=Path, help="folder of the model to begin from (ours)")
    _add_device(command)

    command = add("check", _check, "say what would be used of a folder of songs", "~/music")
    command.add_argument("folder", type=Path, help="MIDI, MusicXML, ABC and Humdrum files")

    command = add(
        "improvise",
        _improvise,
        "go on from the first ten seconds of a sound file",
        "song.wav -o longer.wav",
        "film.mp4 -o longer.wav --seconds 60 --seed 2",
        "song.ogg -o longer.wav --seconds 600 --play",
    )
    command.add_argument("song", type=Path, help="a sound file or a video of ten seconds or more")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="the WAV file to write; a MIDI file of its notes is written beside it",
    )
    command.add_argument(
        "--seconds", type=_between(float, 0.1, 3600), default=30.0, help="how long to go on (30)"
    )
    command.add_argument("--seed", type=int, default=1, help="another one plays something else")
    command.add_argument(
        "--temperature", type=_between(float, 0, 10), default=0.7, help="of new notes (0.7)"
    )
    command.add_argument(
        "--play", action="store_true", help="play it, too, while it is made; needs sounddevice"
    )
    command.add_argument(
        "--models", type=Path, default=Path("models"), help="folder of the trained models"
    )
    _add_device(command)

    command = add(
        "page",
        _page,
        "write a page of what runs made, to see, to hear and to compare",
        "",
        "workspace tied capsules",
        "main~1 workspace -o compared --open",
    )
    command.add_argument(
        "runs",
        nargs="*",
        metavar="EXPERIMENT",
        help="experiments, commits, tags, or workspace: what is there now (workspace)",
    )
    command.add_argument(
        "-o", "--output", type=Path, default=Path("page"), help="the folder to write to (page)"
    )
    command.add_argument("--open", action="store_true", help="show it in the browser")

    command = add(
        "watch", _watch, "show a training as it goes on, and pieces of its model", "", "--open"
    )
    command.add_argument(
        "-o", "--output", type=Path, default=Path("results/watch"), help="the folder of the page"
    )
    command.add_argument("--open", action="store_true", help="show the page in the browser")

    add("systems", _systems, "list the systems that have names", "")

    command = add(
        "run",
        _run,
        "run a system as a DVC experiment, in a copy of the project",
        "capsules",
        "capsules -n small -S generator.training.max_steps=100",
        "--all",
    )
    command.add_argument("system", nargs="?", help="its name; see `ostinato systems`")
    command.add_argument(
        "--all", action="store_true", help="all systems, one after another; those done are left out"
    )
    command.add_argument("-n", "--name", help="of the experiment (that of the system)")
    command.add_argument(
        "-S", "--set-param", action="append", default=[], help="as for dvc exp run"
    )

    command = add(
        "completion",
        _completion,
        "print what makes a shell complete commands and options",
        "bash > ~/.local/share/bash-completion/completions/ostinato",
    )
    command.add_argument("shell", choices=SHELLS)
    return whole


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        choices=["auto", "cpu", "cuda", "mps"],
        default="auto",
        help="what computes (auto: a CUDA GPU if there is one)",
    )


def _add_around(command: argparse.ArgumentParser) -> None:
    """Add what all commands have that write around what is given."""
    command.add_argument("song", type=Path, help="MIDI, MusicXML, ABC or Humdrum")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="the .mid, .wav or .musicxml file to write; with several pieces, they are numbered",
    )
    command.add_argument(
        "--pieces", type=_between(int, 1, 100), default=1, help="how many, the best first (1)"
    )
    command.add_argument(
        "--particles",
        type=_between(int, 2, 10_000),
        default=64,
        help="how many pieces are tried at a time for each (64)",
    )
    command.add_argument(
        "--temperature", type=_between(float, 0.1, 10), default=0.8, help="of new notes (0.8)"
    )
    command.add_argument("--seed", type=int, default=1, help="another one writes something else")
    command.add_argument(
        "--models", type=Path, default=Path("models"), help="folder of the trained models"
    )
    _add_device(command)


def _bars(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d+(-\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text} is neither a bar, such as 9, nor bars, as 9-12")
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _between(kind: type, least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    return number


def _completion(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(parser(), options.shell))


def _systems(options: argparse.Namespace) -> None:
    from ostinato import experiments

    rows = experiments.read_rows()
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{row.row:4}  {row.name:{width}}  {row.source}")


def _run(options: argparse.Namespace) -> None:
    from ostinato import experiments

    if options.all == bool(options.system):
        raise UserError("name one system, or say --all")
    if not options.all:
        row = experiments.find(options.system)
        name = options.name or row.name
        experiments.run(row, name, options.set_param)
        print(f"`dvc exp apply {name}` brings its models and music here")
        print(f"`ostinato page workspace {name}` compares it with what is here")
        return
    if options.name:
        raise UserError("--all runs each system under its own name; leave out --name")
    failed = experiments.run_all(options.set_param)
    if failed:
        raise UserError(f"failed: {', '.join(failed)}; the same command runs these again")
    print("all done; `dvc exp show` compares their figures, `ostinato page` their music")


def _continue(options: argparse.Namespace) -> None:
    from ostinato import songs

    songs.check_output(options.output, options.song)
    score, swing = songs.read(options.song, believed=False)
    import torch

    from ostinato.core import devices
    from ostinato.core.seeds import derive
    from ostinato.scores.grid import with_swing, without_swing

    # The models know straight notes alone.
    if swing:
        score = without_swing(score, *swing)
    seed = derive(options.seed, "continue")
    device = devices.prepare(torch.get_num_threads(), seed, options.device, double=True)
    longer = _longer(options, score, device)
    if swing:
        longer = with_swing(longer, *swing)
    songs.write(options.output, longer)
    print(options.output)


def _longer(options: argparse.Namespace, score: "Score", device: "torch.device") -> "Score":
    """Let the model that is named continue a score."""
    from ostinato.core.models import read_model

    bars, seed, given = options.bars, options.seed, options.temperature
    if read_model(options.model)[0]["kind"] == "generator":
        from ostinato.notes import system
        from ostinato.notes.compose.compose import continue_score

        writer = system.load(options.model, options.model.parent / "decoder").to(device)
        return continue_score(writer, score, bars, 0.5 if given is None else given, seed)
    from ostinato.tokens import model as token_model
    from ostinato.tokens.compose import continuing

    model = token_model.load(options.model).to(device)
    if not isinstance(model, token_model.NextToken) or model.data["kind"] != "events":
        raise UserError(f"{options.model}: a token model of events is needed, to go on with a song")
    return continuing.continue_score(model, score, bars, 0.9 if given is None else given, seed)


def _harmonise(options: argparse.Namespace) -> None:
    _write_around(options, "melody", options.voice, options.voices)


def _fill(options: argparse.Namespace) -> None:
    _write_around(options, "gap", *options.bars)


def _vary(options: argparse.Namespace) -> None:
    _write_around(options, "variation", options.keep, options.by, options.seed)


def _write_around(options: argparse.Namespace, outline: str, *arguments: Any) -> None:
    """Write pieces around what is given of a song: an outline that `ostinato.writing` makes."""
    from ostinato import songs

    songs.check_output(options.output, options.song)
    song = songs.read(options.song)
    import torch

    from ostinato import writing
    from ostinato.core import devices
    from ostinato.core.progress import tell

    try:
        given = getattr(writing, outline)(song, *arguments)
    except UserError as error:
        raise UserError(f"{options.song}: {error}") from error
    tell(f"{options.song}: {given.described()}")
    threads = torch.get_num_threads()
    device = devices.prepare(threads, options.seed, options.device, double=True)
    writer = writing.Writer.load(options.models, device)
    pieces = writer.sample(
        given, options.pieces, options.particles, options.temperature, options.seed
    )
    for number, piece in enumerate(pieces, 1):
        path = options.output
        if options.pieces > 1:
            path = path.with_stem(f"{path.stem}-{number}")
        songs.write(path, piece.score)
        print(
            f"{path}: log-probability {piece.nats:.1f} nats, of what was given {piece.evidence:.1f}"
        )


def _check(options: argparse.Namespace) -> None:
    from ostinato import folders

    print(folders.check(options.folder))


def _train(options: argparse.Namespace) -> None:
    from ostinato import folders

    folders.train(options.folder, options.output, options.learn, options.start, options.device)


def _page(options: argparse.Namespace) -> None:
    import tempfile

    from ostinato.core.stage import replacing
    from ostinato.page import revisions
    from ostinato.page.build import write_page

    _in_project()
    names = list(dict.fromkeys(options.runs)) or [revisions.WORKSPACE]
    with tempfile.TemporaryDirectory() as work:
        folders = [Path(work) / str(place) for place in range(len(names))]
        runs = list(map(revisions.run_of, names, folders))
        with replacing(options.output) as [temporary]:
            write_page(temporary, runs)
    if not _shown(options.output, options.open):
        raise UserError("there is no browser here")


def _watch(options: argparse.Namespace) -> None:
    import os

    from ostinato.page.watch import watch

    _in_project()
    if hasattr(os, "nice"):
        os.nice(10)  # the training goes first
    watch(options.output, lambda: _shown(options.output, options.open))


def _in_project() -> None:
    if not Path("params.yaml").is_file():
        raise UserError("params.yaml: no such file; run this in the project's own folder")


def _shown(out: Path, opened: bool) -> bool:
    """Say where a page is, and open it if that is wanted; False if that cannot be done."""
    import webbrowser

    path = (out / "index.html").resolve()
    print(f"open {path}", flush=True)
    return not opened or webbrowser.open(path.as_uri())


def _until_stopped(parts: Iterable[Any]) -> Iterator[Any]:
    """Pass parts on until a person interrupts it; what is made until then is kept."""
    try:
        yield from parts
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


def _improvise(options: argparse.Namespace) -> None:
    if options.output.suffix.lower() != ".wav":
        raise UserError(f"{options.output}: only .wav files are written")
    if not options.song.is_file():
        raise UserError(f"{options.song}: no such file")
    score = options.output.with_suffix(".mid")
    if score.exists() and not options.output.exists():
        raise UserError(f"{score} would be replaced by the notes of {options.output}; move it away")
    import torch

    from ostinato import improvising, speakers
    from ostinato.core import devices, files
    from ostinato.core.seeds import derive
    from ostinato.scores.midi import midi_bytes
    from ostinato.scores.performance import score_of
    from ostinato.scores.sources import printable
    from ostinato.scores.wav import PEAK, write_parts
    from ostinato.sound import transcriber
    from ostinato.sound.compose.improvise import SEED_SAMPLES, improvise
    from ostinato.sound.data.recordings import UnreadableSound, read_blocks, read_start

    try:
        begun = torch.from_numpy(read_start(options.song, SEED_SAMPLES))
    except UnreadableSound as error:
        raise UserError(f"{options.song}: {error}") from error
    seed = derive(options.seed, "improvise")
    device = devices.prepare(torch.get_num_threads(), seed, options.device, double=True)
    improviser = improvising.load(options.models, device, options.temperature)
    listener = transcriber.load(options.models / "transcriber").to(device)
    made = improvise(improviser, begun, options.seconds, options.seed)
    parts = _until_stopped(part.T for part in made)
    write_parts(options.output, speakers.heard(parts) if options.play else parts, 2)
    gain = float(PEAK / begun.abs().max())
    blocks = (gain * torch.tensor(block.T) for block in read_blocks(options.output))
    notes = listener.transcribe(blocks)
    files.write(score, midi_bytes(score_of(notes, printable(Path(options.output.stem)))))
    print(options.output, score, sep="\n")
