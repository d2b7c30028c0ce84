"""Why a message is not taken, and what its sender should do next (PROTOCOL 0.4, 3.7)."""

from __future__ import annotations

import attrs

from kernel.address import Address
from kernel.admission import NET
from kernel.message import KernelMessage, Message, Reason, SendError, SendErrorKind
from kernel.process import Process


@attrs.frozen
class Refusal:
    """What becomes a `SendError` at the sender."""

    kind: SendErrorKind
    reason: Reason
    detail: str


def no_such_process(target: Address, node: str) -> Refusal:
    return Refusal(
        SendErrorKind.Timeout,
        Reason.no_such_process,
        f"no process {target.process} on {node}; `nectar ps` lists those that run",
    )


def not_running(receiver: Process) -> Refusal:
    why = f": {receiver.last_error}" if receiver.last_error else ""
    return Refusal(
        SendErrorKind.Timeout, Reason.process_exited, f"{receiver.pid} is {receiver.state}, not running{why}"
    )


def exited(process: Process) -> Refusal:
    why = f": {process.last_error}" if process.last_error else ""
    return Refusal(SendErrorKind.Timeout, Reason.process_exited, f"{process.pid} ended{why}")


def overfull(receiver: Process, size: int, *, afar: bool = False) -> Refusal:
    """`afar`: for a message of another node."""
    mailbox = receiver.mailbox
    if size > mailbox.limits.bytes:
        return Refusal(
            SendErrorKind.Timeout,
            Reason.too_large,
            f"{size} bytes can never fit the mailbox of {receiver.pid}, which holds {mailbox.limits.bytes}; "
            f'send it in pieces, or raise "mailbox": {{"bytes": N}} in its manifest.json',
        )
    held = f"{len(mailbox)} messages, {mailbox.bytes} bytes"
    if afar:
        text = f"the mailbox of {receiver.pid} takes no more from other nodes ({held}); await answers, or send less"
    else:
        text = f"the mailbox of {receiver.pid} is full ({held}); wait for room with send_paced()"
    return Refusal(SendErrorKind.Timeout, Reason.mailbox_full, text)


def no_carrier(node: str, target: str) -> Refusal:
    return Refusal(
        SendErrorKind.Offline,
        Reason.node_unreachable,
        f"no way from {node} to node {target!r}: {NET} does not run",
    )


def expired(seconds: int | None) -> Refusal:
    return Refusal(SendErrorKind.Timeout, Reason.deadline_passed, f"no answer within {seconds} s")


def send_error(
    envelope: KernelMessage, refusal: Refusal, context: bytes | None, *, definite: bool
) -> SendError:
    """What the sender of that message gets."""
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
