"""What `terminal:terminal:nectar` is asked and answers (PROTOCOL 7.8): the ipc is the line as it was typed.

Ours: the answer is `{"Ok":"text"}` or `{"Err":"text"}`, the text as it is to be shown, without a newline at its end.
"""

from __future__ import annotations

from typing import Final

import attrs

from kernel.address import ProcessId
from kernel.codec import Result, Shape

TERMINAL: Final = ProcessId("terminal", "terminal", "nectar")
TerminalAnswer = Result[str, str]
TERMINAL_ANSWER: Shape[TerminalAnswer] = Shape(TerminalAnswer)


@attrs.frozen
class Kept:
    """What the terminal remembers: `aliases` are commands under names of the user's, `app` where `m` goes."""

    aliases: dict[str, str]
    app: str | None = None


KEPT: Shape[Kept] = Shape(Kept)
