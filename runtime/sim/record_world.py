"""Does again on a played kernel what the node itself, its modules and other nodes did in a record."""

from __future__ import annotations

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.exits import ExitCause
from kernel.lifecycle import NewProcess
from kernel.mailbox import Limits
from kernel.message import KernelMessage, Request
from kernel.process import ProcessState
from runtime.record import lines
from runtime.record.lines import Line, Record
from runtime.sim.played_devices import PlayedPrograms
from runtime.sim.played_kernel import PlayedKernel, refusal_of, stand_in
from sys_processes.net.protocol import NET

_STARTABLE = (ProcessState.STARTING, ProcessState.WAITING)


class RecordedWorld:
    """Everything around the packages. Each line is done once; what the packages caused themselves is left to them."""

    def __init__(self, head: Record) -> None:
        self._head = head
        self._kernel: PlayedKernel | None = None
        self._fresh = 0
        self._carried: dict[int, KernelMessage] = {}
        """What net took to bring it to another node: it may come back."""

    def enter(self, kernel: PlayedKernel) -> None:
        self._kernel = kernel

    @property
    def kernel(self) -> PlayedKernel:
        assert self._kernel is not None
        return self._kernel

    def fresh_id(self) -> int:
        """For a message that is not in the record."""
        self._fresh += 1
        return self._fresh

    def wall(self, at: float) -> float:
        """What the node's clock showed at trio's time `at`."""
        return self._head.epoch + at - self._head.at

    def perform(self, line: Line) -> None:  # noqa: C901, PLR0912 - one case for each kind of line
        match line:
            case lines.Created():
                self._create(line)
            case lines.Started(by=None):
                self._start(line.process)
            case lines.Ending():
                self._ask_end(line)
            case lines.Exited():
                self._end(line.process)
            case lines.Granted(by=None):
                self._grant(line)
            case lines.Revoked(by=None):
                self._revoke(line)
            case lines.Appended(whole=lines.Whole() as whole):
                self._append(whole.envelope(line.id))
            case lines.Answered(whole=lines.Whole() as whole):
                self.kernel.played.bring_response(whole.envelope(line.id))
            case lines.Took():
                self._take(line)
            case lines.Returned():
                self._give_back(line)
            case lines.Fired():
                self.kernel.played.expire(line.id)
            case lines.Forgotten():
                self.kernel.played.drop(line.id)
            case _:
                pass

    # -- lives

    def _create(self, line: lines.Created) -> None:
        kernel = self.kernel
        if line.process in kernel.router.processes:
            return
        limits = Limits(line.messages, line.bytes)
        if line.system:
            kernel.add_module(line.process, stand_in, public=line.public, limits=limits)
            return
        programs = kernel.ports.programs
        assert isinstance(programs, PlayedPrograms)
        kernel.lifecycle.create(
            NewProcess(
                line.process,
                programs.of(line),
                line.path,
                line.on_exit,
                line.public,
                tuple(line.capabilities),
                limits,
            )
        )

    def _start(self, pid: ProcessId) -> None:
        process = self.kernel.router.processes.get(pid)
        if process is None or process.state not in _STARTABLE:
            return
        if process.system:
            process.enter(ProcessState.RUNNING)
        elif process.program is not None:
            self.kernel.lifecycle.start(process)

    def _ask_end(self, line: lines.Ending) -> None:
        process = self.kernel.router.processes.get(line.process)
        if process is not None and not process.system:
            self.kernel.lifecycle.ask_end(process, ExitCause[line.cause], revoke=not line.kept)

    def _end(self, pid: ProcessId) -> None:
        """Of a module: what it had not read comes back in lines of its own."""
        process = self.kernel.router.processes.get(pid)
        if process is None:
            return
        if process.ending and not process.system:
            self.kernel.lifecycle.abandon(process)
        elif process.system:
            process.enter(ProcessState.WAITING)
            for item in process.mailbox.drain():
                if isinstance(item, KernelMessage):
                    self._carried[item.id] = item

    # -- rights

    def _grant(self, line: lines.Granted) -> None:
        process = self.kernel.router.processes.get(line.process)
        capability = _capability(line.capability)
        if process is not None and not process.holdings.holds(capability):
            self.kernel.grants.grant(process, capability)

    def _revoke(self, line: lines.Revoked) -> None:
        process = self.kernel.router.processes.get(line.process)
        if process is None:
            return
        _, every, issuer = line.capability.partition("all issued by ")
        if every:
            process.holdings.drop_issued_by(Address(self.kernel.node, ProcessId.from_str(issuer)))
        else:
            self.kernel.grants.drop(process, _capability(line.capability))

    # -- messages

    def _append(self, envelope: KernelMessage) -> None:
        if isinstance(envelope.message, Request):
            self.kernel.played.bring_request(envelope)
        else:
            self.kernel.played.bring_response(envelope)

    def _take(self, line: lines.Took) -> None:
        mailbox = self.kernel.mailbox(line.process)
        item = None if mailbox is None else mailbox.remove(line.id)
        if isinstance(item, KernelMessage):
            if item.window is not None:
                item.window.taken()
            if line.process == NET:
                self._carried[item.id] = item

    def _give_back(self, line: lines.Returned) -> None:
        refusal = refusal_of(line.kind, line.reason, line.detail)
        carried = self._carried.pop(line.id, None)
        self.kernel.played.give_up(line.process, carried, refusal, line.id, definite=line.definite)


def _capability(text: str) -> Capability:
    issuer, _, params = text.partition("^")
    return Capability(Address.from_str(issuer), params)
