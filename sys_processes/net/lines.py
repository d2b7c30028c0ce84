"""What others make this node print: some lines about each of them, and then how many more there were.

Else one peer that says hello without end, or strangers who knock without end, would fill the log.
"""

from __future__ import annotations

import attrs

from sys_processes.net.budget import Budget

LINES = 10
LINES_A_SECOND = 1.0
COUNT_SECONDS = 10.0
"""For which lines are counted before their number is printed."""
MOST_SUBJECTS = 256
OTHERS = "other nodes"


@attrs.define(eq=False)
class _Subject:
    budget: Budget = attrs.Factory(lambda: Budget(LINES, LINES_A_SECOND))
    left_out: int = 0


class Lines:
    """Counts, and prints nothing itself. Beyond `MOST_SUBJECTS` all new ones are counted as one."""

    def __init__(self) -> None:
        self._subjects: dict[str, _Subject] = {}

    def admit(self, about: str, now: float) -> bool:
        """Whether one more line about them may be printed; if not, it is counted."""
        subject = self._find(about)
        if subject.budget.take(1, now):
            return True
        subject.left_out += 1
        return False

    def left_out(self, about: str) -> int:
        """How many were counted since the last summary."""
        return self._find(about).left_out

    def summary(self, about: str) -> str:
        """The line in place of those that were left out, which are forgotten then."""
        subject = self._find(about)
        number, subject.left_out = subject.left_out, 0
        who = about if about in self._subjects else OTHERS
        return f"{number} more lines about {who} were left out in {COUNT_SECONDS:g} s"

    def _find(self, about: str) -> _Subject:
        found = self._subjects.get(about)
        if found is None:
            name = about if len(self._subjects) < MOST_SUBJECTS else OTHERS
            found = self._subjects.setdefault(name, _Subject())
        return found
