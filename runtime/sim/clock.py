"""The wall clock of a simulated node."""

from __future__ import annotations

from collections.abc import Callable

EPOCH = 1_700_000_000.0
"""What every wall clock shows when its world begins, in seconds since 1970."""


class WallClock:
    """What `now()` gives the actors of one node; it may be set wrong, and go wrong.

    Time-outs, timers and sleeps are not measured with it but on the world's one clock, which is never wrong: so it is
    in production, where they use the monotonic clock of the machine. A reboot does not set it right.
    """

    def __init__(self, world_now: Callable[[], float]) -> None:
        self._world_now = world_now
        self._since = 0.0
        self._shown = EPOCH
        self._rate = 1.0

    def now(self) -> float:
        return self._shown + self._rate * (self._world_now() - self._since)

    @property
    def offset(self) -> float:
        """How far it is ahead, in seconds."""
        return self.now() - EPOCH - self._world_now()

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._since = self._world_now()
        self._shown = EPOCH + self._since + seconds

    @property
    def rate(self) -> float:
        """Its seconds per second. Setting it lets the clock go on from where it is."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if rate < 0:
            raise ValueError(f"a clock cannot go at the rate {rate}: set `offset` to turn it back")
        self._shown = self.now()
        self._since = self._world_now()
        self._rate = rate
