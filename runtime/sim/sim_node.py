"""A node of a simulated world, from the side of the test: what can be done to it, and what can be seen of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability
from kernel.kernel import Kernel, Standing
from kernel.mailbox import Returned
from kernel.message import Message, Payload, SendError
from kernel.ports import Init
from kernel.process import Process
from kernel.syscalls import Syscalls
from runtime.node import PackageFiles
from runtime.packages import read_package
from runtime.sim.boot import Boot, Load, Machine, derived_seed
from runtime.sim.chance import SeededChance
from runtime.sim.choices import Choices
from runtime.sim.clock import WallClock
from runtime.sim.console import MemoryConsole
from runtime.sim.databases import MemoryDatabases
from runtime.sim.dialer import SimDialer
from runtime.sim.disk import MemoryDisk
from runtime.sim.engine import MemoryEngine
from runtime.sim.file_tree import Keep
from runtime.sim.listener import MemoryListener
from runtime.sim.mover import ASK_SECONDS, NodeDown, Step
from runtime.sim.open_files import SimOpenFiles
from runtime.sim.registry import MemoryRegistry
from runtime.sim.store import MemoryStore
from runtime.sim.stream import MemoryStream
from runtime.sim.trace import WorldKind
from runtime.sim.web import LOCAL, Browser
from runtime.sim.workers import InlineWorkers
from sys_processes.http_server.settings import HttpSettings
from sys_processes.state.process import TABLE as STATES

if TYPE_CHECKING:
    from runtime.sim.world import World

T = TypeVar("T")
App = Path | str | PackageFiles | Init
"""A package's folder, its files, or a function that becomes a process (see `SimNode.start`)."""

To = Address | ProcessId | str

OWN_PACKAGE = ("world", "sim")
"""Package and publisher of the processes that are functions of the test."""


class SimNode:
    """Made by `World.node`. Calls that need a running node raise `NodeDown` when it is none, or ends meanwhile.

    Processes are named by `ProcessId` or its text; a text without a colon is a function of the test.
    """

    def __init__(
        self, world: World, name: str, apps: Sequence[App], http: HttpSettings, client: bytes, verbosity: int
    ) -> None:
        self.name = name
        self.clock = WallClock(lambda: world.now)
        """Wall time, which only `now()` of the actors shows; timers do not go by it."""
        self.console = MemoryConsole(verbosity=verbosity)
        self.registry = MemoryRegistry()
        """Which other nodes it knows."""
        self.runs = 0
        self.paused = False
        self._world = world
        self._http = http
        self._client = client
        self._packages = [_files(app) for app in apps if not callable(app)]
        self._functions = [app for app in apps if callable(app)]
        self._boot: Boot | None = None
        self.store = MemoryStore()
        """What its next boot finds; so is `disk`. Another one after each `restart`."""
        self.disk = MemoryDisk()
        self.engine, self.databases = self._no_databases()
        self.open_files = SimOpenFiles()
        self._installed = False
        """Whether its packages are on its disk."""

    def _no_databases(
        self, like: tuple[MemoryEngine, MemoryDatabases] | None = None
    ) -> tuple[MemoryEngine, MemoryDatabases]:
        """On the same disk as those others, which may be slow or full."""
        world = self._world
        pause = world.pause("work", world.WORK_SECONDS)
        chance = SeededChance(derived_seed("sql", world.seed, self.name))
        engine, databases = MemoryEngine(pause), MemoryDatabases(chance, self.clock.now, pause)
        if like is not None:
            engine.pause, databases.pause = like[0].pause, like[1].pause
            engine.full, databases.full = like[0].full, like[1].full
        return engine, databases

    def __repr__(self) -> str:
        return f"<SimNode {self.name} {'up' if self.is_up else 'down'}>"

    # -- its life

    @property
    def is_up(self) -> bool:
        return self._boot is not None and self._boot.is_up

    @property
    def is_booting(self) -> bool:
        return self._boot is not None and not (self._boot.is_up or self._boot.has_ended)

    async def booted(self) -> None:
        """Returns when a boot that somebody has begun has come to its end, whichever."""
        if self._boot is not None:
            with suppress(Exception):
                await self._boot.ready()

    @property
    def boot_now(self) -> Boot:
        """The run it is in. Raises `NodeDown`."""
        if self._boot is None or self._boot.has_ended:
            raise NodeDown(f"{self.name} does not run: restart() boots it again")
        return self._boot

    @property
    def kernel(self) -> Kernel:
        return self.boot_now.node.kernel

    async def start_up(self) -> None:
        """Boot it, on what it has on disk. Returns when its processes wait for messages."""
        if self._boot is not None and not self._boot.has_ended:
            raise RuntimeError(f"{self.name} runs already: stop() or crash() it first")
        self.runs += 1
        self.paused = False
        boot = self._boot = Boot(self._machine(), self._world.trace)
        self._world.introduce(self)
        self._world.nursery.start_soon(boot.run, self._load(), self._ended)
        await boot.ready()
        self._installed = True
        self._world.note(WorldKind.BOOTED, self.name)

    def _load(self) -> Load:
        return Load(
            () if self._installed else self._packages,
            [(self.pid(_name(init)), init) for init in self._functions],
            self._http,
            self._client,
        )

    def _machine(self) -> Machine:
        world = self._world
        return Machine(
            self.name,
            self.runs,
            SeededChance(derived_seed("chance", world.seed, self.name, self.runs)),
            self.store,
            self.disk,
            self.engine,
            self.databases,
            self.open_files,
            InlineWorkers(world.pause("work", world.WORK_SECONDS)),
            MemoryListener(f"http://{self.name}:8080"),
            self._dialer(),
            world.net,
            self.console,
            self.registry,
            self.clock,
            world.guard,
        )

    def _dialer(self) -> SimDialer:
        world = self._world
        # Not one of the machine itself: what is for this machine only is not for others.
        peer = f"10.0.0.{1 + [*world.nodes, self.name].index(self.name)}:5000"

        def connect(name: str) -> MemoryStream:
            target = world.nodes.get(name)
            if target is None:
                raise ConnectionRefusedError(None, f"no node of this world is called {name}")
            try:
                return target.connect(peer if name != self.name else LOCAL)
            except NodeDown as error:
                raise ConnectionRefusedError(None, str(error)) from None

        def is_open(name: str) -> bool:
            return name not in world.nodes or world.net.is_open(self.name, name)

        return SimDialer(self.name, connect, is_open, world.pause("dial", world.WORK_SECONDS))

    def _ended(self, boot: Boot) -> None:
        if boot.error is None:
            self._world.note(WorldKind.STOPPED, self.name)
        else:
            self._world.note(WorldKind.CRASHED, self.name, f"{type(boot.error).__name__}: {boot.error}")

    def crash(self, *, silent: bool = False) -> None:
        """As `kill -9`: from this step on it does nothing that anybody could see, not even in a `finally`. `silent`: as
        if the whole machine was lost, so that its links are not even reset.
        """
        boot = self.boot_now
        self._world.turns.hold(boot)
        self.paused = False
        boot.machine.lose_power(silent=silent)
        boot.end()
        self._world.note(WorldKind.CRASHED, self.name)

    async def stop(self) -> None:
        """In good order, all flushed. Raises what kept it from that (`StoreFailed`)."""
        boot = self.boot_now
        await boot.leave()
        if boot.error is not None:
            raise boot.error

    async def restart(self, keep: Keep | Choices = "flushed") -> None:
        """Boot it again; if it still runs, after a crash.

        `keep`: what its store and disk held when it ended: what was "flushed", "all" that was written, or "nothing",
        as on a new machine, on which its packages are installed anew. With `Choices`, any part of what was not flushed.
        """
        if self._boot is not None and not self._boot.has_ended:
            self.crash()
        # What kv and sqlite have acknowledged is durable, and they have nothing else.
        engine, databases = self.engine.crash(), self.databases.crash()
        if keep == "nothing":
            self._installed = False
            engine, databases = self._no_databases(like=(engine, databases))
        self.engine, self.databases = engine, databases
        self.store, self.disk = self.store.crash(keep), self.disk.crash(keep)
        await self.start_up()

    def silence(self) -> None:
        """The world is over: what the node still does is no part of it."""
        if self._boot is not None:
            self._boot.silence()

    def pause(self) -> None:
        """As SIGSTOP: none of its tasks gets a turn, from the next one on; what is sent to it waits."""
        self._world.turns.hold(self.boot_now)
        if not self.paused:
            self.paused = True
            self._world.note(WorldKind.PAUSED, self.name)

    def resume(self) -> None:
        """As SIGCONT: whatever became due meanwhile happens now."""
        self._world.turns.let_go(self.boot_now)
        if self.paused:
            self.paused = False
            self._world.note(WorldKind.RESUMED, self.name)

    # -- its processes

    async def install(self, app: Path | str | PackageFiles) -> PackageId:
        """Into the running node, in the place of an older version. Raises `PackageError`."""
        boot = self.boot_now
        return await boot.call(boot.node.packages.install_files, _files(app))

    def start(
        self,
        init: Init,
        name: str | None = None,
        *,
        public: bool = True,
        network: bool = True,
        capabilities: Sequence[Capability] = (),
    ) -> ProcessId:
        """Make a process of a function, by default called like it. It is gone when the node ends, unless it is among
        the `apps` of the node. Raises `CannotCreate`, TypeError.
        """
        if not callable(init):
            raise TypeError(
                f"{init!r:.60} is no `async def init(our)`: write node.start(init, 'name:package:publisher')"
            )
        pid = self.pid(name or _name(init))
        self.boot_now.start(init, pid, public=public, network=network, capabilities=capabilities)
        return pid

    async def kill(self, process: ProcessId | str) -> None:
        """Returns when it has ended."""
        await self.boot_now.call(self.kernel.kill, self.pid(process))

    @staticmethod
    def pid(process: ProcessId | str) -> ProcessId:
        if isinstance(process, ProcessId):
            return process
        return ProcessId.from_str(process) if ":" in process else ProcessId(process, *OWN_PACKAGE)

    def address(self, process: ProcessId | str) -> Address:
        return Address(self.name, self.pid(process))

    # -- messages of the test

    async def send(
        self, to: To, ipc: bytes = b"", payload: Payload | None = None, *, seconds: int | None = None
    ) -> None:
        """A Request by the process of the test. With `seconds` it expects an answer, which will be in `heard`."""
        target = self._target(to)
        await self.boot_now.mover(target).send(target, ipc, payload, seconds)

    async def ask(
        self, to: To, ipc: bytes = b"", payload: Payload | None = None, *, seconds: int = ASK_SECONDS
    ) -> Message:
        """The answer to a Request by the process of the test. Raises `SendError`."""
        target = self._target(to)
        return await self.boot_now.mover(target).ask(target, ipc, payload, seconds)

    @overload
    async def act(self, step: Callable[[Syscalls], Awaitable[T]]) -> T: ...

    @overload
    async def act(self, step: Callable[[Syscalls], T]) -> T: ...

    async def act(self, step: Step[T]) -> T:
        """Make any syscalls as the process of the test: `await node.act(lambda calls: calls.get_state())`."""
        return await self.boot_now.mover(self.kernel.router.kernel_address).do(step)

    def _target(self, to: To) -> Address:
        if isinstance(to, Address):
            return to
        return Address.from_str(to) if isinstance(to, str) and "@" in to else self.address(to)

    @property
    def heard(self) -> list[Message | SendError]:
        """What was sent to the process of the test, and is no answer that `ask` waited for, oldest first."""
        return self.boot_now.heard

    # -- what can be seen

    def processes(self) -> list[Standing]:
        """All, in order of creation."""
        return self.kernel.standings()

    def _process(self, process: ProcessId | str) -> Process:
        pid = self.pid(process)
        found = self.kernel.router.find(pid)
        if found is None:
            there = ", ".join(str(p.id) for p in self.processes())
            raise LookupError(f"{self.name} has no process {pid}; there are: {there}")
        return found

    def inbox(self, process: ProcessId | str) -> list[Message | SendError]:
        """What it has not received yet, oldest first."""
        unread = self._process(process).mailbox.unread()
        return [item.error if isinstance(item, Returned) else Message(item) for item in unread]

    def mailbox(self, process: ProcessId | str) -> int:
        """How many messages it has not received yet."""
        return len(self._process(process).mailbox)

    def state(self, process: ProcessId | str) -> bytes | None:
        """What `get_state` would give it."""
        return self.store.peek(STATES, str(self.pid(process)))

    def caps(self, process: ProcessId | str) -> list[Capability]:
        """What it holds, in a fixed order."""
        return self._process(process).holdings.all()

    @property
    def printed(self) -> str:
        """What it printed in all its runs, the text alone."""
        return self.console.text

    # -- clients

    def connect(self, peer: str = LOCAL) -> MemoryStream:
        """A client's end of a new connection to its port. Raises ConnectionRefusedError."""
        return self.boot_now.machine.listener.connect(peer)

    def http(self, *, logged_in: bool = True, peer: str = LOCAL) -> Browser:
        """Somebody at this node: its owner, logged in, or a stranger."""
        return Browser(self, logged_in=logged_in, peer=peer)


def _files(app: Path | str | PackageFiles) -> PackageFiles:
    return read_package(Path(app)) if isinstance(app, Path | str) else app


def _name(init: Init) -> str:
    return str(getattr(init, "__name__", "process"))
