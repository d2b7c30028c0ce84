"""Plays a record: its packages run again and are held to it, everything else comes out of it.

The tasks of packages wait at the recorded waits, and go on when the record says so; what the node itself, its modules
and other nodes did is done again between their steps. Order and outcomes are those of the record; what a process does
of its own accord is compared with it, up to the first difference.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from hashlib import sha256
from typing import NoReturn, TypeVar, cast

import attrs
import trio
import trio.testing
from trio.lowlevel import Abort, RaiseCancelT, Task, current_task, reschedule

from kernel.address import ProcessId
from kernel.errors import ProcessEnded, ReceiveConflict, SpawnError, SpawnErrorKind
from kernel.events import Event, EventKind
from kernel.message import KernelMessage
from kernel.ports import StoreFailed
from kernel.process import Process
from runtime.record import lines
from runtime.record.cleaning import Cleaner
from runtime.record.lines import SAID, Step
from runtime.record.reader import ReadRecord
from runtime.record.recorder import said
from runtime.record.tasks import Actor, TaskNames
from runtime.sim.played_devices import PlayedClock
from runtime.sim.played_kernel import PlayedKernel
from runtime.sim.record_text import described, said_text
from runtime.sim.record_world import RecordedWorld
from runtime.sim.recorded_steps import RecordedSteps, actor_of, is_step

T = TypeVar("T")
S = TypeVar("S", bound=Step | lines.Created)

_FIRST_LINE = 2
"""Of the file, after the head."""
_BEYOND = 100_000
"""So many steps past the end of its record, and a task is stopped."""
_CRASHED = "crashed: "
_RAISED = {error.__name__: error for error in (ProcessEnded, ReceiveConflict, StoreFailed, ValueError)}
_GIVES = ("receive", "code")
"""The waits that give something, and give it at once on a played kernel."""


class Over(BaseException):
    """Ends whatever of a package still runs once the replay is decided. No Exception, so that no actor survives it."""


@attrs.frozen
class Difference:
    """`line` is that of the record's file, `at` is in seconds since its beginning. `recorded` is what it says, None
    when it says nothing more of that task. `where` is the line of the package that did something else.
    """

    line: int
    at: float
    process: ProcessId
    task: str
    recorded: str | None
    happened: str
    where: str | None


@attrs.define(eq=False)
class _Parked:
    """A task at a gate. A cancellation is kept until the record has it."""

    task: Task
    cancelled: RaiseCancelT | None = None


class Player:
    """One replay. Implements `kernel.turns.Turns`, and what `PlayedKernel` and its devices want to know."""

    def __init__(self, recording: ReadRecord, clock: PlayedClock, world: RecordedWorld) -> None:
        self._lines = recording.lines
        self._steps = RecordedSteps(recording.lines)
        self._is_whole = recording.is_whole
        self._begin = recording.head.at
        self._clock = clock
        self._world = world
        self._parked: dict[Actor, _Parked] = {}
        self._cleaner = Cleaner()
        self._beyond = 0
        self._last = 0
        """The line of the step that was looked at last."""
        self.names = TaskNames()
        self.difference: Difference | None = None
        self.compared = 0
        """Steps of packages that were as recorded."""
        self._said: dict[int, bytes] = {}
        self._crashes: dict[ProcessId, str] = {}
        self._over = False

    # -- the course of the record

    async def play(self, kernel: PlayedKernel, until: int | None = None) -> None:
        """To the first difference, or to the end, or up to and with the line `until` of the file."""
        last = len(self._lines) if until is None else min(len(self._lines), until - _FIRST_LINE + 1)
        self._world.enter(kernel)
        steps = self._steps
        while self.difference is None:
            steps.skip_done()
            if steps.next >= last:
                break
            await self._play_one(steps.next)
        await _settle()

    async def _play_one(self, index: int) -> None:
        line = self._lines[index]
        at = getattr(line, "at", None)
        if at is not None and at > self._clock.at:
            self._clock.at = at
        if trio.lowlevel.current_statistics().seconds_to_next_deadline <= 0:
            # Actors may use timeouts of trio's own.
            await _settle()
        if self._steps.is_done(index) or self.difference is not None:
            return
        if not is_step(line):
            if isinstance(line, lines.Returned):
                # Mostly the end of another process, under way in this very step.
                await _settle()
            self._perform(index)
            return
        key = actor_of(line)
        if not self._release(key, index):
            await _settle()
            if self._steps.is_done(index) or self.difference is not None:
                return
            self._release(key, index)
        await _settle()
        if not self._steps.is_done(index) and self.difference is None:
            self._missing(index)

    def _release(self, key: Actor, index: int) -> bool:
        """Let the task go on whose turn it is, if it waits for its turn."""
        parked = self._parked.get(key)
        if parked is None or self._steps.place(key) != index:
            return False
        line = self._lines[index]
        cancelled = isinstance(line, lines.GoesOn) and _is_cancelled(line)
        if not isinstance(line, lines.Began | lines.GoesOn) or (cancelled and parked.cancelled is None):
            return False
        del self._parked[key]
        reschedule(parked.task)
        return True

    def _perform(self, index: int) -> None:
        self._steps.do(index)
        self._world.perform(self._lines[index])

    def _catch_up(self, index: int) -> None:
        """A task is ahead of the record's order, which only the process itself can have seen: do what came before."""
        for earlier in self._steps.undone(index):
            self._perform(earlier)

    def finish(self) -> None:
        """Let go of everything that still waits: it ends by `Over`, shielded or not."""
        self._over = True
        for parked in self._parked.values():
            reschedule(parked.task)
        self._parked.clear()

    @property
    def digest(self) -> str:
        """Of all that the packages sent, in the order of the record."""
        digest = sha256()
        for _, text in sorted(self._said.items()):
            digest.update(text + b"\n")
        return digest.hexdigest()

    def waits(self) -> list[str]:
        """Who waits for what, at this moment."""
        return [f"{pid}  task {task}: {self._why(pid, task)}" for pid, task in sorted(self._parked, key=str)]

    def _why(self, pid: ProcessId, task: str) -> str:
        line = self._steps.peek((pid, task))
        return line.why if isinstance(line, lines.GoesOn) else "its start" if line is not None else "no more"

    # -- kernel.turns.Turns

    async def begin(self, process: Process, number: int) -> None:
        if process.system:
            return
        key = (process.pid, self.names.begin(process.pid, number))
        await self._turn(key)
        self._step(key, lines.Began, lambda: "begins")

    async def wait(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
        if process.system:
            return await waiting
        key = (process.pid, self.names.current(process.pid))
        try:
            self._steps.pass_paces(key, why)
            begun = self._step(key, lines.Waits, lambda: f"waits: {why}")
            if begun is not None and begun.why != why:
                self._differ(key, self._last, f"waits: {why}")
            cancelled = await self._turn(key)
            found = self._step(key, lines.GoesOn, lambda: f"goes on: {why}")
            if found is not None and found.failure is not None:
                _fail(found.failure, cancelled)
            if why in _GIVES and self._steps.place(key) is None:
                # What it would get was lost with the end of the record.
                await self._turn(key)
        except BaseException:
            waiting.close()
            raise
        if why in _GIVES:
            return await waiting
        waiting.close()
        # Of `room`: that there is some. The others give nothing.
        return cast("T", True)

    async def _turn(self, key: Actor) -> RaiseCancelT | None:
        """Until the record goes on with this task. A cancellation that came meanwhile."""
        if self._over:
            raise Over
        parked = self._parked[key] = _Parked(current_task())

        def abort(raise_cancel: RaiseCancelT) -> Abort:
            parked.cancelled = raise_cancel
            return Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(abort)
        if self._over:
            raise Over
        return parked.cancelled

    # -- the steps of tasks

    def _step(self, key: Actor, kind: type[S], does: Callable[[], str]) -> S | None:
        """The line that this step is held against; None beyond the end of a record that was cut off."""
        if self._over:
            raise Over
        index = self._steps.place(key)
        if index is None:
            if self._is_whole:
                self._differ(key, None, does())
            self._beyond += 1
            if self._beyond > _BEYOND:
                raise Over
            return None
        line = self._lines[index]
        if not isinstance(line, kind):
            self._differ(key, index, does())
        self._last = index
        self._catch_up(index)
        self._steps.take(key)
        self.compared += 1
        return line

    def _differ(self, key: Actor, index: int | None, happened: str) -> NoReturn:
        """Raises `Over`. `index` is that of the line that says something else."""
        if self.difference is None:
            line = None if index is None else self._lines[index]
            recorded = None if line is None else described(line)
            at = getattr(line, "at", self._clock.at)
            at -= self._begin
            number = (self._steps.next if index is None else index) + _FIRST_LINE
            self.difference = Difference(number, at, *key, recorded, happened, _place(key[0]))
        self._over = True
        raise Over

    def _missing(self, index: int) -> None:
        """The record has a step here, and the task does not come to it."""
        line = self._lines[index]
        key = actor_of(line)
        parked = key in self._parked
        happened = f"still waits: {self._why(*key)}" if parked else "does not get there"
        recorded = described(line)
        self.difference = Difference(
            index + _FIRST_LINE, self._clock.at - self._begin, *key, recorded, happened, None
        )
        self._over = True

    # -- kernel.events.Observer

    def observe(self, event: Event) -> None:
        pid = event.subject
        if pid is None:
            return
        match event.kind:
            case EventKind.CREATED:
                self._created(event, pid)
            case EventKind.STARTED:
                self.names.started(pid)
                self._world.kernel.play_mailbox(pid)
            case EventKind.SENT if pid not in self.names.modules and event.message is not None:
                self._sent(pid, event.message)
            case EventKind.TAKEN if pid not in self.names.modules:
                self._step((pid, self.names.current(pid)), lines.Took, lambda: "takes a message")
            case EventKind.PRINTED if event.note.startswith(_CRASHED):
                self._crashes[pid] = event.note.removeprefix(_CRASHED)
            case EventKind.EXITED if pid not in self.names.modules:
                self._exited(event, pid)

    def _created(self, event: Event, pid: ProcessId) -> None:
        self._world.kernel.play_mailbox(pid)
        if "system" in event.note.split():
            self.names.modules[pid] = None
        actor = self.names.actor()
        if actor is None:
            return
        line = self._step(actor, lines.Created, lambda: f"spawns {pid}")
        if line is not None and line.process != pid:
            self._differ(actor, self._last, f"spawns {pid}")

    def _sent(self, pid: ProcessId, envelope: KernelMessage) -> None:
        actor = self.names.actor()
        key = actor if actor is not None and actor[0] == pid else (pid, self.names.main(pid))
        self._steps.pass_paces(key)
        now = said(envelope, self._cleaner)
        line = self._step(key, lines.Sent, lambda: said_text(now))
        self._said[self._last] = SAID.encode(now)
        if line is not None and line.said != now:
            self._differ(key, self._last, said_text(now))

    def _exited(self, event: Event, pid: ProcessId) -> None:
        if self._over or self.names.actor() is None:
            return
        key = (pid, self.names.main(pid))
        cause = event.note.lower()
        error = f" ({self._crashes[pid]})" if event.note == "CRASH" and pid in self._crashes else ""
        # The kernel ends a process here: nothing may be raised into it.
        with suppress(Over):
            line = self._step(key, lines.Exited, lambda: f"ends: {cause}{error}")
            if line is not None and line.cause != event.note:
                self._differ(key, self._last, f"ends: {cause}{error}")

    # -- played_kernel.Script

    def next_taken(self) -> int | None:
        actor = self.names.actor()
        if actor is None:
            return None
        place = self._steps.place(actor)
        line = None if place is None else self._lines[place]
        if place is None or not isinstance(line, lines.Took):
            return None
        self._catch_up(place)
        return line.id

    def next_id(self) -> int:
        actor = self.names.actor()
        line = None if actor is None else self._steps.peek_after_paces(actor)
        return line.id if isinstance(line, lines.Sent) else self._world.fresh_id()

    # -- played_devices.Draws, Births

    def drawn(self, label: str, bits: int) -> lines.Drew | None:
        actor = self.names.actor()
        if actor is None:
            return None
        does = f"draws {bits} bits: {label}"
        line = self._step(actor, lines.Drew, lambda: does)
        if line is not None and (line.label, line.bits) != (label, bits):
            self._differ(actor, self._last, does)
        return line

    def seeded(self, label: str) -> lines.Seeded | None:
        actor = self.names.actor()
        return None if actor is None else self._step(actor, lines.Seeded, lambda: "asks for random()")

    def secret(self, label: str, size: int) -> lines.Secret | None:
        actor = self.names.actor()
        if actor is None:
            return None
        return self._step(actor, lines.Secret, lambda: f"draws {size} secret bytes: {label}")

    def now(self) -> float:
        """The node's clock."""
        actor = self.names.actor()
        line = None if actor is None else self._step(actor, lines.Now, lambda: "looks at now()")
        return self._world.wall(self._clock.at) if line is None else line.value

    def next_child(self) -> lines.Created | None:
        actor = self.names.actor()
        line = None if actor is None else self._steps.peek(actor)
        return line if isinstance(line, lines.Created) else None


def _is_cancelled(line: lines.GoesOn) -> bool:
    return line.failure is not None and line.failure.name == trio.Cancelled.__name__


def _fail(failure: lines.Failure, cancelled: RaiseCancelT | None) -> None:
    """Raise what the wait raised in the record."""
    if failure.name == trio.Cancelled.__name__:
        assert cancelled is not None
        cancelled()
    if failure.name == SpawnError.__name__ and failure.kind is not None:
        raise SpawnError(SpawnErrorKind(failure.kind), failure.text)
    raise _RAISED.get(failure.name, RuntimeError)(failure.text)


def _place(pid: ProcessId) -> str | None:
    """The line of the process's package that led here."""
    folder = f"/{pid.package}:{pid.publisher}/"
    frame = sys._getframe()  # noqa: SLF001 - the documented way to the caller's line
    while frame is not None:
        if frame.f_code.co_filename.startswith(folder):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


async def _settle() -> None:
    """Until everything waits."""
    await trio.testing.wait_all_tasks_blocked(0.0)
