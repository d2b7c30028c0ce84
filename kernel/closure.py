"""The code of a child that is a function of its parent (PROTOCOL 5.1)."""

from __future__ import annotations

import attrs

from kernel.ports import Init

NO_RESTART = (
    "a child that is a function of its parent is in no file and cannot be started again: its on_exit is None; "
    "move the function into a file of its own to have it restarted"
)


@attrs.frozen
class Closure:
    """A `Program` that is in no file: nothing could start it again after the node was restarted."""

    init: Init

    def fresh(self) -> Init:
        return self.init
