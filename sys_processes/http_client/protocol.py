"""What `http_client:sys:nectar` is asked and answers, and what the opener of a socket hears (PROTOCOL 7.1).

Bodies and frames travel as payload, in both directions. The answer is of the form of the request: the bare request of
E1 has a bare answer, the tagged one that of E3, and the socket words of E2's runtime their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import attrs

from kernel.address import ProcessId
from kernel.codec import U16, U32, Err, Ok, Shape, newtype, struct, unit
from kernel.message import Payload
from sys_processes.http_server.protocol import WsMessageType

HTTP_CLIENT = ProcessId("http_client", "sys", "nectar")

LOCAL = '{"local":true}'
"""The params of the capability to reach this machine itself."""
SECONDS = 30
"""For a request that does not say how long its answer is awaited."""


def not_for_processes(machine: str) -> str:
    """What is said of a server on the machine itself. `machine` is how it was called."""
    return (
        f"{machine} is this machine, which is not asked for processes: such a request carries "
        f'"local": true, and its sender holds the capability {LOCAL} of {HTTP_CLIENT}'
    )


# -- requests


@attrs.frozen
class OutgoingHttpRequest:
    """E1's bare form, and what `Http` holds. `local` (ours) asks for an address of this machine itself."""

    method: str
    url: str
    version: str | None = None
    headers: dict[str, str] = attrs.Factory(dict)
    local: bool = attrs.field(default=False, metadata={"omit_default": True})


@newtype
@attrs.frozen
class Http:
    request: OutgoingHttpRequest


@struct
@attrs.frozen
class WebSocketOpen:
    """`channel_id` is chosen by the asker, for whom alone it counts. One that is open is closed first."""

    url: str
    headers: dict[str, str]
    channel_id: U32
    local: bool = attrs.field(default=False, metadata={"omit_default": True})


@struct
@attrs.frozen
class WebSocketPush:
    """As a request, and as what is heard of the other side."""

    channel_id: U32
    message_type: WsMessageType


@struct
@attrs.frozen
class WebSocketClose:
    """As a request, and as what is heard of the other side."""

    channel_id: U32


@struct("Open")
@attrs.frozen
class EarlyOpen:
    url: str
    headers: dict[str, str]
    channel_id: U32
    local: bool = attrs.field(default=False, metadata={"omit_default": True})


@struct("Push")
@attrs.frozen
class EarlyPush:
    channel_id: U32
    message_type: WsMessageType


@struct("Close")
@attrs.frozen
class EarlyClose:
    channel_id: U32


HttpClientAction = Http | WebSocketOpen | WebSocketPush | WebSocketClose
EarlySocketAction = EarlyOpen | EarlyPush | EarlyClose
AnyRequest = HttpClientAction | EarlySocketAction | OutgoingHttpRequest
ANY_REQUEST: Shape[AnyRequest] = Shape(AnyRequest)
HTTP_CLIENT_ACTION: Shape[HttpClientAction] = Shape(HttpClientAction)

# -- answers


@attrs.frozen
class Head:
    """Of an answer. Names of headers are title-cased; of several of one name the values are joined by ", "."""

    status: U16
    headers: dict[str, str]

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[str, str]]) -> Head:
        found: dict[str, str] = {}
        for name, value in headers:
            title = "-".join(part.capitalize() for part in name.split("-"))
            found[title] = f"{found[title]}, {value}" if title in found else value
        return cls(status, found)


@newtype("Http")
@attrs.frozen
class HttpAnswer:
    head: Head


@unit
@attrs.frozen
class WebSocketAck:
    pass


@struct
@attrs.frozen
class BadMethod:
    method: str


@struct
@attrs.frozen
class BadUrl:
    url: str


@struct
@attrs.frozen
class BadVersion:
    version: str


@unit
@attrs.frozen
class MalformedRequest:
    pass


@newtype
@attrs.frozen
class BuildRequestFailed:
    error: str


@newtype
@attrs.frozen
class ExecuteRequestFailed:
    error: str


@struct
@attrs.frozen
class WsOpenFailed:
    url: str


@struct
@attrs.frozen
class WsPushUnknownChannel:
    channel_id: U32


@unit
@attrs.frozen
class WsPushNoBlob:
    pass


@unit
@attrs.frozen
class WsPushBadText:
    """Text that is no UTF-8, or a ping, pong or close of more than 125 bytes."""


@struct
@attrs.frozen
class WsCloseFailed:
    channel_id: U32


HttpClientError = (
    BadMethod
    | BadUrl
    | BadVersion
    | MalformedRequest
    | BuildRequestFailed
    | ExecuteRequestFailed
    | WsOpenFailed
    | WsPushUnknownChannel
    | WsPushNoBlob
    | WsPushBadText
    | WsCloseFailed
)
HttpClientAnswer = Ok[HttpAnswer | WebSocketAck] | Err[HttpClientError]
HTTP_CLIENT_ANSWER: Shape[HttpClientAnswer] = Shape(HttpClientAnswer)

# -- answers in the words of E1 and E2


@struct("BadRequest")
@attrs.frozen
class EarlyBadRequest:
    req: str


@struct
@attrs.frozen
class RequestFailed:
    error: str


@struct
@attrs.frozen
class OpenFailed:
    url: str


@struct
@attrs.frozen
class PushFailed:
    channel_id: U32


@struct
@attrs.frozen
class CloseFailed:
    channel_id: U32


EarlyError = BadMethod | BadUrl | BadVersion | EarlyBadRequest | RequestFailed
EarlyAnswer = Ok[Head] | Err[EarlyError]
EARLY_ANSWER: Shape[EarlyAnswer] = Shape(EarlyAnswer)


@struct("Response")
@attrs.frozen
class EarlySocketAnswer:
    channel_id: U32
    result: Ok[None] | Err[OpenFailed | PushFailed | CloseFailed]


EARLY_SOCKET_ANSWER: Shape[EarlySocketAnswer] = Shape(EarlySocketAnswer)

# -- what the opener of a socket hears

HttpClientRequest = WebSocketPush | WebSocketClose
HTTP_CLIENT_REQUEST: Shape[HttpClientRequest] = Shape(HttpClientRequest)

# -- what is refused before any server is asked (F-82)

VERSIONS = ("HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0")
CONTROL_BYTES = 125
CONTROLS = (WsMessageType.Ping, WsMessageType.Pong, WsMessageType.Close)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|")


def refused(asked: OutgoingHttpRequest | WebSocketOpen) -> HttpClientError | None:
    """What is wrong with it, if anything."""
    schemes: tuple[str, ...] = ("ws", "wss")
    if isinstance(asked, OutgoingHttpRequest):
        schemes = ("http", "https")
        if not _TOKEN.fullmatch(asked.method):
            return BadMethod(asked.method)
        if asked.version is not None and asked.version not in VERSIONS:
            return BadVersion(asked.version)
    if not _is_url(asked.url, schemes):
        return BadUrl(asked.url)
    return _bad_header(asked.headers)


def refused_push(asked: WebSocketPush, payload: Payload | None) -> WsPushNoBlob | WsPushBadText | None:
    if asked.message_type in CONTROLS:
        return WsPushBadText() if payload is not None and len(payload.bytes) > CONTROL_BYTES else None
    if payload is None:
        return WsPushNoBlob()
    if asked.message_type is WsMessageType.Text:
        try:
            payload.bytes.decode()
        except UnicodeDecodeError:
            return WsPushBadText()
    return None


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return bool(fine) and url.isprintable() and " " not in url


def _bad_header(headers: Mapping[str, str]) -> BuildRequestFailed | None:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            return BuildRequestFailed(f"{name!r} is no name of a header")
        if not _VALUE.fullmatch(value):
            return BuildRequestFailed(f"{value!r} is no value of a header ({name})")
    return None
