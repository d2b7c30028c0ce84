"""What a run exercised: goals that it reached, counted, and the alarm for runs that exercised nothing.

A test that passes because nothing happened in it is not green; its verdict is `vacuous`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from kernel.events import EventKind
from kernel.message import KernelMessage, Reason, Request, Response
from runtime.sim.trace import Entry, WorldKind

FAULTS = (
    WorldKind.CRASHED,
    WorldKind.PAUSED,
    WorldKind.CUT,
    WorldKind.PARTITIONED,
    WorldKind.HELD,
    WorldKind.LOST,
    WorldKind.DOUBLED,
    WorldKind.DELAYED,
    WorldKind.DISK,
    WorldKind.CLOCK,
)
MODULES = ("sys", "app_store", "homepage", "terminal")
"""The packages of a node's own processes. What they say to each other is no exercise."""


class NothingShown(Exception):
    """For a test whose run tells nothing: its verdict is `vacuous`. The text says why."""


class Cover:
    """Goals by their names, with how often this run reached them. Those that are only `wanted` have 0."""

    def __init__(self, *wanted: str) -> None:
        self.counts: dict[str, int] = dict.fromkeys(wanted, 0)
        self._watched: list[tuple[str, Callable[[Entry], object]]] = []

    def __call__(self, goal: str, reached: object = True) -> None:
        """The test is at a place that it is meant to come to, if `reached`."""
        self.counts[goal] = self.counts.get(goal, 0) + bool(reached)

    def when(self, goal: str, matches: Callable[[Entry], object]) -> None:
        """Reached by each entry that matches, such as those of `runtime.sim.properties.matching`."""
        self.counts.setdefault(goal, 0)
        self._watched.append((goal, matches))

    def check(self, entry: Entry) -> None:
        """A monitor of the trace."""
        for goal, matches in self._watched:
            if matches(entry):
                self.counts[goal] += 1

    def missing(self, required: Iterable[str]) -> tuple[str, ...]:
        return missing(required, self.counts)


def missing(required: Iterable[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """The goals that were never reached, in the order asked for."""
    return tuple(goal for goal in required if not counts.get(goal))


@attrs.define
class Coverage:
    """The goals of many runs: how often each was reached, and in how many of the runs."""

    runs: int = 0
    times: dict[str, int] = attrs.Factory(dict)
    in_runs: dict[str, int] = attrs.Factory(dict)

    def add(self, counts: Mapping[str, int]) -> None:
        """One more run."""
        self.runs += 1
        for goal, count in counts.items():
            self.times[goal] = self.times.get(goal, 0) + count
            self.in_runs[goal] = self.in_runs.get(goal, 0) + bool(count)

    def lines(self) -> list[str]:
        """One for each goal, those that were never reached first."""
        width = max(map(len, self.times), default=0)
        goals = sorted(self.times, key=lambda goal: (self.times[goal] > 0, goal))
        return [
            f"{goal:{width}}  {self.times[goal]} times in {self.in_runs[goal]} of {self.runs} runs"
            if self.times[goal]
            else f"{goal:{width}}  never in {self.runs} runs"
            for goal in goals
        ]


class Exercise:
    """A monitor that tells whether anything happened at all."""

    def __init__(self) -> None:
        self.messages = 0
        self.faults = 0

    def check(self, entry: Entry) -> None:
        if entry.event is None:
            self.faults += entry.kind in FAULTS
        elif entry.kind is EventKind.SENT and entry.event.message is not None:
            message = entry.event.message
            ends = message.source.process.package, message.target.process.package
            self.messages += not (ends[0] in MODULES and ends[1] in MODULES)

    def idle(
        self, *, faults_wanted: bool, required: Iterable[str] = (), cover: Cover | None = None
    ) -> str | None:
        """Why the run proves nothing; None when it may. `required` goals have to be in `cover`."""
        if not self.messages:
            return "no process sent anything: start one, or send it a message"
        if faults_wanted and not self.faults:
            return "faults were wanted, and none happened: let it run longer, or make them more frequent"
        unmet = (cover or Cover()).missing(required)
        if unmet:
            return f"never covered: {', '.join(unmet)}"
        return None


HEALED_OPEN = "partition healed while a request was open"
CRASHED_UNREAD = "node crashed with unread messages"
RESTARTED = "node started again after a crash"
ACROSS = "message arrived from another node"
REASONS = {reason: f"message came back: {reason.value}" for reason in Reason}
BURIED = "dead letter"
LATE = "answer came too late"
PROCESS_CRASHED = "process crashed"
STANDARD_GOALS = (
    HEALED_OPEN, CRASHED_UNREAD, RESTARTED, ACROSS, *REASONS.values(), BURIED, LATE, PROCESS_CRASHED,
)  # fmt: skip


@attrs.define(eq=False)
class _Seen:
    """Of one node: the ids of its open requests, and how many messages lie unread."""

    open: dict[int, None] = attrs.Factory(dict)
    unread: int = 0
    crashed: bool = False


class StandardGoals:
    """A monitor that counts what every test of a distributed program would like to have met."""

    def __init__(self, cover: Cover) -> None:
        self._cover = cover
        self._nodes: dict[str, _Seen] = {}
        for goal in STANDARD_GOALS:
            cover(goal, reached=False)

    def check(self, entry: Entry) -> None:
        if entry.event is None:
            self._of_world(entry)
            return
        node = self._nodes.get(entry.node)
        if node is None:
            node = self._nodes[entry.node] = _Seen()
        message = entry.event.message
        if message is not None:
            self._of_message(entry, node, message)
        elif entry.kind is EventKind.EXITED:
            self._cover(PROCESS_CRASHED, entry.event.note == "CRASH")

    def _of_message(self, entry: Entry, node: _Seen, message: KernelMessage) -> None:
        request = message.message
        assert entry.event is not None
        match entry.kind:
            case EventKind.SENT:
                if isinstance(request, Request) and request.expects_response is not None:
                    node.open[message.id] = None
            case EventKind.ANSWERED | EventKind.APPENDED:
                node.unread += entry.kind is EventKind.APPENDED
                if message.source.node != entry.node:
                    self._cover(ACROSS)
                if isinstance(request, Response) and message.target.node == entry.node:
                    node.open.pop(message.id, None)
            case EventKind.TAKEN:
                node.unread -= not entry.event.note
            case EventKind.RETURNED:
                node.open.pop(message.id, None)
                self._cover(REASONS[Reason(entry.event.note)])
            case EventKind.FORGOTTEN:
                node.open.pop(message.id, None)
            case EventKind.DEAD_LETTER:
                self._cover(BURIED)
                self._cover(LATE, isinstance(request, Response))
            case _:
                pass

    def _of_world(self, entry: Entry) -> None:
        if entry.kind is WorldKind.HEALED:
            self._cover(HEALED_OPEN, any(node.open for node in self._nodes.values()))
        elif entry.kind is WorldKind.CRASHED:
            former = self._nodes.get(entry.node, _Seen())
            self._cover(CRASHED_UNREAD, former.unread > 0)
            self._nodes[entry.node] = _Seen(crashed=True)
        elif entry.kind is WorldKind.BOOTED and entry.node in self._nodes:
            node = self._nodes[entry.node]
            self._cover(RESTARTED, node.crashed)
            node.crashed = False
