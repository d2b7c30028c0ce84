"""Names the process that holds the event loop: nothing else can, while it is held."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import trio

from kernel.process import Process

HELD_SECONDS = 0.25
BEAT_SECONDS = 0.1


class Watchdog:
    """A thread that looks whether the event loop still beats. `report` is called from that thread, once for each time
    the loop is held.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._beat = time.monotonic()
        self._watched = threading.get_ident()
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch the thread that calls this, until cancelled."""
        thread = threading.Thread(target=self._watch, name="nectar watchdog", daemon=True)
        self._beat = time.monotonic()
        thread.start()
        try:
            while True:
                await trio.sleep(BEAT_SECONDS)
                self._beat = time.monotonic()
        finally:
            self._stop.set()

    def _watch(self) -> None:
        told = 0.0
        while not self._stop.wait(BEAT_SECONDS):
            beat = self._beat
            if beat != told and time.monotonic() - beat > HELD_SECONDS + BEAT_SECONDS:
                told = beat
                self._report(describe(sys._current_frames().get(self._watched)))  # noqa: SLF001 - the only way


def describe(frame: FrameType | None) -> str:
    """Which process runs in this frame, and where it is in its code."""
    where = "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
    while frame is not None:
        process = frame.f_locals.get("process")
        if isinstance(process, Process) and frame.f_code.co_name in ("_run", "_run_child"):
            return (
                f"{process.pid} holds the event loop for more than {HELD_SECONDS * 1000:.0f} ms at {where}; "
                f"await something now and then, or move the work into a thread"
            )
        frame = frame.f_back
    return f"the event loop is held for more than {HELD_SECONDS * 1000:.0f} ms at {where}"
