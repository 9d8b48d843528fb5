"""Drawing a score as a piano roll."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ostinato.scores.parts import instrument
from ostinato.scores.plotting import INK, PALE, RULE, TRACKS
from ostinato.scores.score import Score

NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"]
BARS = 48
"""The most bar numbers that fit below a roll."""
PIANO = 21, 108
"""The range of MIDI pitches that is shown if there are no notes."""


def roll(score: Score, given: np.ndarray) -> Figure:
    """Draw a score as a piano roll.

    Parameters
    ----------
    score : Score
        Bars are drawn according to its first metre.
    given : ndarray[bool], shape [notes]
        Which notes were not composed; they are drawn in pale colour. Of several parts, each has a
        colour of its own.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(14, 4))
    axes = figure.add_subplot()
    _draw_roll(axes, score, given)
    axes.set_xlabel("bar")
    title = ", ".join(filter(None, [score.title, score.metre]))
    axes.set_title(title, loc="left", fontsize=10, parse_math=False)
    return figure


def _draw_roll(axes: Axes, score: Score, given: np.ndarray) -> None:
    bar = score.metres[0].bar
    notes = score.notes
    used = np.unique(notes["part"]).tolist()
    colours = {part: TRACKS[i % len(TRACKS)] for i, part in enumerate(used)}
    if len(used) < 2:
        colours = dict.fromkeys(used, INK)
    axes.barh(
        notes["pitch"],
        notes["length"] / bar * 0.96,
        left=notes["onset"] / bar,
        height=0.8,
        color=[
            PALE if known else colours[part]
            for known, part in zip(given.tolist(), notes["part"].tolist(), strict=True)
        ],
    )
    if len(used) > 1:
        names = (score.parts[part] for part in used)
        axes.legend(
            [Patch(color=colours[part]) for part in used],
            [part.name or instrument(part) for part in names],
            loc="upper left",
            bbox_to_anchor=(1, 1),
            frameon=False,
            fontsize=8,
        )
    end = int(np.ceil((notes["onset"] + notes["length"]).max(initial=bar) / bar))
    axes.set_xlim(0, end)
    labelled = range(0, end + 1, -(-(end + 1) // BARS))
    axes.set_xticks(labelled, [str(bar + 1) for bar in labelled])
    pitches = notes["pitch"] if len(notes) else np.array(PIANO)
    low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
    axes.set_ylim(low - 0.5, high + 0.5)
    tonics = [pitch for pitch in range(low, high + 1) if pitch % 12 in (0, 7)]
    axes.set_yticks(tonics, [f"{NAMES[p % 12]}{p // 12 - 1}" for p in tonics])
    axes.grid(color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
