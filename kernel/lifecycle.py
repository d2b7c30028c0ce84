"""The life of a process: created, run, asked to end, ended, and what its on-exit rule then does.

Implements docs/processes.md, PROTOCOL 3.9, 4.4 and 4.7. Each public method that is not async is one kernel step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from math import inf
from traceback import extract_tb
from typing import TYPE_CHECKING

import attrs
import trio

from kernel.address import Address, ProcessId, fresh_name
from kernel.capability import KERNEL, Capability
from kernel.closure import NO_RESTART, Closure
from kernel.deadlines import Alarm
from kernel.errors import KernelError, ProgramError
from kernel.events import EventKind
from kernel.exits import END_SECONDS, OUTCOMES, Backoff, ExitCause, Outcome
from kernel.host import Host
from kernel.jsontext import dump
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import KernelMessage, OnExit, Request
from kernel.parking import park, wake
from kernel.process import Holdings, Process, ProcessState, TaskState
from kernel.syscalls import process as current_process

if TYPE_CHECKING:
    from kernel.grants import Grants
    from kernel.ports import Init, Program
    from kernel.records import ProcessRecords
    from kernel.router import Router


class CannotCreate(KernelError):
    """No process was made; the text says why. `taken` when the id is in use."""

    def __init__(self, detail: str, *, taken: bool = False) -> None:
        super().__init__(detail)
        self.taken = taken


def explain(error: BaseException, drive: str = "") -> str:
    """One line of valid Unicode: type, text, and the place that raised, if possible one in a file below `drive`.

    Never raises itself.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an actor's exception may fail to print itself, or worse
        text = f"<the text of {type(error).__name__} raises>"
    if not isinstance(error, ProgramError):
        frames = list(extract_tb(error.__traceback__))
        frames = [frame for frame in frames if frame.filename.startswith(drive)] or frames
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        text = f"{type(error).__name__}: {text}{where}"
    return " ".join(text.encode(errors="backslashreplace").decode().splitlines())


def _is_cancellation(error: BaseException) -> bool:
    # No recursion: an actor may nest its groups as deep as it likes.
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(found.exceptions)
        elif not isinstance(found, trio.Cancelled):
            return False
    return True


def _is_cut_off() -> bool:
    """Whether the calling task is cancelled from outside of its process: the whole node goes."""
    return trio.current_effective_deadline() == -inf


@attrs.frozen
class NewProcess:
    """What a process is made of. It also gets messaging to itself, and `parent` gets messaging to it."""

    pid: ProcessId
    program: Program | None
    path: str
    on_exit: OnExit
    public: bool = False
    capabilities: tuple[Capability, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    source: bytes | None = None
    parent: ProcessId | None = None
    system: bool = False


class Lifecycle:
    """Creates, starts and ends the processes of a router's table."""

    def __init__(
        self, router: Router, records: ProcessRecords, grants: Grants, make_host: Callable[[Process], Host]
    ) -> None:
        self._router = router
        self._records = records
        self._grants = grants
        self._make_host = make_host
        self._nursery: trio.Nursery | None = None
        self._context: Context | None = None
        self._stopping = False
        self._watchers: dict[ProcessId, Callable[[ProcessId], None]] = {}
        self.abandoned: list[ProcessId] = []

    def attach(self, nursery: trio.Nursery) -> None:
        """The nursery in which the processes of this node run; new tasks get the caller's context."""
        self._nursery = nursery
        self._context = copy_context()

    # -- beginning

    def create(self, new: NewProcess) -> Process:
        """Into the table, not yet run. Raises `CannotCreate`, and ValueError for an on-exit that cannot be written."""
        router = self._router
        pid = new.pid
        self._check_id(pid)
        process = Process(
            Address(router.node, pid),
            new.program,
            path=new.path,
            on_exit=new.on_exit,
            public=new.public,
            holdings=Holdings(router.node),
            limits=new.limits,
        )
        process.source = new.source
        process.system = new.system
        process.holdings.network = new.system
        process.holdings.messaging[pid] = None
        for capability in new.capabilities:
            self._grants.add(process, capability)
        self._records.save(process)
        router.processes[pid] = process
        parent = router.processes.get(new.parent) if new.parent is not None else None
        if parent is not None:
            self._grants.grant(parent, Capability.messaging(process.address))
        if router.observer is not None:
            self._tell_created(process)
        return process

    def _tell_created(self, process: Process) -> None:
        """With all that it begins with, so that who observes can tell what it may do."""
        words = ("public " if process.public else "") + ("system" if process.system else "")
        self._router.notify(EventKind.CREATED, process.pid, note=words.strip())
        for capability in process.holdings.all():
            self._router.notify(EventKind.GRANTED, process.pid, note=str(capability))

    def _check_id(self, pid: ProcessId) -> None:
        if not pid.is_safe():
            raise CannotCreate(
                f"{str(pid)!r} has characters other than letters, digits, '_', '.', '-': choose another name"
            )
        if pid.process == KERNEL.process and pid != KERNEL:
            raise CannotCreate(
                f"only {KERNEL} may be called {KERNEL.process!r}: choose another name for {pid}"
            )
        if self._stopping:
            raise CannotCreate("the node shuts down")
        if pid in self._router.processes:
            raise CannotCreate(f"{pid} exists already: choose another name, or kill it first", taken=True)

    def start(self, process: Process) -> None:
        """Run it. The messages held for it are the first it receives."""
        assert self._nursery is not None, "the kernel does not run"
        assert self._context is not None
        assert process.program is not None
        process.enter(ProcessState.RUNNING)
        process.started_at = trio.current_time()
        self._router.notify(EventKind.STARTED, process.pid)
        self._context.run(self._nursery.start_soon, self._run, process, process.program)

    async def _run(self, process: Process, program: Program) -> None:
        # Every message passes through the frames below `init`: this one is all there is.
        init: Init | None = None
        try:
            with trio.CancelScope() as scope:
                process.scope = scope
                if process.ending:
                    scope.cancel()
                self._enter(process)
                try:
                    # Held to the end: with it go the names of the program's modules.
                    init = program.fresh()
                    turns = self._router.turns
                    if turns is not None:
                        await turns.begin(process, 0)
                    await init(process.address)
                except BaseException as error:  # noqa: BLE001 - the process boundary: nothing an actor raises may pass
                    self._left(process, error)
            if process.children:
                await self._end_children(process)
        finally:
            if process.asked is None and _is_cut_off():
                process.asked = ExitCause.CANCELLED
            if not process.abandoned:
                self._finish(process)

    def _enter(self, process: Process) -> None:
        """The running task is the main task of this process."""
        host = self._make_host(process)
        current_process.set(host)
        host.enter(TaskState(trio.lowlevel.current_task()))
        fresh_name.set(host.fresh_name)

    def _left(self, process: Process, error: BaseException) -> None:
        """What left a task of the process decides the cause, unless it is a cancellation."""
        if _is_cancellation(error) and (process.ending or _is_cut_off()):
            if process.asked is None:
                process.record_cause(ExitCause.CANCELLED)
            return
        text = explain(error, f"/{process.pid.package}:{process.pid.publisher}/")
        process.record_cause(ExitCause.CRASH, text)
        self._router.print(0, process.address, f"crashed: {text}")

    # -- child tasks

    def start_child(
        self,
        process: Process,
        state: TaskState,
        task: Callable[..., Awaitable[object]],
        args: tuple[object, ...],
    ) -> None:
        """A child task of a process, in a scope of its own, beginning with a fork of its parent's state."""
        assert self._nursery is not None
        if process.children is None:
            process.children = {}
        scope = trio.CancelScope()
        if process.ending:
            scope.cancel()
        process.children[scope] = None
        process.begun += 1
        number = process.begun
        # The fork is taken here: by the time the child runs, its parent may have received another message.
        self._nursery.start_soon(self._run_child, process, scope, state.fork(None), number, task, args)

    async def _run_child(
        self,
        process: Process,
        scope: trio.CancelScope,
        state: TaskState,
        number: int,
        task: Callable[..., Awaitable[object]],
        args: tuple[object, ...],
    ) -> None:
        host = current_process.get()
        assert isinstance(host, Host)
        state.task = trio.lowlevel.current_task()
        host.enter(state)
        try:
            with scope:
                turns = self._router.turns
                if turns is not None:
                    await turns.begin(process, number)
                await task(*args)
        except BaseException as error:  # noqa: BLE001 - the process boundary, as for init
            self._left(process, error)
            self._cancel_tasks(process)
        finally:
            assert process.children is not None
            del process.children[scope]
            if not process.children and process.joining is not None:
                wake(process.joining)
                process.joining = None

    async def _end_children(self, process: Process) -> None:
        assert process.children is not None
        self._cancel_tasks(process)

        def left() -> None:
            process.joining = None

        while process.children:
            process.joining = trio.lowlevel.current_task()
            await park(left)

    # -- ending

    def ask_end(self, process: Process, cause: ExitCause, *, revoke: bool = True) -> None:
        """End it, its on-exit rule off. It has 2 s, then it is abandoned. Asking again changes nothing."""
        if process.asked is not None:
            return
        process.asked = cause
        process.revokes = revoke
        process.record_cause(cause)
        self._router.notify(
            EventKind.ENDING, process.pid, note=cause.name if revoke else f"{cause.name} kept"
        )
        if process.state is not ProcessState.RUNNING:
            self._finish(process)
            return
        self._cancel_tasks(process)

    def _cancel_tasks(self, process: Process) -> None:
        """All of the process, also those it starts from now on; they have 2 s."""
        if process.ending:
            return
        process.ending = True
        if process.scope is not None:
            process.scope.cancel()
        for scope in list(process.children or ()):
            scope.cancel()
        self._router.deadlines.add(trio.current_time() + END_SECONDS, Alarm(lambda: self.abandon(process)))

    def abandon(self, process: Process) -> None:
        """Leave it as it is: its time to end is over."""
        if process.state is not ProcessState.RUNNING:
            return
        process.abandoned = True
        process.record_cause(ExitCause.TIMEOUT)
        self.abandoned.append(process.pid)
        text = f"{process.pid} did not end within {END_SECONDS:g} s of being asked to and was abandoned"
        self._router.print(0, process.address, text)
        self._finish(process)

    def _finish(self, process: Process) -> None:
        """The last step of a process (docs/processes.md, "How a process ends")."""
        router = self._router
        process.enter(ProcessState.ENDED)
        if process.asked is ExitCause.CANCELLED or (self._stopping and process.asked is None):
            outcome = OUTCOMES[ExitCause.CANCELLED][process.on_exit.kind]
        elif process.system:
            outcome = Outcome.RESTARTED
        else:
            outcome = OUTCOMES[process.asked or process.cause][process.on_exit.kind]
        if router.processes.get(process.pid) is process:
            del router.processes[process.pid]
        self._warn_watchers(process)
        router.release(process)
        router.notify(EventKind.EXITED, process.pid, note=process.cause.name)
        router.print(2, process.address, f"ended: {process.cause.name.lower()}")
        self._tell_watchers(process)
        if outcome is Outcome.RESTARTED:
            self._restart(process)
        elif outcome is not Outcome.KEPT and outcome is not Outcome.FORGOTTEN:
            if outcome is Outcome.REQUESTS_SENT:
                self._send_exit_requests(process)
            if process.revokes:
                self._grants.revoke_issued(process)
            self._grants.forget_holder(process)
            self._records.delete(process)
        for event in (process.ended, process.first_receive):
            if event is not None:
                event.set()

    def _restart(self, former: Process) -> None:
        uptime = trio.current_time() - former.started_at
        process = Process(
            former.address,
            former.program,
            path=former.path,
            on_exit=former.on_exit,
            public=former.public,
            holdings=former.holdings,
            limits=former.mailbox.limits,
        )
        process.source = former.source
        process.system = former.system
        process.last_error = former.last_error
        process.backoff = former.backoff or Backoff()
        delay = process.backoff.next_delay(uptime)
        self._router.processes[process.pid] = process
        if delay == 0:
            self.start(process)
            return
        process.enter(ProcessState.WAITING)
        self._router.print(1, process.address, f"restarts in {delay:g} s")
        when = trio.current_time() + delay
        self._router.deadlines.add(when, Alarm(lambda: self._restart_now(process)))

    def _restart_now(self, process: Process) -> None:
        if self._router.processes.get(process.pid) is process and process.state is ProcessState.WAITING:
            self.start(process)

    def _send_exit_requests(self, process: Process) -> None:
        """In order, each an ordinary send of the process that is no more (C-078)."""
        state = TaskState(None)
        for target, request, payload in process.on_exit.entries:
            once = attrs.evolve(request, expects_response=None, inherit=False)
            self._router.send_request(process, state, target, once, None, payload)

    # -- who watches

    def watch_exits(self, pid: ProcessId, ended: Callable[[ProcessId], None]) -> None:
        """From now on this system process is told of every exit: at once by `ended`, later by a Request."""
        self._watchers[pid] = ended

    def _warn_watchers(self, process: Process) -> None:
        """Before those who wait for room in its mailbox go on, and before its next run."""
        for pid, ended in self._watchers.items():
            if pid in self._router.processes:
                ended(process.pid)

    def _tell_watchers(self, process: Process) -> None:
        router = self._router
        for pid in self._watchers:
            watcher = router.processes.get(pid)
            if watcher is None or watcher is process or self._stopping:
                continue
            ipc = dump({"ProcessExited": {"id": str(process.pid), "cause": process.cause.name.capitalize()}})
            notice = KernelMessage(
                router.ids.take(), router.kernel_address, watcher.address, None, Request(ipc=ipc)
            )
            router.notify(EventKind.SENT, KERNEL, notice)
            router.notify(EventKind.APPENDED, pid, notice)
            watcher.mailbox.put(notice)

    # -- the on-exit rule

    def set_on_exit(self, process: Process, on_exit: OnExit) -> None:
        """Persisted; None takes the process off the disk (PROTOCOL 4.7). ValueError when it cannot be written."""
        if isinstance(process.program, Closure) and not on_exit.is_none():
            raise ValueError(f"{process.pid}: {NO_RESTART}")
        former, process.on_exit = process.on_exit, on_exit
        try:
            self._records.save(process)
        except ValueError:
            process.on_exit = former
            raise

    # -- the whole node

    async def stop_all(self) -> None:
        """End every process, users' first, each with its 2 s. Returns when all have ended or were abandoned."""
        users = [p for p in self._router.processes.values() if not p.system]
        self._stopping = True
        await self._end_and_wait(users)
        await self._end_and_wait(list(self._router.processes.values()))

    async def _end_and_wait(self, processes: list[Process]) -> None:
        for process in processes:
            if process.ended is None:
                process.ended = trio.Event()
            self.ask_end(process, ExitCause.CANCELLED)
        for process in processes:
            assert process.ended is not None
            await process.ended.wait()
