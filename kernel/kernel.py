"""The kernel of one node: tables, routing, lives, and the one nursery in which its processes run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

import attrs
import trio

from kernel import offspring
from kernel.address import OUR, Address, ProcessId, is_safe
from kernel.capability import MESSAGING, Capability
from kernel.closure import NO_RESTART, Closure
from kernel.errors import NoSuchFile, ProcessEnded, ProgramError, SpawnError, SpawnErrorKind
from kernel.exits import ExitCause
from kernel.explain import explain
from kernel.grants import Grants
from kernel.host import Host
from kernel.lifecycle import CannotCreate, Lifecycle, NewProcess
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import OnExit
from kernel.ports import Chance, Console, Init, Keys, Program, Programs, Store
from kernel.process import Process, ProcessState
from kernel.records import ProcessRecord, ProcessRecords
from kernel.router import Router

T = TypeVar("T")

CapabilityGrant = ProcessId | tuple[ProcessId, str]


class BadNodeName(ValueError):
    """A node cannot have this name."""


@attrs.frozen
class Ports:
    """The outside world of one kernel. `wall_clock` gives seconds since the epoch."""

    chance: Chance
    store: Store
    keys: Keys
    programs: Programs
    console: Console
    wall_clock: Callable[[], float]


@attrs.frozen
class _Builtin:
    """A module of the runtime as a Program: its code is here, every run shares it."""

    init: Init

    def fresh(self) -> Init:
        return self.init


@attrs.frozen
class Standing:
    """One line of `nectar ps`."""

    id: ProcessId
    state: ProcessState
    mailbox: int
    restarts: int
    last_error: str | None
    bytes: int = 0
    received: int = 0


class Kernel:
    """Lives in `run()`. What other files may use of it: `router` (sends), `lifecycle` (lives), and the methods here."""

    def __init__(self, node: str, ports: Ports) -> None:
        if node == OUR or not is_safe(node):
            raise BadNodeName(
                f"a node cannot be called {node!r}: use letters, digits, '_', '.', '-', and not the word 'our'"
            )
        self.node = node
        self.ports = ports
        self.router = Router(node, chance=ports.chance, console=ports.console, keys=ports.keys)
        self.records = ProcessRecords(ports.store)
        self.grants = Grants(self.router, self.records)
        self.lifecycle = Lifecycle(self.router, self.records, self.grants, self._make_host)

    def _make_host(self, process: Process) -> Host:
        return Host(self, process)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Processes may be created once it has started."""
        async with trio.open_nursery() as nursery:
            self.lifecycle.attach(nursery)
            nursery.start_soon(self.router.deadlines.run)
            task_status.started()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.ports.wall_clock()

    # -- processes

    def add_module(
        self, pid: ProcessId, init: Init, *, public: bool, limits: Limits = DEFAULT_LIMITS
    ) -> Process:
        """Create and start a module of the runtime; the kernel restarts it whatever happens."""
        program = _Builtin(init)
        new = NewProcess(pid, program, "", OnExit.restart(), public=public, limits=limits, system=True)
        process = self.lifecycle.create(new)
        self.lifecycle.start(process)
        return process

    def standings(self) -> list[Standing]:
        """Every process, in order of creation."""
        return [
            Standing(
                p.pid,
                p.state,
                len(p.mailbox),
                p.backoff.restarts if p.backoff else 0,
                p.last_error,
                p.mailbox.bytes,
                # What a task awaits reaches it straight, past the mailbox.
                p.mailbox.taken + p.answered,
            )
            for p in self.router.processes.values()
        ]

    async def restore(self) -> list[Process]:
        """Create, not yet run, what was saved before (C-081). What cannot be loaded stays, `ended`, with its error."""
        records, problems = await self.records.load()
        for problem in problems:
            self.router.print(0, self.router.kernel_address, problem)
        missing = [record for record in records if record.id not in self.router.processes]
        restored = [await self._restore_one(record) for record in missing]
        created = [process for process in restored if process is not None]
        self._restore_families(created)
        return [process for process in created if self.router.processes.get(process.pid) is process]

    def _restore_families(self, created: list[Process]) -> None:
        """A child process whose parent was not saved ended with it; one whose parent cannot be started waits, as that
        does, for a repair.
        """
        processes = self.router.processes
        orphans: list[Process] = []
        for process in created:
            parent = processes.get(process.parent) if process.parent is not None else None
            if parent is not None:
                offspring.attach(parent, process)
            elif process.parent is not None:
                orphans.append(process)
        for orphan in orphans:
            self.lifecycle.ask_end(orphan, ExitCause.KILLED)
        for parent in [process for process in created if process.state is ProcessState.ENDED]:
            for child in offspring.descendants(processes, parent):
                child.enter(ProcessState.ENDED)
                child.last_error = child.last_error or f"its parent {child.parent} cannot be started"

    async def _restore_one(self, record: ProcessRecord) -> Process | None:
        program: Program | None = None
        error: str | None = None
        try:
            program = await self.ports.programs.prepare(record.id, record.path, record.source)
        except (ProgramError, OSError) as problem:
            error = explain(problem)
        new = NewProcess(
            record.id,
            program,
            record.path,
            record.on_exit,
            record.public,
            tuple(record.capabilities),
            record.limits,
            record.source,
            record.parent,
            attached=record.parent is not None,
        )
        try:
            process = self.lifecycle.create(new)
        except CannotCreate as problem:
            text = f"the saved process {record.id} was left as it is: {problem}"
            self.router.print(0, self.router.kernel_address, text)
            return None
        if error is not None:
            process.enter(ProcessState.ENDED)
            process.last_error = error
            self.router.print(0, process.address, f"cannot be started: {error}")
        return process

    def starting(self) -> list[Process]:
        """Those that were created and not yet run, in order of creation."""
        return [p for p in self.router.processes.values() if p.state is ProcessState.STARTING]

    def start_all(self) -> None:
        """Run every process that was created and not yet run, in order of creation (PROTOCOL 3.9)."""
        for process in self.starting():
            self.lifecycle.start(process)

    @staticmethod
    def note_first_receive(processes: Sequence[Process]) -> list[trio.Event]:
        """For each of these, which were not started yet: set when it asks for its first message, or has ended."""
        events = [trio.Event() for _ in processes]
        for process, event in zip(processes, events, strict=True):
            process.first_receive = event
        return events

    async def spawn(
        self,
        parent: Process,
        name: str | None,
        path: str | Init,
        on_exit: OnExit,
        request_capabilities: Sequence[Capability],
        grant_capabilities: Sequence[CapabilityGrant],
        public: bool,
        *,
        detached: bool,
    ) -> ProcessId:
        """A child of `parent` (PROTOCOL 4.4, 4.5): created, granted and started in one step. Raises `SpawnError`.

        It ends with its parent, unless `detached`.
        """
        try:
            pid = ProcessId(name, parent.pid.package, parent.pid.publisher)
        except ValueError as error:
            raise SpawnError(SpawnErrorKind.BadName, str(error)) from None
        if pid in self.router.processes:
            raise SpawnError(SpawnErrorKind.NameTaken, f"{pid} exists already: choose another name")
        program, path = await self._program(parent, pid, path, on_exit)
        if parent.state is not ProcessState.RUNNING:
            raise ProcessEnded(f"{parent.pid} has ended; no child was made")
        if parent.asked is not None:
            # Whoever ends a package would never be done with one that starts another process for each that ends.
            raise ProcessEnded(f"{parent.pid} was asked to end; no child was made")
        held = self._held_by(parent, request_capabilities)
        grants = self._grants_of(Address(self.node, pid), grant_capabilities)
        new = NewProcess(
            pid,
            program,
            path,
            on_exit,
            public,
            (Capability.messaging(parent.address), *held),
            parent=parent.pid,
            attached=not detached,
        )
        try:
            child = self.lifecycle.create(new)
        except CannotCreate as error:
            kind = SpawnErrorKind.NameTaken if error.taken else SpawnErrorKind.BadName
            raise SpawnError(kind, str(error)) from None
        self._grant(child, grants)
        self.lifecycle.start(child)
        if on_exit.is_none():
            turn = trio.lowlevel.checkpoint()  # noqa: ASYNC105 - awaited there
            await self._waited(parent, "turn", turn)
        else:
            await self._waited(parent, "saved", self.records.flush())
        return pid

    async def _waited(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
        turns = self.router.turns
        return await (waiting if turns is None else turns.wait(process, why, waiting))

    async def _program(
        self, parent: Process, pid: ProcessId, path: str | Init, on_exit: OnExit
    ) -> tuple[Program, str]:
        if isinstance(path, str):
            program = self.ports.programs.ready(pid, path)
            if program is None:
                program = await self._waited(parent, "code", self._prepare(pid, path))
            return program, path
        if not on_exit.is_none():
            raise SpawnError(SpawnErrorKind.BadProgram, NO_RESTART)
        return Closure(path), ""

    async def _prepare(self, pid: ProcessId, path: str) -> Program:
        try:
            return await self.ports.programs.prepare(pid, path)
        except NoSuchFile as error:
            raise SpawnError(SpawnErrorKind.NoFileAtPath, str(error)) from None
        except ProgramError as error:
            raise SpawnError(SpawnErrorKind.BadProgram, str(error)) from None

    def _held_by(self, parent: Process, wanted: Sequence[Capability]) -> list[Capability]:
        """Those the parent holds or issues; the others are discarded with a print (C-064)."""
        kept: list[Capability] = []
        for capability in wanted:
            real = self.router.signing.real(capability)
            if parent.holdings.holds(real) or real.issuer == parent.address:
                kept.append(real)
            else:
                self.router.print(
                    0, parent.address, f"cannot pass on {real} to a child: {parent.pid} does not hold it"
                )
        return kept

    @staticmethod
    def _grants_of(issuer: Address, grants: Sequence[CapabilityGrant]) -> list[tuple[ProcessId, Capability]]:
        """Messaging, or the given params, issued by `issuer`. Raises ValueError for params that are no text."""
        pairs = [grant if isinstance(grant, tuple) else (grant, MESSAGING) for grant in grants]
        return [(to, Capability(issuer, params)) for to, params in pairs]

    def _grant(self, issuer: Process, grants: Sequence[tuple[ProcessId, Capability]]) -> None:
        for to, capability in grants:
            receiver = self.router.find(to)
            if receiver is None:
                text = f"cannot grant {capability.params} to {to}: it does not exist"
                self.router.print(0, issuer.address, text)
            else:
                self.grants.grant(receiver, capability)

    async def kill(self, pid: ProcessId, *, revoke: bool = True) -> None:
        """Return when it has ended (or was abandoned), or at once when there is none."""
        process = self.router.find(pid)
        if process is None:
            return
        if process.ended is None:
            process.ended = trio.Event()
        self.lifecycle.ask_end(process, ExitCause.KILLED, revoke=revoke)
        await process.ended.wait()

    async def stop(self) -> list[ProcessId]:
        """End every process and flush; those that had to be abandoned."""
        await self.lifecycle.stop_all()
        await self.records.flush()
        return self.lifecycle.abandoned
