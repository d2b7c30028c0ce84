"""Routing: every send is decided here, in the sender's own step, and every message gets its one outcome.

No task and no queue of its own. Implements PROTOCOL 3.1-3.7 and 4.2 with the amendments of 0.4.
"""

from __future__ import annotations

from trio import current_time

from kernel.address import OUR, Address, ProcessId
from kernel.admission import NET, lacks_messaging, lacks_network, may_message
from kernel.aliases import seed_era
from kernel.capability import KERNEL
from kernel.dead_letters import DeadLetter, DeadLetters
from kernel.deadlines import Deadlines
from kernel.errors import AlreadyResponded, NoPromptingMessage
from kernel.events import Event, EventKind, Observer, shown
from kernel.mailbox import Returned
from kernel.message import (
    KernelMessage,
    Payload,
    Reason,
    Request,
    Response,
    SendError,
    SendErrorKind,
    size_of,
)
from kernel.message_ids import MessageIds
from kernel.ports import Chance, Console, Keys
from kernel.process import OpenRequest, Process, TaskState, Window
from kernel.refusals import (
    Refusal,
    exited,
    expired,
    no_carrier,
    no_such_process,
    not_running,
    overfull,
    send_error,
)
from kernel.routing import DECISIONS
from kernel.signing import Signing
from kernel.stepping import Stepping
from kernel.turns import Turns
from kernel.verbosity import ChosenVerbosity

_HOW = ("", "privileged", "awaited", "awaited privileged")


class Router:
    """The tables of a node and the decisions on them. Every method is one kernel step: it never waits."""

    def __init__(self, node: str, *, chance: Chance, console: Console, keys: Keys) -> None:
        self.node = node
        self.kernel_address = Address(node, KERNEL)
        self.chance = chance
        self.console = ChosenVerbosity(console)
        self.signing = Signing(node, keys)
        self.processes: dict[ProcessId, Process] = {}
        self.open: dict[int, OpenRequest] = {}
        self.deadlines = Deadlines()
        self.dead_letters = DeadLetters()
        self.observer: Observer | None = None
        self.turns: Turns | None = None
        self.stepping: Stepping | None = None
        self.ids = MessageIds(self.draw, self.open)

    # -- what observers and people see

    def notify(
        self,
        kind: EventKind,
        subject: ProcessId | None,
        message: KernelMessage | None = None,
        note: str = "",
        error: SendError | None = None,
    ) -> None:
        if self.observer is not None:
            self.observer(Event(kind, current_time(), subject, message, note, error))

    def print(self, verbosity: int, source: Address, text: str) -> None:
        if self.observer is not None:
            self.notify(EventKind.PRINTED, source.process, note=text)
        self.console.print(verbosity, source, text)

    def draw(self, label: str, bits: int) -> int:
        value = self.chance.bits(label, bits)
        if self.observer is not None:
            self.notify(EventKind.DREW, None, note=f"{label} {shown(value)}")
        return value

    # -- requests

    def send_request(  # noqa: C901 - the common case of a send, in line because every message passes here
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
            number = self.ids.take()
            if decision.ours:
                rsvp = sender.address
        else:
            assert prompting is not None
            number = prompting.id
            rsvp = prompting.rsvp
        if payload is None and inherit:
            payload = state.payload
        if state.attached or request.capabilities:
            request = self.signing.attach(sender, state, request)
        envelope = KernelMessage(number, sender.address, target, rsvp, request, payload)
        envelope.size = len(request.ipc) if payload is None else len(request.ipc) + len(payload.bytes)
        if self.observer is not None:
            self.notify(EventKind.SENT, sender.pid, envelope, _HOW[awaited * 2 + privileged])
        if window is not None:
            envelope.window = window
            window.waiting += 1
        entry = None
        if decision.opens:
            assert expects is not None
            snapshot = prompting if decision.snapshot else None
            entry = OpenRequest(sender, envelope, context, snapshot, awaited, self._expired)
            self.open[number] = entry
            self.deadlines.add(current_time() + expects, entry, envelope.size)
        elif context is not None:
            self._warn_lost_context(sender, target)
        node = target.node
        if node == self.node or node == OUR:
            receiver = self.processes.get(target.process) or self.find(target.process)
            refusal = self.deliver(sender, receiver, envelope, entry, privileged)
        else:
            refusal = self._hand_to_carrier(sender, envelope, entry)
        if refusal is not None:
            self.refuse(sender, envelope, entry, refusal)
        return entry

    def _warn_lost_context(self, sender: Process, target: Address) -> None:
        text = f"the context of a Request to {target} is lost: it expects no response"
        self.print(1, sender.address, text)

    def find(self, target: ProcessId) -> Process | None:
        """The process of that id, by the alias rule if need be (PROTOCOL 0.3, C-012)."""
        found = self.processes.get(target)
        if found is None and (meant := seed_era(target)) is not None:
            found = self.processes.get(meant)
        return found

    def is_ours(self, node: str) -> bool:
        return node in (self.node, OUR)

    def deliver(
        self,
        sender: Process,
        receiver: Process | None,
        envelope: KernelMessage,
        entry: OpenRequest | None,
        privileged: bool,
    ) -> Refusal | None:
        """Into the mailbox of a local process, or why not."""
        if receiver is None:
            return no_such_process(envelope.target, self.node)
        if not receiver.accepts:
            return not_running(receiver)
        if not (receiver.public or privileged or may_message(sender, receiver)):
            return Refusal(
                SendErrorKind.Timeout, Reason.capability_missing, lacks_messaging(sender, receiver)
            )
        if self.stepping is not None and not receiver.system:
            return self.stepping.hold_request(sender, receiver, envelope, entry)
        envelope.target = receiver.address
        if not receiver.mailbox.offer(envelope):
            return overfull(receiver, envelope.size)
        if entry is None and envelope.rsvp is not None:
            entry = self._relayed(envelope)
        if entry is not None:
            self._hold(entry, receiver)
        if self.observer is not None:
            self.notify(EventKind.APPENDED, receiver.pid, envelope)
        return None

    def _relayed(self, envelope: KernelMessage) -> OpenRequest | None:
        """The open request that a relay carries on: whoever asked now waits for its receiver.

        An id alone proves nothing, because other nodes choose theirs.
        """
        entry = self.open.get(envelope.id)
        return entry if entry is not None and entry.owner.address == envelope.rsvp else None

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

    def owe_to_nobody(self, envelope: KernelMessage) -> None:
        """It is on its way: the end of whoever had the open request last is not its end."""
        entry = self.open.get(envelope.id)
        if entry is not None and entry.holder is not None and entry.holder.owed is not None:
            entry.holder.owed.pop(envelope.id, None)

    # -- other nodes

    def _hand_to_carrier(
        self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None
    ) -> Refusal | None:
        if not sender.holdings.network:
            return Refusal(SendErrorKind.Timeout, Reason.capability_missing, lacks_network(sender.pid))
        carrier = self.processes.get(NET)
        if carrier is None or not carrier.accepts:
            return no_carrier(self.node, envelope.target.node)
        if not carrier.mailbox.offer(envelope):
            return overfull(carrier, envelope.size)
        if entry is not None:
            self._hold(entry, carrier)
        self.notify(EventKind.APPENDED, carrier.pid, envelope)
        return None

    def deliver_remote(self, envelope: KernelMessage) -> Refusal | None:
        """Take a message that came from another node; the refusal to send back, if any (PROTOCOL 4.2, 9.4)."""
        receiver = self.find(envelope.target.process)
        if receiver is None:
            return no_such_process(envelope.target, self.node)
        if receiver.pid == KERNEL:
            text = "the kernel takes no messages from other nodes"
            return Refusal(SendErrorKind.Timeout, Reason.capability_missing, text)
        if not receiver.accepts:
            return not_running(receiver)
        if not receiver.holdings.network:
            return Refusal(SendErrorKind.Timeout, Reason.capability_missing, lacks_network(receiver.pid))
        message = envelope.message
        envelope.target = receiver.address
        if isinstance(message, Response):
            # Signatures take time: only those of what somebody waits for are looked at.
            wanted = envelope.id in self.open
            message.capabilities = self.signing.verified(message.capabilities) if wanted else ()
            self.answer(envelope)
            return None
        envelope.size = size_of(envelope)
        if not receiver.mailbox.fits_from_afar(envelope.size):
            return overfull(receiver, envelope.size, afar=True)
        if self.stepping is not None and not receiver.system:
            return self.stepping.hold_remote(receiver, envelope)
        message.capabilities = self.signing.verified(message.capabilities)
        receiver.mailbox.put(envelope)
        self.notify(EventKind.APPENDED, receiver.pid, envelope)
        return None

    def undeliverable(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """The carrier could not bring one of our messages to its node, or was refused there."""
        if isinstance(envelope.message, Response):
            self.bury(envelope.target.process, envelope, refusal.detail)
            return
        entry = self.open.get(envelope.id)
        if entry is not None and entry.envelope is envelope:
            self._fail(entry, refusal, definite=definite)
            return
        self._come_back(envelope, refusal, definite=definite)

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
        if payload is None and response.inherit:
            payload = state.payload
        if state.attached or response.capabilities:
            response = self.signing.attach(sender, state, response)
        prompting.responded = True
        target = prompting.rsvp or prompting.source
        envelope = KernelMessage(prompting.id, sender.address, target, None, response, payload)
        if self.observer is not None:
            self.notify(EventKind.SENT, sender.pid, envelope)
        request = prompting.message
        if prompting.rsvp is None and isinstance(request, Request) and request.expects_response is None:
            self.print(1, sender.address, f"dropped a Response to {prompting.source}, which expects none")
            self.bury(target.process, envelope, "no response was expected")
        elif target.node != self.node:
            self._answer_afar(sender, envelope)
        elif self.stepping is not None and not sender.system:
            self.stepping.hold_response(target.process, envelope)
        else:
            self.answer(envelope)

    def _answer_afar(self, sender: Process, envelope: KernelMessage) -> None:
        envelope.size = size_of(envelope)
        refusal = self._hand_to_carrier(sender, envelope, None)
        if refusal is not None:
            self.print(1, sender.address, refusal.detail)
            self.bury(envelope.target.process, envelope, refusal.detail)

    def answer(self, envelope: KernelMessage) -> None:
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
            if not owner.accepts:
                self.bury(owner.pid, envelope, "who asked has ended")
                return
            envelope.size = size_of(envelope)
            self.notify(EventKind.APPENDED, owner.pid, envelope)
            owner.mailbox.put(envelope)
            return
        if self.observer is not None:
            self.notify(EventKind.ANSWERED, owner.pid, envelope)
        entry.give(envelope)

    # -- outcomes

    def _close(self, entry: OpenRequest) -> None:
        number = entry.envelope.id
        del self.open[number]
        holder = entry.holder
        if holder is not None and holder.owed is not None:
            holder.owed.pop(number, None)
        entry.settled = True

    def _expired(self, entry: OpenRequest) -> None:
        self.notify(EventKind.FIRED, entry.owner.pid, entry.envelope)
        request = entry.envelope.message
        assert isinstance(request, Request)
        self._fail(entry, expired(request.expects_response), definite=False)

    def forget(self, entry: OpenRequest) -> None:
        """Its task was cancelled while it waited: nobody wants the answer any more."""
        if self.open.get(entry.id) is entry:
            self._close(entry)
            self.notify(EventKind.FORGOTTEN, entry.owner.pid, entry.envelope)

    def refuse(
        self, sender: Process, envelope: KernelMessage, entry: OpenRequest | None, refusal: Refusal
    ) -> None:
        """It went nowhere: back to its sender, in this same step."""
        if envelope.target.node == OUR:
            envelope.target = Address(self.node, envelope.target.process)
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
        error = send_error(envelope, refusal, entry.context, definite=definite)
        if self.observer is not None:
            self.notify(EventKind.RETURNED, owner.pid, envelope, refusal.reason, error)
        if entry.awaited:
            entry.give(error)
        elif owner.accepts:
            owner.mailbox.put(Returned(error, entry, envelope.size))
        else:
            self.bury(owner.pid, envelope, refusal.detail)

    def _return(self, sender: Process, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """An error without an open request: it counts against its receiver's limit."""
        if not sender.accepts or not sender.mailbox.fits(envelope.size):
            self.bury(sender.pid, envelope, refusal.detail)
            return
        error = send_error(envelope, refusal, None, definite=definite)
        self.notify(EventKind.RETURNED, sender.pid, envelope, refusal.reason, error)
        sender.mailbox.put(Returned(error, None, envelope.size))

    def bury(self, to: ProcessId, envelope: KernelMessage, why: str) -> None:
        self.notify(EventKind.DEAD_LETTER, to, envelope, why)
        self.dead_letters.add(DeadLetter(current_time(), to, envelope, why))

    # -- the end of a process

    def release(self, process: Process) -> None:
        """Return what it did not read, fail what it did not answer, let go who waited for room."""
        refusal = exited(process)
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
        self._come_back(envelope, refusal, definite=True)

    def _come_back(self, envelope: KernelMessage, refusal: Refusal, *, definite: bool) -> None:
        """A Request of no open entry: to its sender, unless that one is gone or had its one outcome before (F-19)."""
        request = envelope.message
        settled = isinstance(request, Request) and request.expects_response is not None
        local = envelope.source.node == self.node
        sender = self.processes.get(envelope.source.process) if local and not settled else None
        if sender is None:
            self.bury(envelope.target.process, envelope, refusal.detail)
        else:
            self._return(sender, envelope, refusal, definite=definite)
