"""Other nodes, as far as a tested process can tell: what stands at `net:sys:nectar` in a test."""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable

import attrs
import trio

from kernel.address import Address
from kernel.kernel import Kernel
from kernel.message import (
    KernelMessage,
    Message,
    Payload,
    Reason,
    Request,
    SendError,
    SendErrorKind,
)
from kernel.ports import Keys
from kernel.refusals import Refusal
from kernel.syscalls import current
from sys_processes.net.protocol import (
    DELIVERED,
    Sign,
    Signed,
    SignStatement,
    Verified,
    Verify,
    VerifyStatement,
    decode_action,
    encode_response,
    is_json,
    said_bytes,
    statement_bytes,
)
from userland.process_lib._builders import Response
from userland.process_lib.testing._scripted import Answer, Reply, Scripted, to_response


@attrs.define(eq=False)
class _Question:
    """A Request that a process of another node sent to the actor."""

    envelope: KernelMessage
    settled: trio.Event = attrs.field(factory=trio.Event)
    answer: Message | None = None


class OtherNodes:
    """Carries messages to and from scripted processes of other nodes. A node without any cannot be reached."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._answers: dict[Address, Answer] = {}
        self._questions: dict[int, _Question] = {}

    def script(self, process: Address, answer: Answer) -> None:
        self._answers[process] = answer

    def carry(self, message: Message) -> Awaitable[None] | None:
        """The script of `net:sys:nectar`, which gets what others send to other nodes."""
        target = message.target
        answer = self._answers.get(target)
        if answer is None:
            known = any(process.node == target.node for process in self._answers)
            refusal = self._refusal(target, known)
            self._kernel.router.undeliverable(message.envelope(), refusal, definite=True)
            return None
        found = answer(message)
        if inspect.isawaitable(found):
            return self._return_later(message, found)
        self._return(message, found)
        return None

    async def _return_later(self, message: Message, found: Awaitable[Reply]) -> None:
        self._return(message, await found)

    def _return(self, message: Message, found: Reply) -> None:
        response = to_response(found)
        if response is None or not message.wants_response:
            return
        raw, payload = response
        envelope = message.envelope()
        to = envelope.rsvp or envelope.source
        self._kernel.router.deliver_remote(
            KernelMessage(envelope.id, envelope.target, to, None, raw, payload)
        )

    @staticmethod
    def _refusal(target: Address, known: bool) -> Refusal:
        hint = f'script it with on("{target}", answer)'
        if known:
            text = f"no process {target.process} on {target.node}; {hint}"
            return Refusal(SendErrorKind.Timeout, Reason.no_such_process, text)
        return Refusal(SendErrorKind.Offline, Reason.node_unreachable, f"no node {target.node}; {hint}")

    def heard(self, message: Message) -> None:
        """A Response of the actor to another node."""
        question = self._questions.get(message.id)
        if question is not None:
            question.answer = message
            question.settled.set()

    async def ask(
        self, source: Address, target: Address, request: Request, payload: Payload | None
    ) -> Message | None:
        """Send as a process of another node, and wait for the answer if the request expects one. Raises `SendError`."""
        seconds = request.expects_response
        envelope = KernelMessage(
            self._kernel.router.draw("message id", 64),
            source,
            target,
            None if seconds is None else source,
            request,
            payload,
        )
        refusal = self._kernel.router.deliver_remote(envelope)
        if refusal is not None:
            raise _came_back(envelope, refusal.kind, refusal.reason, refusal.detail, definite=True)
        if seconds is None:
            return None
        question = self._questions[envelope.id] = _Question(envelope)
        with trio.move_on_after(seconds or math.ulp(0)):
            await question.settled.wait()
        del self._questions[envelope.id]
        if question.answer is None:
            text = f"no answer within {seconds} s"
            raise _came_back(envelope, SendErrorKind.Timeout, Reason.deadline_passed, text, definite=False)
        return question.answer


def _came_back(
    envelope: KernelMessage, kind: SendErrorKind, reason: Reason, detail: str, *, definite: bool
) -> SendError:
    failed = attrs.evolve(envelope, source=envelope.target, target=envelope.source)
    return SendError(
        kind,
        reason,
        target=envelope.target,
        message=Message(failed),
        payload=envelope.payload,
        definite=definite,
        detail=detail,
    )


class Carrier(Scripted):
    """`net:sys:nectar` of a test: it carries, and signs for the actor and verifies."""

    def __init__(self, nodes: OtherNodes, keys: Keys, failures: list[Exception]) -> None:
        super().__init__(self._take, failures)
        self._nodes = nodes
        self._keys = keys

    def _take(self, message: Message) -> Reply:
        return self._said(message) if message.target == current().our else self._nodes.carry(message)

    def _said(self, message: Message) -> Reply:
        said = (message.payload() or Payload()).bytes
        json = is_json(message.ipc)
        match decode_action(message.ipc):
            case Sign():
                return self._signed(said_bytes(message.source, said), json=json)
            case SignStatement():
                return self._signed(statement_bytes(message.source, said), json=json)
            case Verify(source, signature):
                valid = self._keys.verify(source.node, said_bytes(source, said), signature)
                return encode_response(Verified(valid), json=json)
            case VerifyStatement(source, signature):
                valid = self._keys.verify(source.node, statement_bytes(source, said), signature)
                return encode_response(Verified(valid), json=json)
        return DELIVERED

    def _signed(self, data: bytes, *, json: bool) -> Reply:
        payload = Payload(None, self._keys.sign(data))
        return Response().ipc(encode_response(Signed(), json=json)).payload(payload)

    def heard(self, message: Message) -> None:
        self._nodes.heard(message)
