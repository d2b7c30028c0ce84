"""One run of a simulated node, from its boot to its end: the production code on devices that can die at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

import attrs
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.closure import Closure
from kernel.lifecycle import NewProcess
from kernel.message import Message, OnExit, SendError
from kernel.ports import Init
from kernel.process import Process
from runtime.keyfile import Identity
from runtime.loader import GuardOf
from runtime.node import Devices, Network, Node, NodeSecrets, PackageFiles, open_node, sole_error
from runtime.sim.chance import SeededChance
from runtime.sim.clock import WallClock
from runtime.sim.console import MemoryConsole
from runtime.sim.databases import MemoryDatabases
from runtime.sim.dialer import SimDialer
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.listener import MemoryListener
from runtime.sim.mover import MOVER, Mover, NodeDown
from runtime.sim.net import SimNet
from runtime.sim.open_files import SimOpenFiles
from runtime.sim.registry import MemoryRegistry
from runtime.sim.store import MemoryStore
from runtime.sim.trace import Trace
from runtime.sim.turns import owner
from runtime.sim.workers import InlineWorkers
from sys_processes.http_server.settings import HttpSettings
from sys_processes.net.identity import make_record
from sys_processes.net.protocol import IdentityRecord

PASSWORD = "password"  # noqa: S105 - of every simulated node
RPC_TOKEN = "rpc-token"  # noqa: S105
PORT = 8080

T = TypeVar("T")


def derived_seed(*parts: object) -> int:
    """A seed for one purpose; the same in every process."""
    return int.from_bytes(sha256(repr(parts).encode()).digest()[:8], "big")


@lru_cache(maxsize=256)
def identity_of(name: str) -> Identity:
    """The keys of the simulated node of that name: the same in every world."""
    return Identity.fresh(name, SeededChance(derived_seed("identity", name)))


@lru_cache(maxsize=1024)
def record_of(name: str, serial: int) -> IdentityRecord:
    """How the node shows itself in its run of that number."""
    identity = identity_of(name)
    address = f"{name}:{PORT}"
    return make_record(name, identity.public_key, identity.sign, address=address, serial=serial)


async def _check_password(given: str) -> bool:
    return given == PASSWORD


def secrets_of(name: str) -> NodeSecrets:
    identity = identity_of(name)
    return NodeSecrets(identity, identity.jwt_secret, b"a simulated keyfile", _check_password, RPC_TOKEN)


@attrs.frozen
class Machine:
    """What one run of a node has to itself, and what it shares with its earlier runs."""

    name: str
    number: int
    """Counts the runs of the node, from 1."""
    chance: SeededChance
    store: MemoryStore
    disk: MemoryDisk
    engine: MemoryEngine
    databases: MemoryDatabases
    open_files: SimOpenFiles
    workers: InlineWorkers
    listener: MemoryListener
    dialer: SimDialer
    net: SimNet
    console: MemoryConsole
    registry: MemoryRegistry
    clock: WallClock
    guard: GuardOf

    def devices(self) -> Devices:
        return Devices(
            chance=self.chance,
            store=self.store,
            disk=self.disk,
            engine=self.engine,
            databases=self.databases,
            open_files=self.open_files,
            workers=self.workers,
            listener=self.listener,
            console=self.console,
            wall_clock=self.clock.now,
            dialer=self.dialer,
            guard=self.guard,
        )

    def lose_power(self, *, silent: bool = False) -> None:
        """Nothing that is still done with these devices has any effect that somebody could see. `silent`: the other
        nodes are not told.
        """
        self.store.crash()
        self.disk.crash()
        self.engine.crash()
        self.databases.crash()
        self.listener.die()
        self.net.crash(self.name, silent=silent)


@attrs.frozen
class Load:
    """What a node runs beside its own processes, and how. `functions` are processes that no package has."""

    packages: Sequence[PackageFiles]
    functions: Sequence[tuple[ProcessId, Init]]
    http: HttpSettings
    client: bytes


class Boot:
    """`error` is what ended the node, if it ended by itself."""

    def __init__(self, machine: Machine, trace: Trace) -> None:
        self.machine = machine
        self.error: BaseException | None = None
        self._trace = trace
        self._node: Node | None = None
        self._ready = trio.Event()
        self._leave = trio.Event()
        self._ended = trio.Event()
        self._callers: dict[trio.CancelScope, None] = {}
        self._mover: Mover | None = None

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def is_up(self) -> bool:
        """Whether it has booted, and not ended."""
        return self._ready.is_set() and not self._ended.is_set()

    @property
    def node(self) -> Node:
        """Raises `NodeDown`."""
        if self._node is None or self.has_ended:
            raise self._down()
        return self._node

    def _down(self) -> NodeDown:
        return NodeDown(f"{self.machine.name} does not run: restart() boots it again")

    # -- its life

    async def run(self, load: Load, on_end: Callable[[Boot], None]) -> None:
        """To its end, of which `on_end` hears, also if the boot fails; unless somebody else ended it."""
        owner.set(self)
        machine = self.machine
        record = record_of(machine.name, machine.number)
        links = machine.net.links_of(machine.name, f"{machine.name}:{PORT}", record.public_key)
        try:
            async with open_node(
                machine.name,
                machine.devices(),
                secrets_of(machine.name),
                http=load.http,
                client=load.client,
                packages=load.packages,
                network=Network(links, machine.registry, record),
                observer=self._trace.observer(machine.name),
                start=False,
            ) as self._node:
                for pid, init in load.functions:
                    self.start(init, pid, public=True, network=True)
                await self._node.start()
                self._ready.set()
                await self._leave.wait()
            await machine.store.aclose()
        except Exception as error:  # noqa: BLE001 - whatever ends a node, its world goes on
            if not self.has_ended:
                self.error = sole_error(error)
        if not self.has_ended:
            machine.lose_power()
            self.end()
            on_end(self)

    async def ready(self) -> None:
        """Its processes wait for messages. Raises what the boot raised, or `NodeDown` when it was ended before."""
        await self._ready.wait()
        if self.has_ended:
            raise self.error or NodeDown(f"{self.machine.name} crashed before it had booted")

    async def leave(self) -> None:
        """In good order: the door is closed, processes end, everything is flushed."""
        self._leave.set()
        await self._ended.wait()

    def end(self) -> None:
        """Nobody sees or waits for it any longer."""
        self._ended.set()
        self._ready.set()
        self.silence()
        for scope in list(self._callers):
            scope.cancel()
        if self._mover is not None:
            self._mover.end(self._down())

    def silence(self) -> None:
        """Nobody observes its kernel any longer."""
        if self._node is not None:
            self._node.kernel.router.observer = None

    async def call(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """From outside of the node, for as long as it runs. Raises `NodeDown` when it ends meanwhile."""
        with trio.CancelScope() as scope:
            self._callers[scope] = None
            try:
                return await function(*args)
            finally:
                del self._callers[scope]
        raise self._down()

    # -- its processes

    def start(
        self,
        init: Init,
        pid: ProcessId,
        *,
        public: bool,
        network: bool,
        capabilities: Sequence[Capability] = (),
    ) -> Process:
        """A process of that function; it is gone when the node ends. Raises `CannotCreate`, `NodeDown`."""
        kernel = self.node.kernel
        held = [*capabilities, Capability.network(kernel.node)] if network else capabilities
        new = NewProcess(pid, Closure(init), "", OnExit.none(), public=public, capabilities=tuple(held))
        process = kernel.lifecycle.create(new)
        kernel.lifecycle.start(process)
        return process

    def mover(self, target: Address) -> Mover:
        """The process of the test, which may message `target`. Raises `NodeDown`."""
        kernel = self.node.kernel
        process = kernel.router.processes.get(MOVER)
        if self._mover is None or process is None or not process.accepts:
            self._mover = Mover()
            process = self.start(self._mover.init, MOVER, public=True, network=True)
        if kernel.router.is_ours(target.node):
            right = Capability.messaging(Address(kernel.node, target.process))
            if not process.holdings.holds(right):
                kernel.grants.grant(process, right)
        return self._mover

    @property
    def heard(self) -> list[Message | SendError]:
        """What was sent to the process of the test."""
        return [] if self._mover is None else self._mover.inbox
