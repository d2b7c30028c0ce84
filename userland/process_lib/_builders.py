"""`Request` and `Response` builders (PROTOCOL 5.3, 5.4).

A builder is immutable: each call returns a new one, so that one can be kept and built upon. Copies are
written out field by field because they are made several times per message.
"""
# ruff: noqa: SLF001 - a copy is of our own class

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, NoReturn, Self, TypeAlias, final

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.jsontext import dump
from kernel.message import Message, Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from kernel.syscalls import Outgoing, current
from userland.process_lib._aliases import with_aliases
from userland.process_lib._payloads import check_payload

Target: TypeAlias = Address | str | tuple[str, str, str, str] | tuple[str, ProcessId | str]
Bytes: TypeAlias = bytes | bytearray | memoryview | str

_new = object.__new__


class BuildErrorKind(enum.StrEnum):
    NoTarget = "NoTarget"
    NoBody = "NoBody"


class BuildError(ValueError):
    """A builder was sent before it was complete: nothing left. `.kind` names what it lacks (PROTOCOL 2.7)."""

    def __init__(self, kind: BuildErrorKind, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def to_address(target: Target) -> Address:
    """An address from itself, its text, `(node, process, package, publisher)` or `(node, process_id)`.

    Raises `AddressParseError`, `ProcessIdParseError`, or TypeError for anything else.
    """
    if isinstance(target, Address):
        return target
    if isinstance(target, str):
        return Address.from_str(target)
    if isinstance(target, tuple) and len(target) == 4:
        return Address(target[0], ProcessId(*target[1:]))
    if isinstance(target, tuple) and len(target) == 2:
        return Address(*target)
    raise TypeError(
        f"a target is an Address, 'node@process:package:publisher', (node, process, package, publisher) "
        f"or (node, process_id); got {target!r}"
    )


def to_bytes(value: Bytes, name: str) -> bytes:
    """Bytes as they are, text as UTF-8. Raises TypeError that names `try_{name}` for other values."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(
        f"{name} takes bytes or text, got {type(value).__name__}; for JSON write .try_{name}(value)"
    )


def serialize(value: object) -> bytes:
    """Bytes as they are, what an object's `to_bytes()` gives, else compact JSON. Raises TypeError."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if not isinstance(value, int):  # integers have a to_bytes of another meaning
        convert = getattr(value, "to_bytes", None)
        if callable(convert):
            return to_bytes(convert(), "ipc")
    return dump(value)


def _wrong_seconds(seconds: object) -> NoReturn:
    raise TypeError(
        f"a Request expects its response within whole seconds (an int from 0 up), got {seconds!r}"
    )


@with_aliases
class _Draft(ABC):
    """What both builders can hold."""

    __slots__ = ("_capabilities", "_inherit", "_ipc", "_metadata", "_payload")

    _inherit: bool
    _ipc: bytes | None
    _metadata: str | None
    _payload: Payload | None
    _capabilities: tuple[Capability, ...]

    @abstractmethod
    def _copy(self) -> Self: ...

    def inherit(self, inherit: bool) -> Self:
        """Carry on the prompting message's id and the last payload (PROTOCOL 3.1, 3.2)."""
        new = self._copy()
        new._inherit = inherit
        return new

    def ipc(self, ipc: Bytes) -> Self:
        """Text is sent as UTF-8."""
        new = self._copy()
        new._ipc = ipc if ipc.__class__ is bytes else to_bytes(ipc, "ipc")
        return new

    def try_ipc(self, value: object) -> Self:
        """JSON of any value that has one, or what its `to_bytes()` gives. Raises TypeError."""
        new = self._copy()
        new._ipc = serialize(value)
        return new

    def metadata(self, metadata: str | None) -> Self:
        new = self._copy()
        new._metadata = metadata
        return new

    def payload(self, payload: Payload | None) -> Self:
        """None means none; an empty frame or body is a Payload with `b""`."""
        check_payload(".payload", payload)
        new = self._copy()
        new._payload = payload
        return new

    def payload_mime(self, mime: str | None) -> Self:
        """Keeps the payload's bytes; makes an empty payload if there is none."""
        return self.payload(Payload(mime, b"" if self._payload is None else self._payload.bytes))

    def payload_bytes(self, data: Bytes) -> Self:
        """Keeps the payload's mime type."""
        new = self._copy()
        new._payload = Payload(
            None if self._payload is None else self._payload.mime, to_bytes(data, "payload_bytes")
        )
        return new

    def try_payload_bytes(self, value: object) -> Self:
        """`payload_bytes` of what `try_ipc` would make of the value."""
        return self.payload_bytes(serialize(value))

    def capabilities(self, capabilities: Iterable[Capability]) -> Self:
        """Attach these, in place of any set before. Those we do not hold are left out when it is sent."""
        new = self._copy()
        new._capabilities = tuple(capabilities)
        return new

    def _attach(self, capabilities: Iterable[Capability]) -> Self:
        return self.capabilities(dict.fromkeys((*self._capabilities, *capabilities)))

    if TYPE_CHECKING:
        body = ipc
        try_body = try_ipc
        blob = payload
        blob_mime = payload_mime
        blob_bytes = payload_bytes
        try_blob_bytes = try_payload_bytes


def _issued_by(issuer: Address) -> list[Capability]:
    call = current()
    node = call.our.node if issuer.node == "our" else issuer.node
    return [
        c for c in call.our_capabilities() if c.issuer.node == node and c.issuer.process == issuer.process
    ]


@final
class Request(_Draft):
    """Builds a Request. `Request().target(address).ipc(b"..").send()`."""

    __slots__ = ("_context", "_expects_response", "_target")

    _target: Address | None
    _expects_response: int | None
    _context: bytes | None

    def __init__(self) -> None:
        self._inherit = False
        self._ipc = None
        self._metadata = None
        self._payload = None
        self._capabilities = ()
        self._target = None
        self._expects_response = None
        self._context = None

    def _copy(self) -> Request:
        new = _new(Request)
        new._inherit = self._inherit
        new._ipc = self._ipc
        new._metadata = self._metadata
        new._payload = self._payload
        new._capabilities = self._capabilities
        new._target = self._target
        new._expects_response = self._expects_response
        new._context = self._context
        return new

    @classmethod
    def to(cls, target: Target) -> Request:
        """A new Request with that target."""
        return cls().target(target)

    def target(self, target: Target) -> Request:
        """Raises `AddressParseError`, `ProcessIdParseError` or TypeError for what is no address."""
        new = self._copy()
        new._target = target if isinstance(target, Address) else to_address(target)
        return new

    def expects_response(self, seconds: int | None) -> Request:
        """The answer (or a `SendError` once the time is up) arrives through `await_message`."""
        if seconds is not None and (seconds.__class__ is not int or seconds < 0):
            _wrong_seconds(seconds)
        new = self._copy()
        new._expects_response = seconds
        return new

    def context(self, context: Bytes | None) -> Request:
        """Bytes that stay here and come back with the Response or the `SendError` (`.context`)."""
        new = self._copy()
        new._context = None if context is None else to_bytes(context, "context")
        return new

    def try_context(self, value: object) -> Request:
        """`context` of what `try_ipc` would make of the value."""
        return self.context(serialize(value))

    def attach_messaging(self, our: Target | None = None) -> Request:
        """Attach the right to message us (or `our`)."""
        issuer = current().our if our is None else to_address(our)
        return self._attach([Capability.messaging(issuer)])

    def attach_all(self, issuer: Target | None = None) -> Request:
        """Attach every capability we hold that the target (or `issuer`) issued.

        Raises `BuildError` when there is neither.
        """
        found = self._target if issuer is None else to_address(issuer)
        if found is None:
            raise BuildError(
                BuildErrorKind.NoTarget,
                "missing fields: attach_all takes what the target issued; set .target(address) before it",
            )
        return self._attach(_issued_by(found))

    try_attach_all = attach_all

    def build(self) -> Outgoing:
        """`(target, wit.Request, context, payload)` as `send_requests` takes it. Raises `BuildError`."""
        return self._build(self._expects_response)

    def _build(self, expects_response: int | None) -> Outgoing:
        target, ipc = self._target, self._ipc
        if target is None or ipc is None:
            raise self._incomplete()
        raw = RawRequest(self._inherit, expects_response, ipc, self._metadata, self._capabilities)
        return target, raw, self._context, self._payload

    def _incomplete(self) -> BuildError:
        if self._target is None:
            return BuildError(
                BuildErrorKind.NoTarget,
                "missing fields: this Request has no target; "
                'write Request().target(address).ipc(b"..").send()',
            )
        return BuildError(
            BuildErrorKind.NoBody,
            f"missing fields: this Request to {self._target} has no ipc; "
            'add .ipc(b".."), which may be b"" if there is nothing to say',
        )

    def send(self) -> None:
        """Routes at once; what cannot be delivered comes back through `await_message`.

        Raises `BuildError`.
        """
        target, raw, context, payload = self._build(self._expects_response)
        current().send_request(target, raw, context, payload)

    def send_paced(self, window: int | None = None) -> Coroutine[object, object, None]:
        """Awaited: `send` that first waits until a local target's mailbox has room.

        With `window`, also until fewer than that many of this task's paced messages wait in mailboxes.
        Raises `BuildError`.
        """
        target, raw, context, payload = self.build()
        # The kernel's own coroutine: one around it would cost every message.
        return current().send_paced(target, raw, context, payload, window=window)

    def send_and_await_response(self, timeout: int) -> Coroutine[object, object, Message]:
        """Awaited: send, expecting a response within `timeout` whole seconds, and wait for that answer only.

        Raises `SendError` when it came back or its time is up, `SelfRequest` for oneself, `BuildError`.
        """
        if timeout.__class__ is not int or timeout < 0:
            _wrong_seconds(timeout)
        target, raw, context, payload = self._build(timeout)
        return current().send_and_await_response(target, raw, payload, context=context)

    def __repr__(self) -> str:
        return f"<Request to {self._target} ipc={self._ipc!r:.60}>"


@final
class Response(_Draft):
    """Builds the Response to the prompting message. `Response().ipc(b"..").send()`."""

    __slots__ = ()

    def __init__(self) -> None:
        self._inherit = False
        self._ipc = None
        self._metadata = None
        self._payload = None
        self._capabilities = ()

    def _copy(self) -> Response:
        new = _new(Response)
        new._inherit = self._inherit
        new._ipc = self._ipc
        new._metadata = self._metadata
        new._payload = self._payload
        new._capabilities = self._capabilities
        return new

    def attach_all(self, issuer: Target) -> Response:
        """Attach every capability we hold that `issuer` issued."""
        return self._attach(_issued_by(to_address(issuer)))

    def build(self) -> tuple[RawResponse, Payload | None]:
        """`(wit.Response, payload)` as the raw `send_response` takes it. Raises `BuildError`."""
        ipc = self._ipc
        if ipc is None:
            raise BuildError(
                BuildErrorKind.NoBody,
                "missing IPC body: this Response has no ipc; "
                'write Response().ipc(b"..").send(), where b"" says nothing',
            )
        return RawResponse(self._inherit, ipc, self._metadata, self._capabilities), self._payload

    def send(self) -> None:
        """Raises `BuildError`, `NoPromptingMessage`, or `AlreadyResponded`; then nothing is sent."""
        raw, payload = self.build()
        current().send_response(raw, payload)

    def __repr__(self) -> str:
        return f"<Response ipc={self._ipc!r:.60}>"
