"""The checks of a scenario: properties of its run as it goes, what must hold when all is healed and quiet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import Template
from typing import Protocol

import attrs
import trio

from kernel.address import Address, ProcessId
from kernel.events import EventKind
from runtime.sim.check.deliveries import at_most_once, fifo_per_pair, one_outcome
from runtime.sim.check.history import Checked, History
from runtime.sim.check.sets import acked_not_lost
from runtime.sim.cover import STANDARD_GOALS, Cover, NothingShown, StandardGoals
from runtime.sim.properties import matching
from runtime.sim.scenarios.stage import GONE, VARIABLES, Asked, Stage
from runtime.sim.scenarios.table import Table
from runtime.sim.scenarios.workloads import targets_of
from runtime.sim.trace import Entry, WorldKind

QUERY_SECONDS = 30
AGAIN_SECONDS = 0.5
"""Between two looks at whether nodes have converged."""


class Check(Protocol):
    def open(self, stage: Stage) -> None:
        """Before anything happens."""

    async def close(self, stage: Stage) -> None:
        """When everything is healed and quiet. Raises `NothingShown` for what nobody can tell."""


def judge(stage: Stage, name: str, found: Checked) -> None:
    """Raises `NothingShown`."""
    violation = found.violation(name, stage.world.now)
    if violation is not None:
        stage.world.violated(violation)
    elif found.valid is None:
        raise NothingShown(f"{name}: {found.text}")


# -- of the requests of workloads


@attrs.frozen
class Answered:
    """Each request was answered, within so many seconds if they are given."""

    name: str
    workloads: tuple[str, ...]
    phases: tuple[str, ...]
    within: float | None

    def open(self, stage: Stage) -> None:
        pass

    async def close(self, stage: Stage) -> None:
        await trio.lowlevel.checkpoint()
        asked = list(stage.of(self.workloads, self.phases))
        if not asked:
            raise NothingShown(f"{self.name}: nobody asked anything")
        for one in asked:
            problem = self._problem(one)
            if problem:
                stage.world.violate(self.name, problem, one.entries)
                return

    def _problem(self, asked: Asked) -> str:
        took = asked.took
        if not asked.calling.call.is_ok or took is None:
            return str(asked)
        if self.within is not None and took > self.within:
            return f"{asked.what} took {took:.3f} s, {self.within:g} at most"
        return ""


@attrs.frozen
class Deliveries:
    """A checker of the history of messages."""

    name: str
    checker: Callable[[History], Checked]
    in_order: bool

    def open(self, stage: Stage) -> None:
        pass

    async def close(self, stage: Stage) -> None:
        await trio.lowlevel.checkpoint()
        judge(stage, self.name, self.checker(stage.order if self.in_order else stage.outcomes))


# -- what nodes say in the end


@attrs.frozen
class Query:
    """A request to each target by the process of the test on the same node."""

    targets: tuple[Address, ...]
    ipc: bytes

    async def ask(self, stage: Stage, target: Address) -> bytes:
        """Raises `SendError`, `NodeDown`."""
        answer = await stage.node(target.node).ask(target, self.ipc, seconds=QUERY_SECONDS)
        return answer.ipc


@attrs.frozen
class Converges:
    """All give the same answer, within so many seconds."""

    name: str
    query: Query
    within: float

    def open(self, stage: Stage) -> None:
        pass

    async def close(self, stage: Stage) -> None:
        answers: dict[str, str] = {}
        with trio.move_on_after(self.within):
            while True:
                for target in self.query.targets:
                    answers[str(target)] = await self._heard(stage, target)
                if len({*answers.values()}) == 1 and not next(iter(answers.values())).startswith("?"):
                    return
                await trio.sleep(AGAIN_SECONDS)
        differ = "; ".join(f"{target} says {said:.80}" for target, said in answers.items())
        stage.world.violate(self.name, f"no agreement after {self.within:g} s: {differ}")

    async def _heard(self, stage: Stage, target: Address) -> str:
        try:
            return (await self.query.ask(stage, target)).decode(errors="replace")
        except GONE as error:
            return f"? {error}"


@attrs.frozen
class Kept:
    """Whatever was acknowledged to the workloads is in what each target says in the end."""

    name: str
    query: Query
    workloads: tuple[str, ...]
    element: Template

    def open(self, stage: Stage) -> None:
        pass

    async def close(self, stage: Stage) -> None:
        history = History(lambda: stage.world.now)
        added = {asked.filled(self.element): asked for asked in stage.of(self.workloads)}
        if not added:
            raise NothingShown(f"{self.name}: no workload asked anything")
        for element, asked in added.items():
            calling, call = history.invoke(call_of(asked), "add", element), asked.calling.call
            (calling.ok if call.is_ok else calling.info if call.may_have_happened else calling.fail)()
        for target in self.query.targets:
            reading = history.invoke(str(target), "read")
            try:
                said = (await self.query.ask(stage, target)).decode(errors="replace")
            except GONE as error:
                reading.info(str(error))
            else:
                reading.ok([element for element in added if element in said])
        judge(stage, self.name, acked_not_lost(history))


def call_of(asked: Asked) -> str:
    return str(asked.fills["from"])


# -- properties, while it goes


@attrs.frozen
class Property:
    """`add` tells the world of it."""

    add: Callable[[Stage], None]

    def open(self, stage: Stage) -> None:
        self.add(stage)

    async def close(self, stage: Stage) -> None:
        await trio.lowlevel.checkpoint()


@attrs.frozen
class Covers:
    """Standard goals that must have been reached."""

    goals: tuple[str, ...]
    seen: Cover

    def open(self, stage: Stage) -> None:
        self.seen.counts.clear()
        stage.world.watch(StandardGoals(self.seen).check)

    async def close(self, stage: Stage) -> None:
        await trio.lowlevel.checkpoint()
        for goal in self.goals:
            stage.world.cover.counts[goal] = self.seen.counts[goal]
        missing = self.seen.missing(self.goals)
        if missing:
            raise NothingShown(f"never covered: {', '.join(missing)}")


# -- reading them


@attrs.frozen
class Known:
    """What a check may name: nodes, and titles of workloads and phases."""

    nodes: tuple[str, ...]
    workloads: tuple[str, ...]
    phases: tuple[str, ...]


def _titles(table: Table, key: str, known: Sequence[str]) -> tuple[str, ...]:
    found = table.texts(key, ())
    for title in found:
        if title not in known:
            raise table.error(
                key, f"there is no {key} {title!r}", f"there are {', '.join(dict.fromkeys(known))}"
            )
    return found


_ENTRY_KINDS: dict[str, EventKind | WorldKind] = {
    **{kind.value: kind for kind in EventKind},
    **{kind.value: kind for kind in WorldKind},
}


def _matched(table: Table) -> Callable[[Entry], bool]:
    kinds = []
    for name in table.texts("kind", ()):
        if name not in _ENTRY_KINDS:
            raise table.error("kind", f"{name!r} is no kind of entry", f"there are {', '.join(_ENTRY_KINDS)}")
        kinds.append(_ENTRY_KINDS[name])
    parts = {
        key: table.text(key) for key in ("node", "process", "source", "target", "note") if table.has(key)
    }
    ipc = table.text("ipc").encode() if table.has("ipc") else None
    if not (kinds or parts or ipc):
        raise table.error("", "matches everything", 'write kind = "returned", or another key')
    table.end()
    return matching(
        *kinds,
        node=parts.get("node"),
        process=parts.get("process"),
        source=parts.get("source"),
        target=parts.get("target"),
        note=parts.get("note"),
        ipc=ipc,
    )


def _within(table: Table) -> float | None:
    return table.number("within") if table.has("within") else None


def _never(table: Table, name: str, _known: Known) -> Check:
    matches = _matched(table.table("match", needed=True))
    return Property(lambda stage: stage.world.never(name, matches))


def _eventually(table: Table, name: str, _known: Known) -> Check:
    matches, within = _matched(table.table("match", needed=True)), _within(table)
    return Property(lambda stage: stage.world.eventually(name, matches, within=within))


def _leads_to(table: Table, name: str, _known: Known) -> Check:
    cause, effect = _matched(table.table("cause", needed=True)), _matched(table.table("effect", needed=True))
    within = _within(table)
    return Property(lambda stage: stage.world.leads_to(name, cause, effect, within=within))


def _answered(table: Table, name: str, known: Known) -> Check:
    return Answered(
        name,
        _titles(table, "workload", known.workloads),
        _titles(table, "phase", known.phases),
        _within(table),
    )


def _query(table: Table, known: Known) -> Query:
    targets: list[Address] = []
    for target in targets_of(table, "of", known.nodes):
        if isinstance(target, ProcessId):
            targets += [Address(node, target) for node in known.nodes]
        else:
            targets.append(target)
    return Query(tuple(targets), table.text("ask").encode())


def _converges(table: Table, name: str, known: Known) -> Check:
    return Converges(name, _query(table, known), table.number("within", float(QUERY_SECONDS)))


def _kept(table: Table, name: str, known: Known) -> Check:
    element = table.template("element", VARIABLES)
    return Kept(name, _query(table, known), _titles(table, "workload", known.workloads), element)


def _covers(table: Table, _name: str, _known: Known) -> Check:
    goals = table.texts("goals")
    for goal in goals:
        if goal not in STANDARD_GOALS:
            raise table.error("goals", f"{goal!r} is not known", f"there are {', '.join(STANDARD_GOALS)}")
    return Covers(goals, Cover())


def _history(checker: Callable[[History], Checked], *, in_order: bool = False) -> _Read:
    return lambda _table, name, _known: Deliveries(name, checker, in_order)


_Read = Callable[[Table, str, Known], Check]
KINDS: dict[str, _Read] = {
    "always_answered": _answered,
    "one_outcome": _history(one_outcome),
    "at_most_once": _history(at_most_once),
    "fifo_per_pair": _history(fifo_per_pair, in_order=True),
    "acked_not_lost": _kept,
    "converges": _converges,
    "never": _never,
    "eventually": _eventually,
    "leads_to": _leads_to,
    "covers": _covers,
}


def read_check(table: Table, known: Known) -> Check:
    """Raises `BadScenario`."""
    kind = table.one_of("kind", KINDS)
    check = KINDS[kind](table, table.text("name", kind), known)
    table.end()
    return check
