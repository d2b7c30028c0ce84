"""Where a scenario is played: its world, and what was asked of it and heard, which its checks judge."""

from __future__ import annotations

from collections.abc import Iterator
from string import Template

import attrs

from kernel.address import Address
from kernel.events import EventKind
from kernel.message import KernelMessage, Payload, Request, SendError
from runtime.sim.check.history import Calling, History
from runtime.sim.mover import MOVER, NodeDown
from runtime.sim.sim_node import SimNode
from runtime.sim.trace import Entry
from runtime.sim.world import World

VARIABLES = ("n", "from", "to", "workload")
"""Of templates: the number of the request in its workload, from 1 on; the nodes it goes from and to; the title."""


@attrs.define(eq=False)
class Asked:
    """A request of a workload that expects an answer. `calling` tells how it ended; `fills` fills templates.

    `entries` are those of the trace that show it: where its answer came or it came back, before that where it was sent.
    """

    workload: str
    phase: str
    fills: dict[str, object]
    calling: Calling
    entries: tuple[int, ...] = ()

    @property
    def took(self) -> float | None:
        """Virtual seconds; None while nobody knows how it ends."""
        call = self.calling.call
        return None if call.ended_at is None else call.ended_at - call.begun_at

    def filled(self, template: Template) -> str:
        return template.substitute(self.fills)

    @property
    def what(self) -> str:
        call = self.calling.call
        return f"{self.workload}: {call.value} at {call.begun_at:.3f} s"

    def __str__(self) -> str:
        call = self.calling.call
        outcome = f"{call.kind.value}: {call.result}" if call.outcomes else "no outcome"
        return f"{self.what}: {outcome}"


class Stage:
    """Of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.phase = ""
        self.asked: list[Asked] = []
        """In the order in which they began."""
        self.outcomes = History(lambda: world.now)
        """`ask` with its outcome; `send` of each message with its outcome, `receive` at its target."""
        self.order = History(lambda: world.now)
        """`send` in the step in which it happened, `receive` likewise."""
        self._numbers: dict[str, int] = {}
        self._to_be_sent: dict[tuple[str, str, bytes], Asked] = {}
        self._by_id: dict[tuple[str, int], Asked] = {}
        world.watch(self._hear)

    def node(self, name: str) -> SimNode:
        return self.world.nodes[name]

    @property
    def is_idle(self) -> bool:
        """Whether no workload has done anything."""
        return not (self.asked or self.outcomes.calls)

    def next_number(self, workload: str) -> int:
        number = self._numbers[workload] = self._numbers.get(workload, 0) + 1
        return number

    def fills(self, workload: str, source: str, target: str) -> dict[str, object]:
        """What the next request of the workload puts into its templates."""
        return {"n": self.next_number(workload), "from": source, "to": target, "workload": workload}

    def begin(self, workload: str, fills: dict[str, object], what: str) -> Asked:
        calling = self.outcomes.invoke(str(fills["from"]), "ask", what)
        asked = Asked(workload, self.phase, fills, calling)
        self.asked.append(asked)
        return asked

    def of(self, workloads: tuple[str, ...], phases: tuple[str, ...] = ()) -> Iterator[Asked]:
        """Of these workloads and phases; of all, where none are named."""
        for asked in self.asked:
            if (not workloads or asked.workload in workloads) and (not phases or asked.phase in phases):
                yield asked

    # -- messages between nodes, as the kernel tells of them

    def _hear(self, entry: Entry) -> None:
        event = entry.event
        if event is None or event.message is None:
            return
        message = event.message
        asked = self._by_id.get((entry.node, message.id))
        if asked is not None and event.subject == MOVER:
            asked.entries = (entry.number,)
        if event.note not in {"", "awaited"}:
            return
        if message.source.process != MOVER or not isinstance(message.message, Request):
            return
        source = message.source.node
        if entry.kind is EventKind.SENT:
            self.order.done(source, "send", (str(message.target), said(message)))
            asked = self._to_be_sent.pop((source, str(message.target), said(message)), None)
            if asked is not None:
                asked.entries = (entry.number,)
                self._by_id[source, message.id] = asked
        elif entry.kind is EventKind.TAKEN and event.subject == message.target.process:
            for history in (self.order, self.outcomes):
                history.done(str(message.target), "receive", None, (source, said(message)))

    async def ask(
        self, asked: Asked, target: Address, ipc: bytes, payload: Payload | None, seconds: int
    ) -> bytes:
        """The ipc of the answer. Raises `SendError`, `NodeDown`."""
        source = str(asked.fills["from"])
        self._to_be_sent[source, str(target), _bytes(ipc, payload)] = asked
        sent = self.outcomes.invoke(source, "send", (str(target), _bytes(ipc, payload)))
        try:
            answer = await self.node(source).ask(target, ipc, payload, seconds=seconds)
        except SendError as error:
            if error.definite:
                sent.fail(error)
            raise
        sent.ok()
        return answer.ipc

    async def send(self, source: str, target: Address, ipc: bytes, payload: Payload | None) -> None:
        """Raises `NodeDown`."""
        self.outcomes.invoke(source, "send", (str(target), _bytes(ipc, payload)))
        await self.node(source).send(target, ipc, payload)


def said(message: KernelMessage) -> bytes:
    return _bytes(message.message.ipc, message.payload)


def _bytes(ipc: bytes, payload: Payload | None) -> bytes:
    return ipc if payload is None else ipc + b"\0" + payload.bytes


GONE = (NodeDown, SendError)
"""What an ask comes back with, when nobody answers."""
