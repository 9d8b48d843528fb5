"""Windows of music for the blind test: what a model wrote, and what stands there in the song."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ostinato.page.shelves import SONG

Json = dict[str, Any]

BARS = 4
"""The length of a window."""


def windows(shelves: Sequence[Json]) -> list[Json]:
    """Cut the pieces of the first shelf and their songs into windows.

    Parameters
    ----------
    shelves : sequence of dict
        From `ostinato.page.shelves.shelves`.

    Returns
    -------
    list of dict
        ``piece``, and for ``composed`` and ``song`` the ``audio``; in seconds where the window is
        (``from``, ``to``) and how long the sound is; and the ``volume`` at which both are equally
        loud. Windows begin after what was given.
    """
    found = []
    for shelf in shelves:
        if shelf["id"] != "pieces":
            continue
        for item in shelf["items"]:
            composed = item["versions"][0]
            song = next((each for each in item["versions"] if each["name"] == SONG), None)
            if song is None or composed is song:
                continue
            last = min(_sounding(composed), _sounding(song))
            bars = list(zip(composed["bars"], song["bars"], strict=False))
            first = sum(begin < composed["roll"]["given"] - 1e-3 for begin, _ in bars)
            for place in range(first, len(bars) - BARS, BARS):
                if max(bars[place + BARS]) > last:
                    break
                both = {}
                for name, version, column in (("composed", composed, 0), ("song", song, 1)):
                    ends = bars[place][column], bars[place + BARS][column]
                    both[name] = {
                        "audio": version["audio"],
                        "from": ends[0],
                        "to": ends[1],
                        "seconds": version["seconds"],
                        "volume": _amplitude(version, *ends),
                    }
                # Both are as loud as the softer one.
                least = min(each["volume"] for each in both.values())
                for each in both.values():
                    each["volume"] = round(least / each["volume"], 3)
                found.append({"piece": item["title"], **both})
    return found


def _amplitude(version: Json, begin: float, end: float) -> float:
    power = version["power"][int(begin) : max(int(end), int(begin) + 1)]
    return max(float(np.sqrt(np.mean(power))), 1e-6)


def _sounding(version: Json) -> float:
    return max(onset + length for onset, length, *_ in version["roll"]["notes"])
