"""How far a search is, on one line of a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

BAR = 24
STEP_SECONDS = 0.1
"""Between two looks of the bar."""


class ProgressBar:
    """On a terminal; anywhere else nothing."""

    def __init__(self, out: TextIO | None, total: int, clock: Callable[[], float]) -> None:
        self._out = out if out is not None and out.isatty() else None
        self._total = total
        self._clock = clock
        self._began = clock()
        self._shown = -STEP_SECONDS
        self._width = 0

    def show(self, done: int, failed: int) -> None:
        now = self._clock() - self._began
        if self._out is None or now - self._shown < STEP_SECONDS:
            return
        self._shown = now
        filled = BAR * done // max(1, self._total)
        rate = done / now if now else 0.0
        left = f"{(self._total - done) / rate:.0f} s left" if rate else ""
        bar = "█" * filled + "·" * (BAR - filled)
        text = f"{bar} {done}/{self._total} seeds, {failed} failed, {rate:.1f}/s {left}"
        self._out.write("\r" + text.ljust(self._width))
        self._out.flush()
        self._width = len(text)

    def end(self) -> None:
        if self._out is not None and self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()
