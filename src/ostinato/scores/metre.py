"""The metre of a piece and where its bars begin, found from the notes.

Every metre and every place where its bars may begin is a candidate. How likely each is depends
linearly on how often something happens at the first beat of its bars, at the middle, at other
beats and at their parts, compared with all places (Palmer and Krumhansl, 1990, "Mental
representations for musical meter"); on how similar the music is a bar and two bars later; and on
where the first and the last note stand. The weights are those of a conditional logit, fitted by
bench/metre.py to songs whose bars are known.
"""

import numpy as np

from ostinato.scores.score import TICKS_PER_BEAT, Score

SLOTS = 12
"""Places in a quarter note."""

FINE = 3
"""Bars begin at multiples of so many slots: at sixteenths."""

METRES = {
    (2, 4): (24, 12),
    (3, 4): (36, 12),
    (4, 4): (48, 12),
    (6, 8): (36, 18),
    (9, 8): (54, 18),
    (12, 8): (72, 18),
    (3, 8): (18, 6),
    (5, 4): (60, 12),
    (6, 4): (72, 12),
    (7, 8): (42, 6),
    (5, 8): (30, 6),
    (3, 2): (72, 24),
}
"""Time signatures, with the lengths of a bar and of its beats in slots."""

LEVELS = 4
"""Kinds of places in a bar that are told apart: its beginning, its middle, beats and their parts;
other places are none of these."""

LONGEST = 8
"""In beats: longer notes count as that long."""

LOW = 0.3
"""So large a share of the notes are low ones."""

LAGS = 64
"""Half beats over which music is compared with what comes later."""

RARELY = 0.02
"""Is added to how often something happens, so that never is no infinity."""

SIGNAL_WEIGHTS = np.array(
    [
        [-2.87, 0.55, -0.14, 1.07],  # a note is struck
        [3.70, -0.17, 1.81, -1.22],  # how long the longest one is
        [1.10, -0.15, -0.17, -0.59],  # a low one is
        [1.93, 0.51, -0.12, -0.50],  # how much harmony changes: a beat before and after
        [-1.18, 0.17, -1.30, -0.27],  # how loud the loudest is
        [2.10, -0.41, -1.35, 0.58],  # how much harmony changes: two beats
        [-0.82, -0.13, 1.56, 0.42],  # four beats
        [-0.49, -0.05, 0.02, 0.27],  # how many notes are struck
    ]
)
SIMILAR_WEIGHTS = np.array([0.96, 1.91])
"""For similarity to what comes a bar later, and two bars."""

EDGE_WEIGHTS = np.array([1.63, 0.59, 1.25, 1.77])
"""For a first note at the beginning of a bar, or in its second half; and a last one at the
beginning, or in the middle."""

METRE_WEIGHTS = np.array(
    [1.15, 1.79, 3.16, 1.78, -0.24, -1.37, -0.04, -1.32, -1.54, -0.99, -0.90, -1.48]
)
"""For each of `METRES`."""


def find_metre(
    score: Score, straight: np.ndarray, claim: tuple[int, int] = (4, 4)
) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """Find how likely metres are.

    Parameters
    ----------
    score : Score
        With a pitched note at least; drums are not considered.
    straight : ndarray[float64], shape [notes]
        Onsets in beats, as they would be without swing.
    claim : (int, int)
        Beats and unit of the metre that the file says: it counts as no rarer than others.

    Returns
    -------
    candidates : list of (int, int, int)
        Beats, unit, and the tick at which a bar begins.
    nats : ndarray[float64]
        Log-probability of each.
    """
    pitched = ~score.drums
    names, features = features_of(score.notes[pitched], straight[pitched])
    claimed = np.array([metre == claim for metre in METRES])
    usual = np.where(claimed, METRE_WEIGHTS.max(), METRE_WEIGHTS)
    weights = [SIGNAL_WEIGHTS.ravel(), SIMILAR_WEIGHTS, EDGE_WEIGHTS, usual]
    scores = features @ np.concatenate(weights)
    return names, scores - np.logaddexp.reduce(scores)


def features_of(
    notes: np.ndarray, straight: np.ndarray
) -> tuple[list[tuple[int, int, int]], np.ndarray]:
    """Describe all candidates; see `find_metre`.

    Parameters
    ----------
    notes : ndarray[NOTE], shape [notes]
    straight : ndarray[float64], shape [notes]

    Returns
    -------
    candidates : list of (int, int, int)
    features : ndarray[float64], shape [candidates, 50]
    """
    slot = np.round(straight * SLOTS).astype(np.int64)
    signals, chroma = _signals(notes, slot)
    similar = _similar(signals[0], chroma)
    struck = np.flatnonzero(signals[0])
    names, found = [], []
    for number, ((beats, unit), (bar, beat)) in enumerate(METRES.items()):
        is_metre = np.arange(len(METRES)) == number
        later = [
            similar[2 * bar * bars // SLOTS] if 2 * bar * bars // SLOTS < LAGS else 0.0
            for bars in (1, 2)
        ]
        places = _places(bar, beat)
        profile = _folded(signals, bar)
        usual = profile.mean(1, keepdims=True)
        begins = np.arange(0, bar, FINE)
        # What the profile is if bars begin at each of these: [begins, signals, slots of a bar].
        place = (np.arange(bar) + begins[:, None]) % bar
        often = np.ascontiguousarray(profile[:, place].transpose(1, 0, 2)) @ places.T
        ratios = np.where(usual > 0, np.log((often + RARELY) / (usual + RARELY)), 0)
        first, last = (struck[[0, -1], None] - begins) % bar
        edges = (
            first == 0,
            first >= bar / 2,
            last == 0,
            _has_middle(bar, beat) & (last == bar // 2),
        )
        rows = len(begins)
        columns = (
            ratios.reshape(rows, -1),
            np.tile(later, (rows, 1)),
            np.stack(edges, 1),
            np.tile(is_metre, (rows, 1)),
        )
        found.append(np.hstack(columns))
        names += [(beats, unit, begin * TICKS_PER_BEAT // SLOTS) for begin in begins.tolist()]
    return names, np.concatenate(found)


def _has_middle(bar: int, beat: int) -> bool:
    return bar // beat > 2 and bar // beat % 2 == 0


def _places(bar: int, beat: int) -> np.ndarray:
    """Average over the places of each level: ndarray[float64], shape [levels, slots of a bar]."""
    level = np.full(bar, LEVELS)
    level[:: beat // 3 if beat == 18 else beat // 2] = 3
    level[::beat] = 2
    if _has_middle(bar, beat):
        level[bar // 2] = 1
    level[0] = 0
    places = level == np.arange(LEVELS)[:, None]
    if not places[1].any():
        places[1] = places[2]  # other beats stand for a middle
    return places / np.maximum(places.sum(1, keepdims=True), 1)


def _folded(signals: np.ndarray, bar: int) -> np.ndarray:
    """Average all bars: ndarray[float64], shape [signals, slots of a bar]."""
    short = -signals.shape[1] % bar
    return np.pad(signals, ((0, 0), (0, short))).reshape(len(signals), -1, bar).mean(1)


def _signals(notes: np.ndarray, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute what happens at each slot.

    Returns
    -------
    signals : ndarray[float64], shape [8, slots]
        In the order of `SIGNAL_WEIGHTS`.
    chroma : ndarray[float64], shape [slots, 12]
        How many notes of each pitch class are struck.
    """
    slots = int(slot.max()) + 2
    signals, chroma = np.zeros((8, slots)), np.zeros((slots, 12))
    beats = notes["length"] / TICKS_PER_BEAT
    pitch = notes["pitch"].astype(int)
    signals[0, slot] = 1
    np.maximum.at(signals[1], slot, np.log2(1 + np.minimum(beats, LONGEST)))
    lowest = np.full(slots, 999)
    np.minimum.at(lowest, slot, pitch)
    signals[2] = lowest <= np.quantile(pitch, LOW)
    sounding = np.zeros((slots + 1, 12))
    end = np.minimum(slot + np.maximum((beats * SLOTS).astype(int), 1), slots)
    np.add.at(sounding, (slot, pitch % 12), 1)
    np.add.at(sounding, (end, pitch % 12), -1)
    signals[3] = _changes(sounding[:-1].cumsum(0), SLOTS) * signals[0]
    velocity = notes["velocity"].astype(float)
    if velocity.std() > 1:
        loud = np.maximum((velocity - velocity.mean()) / velocity.std(), -2) + 2
        np.maximum.at(signals[4], slot, loud)
    np.add.at(chroma, (slot, pitch % 12), 1)
    for row, around in ((5, 2 * SLOTS), (6, 4 * SLOTS)):
        signals[row] = _changes(chroma, around) * signals[0]
        signals[row, :SLOTS] = signals[row, -SLOTS:] = 0
    signals[7] = np.sqrt(chroma.sum(1))
    return signals, chroma


def _changes(chroma: np.ndarray, around: int) -> np.ndarray:
    """Compare what sounds before and after each slot: 1 minus the cosine, [slots]."""
    total = np.pad(chroma.cumsum(0), ((1, 0), (0, 0)))
    now = np.arange(len(chroma))
    before = total[now] - total[np.maximum(now - around, 0)]
    after = total[np.minimum(now + around, len(chroma))] - total[now]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return 1 - (before * after).sum(1) / (lengths + 1e-6)


def _similar(struck: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Compare music with what comes some half beats later, and with the usual similarity: [64]."""
    half = SLOTS // 2
    whole = len(struck) // half * half
    each = np.concatenate([chroma, 2 * struck[:, None]], 1)[:whole]
    each = each.reshape(-1, half, each.shape[1]).sum(1)
    each /= np.linalg.norm(each, axis=1, keepdims=True) + 1e-6
    found = np.zeros(LAGS)
    for lag in range(1, LAGS):
        if len(each) - lag > 8:
            found[lag] = (each[lag:] * each[:-lag]).sum(1).mean()
    usual = found[1:48][found[1:48] > 0]
    return found - (usual.mean() if len(usual) else 0)
