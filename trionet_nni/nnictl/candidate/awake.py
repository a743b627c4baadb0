"""Time that counts for limits and estimates: that in which this process ran. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable


class Awake:
    """Seconds since it was made, without those in which this process was stopped.

    The clock on the wall is no measure of a duration: it is set, by hours where a machine gets the right
    time. And what is stopped (Ctrl-Z, a container that is paused, a machine that sleeps) goes on together
    with what it waits for: nobody was late meanwhile.

    Args:
        longest: seconds between two questions of a process that runs; of a longer gap so many count.
        clock: of this machine, for all its processes, which nobody sets.
    """

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._clock = longest, clock
        self._last, self._seconds = clock(), 0.0

    def seconds(self) -> float:
        """Until now."""
        now = self._clock()
        self._seconds += min(now - self._last, self._longest)
        self._last = now
        return self._seconds


class Ages:
    """How long ago things were last seen to change, in seconds of `Awake`.

    Moments that other processes note by the clock on the wall are looked at for being others than before,
    and never compared with it.
    """

    def __init__(self, awake: Awake) -> None:
        self._awake = awake
        self._seen: dict[str, tuple[object, float]] = {}

    def of(self, name: str, value: object) -> float:
        """Since when a thing has had this value, as far as was seen; 0 the first time."""
        now = self._awake.seconds()
        if name not in self._seen or self._seen[name][0] != value:
            self._seen[name] = (value, now)
        return now - self._seen[name][1]
