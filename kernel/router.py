"""Routing: every send is decided here, in the sender's own step, and every message gets its one outcome.

No task and no queue of its own. Implements PROTOCOL 3.1-3.7 and 4.2 with the amendments of 0.4.
"""

from __future__ import annotations

from hashlib import sha256
from struct import unpack
from typing import TypeVar

import attrs
from trio import current_time

from kernel.address import OUR, Address, ProcessId
from kernel.admission import NET, lacks_messaging, lacks_network, may_message
from kernel.capability import KERNEL, Capability, SignedCapability
from kernel.dead_letters import DeadLetter, DeadLetters
from kernel.deadlines import Deadlines
from kernel.errors import AlreadyResponded, NoPromptingMessage
from kernel.events import Event, EventKind, Observer
from kernel.mailbox import Returned
from kernel.message import (
    KernelMessage,
    Message,
    Payload,
    Reason,
    Request,
    Response,
    SendError,
    SendErrorKind,
)
from kernel.parking import wake
from kernel.ports import Chance, Console, Keys
from kernel.process import OpenRequest, Process, TaskState, Window
from kernel.routing import DECISIONS

NUMBERS_DRAWN = 256


AnyMessage = TypeVar("AnyMessage", Request, Response)


@attrs.frozen
class Refusal:
    """Why a message was not taken."""

    kind: SendErrorKind
    reason: Reason
    detail: str


class Router:
    """The tables of a node and the decisions on them. Every method is one kernel step: it never waits."""

    def __init__(self, node: str, *, chance: Chance, console: Console, keys: Keys) -> None:
        self.node = node
        self.kernel_address = Address(node, KERNEL)
        self.chance = chance
        self.console = console
        self.keys = keys
        self.processes: dict[ProcessId, Process] = {}
        self.open: dict[int, OpenRequest] = {}
        self.deadlines = Deadlines()
        self.dead_letters = DeadLetters()
        self.observer: Observer | None = None
        self._numbers: list[int] = []

    # -- what observers and people see

    def notify(
        self, kind: EventKind, subject: ProcessId | None, message: KernelMessage | None = None, note: str = ""
    ) -> None:
        if self.observer is not None:
            self.observer(Event(kind, current_time(), subject, message, note))

    def print(self, verbosity: int, source: Address, text: str) -> None:
        if self.observer is not None:
            self.notify(EventKind.PRINTED, source.process, note=text)
        self.console.print(verbosity, source, text)

    def draw(self, label: str, bits: int) -> int:
        value = self.chance.bits(label, bits)
        if self.observer is not None:
            shown = f"{value:x}"
            note = shown if len(shown) <= 32 else sha256(shown.encode()).hexdigest()[:32]
            self.notify(EventKind.DREW, None, note=f"{label} {note}")
        return value

    # -- requests

    def send_request(
        self,
        sender: Process,
        state: TaskState,
        target: Address,
        request: Request,
        context: bytes | None,
        payload: Payload | None,
        *,
        awaited: bool = False,
        privileged: bool = False,
        window: Window | None = None,
    ) -> OpenRequest | None:
        """Route one Request (PROTOCOL 3.1, 3.2); the open request if an answer is expected.

        `privileged` skips the messaging check: the kernel sends on the process's behalf. `window` counts the message
        until it is taken or comes back.
        """
        prompting = state.prompting
        expects = request.expects_response
        inherit = request.inherit
        decision = DECISIONS[inherit * 4 + (expects is not None) * 2 + (prompting is not None)]
        rsvp = None
        if decision.fresh:
            numbers = self._numbers
            number = numbers.pop() if numbers else self._fresh_number()
            if number in self.open:
                number = self._fresh_number()
            if decision.ours:
                rsvp = sender.address
        else:
            assert prompting is not None
            number = prompting.id
            rsvp = prompting.rsvp
        if payload is None and inherit:
            payload = state.payload
        if state.attached or request.capabilities:
            request = self._with_capabilities(sender, state, request)
        envelope = KernelMessage(number, sender.address, target, rsvp, request, payload)
        envelope.size = len(request.ipc) if payload is None else len(request.ipc) + len(payload.bytes)
        if window is not None:
            envelope.window = window
            window.waiting += 1
        if not decision.opens:
            if context is not None:
                self.print(
                    1, sender.address, f"the context of a Request to {target} is lost: it expects no response"
                )
            self._deliver_request(sender, envelope, None, privileged)
            return None
        assert expects is not None
        entry = OpenRequest(
            sender, envelope, context, prompting if decision.snapshot else None, awaited, self._expired
        )
        self.open[number] = entry
        self.deadlines.add(current_time() + expects, entry)
        self._deliver_request(sender, envelope, entry, privileged)
        return entry

    def _fresh_number(self) -> int:
        """A message id: not 0, and of no open request. Drawn many at a time, because each draw costs."""
        while True:
            if not self._numbers:
                block = self.draw("message ids", 64 * NUMBERS_DRAWN)
                self._numbers = [
                    n for n in unpack(f"<{NUMBERS_DRAWN}Q", block.to_bytes(8 * NUMBERS_DRAWN, "little")) if n
                ]
            number = self._numbers.pop()
            if number not in self.open:
                return number

    def fresh_number(self) -> int:
        """An id for a message of the kernel's own."""
        return self._fresh_number()

    def find(self, target: ProcessId) -> Process | None:
        """The process of that id, by the alias rule if need be (PROTOCOL 0.3, C-012)."""
        found = self.processes.get(target)
        if found is None and target.package == "distro" and target.publisher == "sys":
            found = self.processes.get(ProcessId(target.process.replace("-", "_"), "sys", "nectar"))
        return found

    def is_ours(self, node: str) -> bool:
        return node in (self.node, OUR)

    def _deliver_request(
        self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None, privileged: bool
    ) -> None:
        target = envelope.target
        if target.node != self.node and target.node != OUR:
            refusal = self._hand_to_carrier(sender, envelope, entry)
            if refusal is not None:
                self._refuse(sender, envelope, entry, refusal)
            return
        receiver = self.processes.get(target.process) or self.find(target.process)
        if receiver is None:
            refusal = self._no_such_process(target)
        elif not receiver.accepts:
            refusal = self._not_running(receiver)
        elif not (receiver.public or privileged or may_message(sender, receiver)):
            refusal = Refusal(
                SendErrorKind.Timeout, Reason.capability_missing, lacks_messaging(sender, receiver)
            )
        elif not receiver.mailbox.fits(envelope.size):
            refusal = self._overfull(receiver, envelope.size)
        else:
            envelope.target = receiver.address
            self._append_request(receiver, envelope, entry)
            return
        self._refuse(sender, envelope, entry, refusal)

    def _append_request(self, receiver: Process, envelope: KernelMessage, entry: OpenRequest | None) -> None:
        if entry is None and envelope.rsvp is not None:
            entry = self.open.get(envelope.id)  # a relay: whoever asked now waits for this receiver
        if entry is not None:
            self._hold(entry, receiver)
        if self.observer is not None:
            self.notify(EventKind.APPENDED, receiver.pid, envelope)
        receiver.mailbox.put(envelope)

    @staticmethod
    def _hold(entry: OpenRequest, holder: Process) -> None:
        number = entry.envelope.id
        former = entry.holder
        if former is not None and former.owed is not None:
            former.owed.pop(number, None)
        entry.holder = holder
        if holder.owed is None:
            holder.owed = {}
        holder.owed[number] = entry

    # -- why not

    def _no_such_process(self, target: Address) -> Refusal:
        return Refusal(
            SendErrorKind.Timeout,
            Reason.no_such_process,
            f"no process {target.process} on {self.node}; `nectar ps` lists those that run",
        )

    def _not_running(self, receiver: Process) -> Refusal:
        why = f": {receiver.last_error}" if receiver.last_error else ""
        return Refusal(
            SendErrorKind.Timeout,
            Reason.process_exited,
            f"{receiver.pid} is {receiver.state}, not running{why}",
        )

    @staticmethod
    def _overfull(receiver: Process, size: int) -> Refusal:
        limits = receiver.mailbox.limits
        if size > limits.bytes:
            return Refusal(
                SendErrorKind.Timeout,
                Reason.too_large,
                f"{size} bytes can never fit the mailbox of {receiver.pid}, which holds {limits.bytes}; "
                f'send it in pieces, or raise "mailbox": {{"bytes": N}} in its manifest.json',
            )
        return Refusal(
            SendErrorKind.Timeout,
            Reason.mailbox_full,
            f"the mailbox of {receiver.pid} is full ({len(receiver.mailbox)} messages, {receiver.mailbox.bytes} "
            f"bytes); wait for room with send_paced()",
        )

    # -- other nodes

    def _hand_to_carrier(
        self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None
    ) -> Refusal | None:
        if not sender.holdings.network:
            return Refusal(SendErrorKind.Timeout, Reason.capability_missing, lacks_network(sender.pid))
        carrier = self.processes.get(NET)
        if carrier is None or not carrier.accepts:
            return Refusal(
                SendErrorKind.Offline,
                Reason.node_unreachable,
                f"no way from {self.node} to node {envelope.target.node!r}: {NET} does not run",
            )
        if not carrier.mailbox.fits(envelope.size):
            return self._overfull(carrier, envelope.size)
        self._append_request(carrier, envelope, entry)
        return None

    def deliver_remote(self, envelope: KernelMessage) -> Refusal | None:
        """Take a message that came from another node; the refusal to send back, if any (PROTOCOL 4.2, 9.4)."""
        receiver = self.find(envelope.target.process)
        if receiver is None:
            return self._no_such_process(envelope.target)
        if receiver.pid == KERNEL:
            return Refusal(
                SendErrorKind.Timeout,
                Reason.capability_missing,
                "the kernel takes no messages from other nodes",
            )
        if not receiver.accepts:
            return self._not_running(receiver)
        if not receiver.holdings.network:
            return Refusal(SendErrorKind.Timeout, Reason.capability_missing, lacks_network(receiver.pid))
        self._verify_attached(envelope)
        envelope.target = receiver.address
        if isinstance(envelope.message, Response):
            self._answer(envelope)
            return None
        payload = envelope.payload
        envelope.size = len(envelope.message.ipc) + (len(payload.bytes) if payload is not None else 0)
        if not receiver.mailbox.fits(envelope.size):
            return self._overfull(receiver, envelope.size)
        self.notify(EventKind.APPENDED, receiver.pid, envelope)
        receiver.mailbox.put(envelope)
        return None

    def _verify_attached(self, envelope: KernelMessage) -> None:
        message = envelope.message
        message.capabilities = tuple(
            c
            for c in message.capabilities
            if isinstance(c, SignedCapability)
            and self.keys.verify(c.issuer.node, c.signed_bytes(), c.signature)
        )

    def undeliverable(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """The carrier could not bring one of our messages to its node, or was refused there."""
        if isinstance(envelope.message, Response):
            self.bury(envelope.target.process, envelope, refusal.detail)
            return
        entry = self.open.get(envelope.id)
        if entry is not None and entry.envelope is envelope:
            self._fail(entry, refusal, definite=definite)
            return
        sender = self.processes.get(envelope.source.process)
        if sender is not None:
            self._return(sender, envelope, refusal, definite=definite)

    # -- responses

    def send_response(
        self, sender: Process, state: TaskState, response: Response, payload: Payload | None
    ) -> None:
        """Answer the task's prompting message (PROTOCOL 3.3)."""
        prompting = state.prompting
        if prompting is None:
            raise NoPromptingMessage(
                "there is no Request to respond to: receive one first (await_message), and respond in the same task"
            )
        if prompting.responded:
            raise AlreadyResponded(
                f"the Request {prompting.id} of {prompting.source} was answered before; send a Request to say more"
            )
        prompting.responded = True
        if payload is None and response.inherit:
            payload = state.payload
        if state.attached or response.capabilities:
            response = self._with_capabilities(sender, state, response)
        target = prompting.rsvp or prompting.source
        envelope = KernelMessage(prompting.id, sender.address, target, None, response, payload)
        request = prompting.message
        if prompting.rsvp is None and isinstance(request, Request) and request.expects_response is None:
            self.print(1, sender.address, f"dropped a Response to {prompting.source}, which expects none")
            self.bury(target.process, envelope, "no response was expected")
        elif target.node == self.node:
            self._answer(envelope)
        else:
            refusal = self._hand_to_carrier(sender, envelope, None)
            if refusal is not None:
                self.print(1, sender.address, refusal.detail)
                self.bury(target.process, envelope, refusal.detail)

    def _answer(self, envelope: KernelMessage) -> None:
        entry = self.open.get(envelope.id)
        target = envelope.target.process
        if entry is None or (entry.owner.pid is not target and entry.owner.pid != target):
            self.print(2, envelope.source, f"a late or stray Response to {envelope.target} was dropped")
            self.bury(envelope.target.process, envelope, "its Request is not open (any more)")
            return
        self._close(entry)
        envelope.context = entry.context
        envelope.answers = entry
        owner = entry.owner
        if not entry.awaited:
            payload = envelope.payload
            envelope.size = len(envelope.message.ipc) + (len(payload.bytes) if payload is not None else 0)
            self.notify(EventKind.APPENDED, owner.pid, envelope)
            owner.mailbox.put(envelope)
            return
        if self.observer is not None:
            self.notify(EventKind.ANSWERED, owner.pid, envelope)
        entry.outcome = envelope
        if entry.task is not None:
            task = entry.task
            entry.task = None
            wake(task)

    # -- outcomes

    def _close(self, entry: OpenRequest) -> None:
        number = entry.envelope.id
        del self.open[number]
        holder = entry.holder
        if holder is not None and holder.owed is not None:
            holder.owed.pop(number, None)
        if not entry.settled:
            self.deadlines.settle(entry)

    def _expired(self, entry: OpenRequest) -> None:
        self.notify(EventKind.FIRED, entry.owner.pid, entry.envelope)
        request = entry.envelope.message
        assert isinstance(request, Request)
        detail = f"no answer within {request.expects_response} s"
        self._fail(entry, Refusal(SendErrorKind.Timeout, Reason.deadline_passed, detail), definite=False)

    def forget(self, entry: OpenRequest) -> None:
        """Its task was cancelled while it waited: nobody wants the answer any more."""
        if self.open.get(entry.id) is entry:
            self._close(entry)

    def _error(
        self, envelope: KernelMessage, refusal: Refusal, context: bytes | None, *, definite: bool
    ) -> SendError:
        failed = KernelMessage(
            envelope.id, envelope.target, envelope.source, None, envelope.message, envelope.payload
        )
        return SendError(
            refusal.kind,
            refusal.reason,
            target=envelope.target,
            message=Message(failed),
            payload=envelope.payload,
            context=context,
            definite=definite,
            detail=refusal.detail,
        )

    def _refuse(
        self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None, refusal: Refusal
    ) -> None:
        """It went nowhere: back to its sender, in this same step."""
        if envelope.window is not None:
            envelope.window.taken()
        self.print(0 if refusal.reason is Reason.capability_missing else 1, sender.address, refusal.detail)
        if entry is not None:
            self._fail(entry, refusal, definite=True)
        else:
            self._return(sender, envelope, refusal, definite=True)

    def _fail(self, entry: OpenRequest, refusal: Refusal, *, definite: bool) -> None:
        self._close(entry)
        owner = entry.owner
        envelope = entry.envelope
        error = self._error(envelope, refusal, entry.context, definite=definite)
        if self.observer is not None:
            self.notify(EventKind.RETURNED, owner.pid, envelope, refusal.reason)
        if entry.awaited:
            entry.outcome = error
            if entry.task is not None:
                task = entry.task
                entry.task = None
                wake(task)
        elif owner.accepts:
            owner.mailbox.put(Returned(error, entry, envelope.size))
        else:
            self.bury(owner.pid, envelope, refusal.detail)

    def _return(self, sender: Process, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """An error without an open request: it counts against its receiver's limit."""
        if not sender.accepts or not sender.mailbox.fits(envelope.size):
            self.bury(sender.pid, envelope, refusal.detail)
            return
        self.notify(EventKind.RETURNED, sender.pid, envelope, refusal.reason)
        error = self._error(envelope, refusal, None, definite=definite)
        sender.mailbox.put(Returned(error, None, envelope.size))

    def bury(self, to: ProcessId, envelope: KernelMessage, why: str) -> None:
        self.notify(EventKind.DEAD_LETTER, to, envelope, why)
        self.dead_letters.add(DeadLetter(current_time(), to, envelope, why))

    # -- the end of a process

    def release(self, process: Process) -> None:
        """Return what it did not read, fail what it did not answer, let go who waited for room."""
        refusal = Refusal(
            SendErrorKind.Timeout,
            Reason.process_exited,
            f"{process.pid} ended" + (f": {process.last_error}" if process.last_error else ""),
        )
        for item in process.mailbox.drain():
            if isinstance(item, Returned):
                self.bury(
                    process.pid, item.error.message.envelope(), "its sender ended before it read the error"
                )
            else:
                self._return_unread(process, item, refusal)
        owed, process.owed = process.owed, None
        for entry in list((owed or {}).values()):
            self._fail(entry, refusal, definite=False)
        process.mailbox.release_senders()

    def _return_unread(self, process: Process, envelope: KernelMessage, refusal: Refusal) -> None:
        if envelope.window is not None:
            envelope.window.taken()
        if isinstance(envelope.message, Response):
            self.bury(process.pid, envelope, refusal.detail)
            return
        entry = self.open.get(envelope.id)
        if entry is not None and entry.holder is process:
            self._fail(entry, refusal, definite=True)
            return
        sender = self.processes.get(envelope.source.process) if envelope.source.node == self.node else None
        if sender is None:
            self.bury(process.pid, envelope, refusal.detail)
        else:
            self._return(sender, envelope, refusal, definite=True)

    # -- capabilities that ride on a message

    def _with_capabilities(self, sender: Process, state: TaskState, message: AnyMessage) -> AnyMessage:
        """The message with those of the asked-for capabilities that the sender holds or issues, signed."""
        asked = (*state.attached, *message.capabilities)
        state.attached = ()
        signed = [self._attachable(sender, capability) for capability in asked]
        return attrs.evolve(message, capabilities=tuple(c for c in signed if c is not None))

    def _attachable(self, sender: Process, capability: Capability) -> SignedCapability | None:
        capability = self.real(capability)
        if isinstance(capability, SignedCapability) and not self.keys.verify(
            capability.issuer.node, capability.signed_bytes(), capability.signature
        ):
            return None
        if not (sender.holdings.holds(capability) or capability.issuer == sender.address):
            return None
        return self.signed(sender, capability)

    def real(self, capability: Capability) -> Capability:
        """With `our` as issuing node replaced by our name (PROTOCOL 1.2)."""
        issuer = capability.issuer
        if issuer.node != OUR:
            return capability
        return attrs.evolve(capability, issuer=Address(self.node, issuer.process))

    def signed(self, holder: Process, capability: Capability) -> SignedCapability | None:
        """With its issuing node's signature; None for a foreign one whose signature we never had."""
        signature: bytes | None
        if capability.issuer.node == self.node:
            signature = self.keys.sign(capability.signed_bytes())
        else:
            signature = holder.holdings.signature(capability)
        if signature is None:
            return None
        return SignedCapability(capability.issuer, capability.params, signature)
