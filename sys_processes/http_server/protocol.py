"""What http_server, processes and clients say to each other (PROTOCOL 6.1-6.3, 6.10, 6.12)."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from kernel.address import ProcessId
from kernel.codec import U16, U32, U64, Err, Ok, Result, Shape, carry, newtype, struct, unit
from kernel.message import Payload
from sys_processes.http_server import hotpath
from sys_processes.http_server.later_errors import (
    InvalidSourceProcess,
    LaterError,
    MalformedRequest,
    NoBlob,
    Timeout,
    UnexpectedResponse,
    WsChannelNotFound,
    WsPingPongTooLong,
)
from sys_processes.http_server.requests import (
    REQUEST,
    Http,
    HttpServerRequest,
    IncomingHttpRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
    decode_push,
)

__all__ = [
    "ACTION",
    "ANSWER",
    "BOUND_ROOTS",
    "CHANNEL_CLOSED",
    "CHANNEL_NOT_FOUND",
    "CHANNEL_NOT_OWNED",
    "CONTROL_TOO_LONG",
    "ERROR",
    "HTTP_SERVER",
    "METADATA_HTTP",
    "METADATA_WS",
    "OPEN_NOT_VALID",
    "REGISTER",
    "REGISTERED",
    "REGISTERED_ENCRYPTED",
    "REGISTER_ON_BOUND",
    "REQUEST",
    "RESPONSE",
    "ROOTS",
    "RPC_ANSWER",
    "RPC_ANSWER_LATER",
    "RPC_REQUEST",
    "BadRequest",
    "Bind",
    "BoundRoots",
    "EarlyError",
    "Http",
    "HttpResponse",
    "HttpServerAction",
    "HttpServerError",
    "HttpServerRequest",
    "IncomingHttpRequest",
    "InvalidSourceProcess",
    "LaterError",
    "MalformedRequest",
    "NoBlob",
    "NoPayload",
    "PathBindError",
    "RpcAnswer",
    "RpcAnswerLater",
    "RpcRequest",
    "SecureBind",
    "Timeout",
    "Unbind",
    "UnexpectedResponse",
    "WebSocketBind",
    "WebSocketClose",
    "WebSocketOpen",
    "WebSocketPush",
    "WebSocketPushError",
    "WebSocketSecureBind",
    "WebSocketUnbind",
    "WsChannelNotFound",
    "WsEncryptedRegisterResponse",
    "WsMessageType",
    "WsPingPongTooLong",
    "WsRegister",
    "WsRegisterOnBound",
    "WsRegisterResponse",
]

HTTP_SERVER = ProcessId("http_server", "sys", "nectar")

METADATA_HTTP = "http"
METADATA_WS = "ws"


# -- what it answers (6.2)


@attrs.frozen
class HttpResponse:
    """Status and headers of an answer to `Http`; the body is the payload."""

    status: U16
    headers: dict[str, str] = attrs.field(factory=dict)

    def header(self, name: str, value: str) -> HttpResponse:
        """With one more header."""
        return HttpResponse(self.status, {**self.headers, name: value})

    def set_status(self, status: int) -> HttpResponse:
        return HttpResponse(status, self.headers)

    def set_headers(self, headers: dict[str, str]) -> HttpResponse:
        """With these headers and no others."""
        return HttpResponse(self.status, dict(headers))

    def to_bytes(self) -> bytes:
        return RESPONSE.encode(self)


def _decode_response(raw: bytes) -> HttpResponse | None:
    found = hotpath.read_response(raw)
    return None if found is None else HttpResponse(*found)


@attrs.frozen
class _ResponseForm:
    status: U16
    headers: dict[str, str]


carry(
    HttpResponse,
    _ResponseForm,
    lambda value: _ResponseForm(value.status, value.headers),
    lambda form: HttpResponse(form.status, form.headers),
)
RESPONSE: Shape[HttpResponse] = Shape(
    HttpResponse,
    fast_encode=lambda value: hotpath.response_text(value.status, value.headers),
    fast_decode=_decode_response,
)


# -- what a process may ask (6.3)

_WHEN_GIVEN = {"omit_default": True}


@struct
@attrs.frozen
class Bind:
    """Serve `path` below the process id. With `cache` the payload is what is served."""

    path: str
    authenticated: bool
    local_only: bool
    cache: bool


@struct
@attrs.frozen
class SecureBind:
    path: str
    cache: bool

    @property
    def authenticated(self) -> bool:
        """As every secure path is."""
        return True


@struct
@attrs.frozen
class Unbind:
    path: str


@struct
@attrs.frozen
class WebSocketBind:
    """Accept sockets on `path` below the process id."""

    path: str
    authenticated: bool
    encrypted: bool = False
    extension: bool = attrs.field(default=False, metadata=_WHEN_GIVEN)


@struct
@attrs.frozen
class WebSocketSecureBind:
    path: str
    encrypted: bool = False
    extension: bool = attrs.field(default=False, metadata=_WHEN_GIVEN)

    @property
    def authenticated(self) -> bool:
        """As every secure path is."""
        return True


@struct
@attrs.frozen
class WebSocketUnbind:
    path: str


HttpServerAction: TypeAlias = (
    Bind
    | SecureBind
    | Unbind
    | WebSocketBind
    | WebSocketSecureBind
    | WebSocketUnbind
    | WebSocketOpen
    | WebSocketPush
    | WebSocketClose
)


def _encode_action(value: HttpServerAction) -> bytes | None:
    return REQUEST.encode(value) if isinstance(value, WebSocketPush) else None


ACTION: Shape[HttpServerAction] = Shape(HttpServerAction, fast_encode=_encode_action, fast_decode=decode_push)


@struct
@attrs.frozen
class BadRequest:
    """`req` is the text that could not be read."""

    req: str


@unit
@attrs.frozen
class NoPayload:
    pass


@struct
@attrs.frozen
class PathBindError:
    error: str


@struct
@attrs.frozen
class WebSocketPushError:
    error: str


EarlyError: TypeAlias = BadRequest | NoPayload | PathBindError | WebSocketPushError
HttpServerError: TypeAlias = EarlyError | LaterError
ERROR: Shape[HttpServerError] = Shape(HttpServerError)
ANSWER: Shape[Result[None, HttpServerError]] = Shape(Ok[None] | Err[HttpServerError])

CHANNEL_NOT_FOUND = WebSocketPushError("WebSocket channel not found")
CHANNEL_NOT_OWNED = WebSocketPushError("WebSocket channel not owned by this process")
CHANNEL_CLOSED = WebSocketPushError("WebSocket channel closed")
CONTROL_TOO_LONG = WebSocketPushError("Ping and Pong messages must be 125 bytes or less")
OPEN_NOT_VALID = WebSocketPushError("WebSocketOpen is not a valid request")


# -- what clients send (6.12, 6.15)


@attrs.frozen
class WsRegister:
    """The first frame of a socket on `/`. `public_key_hex`, the modulus of an RSA key, goes with `encrypted`; with
    `sign_secret` the answer has `signed_secret`.
    """

    auth_token: str
    target_process: ProcessId
    encrypted: bool
    public_key_hex: str | None = attrs.field(default=None, metadata=_WHEN_GIVEN)
    sign_secret: bool = attrs.field(default=False, metadata=_WHEN_GIVEN)


@attrs.frozen
class WsRegisterOnBound:
    """The same on a bound path, where browsers without our cookie leave the token out (6.14)."""

    target_process: ProcessId
    encrypted: bool
    auth_token: str | None
    public_key_hex: str | None = None
    sign_secret: bool = False


@attrs.frozen
class WsRegisterResponse:
    channel_id: U32


@attrs.frozen
class WsEncryptedRegisterResponse:
    """`encryption.Exchange` and the channel it is for."""

    channel_id: U32
    encrypted_secret: str
    signed_public_key: str
    signed_secret: str | None = attrs.field(default=None, metadata=_WHEN_GIVEN)


REGISTER: Shape[WsRegister] = Shape(WsRegister)
REGISTER_ON_BOUND: Shape[WsRegisterOnBound] = Shape(WsRegisterOnBound)
REGISTERED: Shape[WsRegisterResponse] = Shape(WsRegisterResponse)
REGISTERED_ENCRYPTED: Shape[WsEncryptedRegisterResponse] = Shape(WsEncryptedRegisterResponse)


# -- the RPC route (6.10)


@attrs.frozen
class RpcRequest:
    """A message to inject. Its bytes are the text of `ipc` or, in the later vocabulary, of `body`; `data` is base64."""

    process: str
    node: str | None = None
    expects_response: U64 | None = None
    ipc: str | None = attrs.field(default=None, metadata=_WHEN_GIVEN)
    body: str | None = attrs.field(default=None, metadata=_WHEN_GIVEN)
    metadata: str | None = None
    mime: str | None = None
    data: str | None = None


@attrs.frozen
class RpcAnswer:
    """The payload's bytes are the ASCII codes of base64 text."""

    ipc: bytes
    payload: Payload | None


@attrs.frozen
class RpcAnswerLater:
    """`RpcAnswer` in the later vocabulary."""

    body: bytes
    lazy_load_blob: Payload | None


RPC_REQUEST: Shape[RpcRequest] = Shape(RpcRequest)
RPC_ANSWER: Shape[RpcAnswer] = Shape(RpcAnswer)
RPC_ANSWER_LATER: Shape[RpcAnswerLater] = Shape(RpcAnswerLater)


# -- what homepage asks

BOUND_ROOTS = b'"BoundRoots"'


@newtype
@attrs.frozen
class BoundRoots:
    """The processes that serve something at their root, sorted: what a start page can link to."""

    processes: tuple[ProcessId, ...]


ROOTS: Shape[BoundRoots] = Shape(BoundRoots)
