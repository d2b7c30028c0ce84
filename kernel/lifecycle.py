"""The life of a process: created, run, asked to end, ended, and what its on-exit rule then does.

Implements docs/processes.md, PROTOCOL 3.9, 4.4 and 4.7. Each public method that is not async is one kernel step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

import attrs
import trio

from kernel import offspring
from kernel.address import Address, ProcessId, fresh_name
from kernel.capability import KERNEL, Capability
from kernel.closure import NO_RESTART, Closure
from kernel.deadlines import Alarm
from kernel.errors import KernelError
from kernel.events import EventKind
from kernel.exit_notices import ExitNotices
from kernel.exits import END_SECONDS, OUTCOMES, Backoff, ExitCause, Outcome
from kernel.explain import explain, is_cancellation, is_cut_off
from kernel.host import Host
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import OnExit
from kernel.parking import park, wake
from kernel.process import Holdings, Process, ProcessState, TaskState
from kernel.stepping import turn_off
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


@attrs.frozen
class NewProcess:
    """What a process is made of. It also gets messaging to itself, and `parent` gets messaging to it.

    `attached`: it ends with the parent.
    """

    pid: ProcessId
    program: Program | None
    path: str
    on_exit: OnExit
    public: bool = False
    capabilities: tuple[Capability, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    source: bytes | None = None
    parent: ProcessId | None = None
    attached: bool = False
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
        self.notices = ExitNotices(router)
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
        process.parent = new.parent if new.attached else None
        self._records.save(process)
        router.processes[pid] = process
        parent = router.processes.get(new.parent) if new.parent is not None else None
        if parent is not None:
            self._grants.grant(parent, Capability.messaging(process.address))
            if new.attached:
                offspring.attach(parent, process)
        if router.observer is not None:
            self._tell_created(process)
        return process

    def _tell_created(self, process: Process) -> None:
        """With all that it begins with, so that who observes can tell what it may do."""
        words = ["public"] * process.public + ["system"] * process.system
        if process.parent is not None:
            words.append(f"ends-with {process.parent}")
        self._router.notify(EventKind.CREATED, process.pid, note=" ".join(words))
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
            self._note_cut_off(process)
            if process.children:
                await self._end_children(process)
            process.over = True
            if process.offspring:
                await self._end_offspring(process)
        finally:
            self._note_cut_off(process)
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
        if is_cancellation(error) and (process.ending or is_cut_off()):
            if process.asked is None:
                process.record_cause(ExitCause.CANCELLED)
            return
        text = explain(error, f"/{process.pid.package}:{process.pid.publisher}/")
        process.record_cause(ExitCause.CRASH, text)
        self._router.print(0, process.address, f"crashed: {text}")

    @staticmethod
    def _note_cut_off(process: Process) -> None:
        if process.asked is None and is_cut_off():
            process.asked = ExitCause.CANCELLED

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
            self._note_cut_off(process)
            self._cancel_tasks(process)
        finally:
            assert process.children is not None
            del process.children[scope]
            if not process.children:
                self._wake_joining(process)

    async def _end_children(self, process: Process) -> None:
        self._cancel_tasks(process)
        while process.children:
            await self._join(process)

    @staticmethod
    async def _join(process: Process) -> None:
        """Until the last child task, or the last child process, has ended."""

        def left() -> None:
            process.joining = None

        process.joining = trio.lowlevel.current_task()
        await park(left)

    # -- child processes

    async def _end_offspring(self, process: Process) -> None:
        self._ask_offspring(process)
        while process.offspring:
            await self._join(process)

    def _ask_offspring(self, process: Process) -> None:
        cause = ExitCause.CANCELLED if self._is_cancelled(process) else ExitCause.KILLED
        self._ask_descendants(process, cause, revoke=process.revokes)

    def _ask_descendants(self, process: Process, cause: ExitCause, *, revoke: bool) -> None:
        """Each has its own 2 s, and all have them at once."""
        for child in offspring.descendants(self._router.processes, process):
            if child.asked is None:
                child.last_error = child.last_error or f"its parent {child.parent} ended"
                self._ask_one(child, cause, revoke=revoke)

    def _leave_parent(self, process: Process) -> None:
        parent = offspring.leave(self._router.processes, process)
        if parent is not None and parent.over:
            self._wake_joining(parent)

    @staticmethod
    def _wake_joining(process: Process) -> None:
        if process.joining is not None:
            wake(process.joining)
            process.joining = None

    # -- ending

    def ask_end(self, process: Process, cause: ExitCause, *, revoke: bool = True) -> None:
        """End it and its child processes, their on-exit rules off. Each has 2 s, then it is abandoned. Asking again
        changes nothing.
        """
        if process.asked is not None:
            return
        self._ask_descendants(process, cause, revoke=revoke)
        self._ask_one(process, cause, revoke=revoke)

    def _ask_one(self, process: Process, cause: ExitCause, *, revoke: bool) -> None:
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
        if process.offspring:
            self._ask_offspring(process)
        if process.scope is not None:
            process.scope.cancel()
        for scope in list(process.children or ()):
            scope.cancel()
        self._router.deadlines.add(trio.current_time() + END_SECONDS, Alarm(lambda: self.abandon(process)))

    def abandon(self, process: Process) -> None:
        """Leave it as it is: its time to end is over. Of one that only waits for child processes theirs will be."""
        if process.state is not ProcessState.RUNNING or process.over:
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
        if self._is_cancelled(process):
            outcome = OUTCOMES[ExitCause.CANCELLED][process.on_exit.kind]
        elif process.system:
            outcome = Outcome.RESTARTED
        else:
            outcome = OUTCOMES[process.asked or process.cause][process.on_exit.kind]
        if process.offspring:
            self._ask_offspring(process)
        if router.processes.get(process.pid) is process:
            del router.processes[process.pid]
        self.notices.warn(process)
        router.release(process)
        router.notify(EventKind.EXITED, process.pid, note=process.cause.name)
        router.print(2, process.address, f"ended: {process.cause.name.lower()}")
        self.notices.forget(process)
        if not self._stopping:
            self.notices.tell(process, restarts=outcome is Outcome.RESTARTED)
        if outcome is Outcome.RESTARTED:
            self._restart(process)
        else:
            if outcome is not Outcome.KEPT and outcome is not Outcome.FORGOTTEN:
                self._remove(process, outcome)
            self._leave_parent(process)
        for event in (process.ended, process.first_receive):
            if event is not None:
                event.set()

    def _remove(self, process: Process, outcome: Outcome) -> None:
        if outcome is Outcome.REQUESTS_SENT:
            self._send_exit_requests(process)
        if process.revokes:
            self._grants.revoke_issued(process)
        self._grants.forget_holder(process)
        self._records.delete(process)

    def _is_cancelled(self, process: Process) -> bool:
        """The whole node goes."""
        return process.asked is ExitCause.CANCELLED or (self._stopping and process.asked is None)

    def _restart(self, former: Process) -> None:
        uptime = trio.current_time() - former.started_at
        process = former.successor()
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
        turn_off(self._router)
        await self._end_and_wait(users)
        await self._end_and_wait(list(self._router.processes.values()))

    async def _end_and_wait(self, processes: list[Process]) -> None:
        for process in processes:
            # Of all before the first is asked: with it may end others.
            if process.ended is None:
                process.ended = trio.Event()
        for process in processes:
            self.ask_end(process, ExitCause.CANCELLED)
        for process in processes:
            assert process.ended is not None
            await process.ended.wait()
