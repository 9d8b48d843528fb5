"""Beats of a performance, found from when its notes are struck.

A live performance has no beats in its file, or none that mean anything. What was meant is found by
a hidden Markov model: each onset stands at one of 24 places in a beat, and the length of a beat
changes slowly (Raphael, 2002, "A hybrid graphical model for rhythmic parsing"; Nakamura, Yoshii and
Sagayama, 2017, "Rhythm transcription of polyphonic piano music based on merged-output HMM"). The
likeliest path is found by the algorithm of Viterbi. The numbers below were chosen by hand with
bench/beats.py.
"""

from dataclasses import replace

import numpy as np

from ostinato.scores.score import TICKS_PER_BEAT, Metre, Score, Tempo, check_length, seconds, tidy

PLACES = 24
"""Places in a beat."""

CHORD = 0.035
"""Notes struck within so many seconds are one chord."""

STRUCK = np.full(PLACES, 0.003)
STRUCK[[4, 20]] = 0.015  # sextuplets
STRUCK[[3, 9, 15, 21]] = STRUCK[[8, 16]] = 0.05  # thirty-seconds, triplets
STRUCK[[6, 18]], STRUCK[12], STRUCK[0] = 0.15, 0.45, 0.75  # sixteenths, eighths, beats
"""How likely something is struck at each place of a beat."""

BEATS = np.geomspace(0.22, 1.6, 36)
"""Lengths of a beat, in seconds."""

USUAL, VARIED, WEIGHT = 0.55, 0.45, 0.3
"""The usual length of a beat in seconds, the standard deviation of its logarithm, and how much this
counts at every onset but the first."""

CHANGE, STEPS = 0.05, 3
"""Standard deviation of the logarithm of a change of tempo from onset to onset, and how many
lengths further the next one may be, at most."""

EARLY, UNEVEN = 0.018, 0.12
"""Standard deviation of when a note is struck, in seconds, and of an interval as a share of it."""

LONGEST = 4 * PLACES
"""The longest interval between onsets, in places; what is longer is a pause."""

PAUSE = -9.0
"""Log-density of a pause, after which the music goes on at any place."""

LOW, LASTING = 1.7, (0.05, 1.5)
"""A low note is so many times as strong; a note is stronger the longer it lasts, within bounds, in
seconds."""

ACCENTS = 0.4, 2.5
"""Bounds of how strong a chord is, compared with the mean; its square root is what counts."""


def performed(score: Score) -> Score:
    """Put a performance on the beats that are found in it.

    Parameters
    ----------
    score : Score
        With a note at least. Its ticks only tell when notes sound.

    Returns
    -------
    Score
        It sounds the same, without the silence before it: each beat has a tempo of its own, and
        notes stay as early or late as they were played. Its bars are 4/4 from the first beat on.
    """
    notes = score.notes.copy()
    begin, end = (
        seconds(score, each) for each in (notes["onset"], notes["onset"] + notes["length"])
    )
    low = notes["pitch"] < np.median(notes["pitch"])
    lasting = np.sqrt(np.clip(end - begin, *LASTING))
    times, places = find_beats(begin, notes["velocity"] * np.where(low, LOW, 1) * lasting)
    beats = _beat_times(times, places, float(end.max()))
    ticks = np.arange(len(beats)) * TICKS_PER_BEAT

    def tick(when: np.ndarray) -> np.ndarray:
        return np.floor(np.interp(when, beats, ticks) + 0.5).astype(np.int64)

    notes["onset"] = tick(begin)
    notes["length"] = np.maximum(tick(end) - notes["onset"], 1)
    check_length(float(len(beats)))
    tempi = [
        Tempo(int(now), 60 / length) for now, length in zip(ticks[:-1], np.diff(beats), strict=True)
    ]
    return replace(
        score, notes=tidy(notes), metres=[Metre(0, 4, 4)], tempi=tempi, metre_known=False
    )


def find_beats(seconds: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where in the beats of a performance its chords stand.

    Parameters
    ----------
    seconds : ndarray[float64], shape [notes]
        When notes are struck.
    weights : ndarray[float64], shape [notes]
        How strong they are.

    Returns
    -------
    times : ndarray[float64], shape [chords]
        When chords are struck.
    places : ndarray[int64], shape [chords]
        The place of each; multiples of `PLACES` are beats.
    """
    times, strong = _chords(seconds, weights)
    accents = np.sqrt(np.clip(strong / strong.mean(), *ACCENTS))[:, None]
    struck, interval = np.log(STRUCK)[:, None], np.arange(LONGEST + 1)
    place = np.arange(PLACES)[:, None]
    before = (place - interval) % PLACES  # from where an interval leads to a place
    # Log-probability that nothing is struck at any place between.
    silent = np.append(0, np.tile(np.log1p(-STRUCK), 2 + LONGEST // PLACES).cumsum())
    between = silent[before + np.maximum(interval, 1)] - silent[before + 1]
    usual = -((np.log(BEATS / USUAL) / VARIED) ** 2) / 2
    step = np.log(BEATS[1] / BEATS[0])
    moves = range(-STEPS, STEPS + 1)
    score = struck * accents[0] + usual
    paths = []
    for chord, gap in enumerate(np.diff(times), 1):
        wider = np.pad(score, ((0, 0), (STEPS, STEPS)), constant_values=-np.inf)
        changed = np.stack(
            [
                wider[:, STEPS - move : STEPS - move + len(BEATS)] - (move * step / CHANGE) ** 2 / 2
                for move in moves
            ]
        )
        moved, changed = changed.argmax(0), changed.max(0)
        variance = 2 * EARLY**2 + (UNEVEN * gap) ** 2
        likely = -((gap - interval[:, None] / PLACES * BEATS) ** 2) / (2 * variance)
        reached = changed[before] + likely + between[..., None]
        chosen, reached = reached.argmax(1), reached.max(1)
        paused = changed.max(0) + PAUSE
        # A pause is noted by minus its place before, minus 1.
        chosen = np.where(paused > reached, -1 - changed.argmax(0), chosen)
        score = np.maximum(reached, paused) + struck * accents[chord] + WEIGHT * usual
        # Small numbers, since there may be tens of thousands of chords.
        paths.append((chosen.astype(np.int8), moved.astype(np.int8)))
    return times, _followed(paths, score, np.diff(times))


def _chords(seconds: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join notes struck within `CHORD` of the first of them: their times, and sums of weights."""
    order = np.argsort(seconds, kind="stable")
    times: list[float] = []
    sums: list[float] = []
    for time, weight in zip(seconds[order].tolist(), weights[order].tolist(), strict=True):
        if times and time - times[-1] < CHORD:
            sums[-1] += weight
        else:
            times.append(time)
            sums.append(weight)
    return np.array(times), np.array(sums)


def _followed(
    paths: list[tuple[np.ndarray, np.ndarray]], score: np.ndarray, gaps: np.ndarray
) -> np.ndarray:
    """Follow the likeliest path back: the place of each chord, counted from a beat."""
    place, beat = (int(each) for each in np.unravel_index(score.argmax(), score.shape))
    intervals = []
    for (chosen, moved), gap in zip(reversed(paths), reversed(gaps), strict=True):
        interval = int(chosen[place, beat])
        before = (place - interval) % PLACES
        if interval < 0:
            before = -1 - interval
            rest = (place - before) % PLACES
            whole = round((gap / BEATS[beat] * PLACES - rest) / PLACES)
            interval = rest + PLACES * max(whole, rest == 0)
        intervals.append(interval)
        beat -= int(moved[before, beat]) - STEPS
        place = before
    return place + np.append(0, np.cumsum(intervals[::-1], dtype=np.int64))


def _beat_times(times: np.ndarray, places: np.ndarray, end: float) -> np.ndarray:
    """Find when beats are, from the last one before the first chord to one after the end."""
    apart = np.append(True, np.diff(places) > 0)
    times, places = times[apart], places[apart]
    beats = np.arange(-(-places[0] // PLACES), places[-1] // PLACES + 1)
    found = np.interp(beats * PLACES, places, times)
    if len(found) < 2:
        found = times[0] + USUAL * np.arange(2)
    first, last = found[1] - found[0], found[-1] - found[-2]
    early = max(0, int(np.ceil((times[0] - found[0]) / -first)))
    late = max(0, int(np.ceil((end - found[-1]) / last)))
    return np.concatenate(
        [
            found[0] - first * np.arange(early, 0, -1),
            found,
            found[-1] + last * np.arange(1, late + 1),
        ]
    )
