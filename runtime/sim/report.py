"""What a run of a simulated world came to."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import attrs

from runtime.sim import report_text
from runtime.sim.choices import Choice
from runtime.sim.trace import Trace
from runtime.sim.violation import Violation


class Verdict(enum.StrEnum):
    OK = "ok"
    VIOLATED = "violated"
    """A property, a law, or an assertion of the test does not hold."""
    VACUOUS = "vacuous"
    """Nothing that the test is about happened: nobody sent anything."""
    NONDETERMINISTIC = "nondeterministic"
    """The same choices led elsewhere."""
    DEADLOCK = "deadlock"
    """Everybody waits, and nothing will ever wake anybody."""
    LIVELOCK = "livelock"
    """Tasks run without end while virtual time stands still."""
    ERROR = "error"
    """The test raised something else than an assertion."""


@attrs.frozen
class Report:
    """`seed` and `tape` repeat the run. `at` is when it ended, in virtual seconds.

    `waiting` says who waited for whom then, a line each. `error` is what the test raised, with its traceback.
    """

    verdict: Verdict
    seed: int
    digest: str
    tape: tuple[Choice, ...]
    trace: Trace
    at: float
    violation: Violation | None = None
    waiting: tuple[str, ...] = ()
    error: BaseException | None = None
    cover: Mapping[str, int] = MappingProxyType({})
    """How often each goal of coverage was reached."""
    faults: tuple[str, ...] = ()
    """Those that happened, a line each, in the order in which they began."""

    @property
    def is_failure(self) -> bool:
        return self.verdict is not Verdict.OK

    def last_line(self) -> str:
        return report_text.last_line(self.digest, self.seed, self.verdict)
