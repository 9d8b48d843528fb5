"""params.yaml: its schema, and reading it.

There are no default values here: params.yaml contains every value, so that everything a run depends
on can be read in one place. Each memory, sampler, decoder, autoencoder and score creator defines
the schema of its own parameters.
"""

import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from ostinato.core.errors import UserError
from ostinato.core.schema import (
    Device,
    Fraction,
    Positive,
    Schema,
    Share,
    Shared,
    Shifts,
    Training,
    completed,
)
from ostinato.core.workers import LOCAL

PACKAGES = {
    "memory": ("ostinato.notes.memory", "memory"),
    "samplers": ("ostinato.notes.samplers", "sampler"),
    "decoders": ("ostinato.notes.decoders", "decoder"),
    "autoencoders": ("ostinato.sound.autoencoders", "autoencoder"),
    "score_creators": ("ostinato.sound.score_creators", "score creator"),
}
"""The sections of params.yaml from which a module is chosen by name: the package that contains the
modules, and what a module is called in error messages."""


TRAINING = "training"
"""The training parameters in a section of params.yaml."""

REPEATING = "ostinato.notes.parts.repeating"
"""The module that defines the schema of the section ``repeating``."""


class _Loader(yaml.SafeLoader):
    """A loader that reads numbers as in YAML 1.2, like DVC: 1e-05 is a number, too."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


Folder = Annotated[str, Field(min_length=1)]

Names = Annotated[
    list[Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0, le=127)]],
    Field(min_length=1),
]
"""Parts: their names, General MIDI instruments or programs."""


def _workers(address: str) -> str:
    if address != LOCAL and not re.fullmatch(r"(tcp|tls)://\S+:\d+", address):
        raise ValueError(f"{LOCAL}, or the address of a Dask scheduler, such as tcp://host:8786")
    return address


class Corpus(Schema):
    """Where the scores come from."""

    source: Literal["folksongs", "chorales", "folder"]
    folder: Folder


class Dataset(Schema):
    """The time grid and the filters; see `ostinato.notes.data.dataset.Filters`."""

    steps_per_beat: Annotated[
        Literal[1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30, 32, 40, 48] | None,
        BeforeValidator(lambda steps: None if steps == "auto" else steps),
    ]
    meters: Annotated[
        list[Annotated[str, Field(pattern=r"^\d+/\d+$")]],
        BeforeValidator(lambda meters: [] if meters == "any" else meters),
    ]
    pitches: Annotated[
        list[Annotated[int, Field(ge=21, le=108)]], Field(min_length=2, max_length=2)
    ]
    max_tempo_changes: Annotated[
        Annotated[int, Field(ge=0)] | None,
        BeforeValidator(lambda changes: None if changes == "any" else changes),
    ]
    grid_tolerance: Annotated[float, Field(ge=0, le=0.5)]
    max_off_grid: Fraction
    parts: Literal["all"] | Names
    representation: Literal["onset", "holding", "notes"]

    @model_validator(mode="after")
    def _order(self) -> "Dataset":
        if self.pitches[0] > self.pitches[1]:
            raise ValueError("pitches: the lowest stands first")
        return self


class Augment(Schema):
    """How songs are cut into training fragments and transposed; lengths are in steps."""

    steps: Positive
    hop: Positive
    shifts: Shifts

    @model_validator(mode="after")
    def _order(self) -> "Augment":
        if self.hop > self.steps:
            raise ValueError("hop: at most steps, or some steps would never be trained on")
        return self


class Decoder(Schema):
    """The model that turns 12 pitch classes into 88 keys, and how hard these are struck.

    With the velocity ``"auto"``, a distribution over velocities is learned if the training songs
    have several; ``"lstm"`` is the model of the notebooks.
    """

    kind: str
    velocity: Literal["auto", "lstm", "none"]
    training: Training


class Velocity(Schema):
    """The model of velocities; see `ostinato.notes.parts.velocity.Params`."""

    hidden: Positive
    training: Training


class Generator(Schema):
    """The model that writes music: 12 pitch classes or 88 keys per step.

    With ``repeating``, a gate before the sampler may copy what was played some steps ago. With
    ``metre``, it knows where a step stands in its bar and in its piece; its sampler may know the
    final of the piece, too. Training begins from the model in the folder ``start``, if there is
    one.
    """

    keys: Literal[12, 88]
    memory: str
    sampler: str
    repeating: bool
    metre: bool
    start: Folder
    training: Training


class Compose(Schema):
    """How pieces are composed."""

    pieces: Annotated[int, Field(ge=1, le=10_000)]
    sounds: Annotated[int, Field(ge=0, le=10_000)]
    bars: Annotated[int, Field(ge=1, le=2_000)]
    given: Literal["beginning", "melody", "bass", "bars"]
    particles: Annotated[int, Field(ge=2, le=10_000)]
    temperature: Annotated[float, Field(ge=0, le=10)]
    tempo: Annotated[float, Field(ge=10, le=400)]
    hour: bool
    learning: Literal["none", "reset", "moving"]
    learning_steps: Positive
    learning_rate: Annotated[float, Field(gt=0)]


class Evaluate(Schema):
    """How the models are evaluated."""

    draws: Positive


class Audio(Schema):
    """Where the sound comes from."""

    source: Literal["corpus", "folder"]
    folder: Folder
    instruments: Annotated[list[Annotated[int, Field(ge=0, le=127)]], Field(min_length=1)]


class Autoencoder(Schema):
    """The model that turns sound into 512 numbers per frame and back."""

    kind: str
    training: Training


class Transcriber(Schema):
    """The model that finds the notes in sound; see `ostinato.sound.transcriber`."""

    channels: Positive
    training: Training


class ScoreCreator(Schema):
    """The model that goes on with sound. Each kind has training parameters of its own."""

    kind: str


class Improvise(Schema):
    """How a sound is continued."""

    seconds: Annotated[float, Field(gt=0, le=3600)]
    temperature: Annotated[float, Field(ge=0, le=10)]


class TokenTask(Schema):
    """What a token model learns; see `ostinato.tokens.data.labels.labelling`."""

    task: Literal["next", "classify"]
    labels: Literal["one", "several"]


class Chords(TokenTask):
    """Scores as tokens; see `ostinato.tokens.data.chords.build`."""

    octaves: bool
    shifts: Shifts


class Events(TokenTask):
    """Scores as tokens; see `ostinato.tokens.data.events.Settings`."""

    parts: Literal["all", "merge", "melody+accompaniment"] | Names
    tokenizer: Literal["remi", "tsd"]
    steps_per_beat: Annotated[
        Annotated[int, Field(ge=1, le=48)] | None,
        BeforeValidator(lambda steps: None if steps == "auto" else steps),
    ]
    velocities: Annotated[int, Field(ge=1, le=127)]
    bpe: Annotated[int, Field(ge=0, le=60_000)]
    shifts: Shifts


class Letters(TokenTask):
    """Text as tokens; see `ostinato.tokens.data.letters.build`."""

    source: Literal["tunes", "folder"]
    folder: Folder


class Tokens(Schema):
    """Sequences of classes, for each vocabulary."""

    events: Events
    chords: Chords
    letters: Letters


class TokenModel(Schema):
    """The model that writes tokens or classifies pieces; see `ostinato.tokens.model`."""

    network: Literal["lstm", "transformer"]
    start: Folder
    window: Positive
    input: Literal["index", "onehot", "embedding"]
    embedding: Positive
    hidden: Positive
    layers: Annotated[int, Field(ge=1, le=8)]
    dropout: Share
    training: Training

    @model_validator(mode="after")
    def _heads(self) -> "TokenModel":
        if self.network == "transformer" and self.hidden % 32:
            raise ValueError("hidden: a transformer's is a multiple of 32")
        return self


class TokenModels(Schema):
    """One model for each vocabulary."""

    events: TokenModel
    chords: TokenModel
    letters: TokenModel


class TokenCompose(Schema):
    """How a token model writes; see `ostinato.tokens.compose.sampling.distribution`."""

    pieces: Annotated[int, Field(ge=1, le=10_000)]
    tokens: Annotated[int, Field(ge=1, le=1_000_000)]
    start: Literal["beginning", "window", "prompt"]
    prompt: str
    temperature: Annotated[float, Field(ge=0, le=2)]
    top_k: Annotated[int, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]


class TokenComposes(Schema):
    """How the model of each vocabulary writes."""

    events: TokenCompose
    chords: TokenCompose
    letters: TokenCompose


class Params(Schema):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    threads: Annotated[int, Field(ge=1, le=1024)]
    device: Device
    workers: Annotated[str, AfterValidator(_workers)]
    corpus: Corpus
    dataset: Dataset
    augment: Augment
    training: Shared
    decoder: Decoder
    generator: Generator
    memory: dict[str, Any]
    samplers: dict[str, Any]
    repeating: dict[str, Any]
    decoders: dict[str, Any]
    velocity: Velocity
    compose: Compose
    evaluate: Evaluate
    audio: Audio
    autoencoder: Autoencoder
    autoencoders: dict[str, Any]
    transcriber: Transcriber
    score_creator: ScoreCreator
    score_creators: dict[str, Any]
    improvise: Improvise
    tokens: Tokens
    token_model: TokenModels
    token_compose: TokenComposes

    @property
    def chosen(self) -> dict[str, str]:
        """The name of the chosen module in each section of `PACKAGES`."""
        return {
            "memory": self.generator.memory,
            "samplers": self.generator.sampler,
            "decoders": self.decoder.kind,
            "autoencoders": self.autoencoder.kind,
            "score_creators": self.score_creator.kind,
        }

    def config(self, package: str) -> dict[str, Any]:
        """The name and parameters of the chosen module of a section, for a model's config.json."""
        name = self.chosen[package]
        values = getattr(self, package)[name]
        return {"name": name, **{key: each for key, each in values.items() if key != TRAINING}}

    @property
    def score_creator_training(self) -> Training:
        """The training parameters of the chosen score creator."""
        return Training(**self.score_creators[self.score_creator.kind][TRAINING])


def read_params(path: Path) -> Params:
    """Read a parameter file and check all its sections.

    Parameters
    ----------
    path : Path
        A YAML file.

    Returns
    -------
    Params
        The parameters.

    Raises
    ------
    UserError
        With one line for each mistake: where it is, the value, and what would be right.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no parameters; `git checkout {path.name}` brings them back")
    shared = _checked(Shared, values.get("training"), path, "training").model_dump()
    whole = {name: completed(section, shared) for name, section in values.items()}
    params = _checked(Params, whole, path)
    _checked(import_module(REPEATING).Params, params.repeating, path, "repeating")
    for section_name, (package, what) in PACKAGES.items():
        modules = _modules(package)
        chosen = params.chosen[section_name]
        section = getattr(params, section_name)
        for name in dict.fromkeys([*section, chosen]):
            if name not in modules:
                raise UserError(f"{path}: {name!r} is no {what}; known: {', '.join(modules)}")
        if chosen not in section:
            raise UserError(f"{path}: {section_name}.{chosen} is missing")
        for name, values in section.items():
            schema, where = import_module(f"{package}.{name}").Params, f"{section_name}.{name}"
            if section_name == "score_creators" and isinstance(values, dict):
                values = dict(values)
                _checked(Training, values.pop(TRAINING, None), path, f"{where}.{TRAINING}")
            found = _checked(schema, values, path, where)
            keys = params.generator.keys
            if name == chosen and keys > (most := getattr(found, "most_keys", keys)):
                raise UserError(
                    f"{path}: generator.keys is {keys}: {section_name}.{name} as it stands there "
                    f"writes {most} at the most"
                )
    keys, kind = params.generator.keys, params.decoder.kind
    if (keys == 88) != (kind == "none"):
        wanted = "has to be none" if keys == 88 else "has to be another"
        raise UserError(f"{path}: decoder.kind is {kind!r}: with generator.keys {keys} it {wanted}")
    given, whole = params.compose.given, params.dataset.representation == "notes"
    if given != "beginning":
        package, sampler = PACKAGES["samplers"][0], params.generator.sampler
        able = [name for name in _modules(package) if _sampler(package, name).takes_given]
        if sampler not in able or keys != 88 or not whole:
            raise UserError(
                f"{path}: compose.given is {given}, around which samplers.{sampler} with "
                f"generator.keys {keys} and dataset.representation "
                f"{params.dataset.representation} cannot write; that takes notes, 88 keys and one "
                f"of these samplers: {', '.join(able)}"
            )
        if params.compose.learning != "none":
            raise UserError(
                f"{path}: compose.given is {given}: what is learned while composing is learned "
                "from beginnings alone; compose.learning has to be none"
            )
    if whole:
        package, sampler = PACKAGES["samplers"][0], params.generator.sampler
        able = [name for name in _modules(package) if _sampler(package, name).draws_lengths]
        if sampler not in able or keys != 88:
            raise UserError(
                f"{path}: dataset.representation is notes, which samplers.{sampler} cannot draw "
                f"with generator.keys {keys}; choose onset or holding, or with 88 keys one of "
                f"these samplers: {', '.join(able)}"
            )
    return params


def _checked(schema: type[Schema], values: Any, path: Path, section: str = "") -> Any:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UserError(_lines(path, error, section)) from error


def _sampler(package: str, name: str) -> Any:
    return import_module(f"{package}.{name}").Model


def _modules(package: str) -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(import_module(package).__path__))


def _lines(path: Path, error: ValidationError, section: str = "") -> str:
    lines = []
    for mistake in error.errors():
        where = ".".join(map(str, filter(lambda part: part != "", (section, *mistake["loc"]))))
        if mistake["type"] == "extra_forbidden":
            lines.append(f"{path}: {where} is no parameter")
        elif mistake["type"] == "missing":
            lines.append(f"{path}: {where} is missing")
        else:
            what = mistake["msg"].removeprefix("Value error, ")
            value = "" if isinstance(mistake["input"], dict) else f" is {mistake['input']!r}"
            lines.append(f"{path}: {where}{value}: {what}")
    return "\n".join(lines)
