"""Which parts of a score count, and how the parts of a corpus are numbered."""

import numpy as np
import pytest

from ostinato.scores.parts import chosen, instrument, numbers_of, usual_parts
from ostinato.scores.score import NOTE, Metre, Part, Score, Tempo

BAND = [Part("Piano", 0), Part("MELODY", 73), Part("Bass", 33), Part("Kit", 0, drums=True)]


def band(parts=BAND) -> Score:
    rows = [
        row
        for beat in range(8)
        for row in (
            (beat * 480, 480, 60, 80, 0),
            (beat * 480, 480, 64, 80, 0),
            (beat * 480, 480, 72 + beat % 3, 80, 1),
            (beat * 480, 480, 36, 80, 2),
            (beat * 480, 120, 38, 80, 3),
        )
    ]
    return Score(np.array(rows, NOTE), parts, [Metre(0, 4, 4)], [Tempo(0, 100)])


def programs(score: Score) -> set[tuple[str, int, bool]]:
    used = np.unique(score.notes["part"])
    return {(score.parts[p].name, score.parts[p].program, score.parts[p].drums) for p in used}


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ("all", {"Piano", "MELODY", "Bass", "Kit"}),
        (["flute"], {"MELODY"}),
        ([33, "drums"], {"Bass", "Kit"}),
        (["PIANO"], {"Piano"}),
        (["0"], {"Piano"}),
        (["melody"], {"MELODY"}),
        (["accompaniment"], {"Piano", "Bass"}),
        (["tuba"], set()),
    ],
)
def test_parts_are_chosen_by_name_instrument_program_and_role(parts, names):
    assert {name for name, _, _ in programs(chosen(band(), parts))} == names


def test_what_has_pitch_becomes_one_part_of_the_instrument_that_all_have():
    score = chosen(band(), "merge")
    assert programs(score) == {("", 0, False)}
    assert len(score.notes) == len(band().pitched)
    organs = [Part("a", 19), Part("b", 19), Part("c", 19), Part("Kit", 0, drums=True)]
    assert programs(chosen(band(organs), "merge")) == {("", 19, False)}


def test_the_melody_is_told_from_the_rest():
    score = chosen(band(), "melody+accompaniment")
    assert programs(score) == {("melody", 73, False), ("accompaniment", 0, False)}
    assert score.notes["pitch"][score.notes["part"] == 0].min() == 72


@pytest.mark.parametrize(
    ("names", "melody"),
    [
        (("Lead Guitar", "Flute", "Melody"), 2),
        (("Lead Guitar", "Vocals", "Bass"), 1),
        (("Solo", "Flute", "Bass"), 0),
        (("Single Coil", "Flute", "Enchanted"), 1),  # by height: no name says so
    ],
)
def test_what_says_most_clearly_that_it_is_the_melody_counts(names, melody):
    parts = [*(Part(name, 0) for name in names), Part("Kit", 0, drums=True)]
    assert set(chosen(band(parts), ["melody"]).notes["part"].tolist()) == {melody}


def test_without_names_the_highest_part_of_single_notes_is_the_melody():
    parts = [Part("", 0), Part("", 0), Part("", 0), Part("", 0, drums=True)]
    score = chosen(band(parts), ["melody"])
    assert set(score.notes["part"].tolist()) == {1}


def test_a_single_part_has_the_melody_on_top():
    rows = [(beat * 480, 480, pitch, 80, 0) for beat in range(4) for pitch in (48, 60, 76)]
    score = Score(np.array(rows, NOTE), [Part()], [Metre(0, 4, 4)], [Tempo(0, 100)])
    assert chosen(score, ["melody"]).notes["pitch"].tolist() == [76] * 4
    assert chosen(score, ["accompaniment"]).notes["pitch"].tolist() == [48, 60] * 4


def test_parts_are_numbered_by_family_and_place():
    strings = [Part("Violin I", 40), Part("Violin II", 40), Part("Cello", 42)]
    assert numbers_of(strings) == [40, 41, 42]
    assert numbers_of(BAND) == [0, 72, 32, -1]
    assert numbers_of([Part("", 127)] * 10) == [120, 121, 122, 123, 124, 125, 126, *[127] * 3]


def test_usual_parts_have_the_program_and_the_name_of_most():
    first = [Part("Lead", 30), Part("", 33)]
    parts = usual_parts([first, first, [Part("Solo", 25), Part("Bass", 33)], BAND])
    assert parts == {
        0: Part("Piano", 0),
        24: Part("Lead", 30),
        32: Part("", 33),
        72: Part("MELODY", 73),
    }


def test_instruments_have_names():
    assert instrument(Part("x", 40)) == "Violin"
    assert instrument(Part("x", 40, drums=True)) == "drums"
