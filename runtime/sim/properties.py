"""What has to hold in a run: `always`, `never`, `eventually`, `leads_to`, looked at after each entry of the trace.

A predicate takes the entry, or nothing and looks at whatever it knows. It is called in the step in which the entry
happened, so a process may be amid what it does without waiting. It must only look: no draw, no send, no wait. Nothing
here raises into the world: a predicate that raises is a violation of its property.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import inf

import attrs

from kernel.address import Address
from kernel.events import EventKind
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.violation import Violation

Predicate = Callable[[], object] | Callable[[Entry], object]
PairPredicate = Predicate | Callable[[Entry, Entry], object]
"""With two parameters it is asked about a cause and a later entry."""


def matching(
    *kinds: EventKind | WorldKind,
    node: str | None = None,
    process: str | None = None,
    source: str | None = None,
    target: str | None = None,
    note: str | None = None,
    ipc: bytes | None = None,
) -> Callable[[Entry], bool]:
    """Entries of one of these kinds (of any, without) to which all of the rest applies.

    `process` is the id of the subject, `source` and `target` of the message: a process id or a whole address; `note`
    and `ipc` are parts of what is there.
    """

    def matches(entry: Entry) -> bool:
        event = entry.event
        message = None if event is None else event.message
        subject = None if event is None else event.subject
        return (
            (not kinds or entry.kind in kinds)
            and node in {None, entry.node}
            and (process is None or str(subject) == process)
            and (source is None or (message is not None and _names(message.source, source)))
            and (target is None or (message is not None and _names(message.target, target)))
            and (note is None or note in (entry.note if event is None else event.note))
            and (ipc is None or (message is not None and ipc in message.message.ipc))
        )

    return matches


def _names(address: Address, wanted: str) -> bool:
    return wanted in {str(address.process), str(address)}


class _Raised(Exception):
    """A predicate raised; the text says what."""


@attrs.define(eq=False)
class _Asked:
    """A predicate and how many entries it wants to see."""

    wants: int
    call: Callable[..., object]

    def __call__(self, *entries: Entry) -> bool:
        """Of the last `wants` entries given. Raises `_Raised`."""
        try:
            return bool(self.call(*entries[len(entries) - self.wants :]))
        except Exception as error:
            raise _Raised(f"its predicate raised {type(error).__name__}: {error}") from error


def _asked(name: str, predicate: Callable[..., object], most: int = 1) -> _Asked:
    """Raises TypeError for what cannot be asked."""
    if not callable(predicate) or inspect.iscoroutinefunction(predicate):
        raise TypeError(f"property {name!r}: a predicate is a plain function that looks, not {predicate!r}")
    try:
        parameters = inspect.signature(predicate).parameters.values()
    except ValueError:
        return _Asked(1, predicate)
    wanted = [p for p in parameters if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    if len(wanted) > most:
        raise TypeError(f"property {name!r}: its predicate takes {len(wanted)} arguments, {most} at most")
    return _Asked(len(wanted), predicate)


@attrs.define(eq=False)
class _Always:
    name: str
    holds: _Asked
    wanted: bool
    tried: bool = False

    def look(self, entry: Entry) -> Violation | None:
        self.tried = True
        if self.holds(entry) is self.wanted:
            return None
        text = f"did not hold: {entry.line()}" if self.wanted else f"happened: {entry.line()}"
        return Violation(self.name, entry.at, (entry.number,), text)

    def end(self, _now: float) -> Violation | None:
        return None

    @property
    def undecided(self) -> bool:
        return False


@attrs.define(eq=False)
class _Eventually:
    name: str
    comes: _Asked
    within: float | None
    deadline: float
    met: bool = False
    tried: bool = True

    def look(self, entry: Entry) -> Violation | None:
        if self.met:
            return None
        if entry.at > self.deadline:
            return self._late(self.deadline, (entry.number,))
        self.met = self.comes(entry)
        return None

    def _late(self, at: float, entries: tuple[int, ...]) -> Violation:
        when = "before the end" if self.within is None else f"within {self.within:g} s"
        return Violation(self.name, at, entries, f"did not come {when}")

    def end(self, now: float) -> Violation | None:
        if not self.met and not self.comes.wants and now <= self.deadline:
            self.met = self.comes()
        if self.met or (self.within is not None and now < self.deadline):
            return None
        return self._late(min(now, self.deadline), ())

    @property
    def undecided(self) -> bool:
        return not self.met


@attrs.define(eq=False)
class _LeadsTo:
    name: str
    cause: _Asked
    effect: _Asked
    within: float | None
    waiting: list[Entry] = attrs.Factory(list)
    tried: bool = False

    def look(self, entry: Entry) -> Violation | None:
        if self.waiting:
            late = self._late(entry.at)
            if late is not None:
                return late
            if self.effect.wants == 2:
                self.waiting = [first for first in self.waiting if not self.effect(first, entry)]
            elif self.effect(entry):
                self.waiting.clear()
        # A state, unlike an entry, goes on: one wait for its effect is enough.
        if (self.cause.wants or not self.waiting) and self.cause(entry):
            self.tried = True
            if self.effect.wants == 2 or not self.effect(entry):
                self.waiting.append(entry)
        return None

    def _late(self, now: float) -> Violation | None:
        if self.within is None or self.waiting[0].at + self.within >= now:
            return None
        return self._missing(self.waiting[0].at + self.within)

    def _missing(self, at: float) -> Violation:
        first = self.waiting[0]
        when = "before the end" if self.within is None else f"within {self.within:g} s"
        return Violation(self.name, at, (first.number,), f"nothing followed {when}: {first.line()}")

    def end(self, now: float) -> Violation | None:
        if not self.waiting:
            return None
        return self._missing(now) if self.within is None else self._late(now)

    @property
    def undecided(self) -> bool:
        return bool(self.waiting)


_Property = _Always | _Eventually | _LeadsTo


class Properties:
    """What one run has to satisfy. `check` is a monitor of its trace; `violation` is the first one, which
    `on_violation` is told in the step in which it shows. `now` gives virtual seconds.
    """

    def __init__(
        self, now: Callable[[], float], on_violation: Callable[[Violation], None] | None = None
    ) -> None:
        self.violation: Violation | None = None
        self._now = now
        self._on_violation = on_violation
        self._all: dict[str, _Property] = {}

    # -- what has to hold; each raises TypeError for a predicate that cannot be asked, ValueError for a name in use

    def always(self, name: str, predicate: Predicate) -> None:
        """True after each entry from now on."""
        self._add(_Always(name, _asked(name, predicate), wanted=True))

    def never(self, name: str, predicate: Predicate) -> None:
        """False after each entry from now on."""
        self._add(_Always(name, _asked(name, predicate), wanted=False))

    def eventually(self, name: str, predicate: Predicate, *, within: float | None = None) -> None:
        """True at least once from now on, within so many virtual seconds, or before the run ends."""
        comes = _asked(name, predicate)
        deadline = inf if within is None else self._now() + within
        self._add(_Eventually(name, comes, within, deadline))

    def leads_to(
        self, name: str, cause: Predicate, effect: PairPredicate, *, within: float | None = None
    ) -> None:
        """After each entry at which `cause` holds, `effect` holds at it or a later one, in time.

        One effect is enough for all causes before it, unless `effect` takes two entries: the cause, and one after it.
        """
        self._add(_LeadsTo(name, _asked(name, cause), _asked(name, effect, 2), within))

    def _add(self, made: _Property) -> None:
        if made.name in self._all:
            raise ValueError(f"there is a property {made.name!r} already: choose another name")
        self._all[made.name] = made

    # -- what was found

    def check(self, entry: Entry) -> None:
        if self.violation is not None:
            return
        for one in self._all.values():
            try:
                found = one.look(entry)
            except _Raised as error:
                found = Violation(one.name, entry.at, (entry.number,), str(error))
            if found is not None:
                self._violated(found)
                return

    def finish(self, now: float) -> Violation | None:
        """At the end of the run, in virtual seconds: the first violation, if there is any."""
        for one in self._all.values():
            if self.violation is not None:
                break
            try:
                found = one.end(now)
            except _Raised as error:
                found = Violation(one.name, now, (), str(error))
            if found is not None:
                self._violated(found)
        return self.violation

    def _violated(self, violation: Violation) -> None:
        self.violation = violation
        if self._on_violation is not None:
            self._on_violation(violation)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Those that the run ended too early for."""
        return tuple(name for name, one in self._all.items() if one.undecided)

    @property
    def untried(self) -> tuple[str, ...]:
        """Those that had nothing to look at: no entry, or no cause."""
        return tuple(name for name, one in self._all.items() if not one.tried)
