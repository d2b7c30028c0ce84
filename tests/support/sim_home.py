"""A home on memory devices, in which one node after another is booted, stopped and crashed."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from kernel.jsontext import JsonValue
from kernel.message import Payload
from kernel.ports import Keys, StoreFailed
from runtime.loader import GuardOf, unguarded
from runtime.node import Devices, Network, Node, PackageFiles, open_node
from runtime.sim.chance import SeededChance
from runtime.sim.clients import HttpClient
from runtime.sim.console import MemoryConsole
from runtime.sim.databases import MemoryDatabases
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.listener import MemoryListener
from runtime.sim.open_files import SimOpenFiles
from runtime.sim.store import MemoryStore
from runtime.sim.workers import InlineWorkers
from tests.support.web_app import NODE
from tests.support.web_node import EPOCH, RPC_TOKEN, secrets

MODULES = (":sys:nectar", ":app_store:nectar", ":homepage:nectar", ":terminal:nectar")
"""How the ids of the runtime's own processes end."""


class NotAnswered(Exception):
    """The RPC route's error."""


@attrs.define
class SimNode:
    node: Node
    listener: MemoryListener
    console: MemoryConsole

    async def ask(
        self,
        process: str,
        ipc: str = "",
        payload: Payload | None = None,
        seconds: int = 5,
        node: str | None = None,
    ) -> str:
        """The ipc of its answer, as text; of a process of another `node`, if one is named. Raises `NotAnswered`."""
        call: dict[str, JsonValue] = {
            "process": process, "ipc": ipc, "expects_response": seconds, "node": node,
        }  # fmt: skip
        if payload is not None:
            call |= {"mime": payload.mime, "data": base64.b64encode(payload.bytes).decode()}
        client = HttpClient(self.listener.connect())
        try:
            reply = await client.ask(
                "POST",
                "/rpc:sys:nectar/message",
                json.dumps(call).encode(),
                content_type="application/json",
                authorization=f"Bearer {RPC_TOKEN}",
            )
        finally:
            await client.close()
        answer = json.loads(reply.body)
        if reply.status != 200:
            raise NotAnswered(answer["error"])
        return bytes(answer["ipc"]).decode()

    async def ps(self) -> dict[str, dict[str, JsonValue]]:
        """What `nectar ps` shows of the users' processes, by id."""
        listed = json.loads(await self.ask("kernel:sys:nectar", '{"Debug":"Processes"}'))["Debug"][
            "Processes"
        ]
        return {line["id"]: line for line in listed if not line["id"].endswith(MODULES)}


def _wall_clock() -> float:
    return EPOCH + trio.current_time()


@attrs.define
class SimHome:
    store: MemoryStore = attrs.Factory(MemoryStore)
    disk: MemoryDisk = attrs.Factory(MemoryDisk)
    engine: MemoryEngine = attrs.Factory(MemoryEngine)
    databases: MemoryDatabases = attrs.Factory(lambda: MemoryDatabases(SeededChance(1), _wall_clock))
    open_files: SimOpenFiles = attrs.Factory(SimOpenFiles)
    _crashed: bool = attrs.field(default=False, init=False)

    def crash(self, keep: int = 0) -> SimHome:
        """As the next boot finds it: without what was not durable, but for `keep` batches of the store.

        Nothing that its node still does matters any more.
        """
        self._crashed = True
        crashed = self.store.crash(keep), self.disk.crash(), self.engine.crash(), self.databases.crash()
        return SimHome(*crashed, self.open_files)

    @asynccontextmanager
    async def booted(
        self,
        *packages: PackageFiles,
        name: str = NODE,
        keys: Keys | None = None,
        network: Network | None = None,
        seed: int = 1,
        guard: GuardOf = unguarded,
    ) -> AsyncIterator[SimNode]:
        listener, console = MemoryListener(), MemoryConsole()
        given = Devices(
            SeededChance(seed),
            self.store,
            self.disk,
            InlineWorkers(),
            listener,
            console,
            _wall_clock,
            guard,
            engine=self.engine,
            databases=self.databases,
            open_files=self.open_files,
        )
        known = secrets() if keys is None else attrs.evolve(secrets(), keys=keys)
        try:
            async with open_node(name, given, known, packages=packages, network=network) as node:
                yield SimNode(node, listener, console)
        except StoreFailed:
            if not self._crashed:
                raise


def package(code: str, *entries: object, name: str = "app", **entry: object) -> dict[str, bytes]:
    """The files of `{name}:me` with a process `{name}:{name}:me` of this code, public unless `entry` says otherwise."""
    first = {
        "process_name": name,
        "process_path": f"/{name}.py",
        "on_exit": "Restart",
        "public": True,
    } | entry
    return {
        "metadata.json": json.dumps({"package": name, "publisher": "me"}).encode(),
        "pkg/manifest.json": json.dumps([first, *entries]).encode(),
        f"pkg/{name}.py": code.encode(),
    }
