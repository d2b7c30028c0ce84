"""The kernel's answers to people who look into it (PROTOCOL 4.6, Debug)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

import attrs
from trio import current_time

from kernel import debug, protocol, stepping
from kernel.address import ProcessId
from kernel.admission import may_message, rule
from kernel.events import Event, EventKind, Observer
from kernel.kernel import Kernel
from kernel.log import log_for
from kernel.message import KernelMessage
from kernel.process import Process
from kernel.turn_times import TurnTimes


@attrs.define
class _Seen:
    """Of an `Event`: it is kept for long, and must not hold what a message carried."""

    kind: EventKind
    at: float
    subject: ProcessId | None
    note: str
    message: debug.Glimpse | None


class Inspection:
    """Of one kernel. Nothing is traced until somebody asks for it: it costs a part of every message."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._events: deque[_Seen] = deque(maxlen=0)
        self._others: Observer | None = None
        self._times = TurnTimes(kernel.node)

    def answer(self, question: protocol.DebugQuestion) -> protocol.DebugAnswer:
        router = self._kernel.router
        match question:
            case protocol.AskProcessMap():
                known = router.processes.values()
                return protocol.ProcessMapIs({process.pid: _record(process) for process in known})
            case protocol.AskProcess(pid):
                process = router.find(pid)
                return protocol.ProcessIs(None if process is None else _record(process))
            case protocol.AskHasCap(on, cap):
                process = router.find(on)
                held = None if process is None else process.holdings.holds(router.signing.real(cap))
                return protocol.HasCapIs(held)
            case protocol.AskProcesses():
                return protocol.ProcessesAre(self._processes())
            case _:
                return self._more(question)

    def _more(self, question: debug.Question) -> debug.Answer:
        router = self._kernel.router
        match question:
            case debug.AskMayMessage(source, target):
                return self._may_message(source, target)
            case debug.AskTrace(keep):
                return self._trace(keep)
            case debug.AskDeadLetters():
                return self._dead_letters()
            case debug.AskTimeUsed(measure):
                self._times.measure(measure)
                return debug.TimeUsedIs(current_time(), self._times.used(router.processes))
            case debug.SetVerbosity(process_or_all, level):
                router.console.choose(process_or_all, level)
                return debug.VerbositySet()
            case debug.AskStepping(on, step):
                return self._step(on, step)
            case debug.AskLog():
                return log_for(question, router.console.recent())

    def _processes(self) -> tuple[protocol.ProcessStatus, ...]:
        return tuple(
            protocol.ProcessStatus(
                s.id, protocol.ProcessState(s.state), s.mailbox, s.restarts, s.last_error, s.bytes, s.received
            )
            for s in self._kernel.standings()
        )

    def _may_message(self, source: ProcessId, target: ProcessId) -> debug.MayMessageIs:
        sender, receiver = self._kernel.router.find(source), self._kernel.router.find(target)
        if sender is None or receiver is None:
            missing = source if sender is None else target
            return debug.MayMessageIs(
                allowed=False,
                why=f"no process {missing} on {self._kernel.node}; `nectar ps` lists those that run",
            )
        return debug.MayMessageIs(allowed=may_message(sender, receiver), why=rule(sender, receiver))

    def _step(self, on: bool | None, count: int) -> debug.SteppingIs:
        router = self._kernel.router
        gone: list[KernelMessage] = []
        if on:
            stepping.turn_on(router)
        elif on is False:
            gone = stepping.turn_off(router)
        steps = router.stepping
        if steps is None:
            return debug.SteppingIs(False, _logged(gone), 0, ())
        gone = steps.step(count)
        return debug.SteppingIs(True, _logged(gone), len(steps), _logged(steps.next(debug.SHOWN_NEXT)))

    # -- the trace

    def _trace(self, keep: int | None) -> debug.TraceIs:
        epoch = self._kernel.ports.wall_clock() - current_time()
        events = tuple(_traced(event, epoch) for event in self._events)
        if keep is not None:
            self._keep(min(keep, debug.MOST_KEPT))
        return debug.TraceIs(self._events.maxlen or 0, events)

    def _keep(self, most: int) -> None:
        router = self._kernel.router
        self._events = deque(self._events, maxlen=most)
        if most and router.observer != self._see:
            self._others, router.observer = router.observer, self._see
        elif not most and router.observer == self._see:
            router.observer = self._others

    def _see(self, event: Event) -> None:
        message = None if event.message is None else debug.glimpse(event.message, self._kernel.node)
        note = event.note[: debug.LONGEST_IPC + 1]
        self._events.append(_Seen(event.kind, event.at, event.subject, note, message))
        if self._others is not None:
            self._others(event)

    def _dead_letters(self) -> debug.DeadLettersAre:
        epoch = self._kernel.ports.wall_clock() - current_time()
        letters = self._kernel.router.dead_letters
        buried = [
            debug.BuriedMessage(epoch + letter.at, letter.to, letter.why, debug.logged(letter.message))
            for letter in letters.all()
        ]
        return debug.DeadLettersAre(letters.total, tuple(buried))


def _logged(envelopes: Iterable[KernelMessage]) -> tuple[debug.LoggedMessage, ...]:
    return tuple(debug.logged(envelope) for envelope in islice(envelopes, debug.MOST_SHOWN))


def _traced(event: _Seen, epoch: float) -> debug.TracedEvent:
    subject = "" if event.subject is None else str(event.subject)
    message = None if event.message is None else event.message.logged()
    return debug.TracedEvent(epoch + event.at, event.kind.value, subject, debug.one_line(event.note), message)


def _record(process: Process) -> protocol.ProcessRecord:
    return protocol.ProcessRecord(
        process.path, None, process.on_exit, tuple(process.holdings.all()), process.public
    )
