"""What a tested actor did, as values."""

from __future__ import annotations

import attrs

from kernel.address import Address, ProcessId
from kernel.events import Event, EventKind
from kernel.exits import ExitCause
from kernel.jsontext import JsonValue, parse
from kernel.message import KernelMessage, Payload, Request

STATE = ProcessId("state", "sys", "nectar")

_SENDS = (EventKind.APPENDED, EventKind.ANSWERED, EventKind.RETURNED, EventKind.DEAD_LETTER)


@attrs.frozen
class Sent:
    """A Request or Response of the actor."""

    target: Address
    ipc: bytes
    payload: Payload | None
    is_request: bool
    expects_response: int | None
    metadata: str | None

    def json(self) -> JsonValue:
        """The ipc, parsed. Raises `NotJson`."""
        return parse(self.ipc)


@attrs.frozen
class HttpAnswer:
    """What the actor, or http_server for it, answered to an HTTP call."""

    status: int
    headers: dict[str, str]
    body: bytes
    mime: str | None

    @property
    def text(self) -> str:
        return self.body.decode()


def served(method: str, content: Payload) -> HttpAnswer:
    """Static content, as http_server gives it to GET and HEAD."""
    mime = content.mime or "text/plain"
    return HttpAnswer(200, {"Content-Type": mime}, b"" if method == "HEAD" else content.bytes, mime)


class Record:
    """What the actor sent and how often it crashed, seen through the kernel's observer hook."""

    def __init__(self, our: Address) -> None:
        self._our = our
        self._seen: dict[int, KernelMessage] = {}
        self.sent: list[Sent] = []
        self.crashes = 0

    def observe(self, event: Event) -> None:
        if event.kind is EventKind.EXITED:
            if event.subject == self._our.process and event.note == ExitCause.CRASH.name:
                self.crashes += 1
        elif event.message is not None and event.kind in _SENDS and event.message.source == self._our:
            self._note(event.message)

    def _note(self, envelope: KernelMessage) -> None:
        # One message may be seen twice: delivered, then returned because its receiver ended.
        if id(envelope) in self._seen or envelope.target.process == STATE:
            return
        self._seen[id(envelope)] = envelope
        message = envelope.message
        is_request = isinstance(message, Request)
        expects = message.expects_response if isinstance(message, Request) else None
        self.sent.append(
            Sent(envelope.target, message.ipc, envelope.payload, is_request, expects, message.metadata)
        )
