"""How processes end: causes, what follows from them, and the restart back-off (docs/processes.md, PROTOCOL 4.7)."""

from __future__ import annotations

import enum

import attrs

from kernel.message import OnExitKind

END_SECONDS = 2.0
BACKOFF_BASE = 1.0
BACKOFF_CAP = 600.0
HEALTHY_FACTOR = 5.0
HEALTHY_CAP = 3000.0


class ExitCause(enum.IntEnum):
    """In order of precedence: the greatest that applies is reported."""

    DONE = 1
    CANCELLED = 2
    TIMEOUT = 3
    KILLED = 4
    CRASH = 5


class Outcome(enum.Enum):
    REMOVED = "removed"
    RESTARTED = "restarted"
    REQUESTS_SENT = "requests sent"
    KEPT = "kept"
    FORGOTTEN = "forgotten"


_RULE_APPLIES = {
    OnExitKind.NONE: Outcome.REMOVED,
    OnExitKind.RESTART: Outcome.RESTARTED,
    OnExitKind.REQUESTS: Outcome.REQUESTS_SENT,
}
OUTCOMES: dict[ExitCause, dict[OnExitKind, Outcome]] = {
    ExitCause.CRASH: _RULE_APPLIES,
    ExitCause.DONE: _RULE_APPLIES,
    ExitCause.TIMEOUT: _RULE_APPLIES,
    ExitCause.KILLED: dict.fromkeys(OnExitKind, Outcome.REMOVED),
    ExitCause.CANCELLED: {
        OnExitKind.NONE: Outcome.FORGOTTEN,
        OnExitKind.RESTART: Outcome.KEPT,
        OnExitKind.REQUESTS: Outcome.KEPT,
    },
}


@attrs.define
class Backoff:
    """How long the next restart waits: 0, 1, 2, 4 ... 600 s, reset by a healthy uptime (C-077)."""

    current: float = 0.0
    restarts: int = 0

    def next_delay(self, uptime: float) -> float:
        """Seconds until the restart after a run of `uptime` seconds."""
        self.restarts += 1
        healthy = min(HEALTHY_CAP, HEALTHY_FACTOR * max(self.current, BACKOFF_BASE))
        if self.restarts == 1 or uptime >= healthy:
            self.current = 0.0
            return 0.0
        self.current = min(BACKOFF_CAP, self.current * 2) if self.current else BACKOFF_BASE
        return self.current
