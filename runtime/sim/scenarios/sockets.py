"""The workload of sockets: clients of a process that say something and wait to hear of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from string import Template
from typing import Protocol

import attrs
import trio
from wsproto.utilities import LocalProtocolError

from kernel.address import ProcessId
from runtime.sim.clients import ConnectionGone, SocketEnded, UpgradeRefused
from runtime.sim.mover import NodeDown
from runtime.sim.scenarios.stage import Asked, Stage
from runtime.sim.web import RegisterRefused, Socket

AGAIN_SECONDS = 1.0
"""Until a client whose socket ended, or was refused, opens another one."""

_NO_SOCKET = (
    ConnectionGone, SocketEnded, UpgradeRefused, RegisterRefused, NodeDown, OSError, trio.BrokenResourceError
)  # fmt: skip
_NOT_SAID = (trio.BrokenResourceError, trio.ClosedResourceError, LocalProtocolError)


class Ticks(Protocol):
    def ticks(self, stage: Stage, label: str) -> AsyncIterator[None]: ...


class _Client:
    """One person, who opens another socket when one ends. What was heard on any is in `heard`."""

    def __init__(self, stage: Stage, node: str, process: ProcessId, path: str) -> None:
        self._stage = stage
        self._node = node
        self._process = process
        self._path = path
        self.heard: list[str] = []
        self.socket: Socket | None = None
        self.changed = trio.lowlevel.ParkingLot()

    async def stay(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._stage.node(self._node).http().ws(self._process, self._path) as socket:
                    await self._listen(socket)
            except _NO_SOCKET:
                await trio.sleep(AGAIN_SECONDS)

    async def _listen(self, socket: Socket) -> None:
        self.socket = socket
        self.changed.unpark_all()
        try:
            while True:
                said = await socket.receive()
                self.heard.append(said if isinstance(said, str) else said.decode(errors="replace"))
                self.changed.unpark_all()
        finally:
            self.socket = None

    async def say(self, text: str) -> bool:
        """Whether it left; waits for a socket."""
        while self.socket is None:
            await self.changed.park()
        try:
            await self.socket.send(text)
        except _NOT_SAID:
            return False
        return True

    async def hear(self, part: str, since: int) -> str:
        """What has it, of all that was heard after so many."""
        while True:
            found = next((text for text in self.heard[since:] if part in text), None)
            if found is not None:
                return found
            await self.changed.park()


@attrs.frozen
class Sockets:
    """At each of `nodes` so many `clients`, each with a socket that is registered to the process. Each says the text at
    each of the times and, if there is `answer_has`, waits for so many `seconds` to hear a frame that has it.
    """

    title: str
    nodes: tuple[str, ...]
    process: ProcessId
    path: str
    clients: int
    text: Template
    times: Ticks
    seconds: float
    answer_has: Template | None

    async def play(self, stage: Stage) -> None:
        async with trio.open_nursery() as nursery:
            for node in self.nodes:
                for _ in range(self.clients):
                    nursery.start_soon(self._visit, stage, node)

    async def _visit(self, stage: Stage, node: str) -> None:
        client = _Client(stage, node, self.process, self.path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.stay)
            async with trio.open_nursery() as sayings:
                async for _ in self.times.ticks(stage, f"workload {self.title}"):
                    fills = stage.fills(self.title, node, node)
                    asked = stage.begin(self.title, fills, f"frame {fills['n']} at {node}")
                    sayings.start_soon(self._one, client, asked)
            nursery.cancel_scope.cancel()

    async def _one(self, client: _Client, asked: Asked) -> None:
        since = len(client.heard)
        with trio.move_on_after(self.seconds):
            if not await client.say(asked.filled(self.text)):
                asked.calling.info("the socket ended")
            elif self.answer_has is None:
                asked.calling.ok("said")
            else:
                asked.calling.ok(await client.hear(asked.filled(self.answer_has), since))
            return
        asked.calling.info(f"heard nothing of it within {self.seconds:g} s")
