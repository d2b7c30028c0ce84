"""Python's warnings as lines of the log, above all that of a forgotten `await`."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_NOT_AWAITED = re.compile(r"coroutine '(?P<name>[^']+)' was never awaited")
_ORIGIN = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


@contextmanager
def warnings_reported(report: Callable[[str], None], *, origins: bool) -> Iterator[None]:
    """In this block; `report` may be called from any thread. `origins`: remember of each coroutine of this thread where
    it was made, which costs a little at each call.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        report(describe(str(message), category.__name__, filename, lineno))

    former, depth = warnings.showwarning, sys.get_coroutine_origin_tracking_depth()
    warnings.showwarning = show
    if origins:
        sys.set_coroutine_origin_tracking_depth(1)
    try:
        yield
    finally:
        warnings.showwarning = former
        sys.set_coroutine_origin_tracking_depth(depth)


def describe(message: str, category: str, file: str, line: int) -> str:
    """A coroutine is warned of wherever it is thrown away, so that its origin counts and not that place."""
    forgotten = _NOT_AWAITED.search(message)
    if forgotten is None:
        return f"{category} at {file}:{line}: {message}"
    origin = _ORIGIN.search(message)
    where = "" if origin is None else f" at {origin['file']}:{origin['line']}"
    call = forgotten["name"].rpartition(".")[2]
    more = " (`nectar dev` tells the line)" if origin is None else ""
    return (
        f"await is missing{where}: {call}(...) was called and never awaited; write `await {call}(...)`{more}"
    )
