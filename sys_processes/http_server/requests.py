"""What http_server sends to a process: `HttpServerRequest` (PROTOCOL 6.1). Others import it from `protocol`."""

from __future__ import annotations

import enum
import functools

import attrs

from kernel.address import ProcessId
from kernel.codec import U32, Shape, carry, newtype, struct
from sys_processes.http_server import hotpath

_PUSH_BYTES = 80
"""The text of no push is longer."""


class WsMessageType(enum.StrEnum):
    """Kinds of WebSocket messages, as they are spelt on the wire."""

    Text = "Text"
    Binary = "Binary"
    Ping = "Ping"
    Pong = "Pong"
    Close = "Close"


def _path_of(url: str) -> str:
    """With its leading slash; empty for a URL that ends with the host."""
    _, slash, rest = url.partition("://")[2].partition("/")
    return slash + rest


class Text(str):
    """Text that may also be called, as the accessor of the reference: `request.method` and `request.method()`."""

    __slots__ = ()

    def __call__(self) -> str:
        return str(self)


class BoundPath(str):
    """The path under which a request was bound. Called with a process id, it is without that in front."""

    __slots__ = ()

    def __call__(self, process_to_strip: ProcessId | str | None = None) -> str:
        path = str(self)
        if process_to_strip is None:
            return path
        prefix = f"/{process_to_strip}"
        if path != prefix and not path.startswith(f"{prefix}/"):
            return path
        return path[len(prefix) :] or "/"


class Fields(dict[str, str]):
    """Values by name that may also be called: `request.headers` and `request.headers()`."""

    __slots__ = ()

    def __call__(self) -> dict[str, str]:
        return dict(self)


def _text(text: str) -> Text:
    return Text(text)


def _text_or_none(text: str | None) -> Text | None:
    return None if text is None else Text(text)


def _fields(fields: dict[str, str]) -> Fields:
    return fields if fields.__class__ is Fields else Fields(fields)


@attrs.frozen
class IncomingHttpRequest:
    """An HTTP call without its body, which is the message's payload. Header names are in lower case.

    `raw_path` is the URL with host and without query; `source_socket_addr` is `ip:port` or None.
    What is text, and what holds values by name, may be called as well: `request.headers()["host"]`.
    """

    source_socket_addr: Text | None = attrs.field(converter=_text_or_none)
    method: Text = attrs.field(converter=_text)
    raw_path: str
    headers: Fields = attrs.field(converter=_fields)
    query_params: Fields = attrs.field(converter=_fields)
    url_params: Fields = attrs.field(factory=Fields, converter=_fields)
    _bound_path: str = ""

    @property
    def url(self) -> Text:
        """The same as `raw_path`, under its later name."""
        return Text(self.raw_path)

    @property
    def bound_path(self) -> BoundPath:
        """The path under which this was bound; `bound_path(process_id)` is without the process id in front."""
        return BoundPath(self._bound_path)

    def path(self) -> str:
        """The path below the process id; `/` for its root."""
        rest = _path_of(self.raw_path)[1:].partition("/")[2]
        return f"/{rest}"

    def __call__(self) -> IncomingHttpRequest:
        """Itself, so that `.request` of an `HttpServerRequest` may be called whatever it is about."""
        return self


class HttpServerRequest:
    """One of `Http`, `WebSocketOpen`, `WebSocketPush`, `WebSocketClose`."""

    __slots__ = ()

    @staticmethod
    def from_bytes(ipc: bytes) -> HttpServerRequest:
        """Raises `Malformed`; TypeError for what is no bytes."""
        if not isinstance(ipc, bytes):
            raise TypeError(
                f"HttpServerRequest.from_bytes takes bytes, got {type(ipc).__name__}; "
                "write HttpServerRequest.from_bytes(message.ipc)"
            )
        return REQUEST.decode(ipc)

    def to_bytes(self) -> bytes:
        return REQUEST.encode(self)

    def request(self) -> IncomingHttpRequest | None:
        """The HTTP call, or None when this is about a WebSocket."""
        return None


@newtype
@attrs.frozen
class Http(HttpServerRequest):
    """An HTTP call; wants a Response with `HttpResponse` as ipc and the body as payload.

    `.request` is the call; `.request()`, which every `HttpServerRequest` has, gives the same.
    """

    request: IncomingHttpRequest


@attrs.frozen
class WebSocketOpen(HttpServerRequest):
    """A client opened a channel. `path` is without the process id."""

    path: str
    channel_id: int


@struct
@attrs.frozen
class WebSocketPush(HttpServerRequest):
    """A message; its bytes are the payload. From http_server: of the client. To http_server: for the client."""

    channel_id: U32
    message_type: WsMessageType


@newtype
@attrs.frozen
class WebSocketClose(HttpServerRequest):
    """From http_server: the channel is gone. To http_server: close it."""

    channel_id: U32


@attrs.frozen
class _HttpForm:
    """The fields of all eras. `raw_path` is of the earliest, `url`, `bound_path` and `url_params` came later."""

    source_socket_addr: str | None
    method: str
    raw_path: str | None
    url: str | None
    bound_path: str | None
    headers: dict[str, str]
    url_params: dict[str, str] | None
    query_params: dict[str, str]


def _http_form(value: IncomingHttpRequest) -> _HttpForm:
    peer = value.source_socket_addr
    return _HttpForm(
        None if peer is None else peer(),
        value.method(),
        value.raw_path,
        value.raw_path,
        value.bound_path(),
        value.headers(),
        value.url_params(),
        value.query_params(),
    )


def _incoming(form: _HttpForm) -> IncomingHttpRequest:
    raw_path = form.url if form.raw_path is None else form.raw_path
    if raw_path is None:
        raise ValueError("missing key 'raw_path' or 'url'")
    return IncomingHttpRequest(
        form.source_socket_addr,
        form.method,
        raw_path,
        form.headers,
        form.query_params,
        form.url_params or {},
        _path_of(raw_path) if form.bound_path is None else form.bound_path,
    )


@attrs.frozen
class _OpenForm:
    path: str
    channel_id: U32


@newtype("WebSocketOpen")
@attrs.frozen
class _OpenWire:
    """The object, or the bare number that the earliest runtime wrote."""

    content: _OpenForm | U32


def _open_wire(value: WebSocketOpen) -> _OpenWire:
    return _OpenWire(_OpenForm(value.path, value.channel_id))


def _open(wire: _OpenWire) -> WebSocketOpen:
    content = wire.content
    return (
        WebSocketOpen("/", content)
        if isinstance(content, int)
        else WebSocketOpen(content.path, content.channel_id)
    )


_RequestWire = Http | _OpenWire | WebSocketPush | WebSocketClose


def _request_wire(value: HttpServerRequest) -> _RequestWire:
    match value:
        case WebSocketOpen():
            return _open_wire(value)
        case Http() | WebSocketPush() | WebSocketClose():
            return value
    raise TypeError(f"{value!r} is no variant of HttpServerRequest")


def _request(wire: _RequestWire) -> HttpServerRequest:
    return _open(wire) if isinstance(wire, _OpenWire) else wire


carry(IncomingHttpRequest, _HttpForm, _http_form, _incoming)
carry(WebSocketOpen, _OpenWire, _open_wire, _open)
carry(HttpServerRequest, _RequestWire, _request_wire, _request)


def _encode_request(value: HttpServerRequest) -> bytes | None:
    match value:
        case WebSocketPush():
            return hotpath.push_text(value.channel_id, value.message_type.value)
        case WebSocketOpen():
            return hotpath.open_text(value.path, value.channel_id)
        case WebSocketClose():
            return hotpath.close_text(value.channel_id)
        case Http():
            call = value.request
            return hotpath.http_text(
                call.source_socket_addr,
                call.method,
                call.raw_path,
                call.headers,
                call.query_params,
                call.url_params,
                call.bound_path(),
            )
    return None


# A channel's pushes are all alike, and each is read by http_server and by the process, often twice.
@functools.lru_cache(maxsize=4096)
def _read_push(raw: bytes) -> WebSocketPush | None:
    found = hotpath.read_push(raw)
    return None if found is None else WebSocketPush(found[0], WsMessageType(found[1]))


def decode_push(raw: bytes) -> WebSocketPush | None:
    """None for whatever is not exactly the usual text of a push."""
    return _read_push(raw) if len(raw) <= _PUSH_BYTES and raw.__class__ is bytes else None


def _decode_request(raw: bytes) -> HttpServerRequest | None:
    push = decode_push(raw)
    if push is not None:
        return push
    channel_id = hotpath.read_close(raw)
    if channel_id is not None:
        return WebSocketClose(channel_id)
    fields = hotpath.read_http(raw)
    return None if fields is None else Http(IncomingHttpRequest(*fields))


REQUEST: Shape[HttpServerRequest] = Shape(
    HttpServerRequest, fast_encode=_encode_request, fast_decode=_decode_request
)
