"""What left a task of a process: in words, and whether it was only a cancellation."""

from __future__ import annotations

from math import inf
from traceback import extract_tb

import trio

from kernel.errors import ProgramError


def explain(error: BaseException, drive: str = "") -> str:
    """One line of valid Unicode: type, text, and the place that raised, if possible one in a file below `drive`.

    Never raises itself.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an actor's exception may fail to print itself, or worse
        text = f"<the text of {type(error).__name__} raises>"
    if not isinstance(error, ProgramError):
        frames = list(extract_tb(error.__traceback__))
        frames = [frame for frame in frames if frame.filename.startswith(drive)] or frames
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        text = f"{type(error).__name__}: {text}{where}"
    return " ".join(text.encode(errors="backslashreplace").decode().splitlines())


def is_cancellation(error: BaseException) -> bool:
    """And nothing else."""
    # No recursion: an actor may nest its groups as deep as it likes.
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(found.exceptions)
        elif not isinstance(found, trio.Cancelled):
            return False
    return True


def is_cut_off() -> bool:
    """Whether the calling task is cancelled from outside of its process: the whole node goes."""
    return trio.current_effective_deadline() == -inf
