"""A kernel alone, on memory ports, and puppets: processes whose every step is given by the test."""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar, cast

import attrs
import trio
import trio.testing

from kernel.address import Address, ProcessId
from kernel.capability import KERNEL, Capability
from kernel.commands import make
from kernel.dead_letters import DeadLetter
from kernel.events import Event, EventKind
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import NewProcess
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import Message, OnExit, Payload, Request, Response
from kernel.ports import Chance, Init, Keys
from kernel.process import Process
from kernel.syscalls import Syscalls, current
from runtime.sim.chance import SeededChance
from runtime.sim.console import MemoryConsole
from runtime.sim.store import MemoryStore
from tests.support.shelf import Code, Shelf
from userland.process_lib.testing._ports import Seals

NODE = "alice.uq"
EPOCH = 1_700_000_000.0

T = TypeVar("T")
Step = Callable[[Syscalls], Awaitable[T] | T]


class PuppetEnded(Exception):
    """The process of a puppet ended before it had done what it was told."""


class Doing(Generic[T]):
    """One step of a puppet, under way."""

    def __init__(self, step: Step[T]) -> None:
        self.step = step
        self.done = trio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    async def run(self, calls: Syscalls) -> None:
        """Keeps what the step returns or raises; lets through what is no Exception, a cancellation above all."""
        try:
            value = self.step(calls)
            self._value = await value if inspect.isawaitable(value) else value
        except Exception as error:  # noqa: BLE001 - raised again where the test waits for it
            self._error = error
        except BaseException:
            self._error = PuppetEnded()
            raise
        finally:
            self.done.set()

    def end(self) -> None:
        if not self.done.is_set():
            self._error = PuppetEnded()
            self.done.set()

    async def result(self) -> T:
        """What it returned. Raises what it raised, or `PuppetEnded`."""
        await self.done.wait()
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


class Puppet:
    """A process that does, in its main task and one after the other, what the test tells it.

    The shorthands named like syscalls are these syscalls, made by the process.
    """

    def __init__(self, node: KernelNode, pid: ProcessId) -> None:
        self._node = node
        self.pid = pid
        self.address = Address(node.kernel.node, pid)
        self.runs = 0
        node.known[str(pid)] = self
        self._steps, self._told = trio.open_memory_channel[Doing[object] | None](math.inf)

    async def init(self, our: Address) -> None:
        self.runs += 1
        step: Doing[object] | None = None
        try:
            async for step in self._told:
                if step is None:
                    return
                await step.run(current())
        finally:
            while True:
                try:
                    left = self._told.receive_nowait()
                except trio.WouldBlock:
                    break
                if left is not None:
                    left.end()

    def begin(self, step: Step[T]) -> Doing[T]:
        doing = Doing(step)
        self._steps.send_nowait(cast("Doing[object]", doing))
        return doing

    async def do(self, step: Step[T]) -> T:
        """Return what the step returns, once everything that follows from it has happened. Raises what it raises."""
        value = await self.begin(step).result()
        await self._node.settle()
        return value

    def finish(self) -> None:
        """`init` returns."""
        self._steps.send_nowait(None)

    async def crash(self, error: BaseException | None = None) -> None:
        """`init` raises, by default a ValueError."""
        raised = ValueError("as told") if error is None else error

        async def task(our: Address = self.address) -> None:
            raise raised

        def fall(calls: Syscalls) -> None:
            calls.start_soon(task)

        self.begin(fall)
        await self._node.settle()

    # -- syscalls

    async def send(
        self,
        to: Address | Puppet,
        ipc: bytes = b"",
        *,
        expects: int | None = None,
        inherit: bool = False,
        context: bytes | None = None,
        payload: Payload | None = None,
        metadata: str | None = None,
        capabilities: Sequence[Capability] = (),
    ) -> None:
        request = Request(inherit, expects, ipc, metadata, tuple(capabilities))
        await self.do(lambda calls: calls.send_request(address_of(to), request, context, payload))

    async def respond(
        self, ipc: bytes = b"", *, inherit: bool = False, payload: Payload | None = None
    ) -> None:
        await self.do(lambda calls: calls.send_response(Response(inherit, ipc), payload))

    async def receive(self) -> Message:
        return await self.do(lambda calls: calls.receive())

    def begin_receive(self) -> Doing[Message]:
        return self.begin(lambda calls: calls.receive())

    def begin_ask(
        self,
        to: Address | Puppet,
        ipc: bytes = b"",
        *,
        expects: int | None = 60,
        inherit: bool = False,
        payload: Payload | None = None,
    ) -> Doing[Message]:
        request = Request(inherit, expects, ipc)
        return self.begin(lambda calls: calls.send_and_await_response(address_of(to), request, payload))

    async def ask(
        self,
        to: Address | Puppet,
        ipc: bytes = b"",
        *,
        expects: int | None = 60,
        inherit: bool = False,
        payload: Payload | None = None,
    ) -> Message:
        asked = self.begin_ask(to, ipc, expects=expects, inherit=inherit, payload=payload)
        answer = await asked.result()
        await self._node.settle()
        return answer

    async def payload(self) -> Payload | None:
        return await self.do(lambda calls: calls.get_payload())

    async def unread(self) -> list[Message | Exception]:
        """Receive all there is: messages, and the errors that came back."""
        found: list[Message | Exception] = []
        for _ in range(self._node.mailbox(self.pid)):
            try:
                found.append(await self.receive())
            except Exception as error:  # noqa: BLE001 - what came is what the test looks at
                found.append(error)
        return found


def address_of(target: Address | Puppet) -> Address:
    return target.address if isinstance(target, Puppet) else target


@attrs.define(eq=False)
class KernelNode:
    """A running kernel, the memory around it, and everything that happened."""

    kernel: Kernel
    store: MemoryStore
    console: MemoryConsole
    programs: Shelf
    events: list[Event] = attrs.Factory(list)
    known: dict[str, Puppet] = attrs.Factory(dict)

    async def settle(self) -> None:
        """Return when everybody waits for something."""
        await trio.testing.wait_all_tasks_blocked()

    # -- processes

    def create(
        self,
        name: str,
        init: Init | None = None,
        *,
        public: bool = False,
        on_exit: OnExit | None = None,
        capabilities: Iterable[Capability] = (),
        may_message: Iterable[Address | Puppet] = (),
        network: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        path: str = "",
    ) -> Process:
        """In the table, not yet run. `name` is a process id or one of package `test:test`."""
        held = [*capabilities, *(Capability.messaging(address_of(target)) for target in may_message)]
        if network:
            held.append(Capability.network(self.kernel.node))
        new = NewProcess(
            pid_of(name),
            None if init is None else Code(init),
            path,
            OnExit.none() if on_exit is None else on_exit,
            public=public,
            capabilities=tuple(held),
            limits=limits,
        )
        return self.kernel.lifecycle.create(new)

    async def puppet(
        self,
        name: str,
        *,
        public: bool = True,
        on_exit: OnExit | None = None,
        capabilities: Iterable[Capability] = (),
        may_message: Iterable[Address | Puppet] = (),
        network: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> Puppet:
        """A running puppet; public unless told otherwise."""
        puppet = Puppet(self, pid_of(name))
        process = self.create(
            name,
            puppet.init,
            public=public,
            on_exit=on_exit,
            capabilities=capabilities,
            may_message=may_message,
            network=network,
            limits=limits,
        )
        self.kernel.lifecycle.start(process)
        await self.settle()
        return puppet

    async def puppets(self, *names: str) -> list[Puppet]:
        return [await self.puppet(name) for name in names]

    async def system(self, name: str, *, public: bool = False) -> Puppet:
        """A puppet that is a module of the runtime."""
        puppet = Puppet(self, ProcessId(name, "sys", "nectar"))
        self.kernel.add_module(puppet.pid, puppet.init, public=public)
        await self.settle()
        return puppet

    async def start(self, name: str, init: Init, *, on_exit: OnExit | None = None) -> Process:
        """A running process of one's own, public."""
        process = self.create(name, init, public=True, on_exit=on_exit)
        self.kernel.lifecycle.start(process)
        await self.settle()
        return process

    async def kill(self, process: Puppet | ProcessId, *, revoke: bool = True) -> None:
        await self.kernel.kill(process.pid if isinstance(process, Puppet) else process, revoke=revoke)
        await self.settle()

    # -- what can be seen

    def state(self, pid: ProcessId | Puppet) -> str | None:
        """None when it is not in the table."""
        wanted = pid.pid if isinstance(pid, Puppet) else pid
        return next((s.state.value for s in self.kernel.standings() if s.id == wanted), None)

    def mailbox(self, pid: ProcessId) -> int:
        return next(s.mailbox for s in self.kernel.standings() if s.id == pid)

    def seen(self, kind: EventKind, subject: ProcessId | Puppet | None = None) -> list[Event]:
        wanted = subject.pid if isinstance(subject, Puppet) else subject
        return [e for e in self.events if e.kind is kind and wanted in {None, e.subject}]

    def causes(self, pid: ProcessId | Puppet) -> list[str]:
        """How each run of the process ended."""
        return [event.note for event in self.seen(EventKind.EXITED, pid)]

    def starts(self, pid: ProcessId | Puppet) -> list[float]:
        """When each run of the process began, in seconds of the clock."""
        return [event.at for event in self.seen(EventKind.STARTED, pid)]

    def dead_letters(self) -> list[DeadLetter]:
        return self.kernel.router.dead_letters.all()


def pid_of(name: str) -> ProcessId:
    return ProcessId.from_str(name) if ":" in name else ProcessId(name, "test", "test")


def make_kernel(
    store: MemoryStore | None = None,
    *,
    node: str = NODE,
    chance: Chance | None = None,
    keys: Keys | None = None,
) -> KernelNode:
    """A kernel that does not run yet, with its every event recorded."""
    console, programs = MemoryConsole(), Shelf()
    store = MemoryStore() if store is None else store
    ports = Ports(
        SeededChance(1) if chance is None else chance,
        store,
        Seals(node) if keys is None else keys,
        programs,
        console,
        lambda: EPOCH + trio.current_time(),
    )
    made = KernelNode(Kernel(node, ports), store, console, programs)
    made.kernel.router.observer = made.events.append
    return made


@asynccontextmanager
async def kernel_node(
    store: MemoryStore | None = None,
    *,
    node: str = NODE,
    chance: Chance | None = None,
    commands: bool = False,
) -> AsyncIterator[KernelNode]:
    """Runs while the block runs, then as after a power cut: no process is asked. `commands` adds kernel:sys:nectar."""
    made = make_kernel(store, node=node, chance=chance)
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(made.kernel.run)
        if commands:
            made.kernel.add_module(KERNEL, make(made.kernel), public=False)
        # Kept out of the nursery, which would wrap it into a group.
        try:
            yield made
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
        made.kernel.router.observer = None
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
