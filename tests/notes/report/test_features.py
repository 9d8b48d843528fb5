"""What is counted in whole notes."""

import numpy as np

from ostinato.notes.report import features


def roll(*voices: str) -> np.ndarray:
    """Voices as strings: a letter strikes its key (a is 0), a dash holds it, a point is silent."""
    found = np.zeros((len(voices[0]), 88), np.int8)
    for voice in voices:
        key = 0
        for step, sign in enumerate(voice):
            if sign == "-":
                found[step, key] = -1
            elif sign != ".":
                key = ord(sign) - ord("a")
                found[step, key] = 1
    return found


def test_notes_and_their_lengths():
    some = roll("a-b-b-", "h---..")
    assert sorted(features.note_lengths(some)) == [2, 2, 2, 4]
    assert features.polyphony(some).tolist() == [2, 2, 2, 2, 1, 1]
    assert sorted(features.note_lengths(some[1:])) == [1, 2, 2, 3]


def test_dissonance_is_a_share_of_sounding_steps():
    assert features.dissonance(roll("aaaa..", "hbgm..")) == 0.5


def test_moves_of_the_top_voice_leave_out_repeated_notes():
    assert features.moves(roll("aaccba", "......")).tolist() == [2, -1, -1]


def test_parallels_are_of_outer_voices_that_both_move():
    assert features.parallels(roll("abcc", "hijj"), 1) == 1
    assert features.parallels(roll("abcc", "hhjk"), 1) == 0
    assert features.parallels(roll("acb", "hji"), 1) == 1
    assert features.parallels(roll("ab", "mm"), 1) == 0


def test_windows_are_of_eight_bars_and_begin_every_four():
    song = np.tile(roll("abcd"), (10, 1))
    found = features.windows(song, 2)
    assert [len(part) for part in found] == [16] * 4
    assert (found[1] == song[8:24]).all()
    assert [len(part) for part in features.windows(song, 8)] == [40]


def test_a_scale_has_seven_notes():
    # Key a is A: all of A major, then with the minor third
    assert features.scale_consistency(roll("acefhjl")) == 1
    assert features.scale_consistency(roll("acefhjld")) == 7 / 8
    assert features.scale_consistency(roll("....")) == 0


def test_groove_compares_rhythms_of_consecutive_bars():
    assert features.groove_consistency(roll("a.a.b.c."), 4) == 1
    assert features.groove_consistency(roll("a.a.bbc."), 4) == 0.75
    assert features.groove_consistency(roll("a.a."), 4) == 1


def test_shares_are_counted_by_kind():
    found = features.describe(roll("a-bb", "h-h-"), 4, 4).histograms
    assert {name: round(values.sum(), 9) for name, values in found.items()} == {
        **dict.fromkeys(("pitch_classes", "pitch_class_transitions"), 1),
        **dict.fromkeys(("note_lengths", "polyphony"), 1),
        "intervals": 0,
    }
    # A, B flat and E; of five notes, three of two steps; E is repeated
    assert found["pitch_classes"][[9, 10, 4]].tolist() == [0.2, 0.4, 0.4]
    assert found["note_lengths"][:2].tolist() == [0.4, 0.6]
    assert found["pitch_class_transitions"][4 * 12 + 4] == 1
    assert found["polyphony"][2] == 1


def test_figures_of_silence_are_numbers():
    found = features.describe(roll("........"), 4, 4)
    assert np.isfinite([*found.figures.values()]).all()
    assert not found.histograms["note_lengths"].any()


def test_the_summary_is_over_windows():
    described = [features.describe(roll(line), 8, 1) for line in ("a-a-a-a-", "abababab")]
    found = features.summary(described)
    assert found["note_length"] == [1.5, 0.5]
    assert found["struck"] == [0.75, 0.25]
    assert found["top_by_step"] == [0.5, 0.5]
    assert features.mean_histograms(described)["note_lengths"][:2].tolist() == [0.5, 0.5]
