"""Which of the lines about bad input reach the log: a client that sends nothing else must not fill the disk."""

from __future__ import annotations

import enum

LINES = 20
"""Of one kind in one window."""
WINDOW = 60.0
_LONGEST = 500


class Kind(enum.Enum):
    """What a client or a process did wrong; the value is for the log."""

    REQUEST = "bad requests"
    LOGIN = "missing or bad logins"
    UPGRADE = "refused upgrades"
    REGISTER = "refused registers"
    FRAME = "bad frames"
    ANSWER = "bad answers of processes"


class Complaints:
    """Counts in windows of `WINDOW` seconds, each kind for itself. The caller gives the time, which never goes back."""

    def __init__(self) -> None:
        self._windows: dict[Kind, tuple[float, int]] = {}

    def lines(self, kind: Kind, text: str, now: float) -> list[str]:
        """What to print: at the first of a new window also how many the former one has kept back."""
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        begun, count = self._windows.get(kind, (now, 0))
        more = 0
        if now - begun >= WINDOW:
            more = max(0, count - LINES)
            begun, count = now, 0
        self._windows[kind] = (begun, count + 1)
        if count >= LINES:
            return []
        if count == LINES - 1:
            shown += f" (further {kind.value} of this minute are only counted)"
        return [f"{more} more {kind.value}", shown] if more else [shown]
