"""What clients did to a system and what they heard, in one order: what the checkers of this folder judge."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterator
from typing import Self

import attrs

from runtime.sim.violation import Violation


class OpKind(enum.StrEnum):
    """How an operation began or ended."""

    INVOKE = "invoke"
    OK = "ok"  # it took place
    FAIL = "fail"  # it certainly did not take place
    INFO = "info"  # nobody knows whether it took place, or will


@attrs.frozen
class Op:
    """`call` is the number of the call that begins or ends here. `value` is the argument, then the result."""

    kind: OpKind
    call: int
    process: Hashable
    f: str
    value: object
    at: float


class NoSuchCall(ValueError):
    """A history was told of the end of a call that never began."""


class Unfit(ValueError):
    """A call is not of the form that a checker, or a model, reads; the text says which and what was expected."""


@attrs.define(eq=False)
class Call:
    """One operation. `start` and `end` count the operations of the history, because virtual times are often equal;
    `end` is None while nobody knows how it ends. Only the first outcome counts; a checker sees whether there are more.
    """

    number: int
    process: Hashable
    f: str
    value: object
    start: int
    begun_at: float
    kind: OpKind = OpKind.INFO
    result: object = None
    end: int | None = None
    ended_at: float | None = None
    outcomes: int = 0

    @property
    def is_ok(self) -> bool:
        return self.kind is OpKind.OK

    @property
    def may_have_happened(self) -> bool:
        return self.kind is not OpKind.FAIL

    def ended_before(self, other: Call) -> bool:
        """Surely, in the order of the world."""
        return self.end is not None and self.end < other.start

    def __str__(self) -> str:
        outcome = f" -> {self.kind.value} {self.result!r}" if self.outcomes else " -> no outcome"
        return f"call {self.number} of {self.process}: {self.f}({self.value!r}){outcome}"


class Calling:
    """A call under way. Say how it ends."""

    def __init__(self, history: History, call: Call) -> None:
        self._history = history
        self.call = call

    def ok(self, result: object = None) -> None:
        self._end(OpKind.OK, result)

    def fail(self, why: object = None) -> None:
        self._end(OpKind.FAIL, why)

    def info(self, why: object = None) -> None:
        self._end(OpKind.INFO, why)

    def _end(self, kind: OpKind, value: object) -> None:
        call = self.call
        self._history.record(Op(kind, call.number, call.process, call.f, value, self._history.now()))


class History:
    """`now` gives virtual seconds. Operations are in the order in which they were recorded."""

    def __init__(self, now: Callable[[], float] = lambda: 0.0) -> None:
        self.now = now
        self.ops: list[Op] = []
        self.calls: list[Call] = []

    def invoke(self, process: Hashable, f: str, value: object = None) -> Calling:
        """A process begins something."""
        self.record(Op(OpKind.INVOKE, len(self.calls), process, f, value, self.now()))
        return Calling(self, self.calls[-1])

    def done(self, process: Hashable, f: str, value: object = None, result: object = None) -> None:
        """Something that took no time."""
        self.invoke(process, f, value).ok(result)

    def record(self, op: Op) -> Self:
        """Raises `NoSuchCall`."""
        place = len(self.ops)
        if op.kind is OpKind.INVOKE:
            if op.call != len(self.calls):
                raise NoSuchCall(f"the next call is number {len(self.calls)}, not {op.call}")
            self.calls.append(Call(op.call, op.process, op.f, op.value, place, op.at))
        elif not 0 <= op.call < len(self.calls):
            raise NoSuchCall(
                f"call {op.call} ends, but there are {len(self.calls)} calls; record its begin first"
            )
        else:
            self._end(self.calls[op.call], op, place)
        self.ops.append(op)
        return self

    @staticmethod
    def _end(call: Call, op: Op, place: int) -> None:
        call.outcomes += 1
        if call.outcomes > 1:
            return
        call.kind, call.result, call.ended_at = op.kind, op.value, op.at
        if op.kind is not OpKind.INFO:
            call.end = place

    def of(self, f: str, *kinds: OpKind) -> Iterator[Call]:
        """The calls of that function which ended in one of these ways, or in any."""
        return (call for call in self.calls if call.f == f and (not kinds or call.kind in kinds))


@attrs.frozen
class Checked:
    """What a checker found. `valid` is None when it could not tell; `text` says why not, or what is wrong. `calls` are
    the numbers of the calls that show it. `counts` are figures for a report.
    """

    valid: bool | None
    text: str = ""
    calls: tuple[int, ...] = ()
    counts: dict[str, float] = attrs.Factory(dict)

    def violation(self, name: str, at: float) -> Violation | None:
        """What a run should end with: only for what is certainly wrong."""
        return None if self.valid is not False else Violation(name, at, (), self.text)


VALID = Checked(True)


def wrong(text: str, *calls: Call, **counts: float) -> Checked:
    return Checked(False, text, tuple(call.number for call in calls), counts)


def unknown(text: str) -> Checked:
    return Checked(None, text)


def all_of(*found: Checked) -> Checked:
    """The first that is wrong, else the first that is unknown."""
    for verdict in (False, None):
        for one in found:
            if one.valid is verdict:
                return one
    return VALID
