from pathlib import Path

import pytest
import yaml

from ostinato.core.errors import UserError
from ostinato.core.params import read_params
from ostinato.core.schema import Lags, Schema

DEFAULT = Path(__file__).parents[2] / "params.yaml"


def changed(tmp_path: Path, where: str, value: object) -> Path:
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    *sections, name = where.split(".")
    section = values
    for part in sections:
        section = section[part]
    section[name] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_defaults_are_valid_and_name_what_is_built():
    params = read_params(DEFAULT)
    assert params.config("memory")["name"] == params.generator.memory
    assert params.config("memory")["aggregation"] == params.memory["none"]["aggregation"]


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("sede", 1, "sede is no parameter"),
        ("compose.temprature", 1.0, "compose.temprature is no parameter"),
        ("generator.training.lr", 0.1, "generator.training.lr is no parameter"),
        ("memory.history_user.cells", 3, "memory.history_user.cells is no parameter"),
        ("memory.hystory_user", {}, "'hystory_user' is no memory; known: .*history_user"),
        ("generator.memory", "hystory_user", "'hystory_user' is no memory"),
        ("generator.sampler", "dice", "'dice' is no sampler; known: .*banning"),
        ("decoder.kind", "mlp", "'mlp' is no decoder; known: .*lstm"),
        ("samplers", {}, "samplers.tied is missing"),
        ("compose.pieces", "eight", "compose.pieces is 'eight': .*integer"),
        ("compose.pieces", 8.5, "compose.pieces is 8.5: .*integer"),
        ("compose.hour", "yes please", "compose.hour is 'yes please': .*boolean"),
        ("compose.temperature", -0.1, "compose.temperature is -0.1: .*greater than or equal to 0"),
        ("compose.temperature", float("nan"), "compose.temperature is nan: .*finite"),
        ("compose.given", "chords", "compose.given is 'chords': .*'melody'"),
        ("workers", 4, "workers is 4: .*string"),
        ("workers", "cluster", "workers is 'cluster': local, or .* such as tcp://host:8786"),
        ("corpus.source", "spotify", "corpus.source is 'spotify': .*'chorales' or 'folder'"),
        ("dataset.meters", ["four"], "dataset.meters.0 is 'four'"),
        ("dataset.pitches", [100, 30], "dataset: pitches: the lowest stands first"),
        ("memory.history_user.lags", [0], "memory.history_user.lags.0 is 0: .*greater than"),
        ("memory.history_user.lags", [{"every": 9, "to": 8}], "history_user.lags is .*at least 1"),
        ("memory.history_user.lags", [{"every": 9}], "memory.history_user.lags"),
        ("repeating.lags", 4, "repeating.lags is 4: .*list"),
        ("repeating.width", 4, "repeating.width is no parameter"),
        ("score_creator.kind", "piano", "'piano' is no score creator; known: .*player"),
        ("score_creators.lstm.training.batch", 0, "lstm.training.batch is 0: .*greater than"),
        ("score_creators.player.training", None, "score_creators.player.training is None"),
        ("training.clip", -1, "training.clip is -1: .*greater than 0"),
        ("training.batch", 8, "training.batch is no parameter"),
        ("training", None, "training is None"),
        ("generator.training.clip", 0.0, "generator.training.clip is 0.0: .*greater than 0"),
        ("dataset.steps_per_beat", 7, "dataset.steps_per_beat is 7: .*1, 2, 3, 4"),
        (
            "samplers.banning.voices",
            13,
            "samplers.banning.voices is 13: .*less than or equal to 12",
        ),
        ("augment.hop", 257, "augment: hop: at most steps"),
        ("generator.training", None, "generator.training is None"),
        ("generator.keys", 24, "generator.keys is 24: .*12 or 88"),
        ("decoder.kind", "lstm", "decoder.kind is .lstm.: with generator.keys 88 it has to be"),
        ("generator.sampler", "classes", "generator.keys is 88: samplers.classes as it stands"),
        ("generator.keys", 12, "yaml: decoder.kind is .none.: with generator.keys 12 it has to be"),
    ],
)
def test_a_mistake_anywhere_is_one_line(tmp_path, where, value, message):
    with pytest.raises(UserError, match=message) as caught:
        read_params(changed(tmp_path, where, value))
    assert "\n" not in str(caught.value)
    assert "params.yaml" in str(caught.value)


def test_numbers_are_read_as_dvc_writes_them(tmp_path):
    path = changed(tmp_path, "seed", 5)
    for number in ("1e-05", "5e-3", "1.5E+0", "0.001"):
        text = DEFAULT.read_text().replace("learning_rate: 0.01\n", f"learning_rate: {number}\n")
        path.write_text(text)
        assert read_params(path).generator.training.learning_rate == float(number)


def test_what_trainings_share_stands_once_and_a_training_may_say_otherwise(tmp_path):
    params = read_params(changed(tmp_path, "training.patience", 9))
    assert params.decoder.training.patience == params.token_model.chords.training.patience == 9
    params = read_params(changed(tmp_path, "generator.training.patience", 2))
    assert (params.generator.training.patience, params.decoder.training.patience) == (2, 5)


def test_lags_may_be_written_as_a_rule():
    class Section(Schema):
        lags: Lags

    section = Section(lags=[1, {"every": 4, "to": 17}, 100])
    assert section.lags == [1, 4, 8, 12, 16, 100]


def test_temperature_zero_is_allowed(tmp_path):
    assert read_params(changed(tmp_path, "compose.temperature", 0)).compose.temperature == 0


@pytest.mark.parametrize("text", ["", "- a\n", "seed: [", "\x00"])
def test_what_is_no_parameter_file_is_one_line(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"params\.yaml") as caught:
        read_params(path)
    assert "\n" not in str(caught.value)


def test_a_missing_parameter_is_named(tmp_path):
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    del values["dataset"]["meters"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"dataset\.meters is missing"):
        read_params(path)


def test_each_score_creator_has_a_training_of_its_own(tmp_path):
    frames = read_params(changed(tmp_path, "score_creator.kind", "lstm"))
    notes = read_params(changed(tmp_path, "score_creator.kind", "player"))
    assert frames.score_creator_training.batch > notes.score_creator_training.batch
    assert frames.score_creator_training.clip == notes.score_creator_training.clip
    assert "training" not in frames.config("score_creators")


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"generator": {"sampler": "independent"}}, "of these samplers: ordered, tied"),
        ({"dataset": {"representation": "holding"}}, "dataset.representation holding cannot write"),
        ({"compose": {"learning": "moving"}}, "compose.learning has to be none"),
    ],
)
def test_what_is_written_around_takes_a_sampler_that_can(tmp_path, other, line):
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    values["compose"]["given"] = "melody"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    assert read_params(path).compose.given == "melody"
    for section, changes in other.items():
        values[section] |= changes
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=line):
        read_params(path)
