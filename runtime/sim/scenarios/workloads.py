"""The workloads of a scenario: messages, HTTP requests and sockets, at a rate or at exact times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from string import Template
from typing import Protocol

import attrs
import trio

from kernel.address import Address, IdentifierParseError, ProcessId
from kernel.message import Payload
from runtime.sim.clients import ConnectionGone
from runtime.sim.mover import NodeDown
from runtime.sim.scenarios.sockets import Sockets
from runtime.sim.scenarios.stage import GONE, VARIABLES, Asked, Stage
from runtime.sim.scenarios.table import Span, Table

ANSWER_SECONDS = 10
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


class Workload(Protocol):
    @property
    def title(self) -> str: ...

    async def play(self, stage: Stage) -> None:
        """Returns when each request has its outcome."""


@attrs.frozen
class Times:
    """When: at each of `moments`, seconds after the phase began; or `count` times with the seconds `every` between two,
    the first one `start` seconds after the phase began.
    """

    moments: tuple[float, ...] = ()
    every: Span = (0.0, 0.0)
    count: int = 0
    start: float = 0.0

    async def ticks(self, stage: Stage, label: str) -> AsyncIterator[None]:
        began = stage.world.now
        if self.moments:
            for moment in self.moments:
                await trio.sleep(max(0.0, began + moment - stage.world.now))
                yield
            return
        await trio.sleep(self.start)
        least, most = self.every
        for number in range(self.count):
            if number:
                await trio.sleep(
                    stage.world.choices.among(f"{label} pause", least, most) if least < most else least
                )
            yield


def read_times(table: Table) -> Times:
    if table.has("at"):
        moments = table.numbers("at")
        if list(moments) != sorted(moments):
            raise table.error("at", "the times are not in order", "write the earliest first")
        return Times(moments)
    if table.has("every") == table.has("rate"):
        fix = "write at = [SECONDS], or every = SECONDS, or rate = TIMES_A_SECOND"
        raise table.error("", "expected one of at, every and rate", fix)
    if table.has("rate"):
        rate = table.number("rate", least=0.001)
        every = (1.0 / rate, 1.0 / rate)
    else:
        every = table.span("every")
    return Times((), every, table.whole("count", least=1), table.number("start", 0.0))


# -- messages


@attrs.frozen
class Messages:
    """Requests of the test's own process at each of `sources` to each of `targets`; those without a node to the source
    itself. `seconds` 0: no answer is expected.
    """

    title: str
    sources: tuple[str, ...]
    targets: tuple[Address | ProcessId, ...]
    ipc: Template
    payload: Template | None
    mime: str | None
    times: Times
    seconds: int
    answer: Template | None
    """What the ipc of the answer must be."""
    answer_has: Template | None
    waits: bool
    """For the answer before the next one."""

    async def play(self, stage: Stage) -> None:
        async with trio.open_nursery() as nursery:
            for source in self.sources:
                for target in self.targets:
                    address = target if isinstance(target, Address) else Address(source, target)
                    nursery.start_soon(self._series, stage, source, address)

    async def _series(self, stage: Stage, source: str, target: Address) -> None:
        async with trio.open_nursery() as nursery:
            async for _ in self.times.ticks(stage, f"workload {self.title}"):
                fills = stage.fills(self.title, source, target.node)
                if self.waits:
                    await self._one(stage, source, target, fills)
                else:
                    nursery.start_soon(self._one, stage, source, target, fills)

    async def _one(self, stage: Stage, source: str, target: Address, fills: dict[str, object]) -> None:
        ipc = self.ipc.substitute(fills).encode()
        payload = None
        if self.payload is not None:
            payload = Payload(self.mime, self.payload.substitute(fills).encode())
        if not self.seconds:
            with suppress(NodeDown):
                await stage.send(source, target, ipc, payload)
            return
        asked = stage.begin(self.title, fills, f"request {fills['n']} to {target}")
        try:
            answer = await stage.ask(asked, target, ipc, payload, self.seconds)
        except GONE as error:
            _failed(asked, error)
        else:
            asked.calling.ok(answer.decode(errors="replace"))
            expect(stage, asked, answer.decode(errors="replace"), self.answer, self.answer_has)


def _failed(asked: Asked, error: Exception) -> None:
    definite = getattr(error, "definite", False)
    (asked.calling.fail if definite else asked.calling.info)(str(error))


def expect(stage: Stage, asked: Asked, said: str, whole: Template | None, part: Template | None) -> None:
    """What was said is as it must be."""
    wanted = None if whole is None else asked.filled(whole)
    if wanted is not None and said != wanted:
        text = f"{asked.calling.call.value}: expected {wanted!r}, got {said!r}"
        stage.world.violate(asked.workload, text, asked.entries)
    wanted = None if part is None else asked.filled(part)
    if wanted is not None and wanted not in said:
        text = f"{asked.calling.call.value}: {wanted!r} is not in {said!r}"
        stage.world.violate(asked.workload, text, asked.entries)


def _messages(table: Table, title: str, nodes: Sequence[str]) -> Workload:
    seconds = table.whole("timeout", ANSWER_SECONDS)
    answer, answer_has = _optional(table, "answer"), _optional(table, "answer_has")
    for key, template in (("answer", answer), ("answer_has", answer_has)):
        if template is not None and not seconds:
            raise table.error(key, "no answer is expected", "write timeout = SECONDS, or leave it out")
    return Messages(
        title,
        known_nodes(table, "from", nodes),
        tuple(targets_of(table, "to", nodes)),
        table.template("ipc", VARIABLES, ""),
        _optional(table, "payload"),
        table.text("mime") if table.has("mime") else None,
        read_times(table),
        seconds,
        answer,
        answer_has,
        table.flag("wait", default=False),
    )


def _optional(table: Table, key: str) -> Template | None:
    return table.template(key, VARIABLES) if table.has(key) else None


def known_nodes(table: Table, key: str, nodes: Sequence[str], default: Sequence[str] = ()) -> tuple[str, ...]:
    found = table.texts(key, tuple(default)) if default else table.texts(key)
    for name in found:
        if name not in nodes:
            raise table.error(key, f"{name!r} is no node", f"there are {', '.join(nodes)}")
    if not found:
        raise table.error(key, "names no node", f"there are {', '.join(nodes)}")
    return found


def targets_of(table: Table, key: str, nodes: Sequence[str]) -> Iterator[Address | ProcessId]:
    """`node@process:package:publisher`, or without the node."""
    for text in table.texts(key):
        try:
            target = Address.from_str(text) if "@" in text else ProcessId.from_str(text)
        except IdentifierParseError as error:
            fix = 'write "node@process:package:publisher", or without the node'
            raise table.error(key, str(error), fix) from None
        if isinstance(target, Address) and target.node not in nodes:
            raise table.error(key, f"{target.node!r} is no node", f"there are {', '.join(nodes)}")
        yield target


# -- HTTP


@attrs.frozen
class Requests:
    """Each on a connection of its own, by the owner of the node or by a stranger."""

    title: str
    nodes: tuple[str, ...]
    method: str
    path: Template
    body: Template | None
    content_type: str | None
    times: Times
    seconds: float
    status: tuple[int, ...]
    answer_has: Template | None
    stranger: bool

    async def play(self, stage: Stage) -> None:
        async with trio.open_nursery() as nursery:
            for name in self.nodes:
                nursery.start_soon(self._series, stage, name)

    async def _series(self, stage: Stage, name: str) -> None:
        async with trio.open_nursery() as nursery:
            async for _ in self.times.ticks(stage, f"workload {self.title}"):
                nursery.start_soon(self._one, stage, name, stage.fills(self.title, name, name))

    async def _one(self, stage: Stage, name: str, fills: dict[str, object]) -> None:
        path = self.path.substitute(fills)
        asked = stage.begin(self.title, fills, f"{self.method} {path} at {name}")
        body = None if self.body is None else self.body.substitute(fills).encode()
        try:
            with trio.fail_after(self.seconds):
                browser = stage.node(name).http(logged_in=not self.stranger)
                reply = await browser.ask(self.method, path, body, content_type=self.content_type)
        except (ConnectionGone, OSError, trio.BrokenResourceError, trio.TooSlowError, NodeDown) as error:
            asked.calling.info(f"{type(error).__name__} {error}".strip())
            return
        said = reply.body.decode(errors="replace")
        asked.calling.ok(said)
        if reply.status not in self.status:
            wanted = " or ".join(str(status) for status in self.status)
            what = f"{self.method} {path} at {name}: expected {wanted}, got {reply.status} {said!r:.200}"
            stage.world.violate(self.title, what)
        expect(stage, asked, said, None, self.answer_has)


def _requests(table: Table, title: str, nodes: Sequence[str]) -> Workload:
    return Requests(
        title,
        known_nodes(table, "node", nodes),
        table.one_of("method", METHODS, "GET"),
        table.template("path", VARIABLES),
        _optional(table, "body"),
        table.text("content_type") if table.has("content_type") else None,
        read_times(table),
        table.number("timeout", float(ANSWER_SECONDS), least=0.001),
        _statuses(table),
        _optional(table, "answer_has"),
        table.flag("stranger", default=False),
    )


def _statuses(table: Table) -> tuple[int, ...]:
    if not table.has("status"):
        return (200,)
    found = table.numbers("status")
    if not all(status.is_integer() and 100 <= status <= 599 for status in found) or not found:
        raise table.error("status", "expected HTTP statuses", "write status = [200, 201]")
    return tuple(int(status) for status in found)


# -- sockets


def _sockets(table: Table, title: str, nodes: Sequence[str]) -> Workload:
    pids = list(targets_of(table, "process", ()))
    pid = pids[0] if len(pids) == 1 else None
    if not isinstance(pid, ProcessId):
        raise table.error("process", "expected one process id", 'write "process:package:publisher"')
    return Sockets(
        title,
        known_nodes(table, "node", nodes),
        pid,
        table.text("path", "/"),
        table.whole("clients", 1, least=1),
        table.template("text", VARIABLES),
        read_times(table),
        table.number("timeout", float(ANSWER_SECONDS), least=0.001),
        _optional(table, "answer_has"),
    )


# -- all of them


KINDS: dict[str, Callable[[Table, str, Sequence[str]], Workload]] = {
    "messages": _messages,
    "http": _requests,
    "websocket": _sockets,
}


def read_workload(table: Table, nodes: Sequence[str]) -> Workload:
    """Raises `BadScenario`."""
    kind = table.one_of("kind", KINDS)
    workload = KINDS[kind](table, table.text("title", kind), nodes)
    table.end()
    return workload
