"""A whole node on memory devices, processes that keep what they hear, and clients that come in by its door."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.events import Observer
from kernel.lifecycle import NewProcess
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import KernelMessage, OnExit, Payload, Request
from kernel.ports import Init
from kernel.process import Process
from kernel.syscalls import current
from runtime.node import Devices, Node, NodeSecrets, PackageFiles, open_node
from runtime.record.recorder import Recorder
from runtime.sim.chance import SeededChance
from runtime.sim.clients import HttpClient, Reply, WsClient, open_websocket
from runtime.sim.console import MemoryConsole
from runtime.sim.databases import MemoryDatabases
from runtime.sim.dialer import SimDialer
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.listener import MemoryListener
from runtime.sim.open_files import SimOpenFiles
from runtime.sim.store import MemoryStore
from runtime.sim.stream import MemoryStream
from runtime.sim.workers import InlineWorkers
from sys_processes.devices import Listener
from sys_processes.http_server.protocol import HttpServerAction
from sys_processes.http_server.settings import HttpSettings
from sys_processes.http_server.tokens import LoginTokens
from tests.support.module_node import OneKey
from tests.support.web_app import NODE, SERVER, App

PASSWORD = "hunter2hunter2"
RPC_TOKEN = "an-rpc-token"
SECRET = b"0123456789abcdef0123456789abcdef"
EPOCH = 1_700_000_000.0
APP = "app:app:alice.uq"


@attrs.define
class Wall:
    """The node's wall clock: trio's time since the epoch of the tests, and `ahead` seconds."""

    ahead: float = 0.0

    def now(self) -> float:
        return EPOCH + trio.current_time() + self.ahead


@attrs.define
class WebNode:
    node: Node
    wall: Wall
    listener: Listener
    console: MemoryConsole
    to_other_nodes: list[KernelMessage]
    nursery: trio.Nursery
    """For tasks of clients; cancelled when the node has stopped."""

    # -- processes

    def start(
        self,
        app: App,
        name: str = APP,
        *,
        on_exit: OnExit | None = None,
        public: bool = True,
        limits: Limits = DEFAULT_LIMITS,
        capabilities: Sequence[Capability] = (),
    ) -> Process:
        program = _Given(app.init)
        rule = on_exit or OnExit.none()
        held = tuple(capabilities)
        pid = ProcessId.from_str(name)
        lifecycle = self.node.kernel.lifecycle
        process = lifecycle.create(
            NewProcess(pid, program, "", rule, public=public, capabilities=held, limits=limits)
        )
        lifecycle.start(process)
        return process

    async def started(self, app: App, name: str = APP, *actions: HttpServerAction) -> App:
        """A public process that has done these actions."""
        self.start(app, name)
        await settle()
        for action in actions:
            assert await app.ask(action) is None
        return app

    async def kill(self, name: str = APP) -> None:
        await self.node.kernel.kill(ProcessId.from_str(name))

    def logged(self) -> str:
        """What a node shows that was told nothing about its log."""
        return "\n".join(line.text for line in self.console.recent() if line.verbosity == 0)

    # -- clients

    def connect(self, peer: str | None = None) -> MemoryStream:
        """Only by a door in memory."""
        assert isinstance(self.listener, MemoryListener)
        return self.listener.connect(peer or "127.0.0.1:5000")

    def client(self, peer: str | None = None) -> HttpClient:
        return HttpClient(self.connect(peer))

    async def http(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        peer: str | None = None,
        **headers: str | None,
    ) -> Reply:
        """On a connection of its own."""
        client = self.client(peer)
        try:
            return await client.ask(method, path, body, **headers)
        finally:
            await client.close()

    def token(self, node: str = NODE, *, age: float = 0.0, secret: bytes = SECRET) -> str:
        """A login token, without logging in."""
        return LoginTokens(node, secret).issue(self.wall.now() - age)

    def cookie(self) -> str:
        return f"nectar-auth_{NODE}={self.token()}"

    async def login(self, password: str = PASSWORD) -> str:
        """The Cookie header of a login."""
        reply = await self.http("POST", "/login", b'{"password":"%s"}' % password.encode())
        assert reply.status == 200, reply
        return (reply.header("set-cookie") or "").partition(";")[0]

    async def websocket(self, path: str = "/", *, peer: str | None = None, **headers: str | None) -> WsClient:
        """Raises `UpgradeRefused`."""
        return await open_websocket(self.connect(peer), path, **headers)

    def register_frame(self, process: str = APP, token: str | None = None) -> str:
        token = self.token() if token is None else token
        return f'{{"auth_token":"{token}","target_process":"{process}","encrypted":false}}'

    async def registered(self, process: str = APP, path: str = "/") -> tuple[WsClient, int]:
        """A socket of the seed's flow and its channel."""
        socket = await self.websocket(path)
        await socket.send(self.register_frame(process))
        answer = await socket.receive()
        assert isinstance(answer, str), answer
        return socket, int(answer.removeprefix('{"channel_id":').removesuffix("}"))

    # -- other nodes

    async def from_node(self, source: str, ipc: bytes, payload: bytes | None) -> bytes | None:
        """A Request from elsewhere to http_server, and the ipc of what it answers, if it does."""
        envelope = KernelMessage(
            4711 + len(self.to_other_nodes),
            Address.from_str(source),
            SERVER,
            None,
            Request(False, 5, ipc),
            None if payload is None else Payload(None, payload),
        )
        known = len(self.to_other_nodes)
        refusal = self.node.kernel.router.deliver_remote(envelope)
        assert refusal is None, refusal
        await settle()
        answers = self.to_other_nodes[known:]
        return answers[0].message.ipc if answers else None


@attrs.frozen
class _Given:
    init: Init

    def fresh(self) -> Init:
        return self.init


async def settle() -> None:
    """Until everything waits for something, at this moment of virtual time."""
    await trio.testing.wait_all_tasks_blocked()


async def check_password(given: str) -> bool:
    await trio.sleep(0.5)
    return given == PASSWORD


def secrets() -> NodeSecrets:
    return NodeSecrets(OneKey(), SECRET, b"a keyfile", check_password, RPC_TOKEN)


def devices(
    listener: Listener,
    console: MemoryConsole,
    wall: Wall,
    seed: int = 1,
    *,
    store: MemoryStore | None = None,
    disk: MemoryDisk | None = None,
    whole: bool = False,
) -> Devices:
    """Those of databases and of the outside world, where nobody is, only of a `whole` node."""
    more: dict[str, Any] = {}
    if whole:
        databases = MemoryDatabases(SeededChance(seed), wall.now)
        dialer = SimDialer(NODE, _nobody, lambda name: True)
        more = {
            "engine": MemoryEngine(),
            "databases": databases,
            "open_files": SimOpenFiles(),
            "dialer": dialer,
        }
    return Devices(
        chance=SeededChance(seed),
        store=store or MemoryStore(),
        disk=disk or MemoryDisk(),
        workers=InlineWorkers(),
        listener=listener,
        console=console,
        wall_clock=wall.now,
        **more,
    )


def _nobody(name: str) -> MemoryStream:
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"{name} is not there")


@asynccontextmanager
async def node_behind(
    listener: Listener,
    http: HttpSettings | None = None,
    *,
    packages: Sequence[PackageFiles] = (),
    observer: Observer | None = None,
    seed: int = 1,
    store: MemoryStore | None = None,
    disk: MemoryDisk | None = None,
    carrier: Init | None = None,
    recorder: Recorder | None = None,
    whole: bool = False,
) -> AsyncIterator[WebNode]:
    """Booted, with a `net:sys:nectar` that keeps what it is to carry, or the `carrier`."""
    console, wall = MemoryConsole(), Wall()
    elsewhere: list[KernelMessage] = []

    async def net(our: Address) -> None:
        while True:
            elsewhere.append((await current().receive()).envelope())

    given = devices(listener, console, wall, seed, store=store, disk=disk, whole=whole)
    async with trio.open_nursery() as nursery:
        opening = open_node(
            NODE,
            given,
            secrets(),
            http=http,
            packages=packages,
            observer=observer,
            recorder=recorder,
        )
        async with opening as node:
            node.kernel.add_module(ProcessId("net", "sys", "nectar"), carrier or net, public=False)
            yield WebNode(node, wall, listener, console, elsewhere, nursery)
        if isinstance(given.databases, MemoryDatabases):
            given.databases.close()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def web_node(
    http: HttpSettings | None = None,
    *,
    packages: Sequence[PackageFiles] = (),
    observer: Observer | None = None,
    capacity: int = 65536,
    seed: int = 1,
    split: bool = False,
    store: MemoryStore | None = None,
    disk: MemoryDisk | None = None,
    carrier: Init | None = None,
    recorder: Recorder | None = None,
    whole: bool = False,
) -> AsyncIterator[WebNode]:
    """`node_behind` a door in memory, with what another node left on `store` and `disk`.

    `capacity` bytes fit under way to a client; `split` cuts what is under way anywhere.
    """
    cuts = SeededChance(seed) if split else None
    listener = MemoryListener(capacity=capacity, chance=cuts)
    given = node_behind(
        listener,
        http,
        packages=packages,
        observer=observer,
        seed=seed,
        store=store,
        disk=disk,
        carrier=carrier,
        recorder=recorder,
        whole=whole,
    )
    async with given as web:
        yield web
