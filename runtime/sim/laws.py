"""The kernel's own laws, checked in every simulated run against what its observers are told.

Implements what DESIGN 2 and PROTOCOL 0.4, 3.1-3.8 and 4.2 promise.

They follow each message from its send to its end, and rebuild who may message whom from grants and revocations alone:
nothing here asks the kernel. One monitor for all nodes of a world; it looks, and changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import inf

from kernel.address import OUR
from kernel.admission import NET
from kernel.capability import KERNEL
from kernel.events import Event, EventKind
from kernel.exits import ExitCause
from kernel.message import KernelMessage, Reason, Request, Response
from runtime.sim.crossings import CARRY_SECONDS, Crossings
from runtime.sim.law_tables import LawNode, LawProcess, Life, Opened, Place
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.violation import LawBroken
from sys_processes.timer.protocol import TIMER

TOLERANCE = 1e-6
"""Seconds by which two sums of the same times may differ."""


class Law(enum.StrEnum):
    """What holds whatever actors and networks do. Names of violations."""

    FIFO = "order of a pair"  # from one process to another, also across nodes and new links
    ONE_OUTCOME = "one outcome"  # an answer, Timeout or Offline for each awaited id, never two
    DEADLINE = "in time"  # who waits has an outcome at the deadline; no timeout comes before, none after
    AT_MOST_ONCE = "at most once"
    EXITED = "exited"  # nothing is delivered to a process that has exited, and none is taken by it
    ENDS = "every message ends"  # delivered, answered, returned, or a dead letter
    RIGHTS = "capabilities"  # nothing is delivered without the capability at the moment of the send
    UNIQUE_IDS = "unique ids"  # of open requests of one node
    OFFSPRING = "child processes"  # end with their parent
    TIMER = "timers"  # ring neither early, nor late, nor never


_Rule = Callable[[Entry, Event, LawNode], None]


class Laws:
    """Add it to a trace's `monitors`, and call `finish` when the run is over. `broken` is the first breach, which
    `on_broken` is told in the step in which it shows.
    """

    def __init__(self, on_broken: Callable[[LawBroken], None] | None = None) -> None:
        self.broken: LawBroken | None = None
        self._on_broken = on_broken
        self._nodes: dict[str, LawNode] = {}
        self._crossings = Crossings()
        self._deadlines: list[tuple[float, int, LawNode, int, Opened]] = []
        self._watched = 0
        self._soonest = inf
        self._rules: dict[EventKind | WorldKind, _Rule] = {
            EventKind.SENT: self._sent,
            EventKind.HELD: self._held,
            EventKind.APPENDED: self._appended,
            EventKind.ANSWERED: self._answered,
            EventKind.TAKEN: self._taken,
            EventKind.RETURNED: self._returned,
            EventKind.FORGOTTEN: self._forgotten,
            EventKind.DEAD_LETTER: self._buried,
            EventKind.FIRED: self._fired,
            EventKind.CREATED: self._created,
            EventKind.STARTED: self._started,
            EventKind.ENDING: self._ending,
            EventKind.EXITED: self._exited,
            EventKind.GRANTED: self._granted,
            EventKind.REVOKED: self._revoked,
        }

    def __call__(self, entry: Entry) -> None:
        if entry.at > self._soonest:
            self._check_deadlines(entry.at, entry.number)
        event = entry.event
        if event is None:
            self._of_world(entry)
            return
        rule = self._rules.get(entry.kind)
        if rule is None:
            return
        node = self._nodes.get(entry.node)
        if node is None:
            node = self._nodes[entry.node] = LawNode(entry.node, 0)
        if node.sending is not None:
            if event.message is not node.sending:
                self._unsettled(entry.at, node, entry.number)
            node.sending = None
        rule(entry, event, node)

    def under_way(self) -> Iterator[tuple[str, str]]:
        """From which node to which, of each message that neither arrived at another node nor came back."""
        return self._crossings.under_way()

    def finish(self, now: float) -> LawBroken | None:
        """At the end of a run, in virtual seconds: what should have happened by now and did not."""
        if now > self._soonest:
            self._check_deadlines(now, None)
        for node in self._nodes.values():
            if node.sending is not None:
                self._unsettled(now, node, None)
        crossing = self._crossings.stuck(now)
        if crossing is not None:
            text = f"{_shown(crossing.envelope)} neither arrived nor came back within {CARRY_SECONDS:g} s"
            self._break(Law.ENDS, now, (crossing.number,), text)
        return self.broken

    def _break(self, law: Law, at: float, entries: tuple[int | None, ...], text: str) -> None:
        if self.broken is None:
            numbers = tuple(number for number in entries if number is not None)
            self.broken = LawBroken(law.value, at, numbers, text)
            if self._on_broken is not None:
                self._on_broken(self.broken)

    def _unsettled(self, at: float, node: LawNode, number: int | None) -> None:
        assert node.sending is not None
        text = f"{_shown(node.sending)} was neither delivered nor returned nor buried"
        self._break(Law.ENDS, at, (node.sending_number, number), text)

    # -- the world

    def _of_world(self, entry: Entry) -> None:
        node = self._nodes.get(entry.node)
        if node is None:
            return
        if entry.kind in {WorldKind.CRASHED, WorldKind.STOPPED}:
            # With a node goes all that was open there; what it had sent may still arrive elsewhere.
            self._nodes[node.name] = LawNode(node.name, node.boot + 1)
            node.open.clear()
            self._crossings.forget(node.name)
        elif entry.kind is WorldKind.PAUSED:
            node.paused = True
            self._crossings.pause(node.name)
        elif entry.kind is WorldKind.RESUMED:
            node.paused = False
            node.resumed = entry.at
            self._crossings.resume(node.name, entry.at)
            # What fell due meanwhile is due now.
            for number, opened in node.open.items():
                if opened.deadline <= entry.at:
                    self._watch(entry.at, node, number, opened)

    # -- deadlines

    def _watch(self, when: float, node: LawNode, number: int, opened: Opened) -> None:
        self._watched += 1
        heappush(self._deadlines, (when + TOLERANCE, self._watched, node, number, opened))
        self._soonest = self._deadlines[0][0]

    def _check_deadlines(self, now: float, number: int | None) -> None:
        heap = self._deadlines
        while heap and heap[0][0] < now:
            _, _, node, id_, opened = heappop(heap)
            if node.open.get(id_) is opened and not node.paused:
                text = f"the request {id_} of {opened.owner} on {node.name} has no outcome after its deadline"
                self._break(Law.DEADLINE, now, (opened.number, number), text)
        self._soonest = heap[0][0] if heap else inf

    def _fired(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        opened = node.open.get(message.id)
        if opened is None:
            text = f"a deadline fired for {_shown(message)}, which waits for nothing"
            self._break(Law.ONE_OUTCOME, entry.at, (entry.number,), text)
        elif entry.at < opened.deadline - TOLERANCE:
            text = f"the deadline of {_shown(message)} fired {opened.deadline - entry.at:g} s early"
            self._break(Law.DEADLINE, entry.at, (opened.number, entry.number), text)

    # -- sends

    def _sent(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        node.sending, node.sending_number = message, entry.number
        node.privileged = "privileged" in event.note
        if message.message.__class__ is Request:
            opened = node.opened(message, entry.number, entry.at, awaited="awaited" in event.note)
            if opened is not None:
                self._open(entry, node, message, opened)
        target = message.target.node
        if target in {node.name, OUR}:
            node.sent[message] = entry.number
        else:
            self._crossings.send(message, node.boot, entry.number, entry.at)

    def _open(self, entry: Entry, node: LawNode, message: KernelMessage, opened: Opened) -> None:
        former = node.open.get(message.id)
        if former is not None:
            text = f"{_shown(message)} has the id of a request of {former.owner} that is still open"
            self._break(Law.UNIQUE_IDS, entry.at, (former.number, entry.number), text)
        node.open[message.id] = opened
        self._watch(opened.deadline, node, message.id, opened)

    # -- deliveries

    def _held(self, entry: Entry, event: Event, node: LawNode) -> None:
        """Its rights are those of its send, whenever it is delivered."""
        message, receiver = _message(event), node.process(event.subject)
        node.held[message] = None
        if receiver is not None and message.source.node == node.name:
            self._check_rights(entry, node, receiver, message)

    def _appended(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        process = node.process(event.subject)
        if process is None:
            return
        if not process.accepts and message.source.process != KERNEL:
            text = f"{_shown(message)} was delivered to {process.pid}, which has exited"
            self._break(Law.EXITED, entry.at, (entry.number,), text)
        place = self._place(entry, node, message)
        if message.message.__class__ is Response and message.target.node == node.name:
            self._settle(entry, event, node, message)
        if place is not None:
            self._in_order(entry, process.arrived, place, message, "arrived")
            process.unread[message] = place
        if node.held.pop(message, message) is None:
            return
        if message.source.node == node.name:
            self._check_rights(entry, node, process, message)
        elif not node.has_network(process):
            self._no_right(entry, message, f"{process.pid} has no network capability")

    def _place(self, entry: Entry, node: LawNode, message: KernelMessage) -> Place | None:
        """Where it stands in the order of its sender; None when that sender is not observed."""
        source = message.source
        if source.node == node.name:
            if message.target.node not in {node.name, OUR}:
                # On its way to the carrier; its arrival elsewhere is looked for there.
                return (source, node.boot), node.sending_number
            number = node.sent.pop(message, None)
            if number is not None:
                return (source, node.boot), number
        elif source.node not in self._nodes:
            return None
        else:
            crossing = self._crossings.arrive(message, node.name, entry.at)
            if crossing is not None:
                return (source, crossing.boot), crossing.number
        text = f"{_shown(message)} was delivered more often than it was sent"
        self._break(Law.AT_MOST_ONCE, entry.at, (entry.number,), text)
        return None

    def _in_order(
        self,
        entry: Entry,
        progress: dict[Life, int],
        place: Place,
        message: KernelMessage,
        did: str,
    ) -> None:
        life, number = place
        latest = progress.get(life, -1)
        if number < latest:
            text = f"{_shown(message)} {did} after one that was sent later"
            self._break(Law.FIFO, entry.at, (number, latest, entry.number), text)
        else:
            progress[life] = number

    def _answered(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        place = self._place(entry, node, message)
        process = node.process(event.subject)
        if place is not None and process is not None:
            self._in_order(entry, process.arrived, place, message, "arrived")
        self._settle(entry, event, node, message)

    def _settle(self, entry: Entry, event: Event, node: LawNode, message: KernelMessage) -> None:
        """The one outcome of a request: an answer."""
        opened = node.open.pop(message.id, None)
        if opened is None or opened.owner != event.subject:
            text = f"{event.subject} got {_shown(message)}, but waits for no such answer (any more)"
            self._break(Law.ONE_OUTCOME, entry.at, (entry.number,), text)
        elif opened.rings is not None and message.source.process == TIMER and not message.message.ipc:
            off = entry.at - opened.rings
            late = off > TOLERANCE and node.resumed < opened.at
            if off < -TOLERANCE or late:
                text = f"a timer of {opened.owner} rang {abs(off):g} s {'late' if late else 'early'}"
                self._break(Law.TIMER, entry.at, (opened.number, entry.number), text)

    def _taken(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        process = node.process(event.subject)
        if process is None:
            return
        if event.note:
            if not process.drop_error(message.id):
                text = f"{process.pid} took an error of {_shown(message)} that did not come back to it"
                self._break(Law.ONE_OUTCOME, entry.at, (entry.number,), text)
            return
        place = process.unread.pop(message, None)
        if place is not None:
            self._in_order(entry, process.taken, place, message, "was taken")
        elif message.source.node in self._nodes:
            text = f"{process.pid} took {_shown(message)}, which does not lie in its mailbox (any more)"
            self._break(Law.AT_MOST_ONCE, entry.at, (entry.number,), text)
        if not process.accepts:
            text = f"{process.pid}, which has exited, took {_shown(message)}"
            self._break(Law.EXITED, entry.at, (entry.number,), text)

    # -- rights

    def _check_rights(
        self, entry: Entry, node: LawNode, receiver: LawProcess, message: KernelMessage
    ) -> None:
        sender = node.process(message.source.process)
        if sender is None or sender.pid == KERNEL or node.privileged:
            return
        if message.target.node not in {node.name, OUR}:
            if not node.has_network(sender):
                self._no_right(entry, message, f"{sender.pid} has no network capability")
        elif message.message.__class__ is Request and not node.may_message(sender, receiver):
            self._no_right(entry, message, f"{sender.pid} may not message {receiver.pid}")

    def _no_right(self, entry: Entry, message: KernelMessage, why: str) -> None:
        self._break(Law.RIGHTS, entry.at, (entry.number,), f"{_shown(message)} was delivered, but {why}")

    def _granted(self, _entry: Entry, event: Event, node: LawNode) -> None:
        process = node.process(event.subject)
        if process is not None:
            process.held[event.note] = None

    def _revoked(self, _entry: Entry, event: Event, node: LawNode) -> None:
        process = node.process(event.subject)
        if process is not None:
            node.revoke(process, event.note)

    # -- what comes back

    def _returned(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        process = node.process(event.subject)
        if event.note != Reason.deadline_passed:
            # Otherwise whoever has it does not know that nobody waits any more.
            self._done_with(node, message)
        request = message.message
        awaited = False
        if isinstance(request, Request) and request.expects_response is not None:
            opened = node.open.pop(message.id, None)
            if opened is None or opened.owner != event.subject:
                text = f"{_shown(message)} came back to {event.subject} after its outcome"
                self._break(Law.ONE_OUTCOME, entry.at, (entry.number,), text)
                return
            awaited = opened.awaited
            self._check_rung(entry, event, node, opened)
        if process is not None and not awaited:
            process.errors[message.id] = process.errors.get(message.id, 0) + 1
            if not process.accepts:
                # It must be buried in this same step.
                node.sending, node.sending_number = message, entry.number

    def _check_rung(self, entry: Entry, event: Event, node: LawNode, opened: Opened) -> None:
        if (
            opened.rings is not None
            and event.note == Reason.deadline_passed
            and opened.rings + TOLERANCE < opened.deadline
            and node.resumed < opened.at
        ):
            text = f"a timer of {opened.owner} never rang"
            self._break(Law.TIMER, entry.at, (opened.number, entry.number), text)

    def _done_with(self, node: LawNode, message: KernelMessage) -> bool:
        """It lies in no mailbox any more, and is on its way nowhere, as far as its sender's node knows. Says whether it
        lay in one.
        """
        if message.target.node in {node.name, OUR}:
            node.sent.pop(message, None)
            holder = node.process(message.target.process)
        else:
            self._crossings.give_back(message)
            holder = node.process(NET)
        return holder is not None and holder.unread.pop(message, None) is not None

    def _buried(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        process = node.process(event.subject)
        lay = self._done_with(node, message)
        if not lay and message.source.node != node.name and message.source.node in self._nodes:
            self._crossings.arrive(message, node.name, entry.at)
        if message.message.__class__ is Response:
            opened = node.open.get(message.id)
            if opened is not None and opened.owner == event.subject:
                # Who asked has ended.
                del node.open[message.id]
        elif process is not None:
            process.drop_error(message.id)

    def _forgotten(self, entry: Entry, event: Event, node: LawNode) -> None:
        message = _message(event)
        if node.open.pop(message.id, None) is None:
            text = f"{_shown(message)} was given up after its outcome"
            self._break(Law.ONE_OUTCOME, entry.at, (entry.number,), text)

    # -- lives

    def _created(self, _entry: Entry, event: Event, node: LawNode) -> None:
        if event.subject is not None:
            node.create(event.subject, event.note)

    def _started(self, _entry: Entry, event: Event, node: LawNode) -> None:
        process = node.process(event.subject)
        if process is not None:
            process.accepts = True
            process.ending = False

    def _ending(self, _entry: Entry, event: Event, node: LawNode) -> None:
        process = node.process(event.subject)
        if process is not None:
            process.ending = True

    def _exited(self, entry: Entry, event: Event, node: LawNode) -> None:
        process = node.process(event.subject)
        if process is None:
            return
        process.accepts = False
        # Where a whole node is cut off, nobody is asked.
        left = node.outlives(process) if event.note != ExitCause.CANCELLED.name else None
        if left is not None:
            text = f"{process.pid} exited, and its child process {left.pid} was not asked to end"
            self._break(Law.OFFSPRING, entry.at, (entry.number,), text)
        for message, (_, number) in process.unread.items():
            # A relay that was not read ends with the request that it carries on.
            if message.rsvp in {None, message.source} or message.id in node.open:
                text = (
                    f"{process.pid} exited, and {_shown(message)}, which it had not read, did not come back"
                )
                self._break(Law.ENDS, entry.at, (number, entry.number), text)
        if process.errors:
            text = f"{process.pid} exited, and errors that it had not read were not buried"
            self._break(Law.ENDS, entry.at, (entry.number,), text)
        process.unread.clear()
        process.errors.clear()


def _message(event: Event) -> KernelMessage:
    assert event.message is not None
    return event.message


def _shown(message: KernelMessage) -> str:
    form = "the response" if isinstance(message.message, Response) else "the request"
    return f"{form} {message.id} {message.source} -> {message.target}"
