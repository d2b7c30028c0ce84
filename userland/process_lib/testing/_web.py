"""The http_server that a tested process meets."""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

from kernel.address import Address, ProcessId
from kernel.codec import OK, Err
from kernel.message import Message, Payload
from kernel.message import Request as RawRequest
from kernel.syscalls import current
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    CHANNEL_NOT_FOUND,
    METADATA_WS,
    Bind,
    HttpServerError,
    NoPayload,
    PathBindError,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketClose,
    WebSocketPush,
    WebSocketSecureBind,
    WebSocketUnbind,
    WsMessageType,
)
from userland.process_lib.testing._paths import find, shape, stored

HttpBinding: TypeAlias = Bind | SecureBind
Binding: TypeAlias = HttpBinding | WebSocketBind | WebSocketSecureBind

_REQUESTABLE = re.compile(r"[!-~]*")


@attrs.frozen
class Frame:
    """What the actor pushed to the client of a channel."""

    channel_id: int
    message_type: WsMessageType
    bytes: bytes
    mime: str | None = None

    @property
    def text(self) -> str:
        return self.bytes.decode()


@attrs.frozen
class Route:
    """Where an HTTP call ends: with `content` at http_server itself, without at the process."""

    bound_path: str
    url_params: dict[str, str]
    content: Payload | None


@attrs.frozen
class _Bound:
    process: ProcessId
    path: str
    action: Binding
    content: Payload | None = None


class HttpServer:
    """Binds, unbinds and finds paths and closes channels as the real one does; notes every push.

    Its clients are logged in, on this machine, and at the right subdomain. A process that never bound a path gets every
    call, one that never bound a socket every channel, and may push to channels that never were: so a part of an actor
    can be tested alone.
    """

    def __init__(self) -> None:
        self._http: dict[str, _Bound] = {}
        self._sockets: dict[str, _Bound] = {}
        self._order: list[_Bound] = []
        self._on_the_web: dict[ProcessId, None] = {}
        self._with_sockets: dict[ProcessId, None] = {}
        self.frames: list[Frame] = []
        self._is_open: dict[int, bool] = {}

    # -- what processes ask

    def answer(self, message: Message) -> bytes | None:
        error = self._obey(message)
        if not message.wants_response:
            return None
        return OK if error is None else ANSWER.encode(Err(error))

    def _obey(self, message: Message) -> HttpServerError | None:
        action, process, payload = ACTION.decode(message.ipc), message.source.process, message.payload()
        match action:
            case Bind() | SecureBind():
                return self._bind(process, action, payload)
            case WebSocketBind() | WebSocketSecureBind():
                self._with_sockets[process] = None
                return self._put(self._sockets, _Bound(process, stored(process, action.path), action))
            case Unbind(path):
                self._drop(self._http, stored(process, path))
            case WebSocketUnbind(path):
                self._drop(self._sockets, stored(process, path))
            case WebSocketPush(channel_id, WsMessageType.Close) | WebSocketClose(channel_id):
                return self._close(message.source, channel_id)
            case WebSocketPush(channel_id, message_type):
                if payload is None:
                    return NoPayload()
                if not self._is_open.get(channel_id, True):
                    return CHANNEL_NOT_FOUND
                self.frames.append(Frame(channel_id, message_type, payload.bytes, payload.mime))
            case _:
                pass
        return None

    def _bind(
        self, process: ProcessId, action: HttpBinding, payload: Payload | None
    ) -> HttpServerError | None:
        if action.cache and payload is None:
            return NoPayload()
        self._on_the_web[process] = None
        content = payload if action.cache else None
        return self._put(self._http, _Bound(process, stored(process, action.path), action, content))

    def _put(self, table: dict[str, _Bound], bound: _Bound) -> HttpServerError | None:
        path = bound.action.path
        if _REQUESTABLE.fullmatch(path) is None or "?" in path or "#" in path:
            return PathBindError(
                f"path {path!r} can never be requested; write it percent-encoded and without query"
            )
        self._drop(table, bound.path)
        table[shape(bound.path)] = bound
        self._order.append(bound)
        return None

    def _drop(self, table: dict[str, _Bound], path: str) -> None:
        gone = table.pop(shape(path), None)
        self._order = [bound for bound in self._order if bound is not gone]

    def _close(self, owner: Address, channel_id: int) -> HttpServerError | None:
        if not self._is_open.get(channel_id, False):
            return CHANNEL_NOT_FOUND
        self.left(channel_id)
        closed = RawRequest(ipc=WebSocketClose(channel_id).to_bytes(), metadata=METADATA_WS)
        current().send_request(owner, closed)
        return None

    # -- what clients do

    def open(self) -> int:
        """A new channel."""
        channel_id = len(self._is_open) + 1
        self._is_open[channel_id] = True
        return channel_id

    def left(self, channel_id: int) -> None:
        self._is_open[channel_id] = False

    # -- what the test asks

    @property
    def bound(self) -> list[Binding]:
        return [bound.action for bound in self._order]

    @property
    def content(self) -> dict[str, Payload]:
        return {bound.action.path: bound.content for bound in self._order if bound.content is not None}

    def route(self, process: ProcessId, method: str, path: str) -> Route | None:
        """Of a call to `path` below a process id; None is a 404."""
        whole = stored(process, path)
        bound = [one.path for one in self._http.values()]
        # What no path takes is the root's.
        found = find(bound, whole) or find(bound, f"/{process}")
        if found is None:
            return None if process in self._on_the_web else Route(whole, {}, None)
        content = self._http[shape(found.path)].content
        served = content if method in {"GET", "HEAD"} else None
        return Route(found.path, found.url_params, served)

    def opened_path(self, process: ProcessId, path: str) -> str:
        """As WebSocketOpen tells it. Raises LookupError where the client's upgrade would be refused."""
        whole = stored(process, path)
        told = whole.removeprefix(f"/{process}") or "/"
        if told == "/" or process not in self._with_sockets:
            return told
        if find((bound.path for bound in self._sockets.values()), whole) is None:
            bound = ", ".join(str(one.action.path) for one in self._sockets.values()) or "nothing"
            raise LookupError(
                f"no socket can be opened on {path}: the actor bound {bound}; call bind_ws_path({path!r})"
            )
        return told
