"""The syscalls of one process (PROTOCOL 5.1, 5.2): `kernel.syscalls.Syscalls` over the tables of its kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import trio
from trio.lowlevel import checkpoint, current_task

from kernel.address import OUR, Address, ProcessId
from kernel.admission import NET, STATE, may_message
from kernel.capability import Capability, SignedCapability
from kernel.errors import (
    BadCapability,
    NoPromptingMessage,
    OutsideProcess,
    ProcessEnded,
    SelfRequest,
    StateError,
)
from kernel.events import EventKind
from kernel.jsontext import NotJson, dump, parse
from kernel.mailbox import YIELD_EVERY, Mailbox, Returned
from kernel.message import KernelMessage, Message, OnExit, Payload, Request, Response, SendError
from kernel.parking import RUNNING, Sleep, make_sleep, park, sleep
from kernel.ports import Init
from kernel.process import OpenRequest, Process, TaskState, Window
from kernel.refusals import Refusal
from kernel.soundness import check_capabilities, check_request, check_response
from kernel.syscalls import Outgoing

if TYPE_CHECKING:
    import random

    from kernel.kernel import Kernel
    from kernel.router import Router

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STATE_SECONDS = 5

_OTHER_THREAD = "this is another thread: only the node's own thread may call, use trio.from_thread.run_sync"

_state: ContextVar[TaskState] = ContextVar("task_state")


_SHORT = 512


@lru_cache(maxsize=4096)
def _asked_for(issuer: Address, params: str) -> Capability:
    """Modules ask for the same few again and again."""
    return Capability(issuer, params)


class Host:
    """Cheap to make: one per run of a process. Errors are those of the Protocol."""

    __slots__ = ("_generator", "_kernel", "_process", "_router")

    def __init__(self, kernel: Kernel, process: Process) -> None:
        self._kernel = kernel
        self._router = kernel.router
        self._process = process
        self._generator: random.Random | None = None

    @property
    def our(self) -> Address:
        try:
            _ = RUNNING.task
        except AttributeError:
            raise OutsideProcess(_OTHER_THREAD) from None
        return self._process.address

    # -- which task calls

    def enter(self, state: TaskState) -> None:
        """The current task of this process begins with `state`."""
        _state.set(state)

    def _task(self) -> TaskState:
        """What the kernel remembers of the calling task; a task of the process's own nurseries forks its parent's."""
        try:
            state = _state.get()
            task = RUNNING.task
        except AttributeError:
            raise OutsideProcess(_OTHER_THREAD) from None
        except LookupError:
            raise OutsideProcess(
                f"no task of {self._process.pid} runs here: start it with start_soon, or in a nursery of the process"
            ) from None
        if state.task is not task:
            state = state.fork(task)
            _state.set(state)
        if not self._process.accepts:
            raise ProcessEnded(f"{self._process.pid} has ended; this call did nothing")
        return state

    def fresh_name(self) -> int:
        return self._router.draw("process name", 64)

    # -- messages

    async def receive(self) -> Message:
        state = self._task()
        process = self._process
        if process.first_receive is not None:
            process.first_receive.set()
            process.first_receive = None
        mailbox = process.mailbox
        item = mailbox.take_nowait()
        if item is None:
            turns = self._router.turns
            item = await (mailbox.take() if turns is None else turns.wait(process, "receive", mailbox.take()))
        if item.__class__ is not KernelMessage:
            assert isinstance(item, Returned)
            if item.answers is not None:
                state.prompting = item.answers.snapshot
            state.payload = None
            if self._router.observer is not None:
                failed = item.error.message.envelope()
                self._router.notify(EventKind.TAKEN, process.pid, failed, item.error.reason)
            raise item.error
        if item.window is not None:
            item.window.taken()
        if self._router.observer is not None:
            self._router.notify(EventKind.TAKEN, process.pid, item)
        answers = item.answers
        state.prompting = item if answers is None else answers.snapshot
        payload = state.payload = item.payload
        if payload is not None:
            state.latest = payload
        return Message(item)

    def get_payload(self) -> Payload | None:
        return self._task().payload

    def last_payload(self) -> Payload | None:
        return self._task().latest

    def send_request(
        self, target: Address, request: Request, context: bytes | None = None, payload: Payload | None = None
    ) -> None:
        state = self._task()
        check_request(target, request, context, payload)
        self._router.send_request(self._process, state, target, request, context, payload)

    def send_requests(self, requests: Sequence[Outgoing]) -> None:
        for target, request, context, payload in requests:
            self.send_request(target, request, context, payload)

    async def send_paced(
        self,
        target: Address,
        request: Request,
        context: bytes | None = None,
        payload: Payload | None = None,
        *,
        window: int | None = None,
    ) -> None:
        state = self._task()
        check_request(target, request, context, payload)
        router = self._router
        process = self._process
        process.paced += 1
        if window is not None:
            await self._wait_window(state, window)
            self._task()
        if process.paced % YIELD_EVERY == 0:
            await self._waited("turn", checkpoint())  # noqa: ASYNC105 - awaited there
            self._task()
        # Looked up after the waits: the receiver may have started anew meanwhile.
        local = target.node == router.node or target.node == OUR
        receiver = (router.processes.get(target.process) or router.find(target.process)) if local else None
        line: Mailbox | None = None
        if receiver is not None and receiver is not process:
            sent = payload if payload is not None or not request.inherit else state.payload
            size = len(request.ipc) if sent is None else len(request.ipc) + len(sent.bytes)
            mailbox = receiver.mailbox
            if state.credit > 0 and state.credit_at is mailbox and mailbox.fits(size):
                state.credit -= 1
            elif not mailbox.has_room(size):
                line = await self._wait_in_line(target.process, size)
        try:
            if line is not None:
                self._task()
                state.credit, state.credit_at = line.credit(), line
            counted = state.window if window is not None else None
            router.send_request(process, state, target, request, context, payload, window=counted)
        finally:
            if line is not None:
                line.leave_line()

    async def _wait_in_line(self, target: ProcessId, size: int) -> Mailbox | None:
        """Until a message of `size` has room there. The mailbox whose line we now lead; None if there is no line."""
        while (receiver := self._router.find(target)) is not None:
            mailbox = receiver.mailbox
            if size > mailbox.limits.bytes or mailbox.has_room(size):
                return None
            if await self._waited("room", mailbox.wait_room(size)):
                return mailbox
            # Whoever was told of the end first may want none of this to reach the next run.
            await trio.lowlevel.checkpoint_if_cancelled()
        return None

    async def _wait_window(self, state: TaskState, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a window holds at least 1 message, not {limit}")
        window = state.window
        if window is None:
            window = state.window = Window()
        while window.waiting >= limit:
            await self._waited("window", self._until_taken(window))

    @staticmethod
    async def _until_taken(window: Window) -> None:
        window.task = current_task()
        await park(window.left)

    def send_response(self, response: Response, payload: Payload | None = None) -> None:
        state = self._task()
        check_response(response, payload)
        self._router.send_response(self._process, state, response, payload)

    async def send_and_await_response(
        self,
        target: Address,
        request: Request,
        payload: Payload | None = None,
        *,
        context: bytes | None = None,
    ) -> Message:
        state = self._task()
        check_request(target, request, context, payload)
        if request.expects_response is None:
            raise ValueError("awaiting a response needs expects_response: the number of seconds to wait")
        process = self._process
        if target.process == process.pid and self._router.is_ours(target.node):
            raise SelfRequest(
                f"{process.pid} would wait for itself for ever: send() the Request and receive it, or call a function"
            )
        entry = self._router.send_request(process, state, target, request, context, payload, awaited=True)
        assert entry is not None
        if self._router.turns is not None:
            await self._wait_told(state, entry)
        elif entry.outcome is None:
            entry.task = state.task
            state.asking = entry
            await sleep(state.sleep or self._make_sleep(state))
            state.asking = None
        else:
            await checkpoint()
        outcome = entry.outcome
        # The answer knows the entry too: in a circle, what both carry would stay until the garbage collector comes.
        entry.outcome = None
        if outcome.__class__ is not KernelMessage:
            assert isinstance(outcome, SendError)
            state.payload = None
            raise outcome
        payload = state.payload = outcome.payload
        if payload is not None:
            state.latest = payload
        return Message(outcome)

    async def _wait_told(self, state: TaskState, entry: OpenRequest) -> None:
        if entry.outcome is None:
            await self._waited(f"answer {entry.id}", self._until_answered(state, entry))
        else:
            await self._waited("turn", checkpoint())  # noqa: ASYNC105 - awaited there

    async def _until_answered(self, state: TaskState, entry: OpenRequest) -> None:
        entry.task = state.task
        state.asking = entry
        await sleep(state.sleep or self._make_sleep(state))
        state.asking = None

    async def _waited(self, why: str, waiting: Coroutine[object, object, T]) -> T:
        turns = self._router.turns
        return await (waiting if turns is None else turns.wait(self._process, why, waiting))

    def _make_sleep(self, state: TaskState) -> Sleep:
        state.sleep = make_sleep(partial(self._stop_asking, state))
        return state.sleep

    def _stop_asking(self, state: TaskState) -> None:
        entry = state.asking
        assert entry is not None
        entry.task = None
        self._router.forget(entry)

    # -- state

    async def _ask_state(self, action: str, payload: Payload | None = None) -> tuple[object, Payload | None]:
        """One exchange with the state module that touches nothing of the calling task (C-045)."""
        aside = TaskState(self._task().task)
        process = self._process
        request = Request(False, STATE_SECONDS, dump({action: str(process.pid)}))
        target = Address(self._router.node, STATE)
        entry = self._router.send_request(
            process, aside, target, request, None, payload, awaited=True, privileged=True
        )
        assert entry is not None
        await self._wait_told(aside, entry)
        outcome, entry.outcome = entry.outcome, None
        if isinstance(outcome, SendError):
            raise outcome
        assert outcome is not None
        try:
            answer = parse(outcome.message.ipc)
        except NotJson as error:
            raise StateError(action, str(error)) from None
        return answer, outcome.payload

    async def get_state(self) -> bytes | None:
        answer, payload = await self._ask_state("GetState")
        if answer == "GetState":
            return payload.bytes if payload is not None else b""
        if isinstance(answer, dict) and isinstance(answer.get("Err"), dict) and "NotFound" in answer["Err"]:
            return None
        raise StateError("GetState", str(answer))

    async def set_state(self, state: bytes) -> None:
        answer, _ = await self._ask_state("SetState", Payload(None, bytes(state)))
        if answer != "SetState":
            raise StateError("SetState", str(answer))

    async def clear_state(self) -> None:
        answer, _ = await self._ask_state("DeleteState")
        if answer != "DeleteState":
            raise StateError("DeleteState", str(answer))

    # -- process

    async def spawn(
        self,
        name: str | None,
        path: str | Init,
        on_exit: OnExit,
        request_capabilities: Sequence[Capability] = (),
        grant_capabilities: Sequence[ProcessId | tuple[ProcessId, str]] = (),
        public: bool = False,
        *,
        detached: bool = False,
    ) -> ProcessId:
        self._task()
        return await self._kernel.spawn(
            self._process,
            name,
            path,
            on_exit,
            request_capabilities,
            grant_capabilities,
            public,
            detached=detached,
        )

    def watch(self, process: ProcessId) -> bool:
        self._task()
        return self._kernel.lifecycle.notices.watch(self._process, process)

    def unwatch(self, process: ProcessId) -> None:
        self._task()
        self._kernel.lifecycle.notices.unwatch(self._process, process)

    def set_on_exit(self, on_exit: OnExit) -> None:
        self._task()
        self._kernel.lifecycle.set_on_exit(self._process, on_exit)

    def get_on_exit(self) -> OnExit:
        self._task()
        return self._process.on_exit

    def print_to_terminal(self, verbosity: int, text: str) -> None:
        if not isinstance(text, str) or not isinstance(verbosity, int):
            raise TypeError(
                f"print_to_terminal takes a verbosity from 0 to 3 and text, got {verbosity!r} and "
                f"{type(text).__name__}; write print_to_terminal(0, str(value))"
            )
        self._task()
        self._router.print(verbosity, self._process.address, text)

    # -- capabilities

    def our_capabilities(self) -> list[SignedCapability]:
        self._task()
        process = self._process
        signed = (self._router.signing.signed(process, capability) for capability in process.holdings.all())
        return [capability for capability in signed if capability is not None]

    def get_capability(self, issuer: Address, params: str) -> SignedCapability | None:
        self._task()
        wanted = self._router.signing.real(Capability(issuer, params))
        return (
            self._router.signing.signed(self._process, wanted)
            if self._process.holdings.holds(wanted)
            else None
        )

    def can_message(self, target: Address) -> bool:
        self._task()
        process = self._process
        if not self._router.is_ours(target.node):
            return process.holdings.network
        receiver = self._router.find(target.process)
        if receiver is None:
            return target.process in process.holdings.messaging
        return may_message(process, receiver)

    def attach_capability(self, capability: Capability) -> None:
        state = self._task()
        check_capabilities([capability])
        state.attached = (*state.attached, capability)

    def save_capabilities(self, capabilities: Sequence[Capability]) -> None:
        self._task()
        check_capabilities(capabilities)
        checked = [self._saveable(self._router.signing.real(capability)) for capability in capabilities]
        for capability, signature in checked:
            self._kernel.grants.grant(self._process, capability, signature)

    def _saveable(self, capability: Capability) -> tuple[Capability, bytes | None]:
        """F-32: own-issued, correctly signed by our node, or signed by the foreign node that issued it."""
        if capability.issuer == self._process.address:
            return capability, None
        if isinstance(capability, SignedCapability) and self._router.signing.is_genuine(capability):
            ours = capability.issuer.node == self._router.node
            return capability.unsigned(), None if ours else capability.signature
        raise BadCapability(
            f"{capability} was not issued by {self._process.pid} and carries no valid signature of its node; "
            f"nothing was saved: ask its issuer for it, or request it in the manifest"
        )

    def drop_capabilities(self, capabilities: Sequence[Capability]) -> None:
        self._task()
        check_capabilities(capabilities)
        for capability in capabilities:
            self._kernel.grants.drop(self._process, capability)

    def has_capability(self, params: str) -> bool:
        prompting = self._task().prompting
        if prompting is None:
            raise NoPromptingMessage("has_capability asks about the sender of a Request: receive one first")
        is_short = isinstance(params, str) and len(params) <= _SHORT
        wanted = (_asked_for if is_short else Capability)(self._process.address, params)
        attached = prompting.message.capabilities
        if attached and any(wanted.issuer == c.issuer and wanted.params == c.params for c in attached):
            return True
        if prompting.source.node != self._router.node:
            return False
        sender = self._router.processes.get(prompting.source.process)
        return sender is not None and sender.holdings.holds(wanted)

    def _local(self, to: ProcessId) -> Process:
        found = self._router.find(to)
        if found is None:
            raise BadCapability(
                f"no process {to} on {self._router.node} to give a capability to; `nectar ps`"
            )
        return found

    def create_capability(self, to: ProcessId, params: str) -> None:
        self._task()
        self._kernel.grants.grant(self._local(to), Capability(self._process.address, params))

    def share_capability(self, to: ProcessId, capability: Capability) -> None:
        self._task()
        check_capabilities([capability])
        wanted = self._router.signing.real(capability)
        unsigned = Capability(wanted.issuer, wanted.params)
        if not (unsigned.issuer == self._process.address or self._process.holdings.holds(unsigned)):
            raise BadCapability(f"{self._process.pid} does not hold {unsigned}, so it cannot share it")
        signature = self._process.holdings.signature(unsigned)
        self._kernel.grants.grant(self._local(to), unsigned, signature)

    # -- tasks, time, chance

    def start_soon(self, task: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
        self._kernel.lifecycle.start_child(self._process, self._task(), task, args)

    def now(self) -> float:
        self._task()
        return self._kernel.now()

    async def sleep(self, seconds: float) -> None:
        self._task()
        await self._waited(f"sleep {seconds!r}", trio.sleep(seconds))  # noqa: ASYNC105 - awaited there

    def random(self) -> random.Random:
        self._task()
        if self._generator is None:
            self._generator = self._kernel.router.chance.generator(str(self._process.pid))
        return self._generator

    def draw(self, label: str, bits: int) -> int:
        self._task()
        return self._router.draw(label, bits)

    def secret(self, label: str, n: int) -> bytes:
        self._task()
        return self._router.chance.secret(label, n)

    def trace(self, label: str) -> None:
        self._task()
        self._router.notify(EventKind.NOTED, self._process.pid, note=label)

    # -- of some system processes only

    def watch_exits(self, ended: Callable[[ProcessId], None]) -> None:
        self._task()
        if not self._process.system:
            raise BadCapability("only modules of the runtime may watch the exits of all processes")
        self._kernel.lifecycle.notices.watch_all(self._process.pid, ended)

    def _as_carrier(self) -> Router:
        self._task()
        if self._process.pid != NET:
            raise BadCapability(f"only {NET} carries messages between nodes")
        return self._router

    def deliver_remote(self, envelope: KernelMessage) -> Refusal | None:
        return self._as_carrier().deliver_remote(envelope)

    def give_back(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        self._as_carrier().undeliverable(envelope, refusal, definite=definite)

    def is_running(self, process: ProcessId) -> bool:
        """Whether a message to it would be taken into its mailbox, full or not, capabilities aside."""
        self._task()
        found = self._router.find(process)
        return found is not None and found.accepts

    def has_room(self, process: ProcessId, size: int) -> bool:
        self._task()
        found = self._router.find(process)
        return found is not None and found.accepts and found.mailbox.fits(size)
