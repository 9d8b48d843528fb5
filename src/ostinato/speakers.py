"""Playing sound while it is made."""

import sys
from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Event, Thread

import numpy as np

from ostinato.core.errors import UserError
from ostinato.scores.wav import RATE

AHEAD, PIECE = 60, RATE // 10
"""Parts that may be made before they are heard, and samples that are played at a time."""


def heard(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Play parts of a sound, and pass them on.

    Parameters
    ----------
    parts : iterable of ndarray[float32], shape [n, 2]

    Yields
    ------
    ndarray[float32], shape [n, 2]
        The same. The last one comes back when everything was heard.

    Raises
    ------
    UserError
        If there is nothing that plays sound.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UserError(
            f"--play needs sounddevice ({error}); `pip install sounddevice`, and on Linux the "
            "package libportaudio2"
        ) from error
    try:
        stream = sounddevice.OutputStream(RATE, channels=2, dtype="float32")
        stream.start()
    except sounddevice.PortAudioError as error:
        raise UserError(f"--play: no sound can be played here: {error}") from error
    waiting: Queue[np.ndarray | None] = Queue(AHEAD)
    failed: list[sounddevice.PortAudioError] = []
    stopped = Event()

    def play() -> None:
        while (part := waiting.get()) is not None:
            for first in range(0, len(part), PIECE):
                try:
                    if not failed and not stopped.is_set():
                        stream.write(np.ascontiguousarray(part[first : first + PIECE]))
                except sounddevice.PortAudioError as error:  # such as headphones pulled out
                    failed.append(error)

    player = Thread(target=play, daemon=True)
    player.start()
    complete = False
    try:
        for part in parts:
            waiting.put(part)
            yield part
        complete = True
    finally:
        # Nothing closes the stream while it is written to.
        if not complete:
            stopped.set()
        waiting.put(None)
        player.join()
        stream.close()
    if failed:
        print(f"--play: the sound broke off: {failed[0]}", file=sys.stderr)
