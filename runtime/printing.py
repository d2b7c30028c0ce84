"""The `print` of a package's code: to the console, because whoever reads the node's stdout may be slow, or gone."""

from __future__ import annotations

import builtins
import sys
from typing import TextIO

from kernel.syscalls import process


def console_print(
    *values: object,
    sep: str | None = " ",
    end: str | None = "\n",
    file: TextIO | None = None,
    flush: bool = False,
) -> None:
    """As `print`, but a line of the process in the node's console and log. Other files are printed to as ever.

    Nothing is shown while a module is tried out before it is installed.
    """
    if file is not None and file is not sys.stdout:
        builtins.print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    text = (" " if sep is None else sep).join(map(str, values)) + ("" if end == "\n" or end is None else end)
    speaker = process.get()
    if speaker is not None:
        speaker.print_to_terminal(0, text)
