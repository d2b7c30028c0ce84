"""The servers of the outside world that a tested process asks through http_client."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeAlias, assert_never
from urllib.parse import urlsplit

import attrs
import trio

from kernel.address import Address
from kernel.codec import Err, Malformed, Ok
from kernel.jsontext import JsonValue, parse
from kernel.message import Message, Payload
from kernel.message import Request as RawRequest
from kernel.syscalls import current
from sys_processes.http_client.protocol import (
    HTTP_CLIENT_ACTION,
    HTTP_CLIENT_ANSWER,
    HTTP_CLIENT_REQUEST,
    LOCAL,
    SECONDS,
    ExecuteRequestFailed,
    Head,
    Http,
    HttpAnswer,
    HttpClientError,
    HttpClientRequest,
    MalformedRequest,
    OutgoingHttpRequest,
    WebSocketAck,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsCloseFailed,
    WsOpenFailed,
    WsPushUnknownChannel,
    not_for_processes,
    refused,
    refused_push,
)
from sys_processes.http_server.protocol import WsMessageType
from userland.process_lib._builders import Bytes, Response, serialize, to_bytes
from userland.process_lib._http_client import FetchedResponse
from userland.process_lib.testing._scripted import Reply
from userland.process_lib.testing._web import Frame


@attrs.frozen
class HttpCall:
    """What a server is asked."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> JsonValue:
        """Raises `NotJson`."""
        return parse(self.body)


Server: TypeAlias = Callable[[HttpCall], Reply] | Callable[[Frame], Reply]
"""The first for http and https, the second for ws and wss. It may be async, and `sleep`."""


@attrs.define(eq=False)
class _Socket:
    owner: Address
    server: Callable[[Frame], Reply]


class Servers:
    """Answers as http_client does, without redirects and limits, and asks nobody."""

    def __init__(self, failures: list[Exception]) -> None:
        self._failures = failures
        self._servers: dict[str, Callable[..., Reply]] = {}
        self._sockets: dict[tuple[Address, int], _Socket] = {}
        self.frames: list[Frame] = []

    def serve(self, url: str, answer: Server | Reply) -> None:
        """Raises ValueError for what is no URL of a server."""
        is_web = urlsplit(url).scheme in {"http", "https"}
        problem = refused(OutgoingHttpRequest("GET", url) if is_web else WebSocketOpen(url, {}, 0))
        if problem is not None:
            raise ValueError(
                f"{url!r} is no URL of a server: write http://, https://, ws:// or wss://, and a host"
            )
        self._servers[url] = answer if callable(answer) else lambda asked: answer

    # -- what the process asks

    def answer(self, message: Message) -> bytes | Awaitable[bytes | Response]:
        """Requests run beside each other; what is said of sockets happens in its order."""
        try:
            action = HTTP_CLIENT_ACTION.decode(message.ipc)
        except Malformed:
            return _refusal(MalformedRequest())
        match action:
            case Http(asked):
                return self._fetch_in_time(asked, message.payload(), message.expects_response or SECONDS)
            case WebSocketOpen():
                error = self._open(message.source, action)
            case WebSocketPush():
                error = self._push(message.source, action, message.payload())
            case WebSocketClose(channel_id):
                found = self._sockets.pop((message.source, channel_id), None)
                error = WsCloseFailed(channel_id) if found is None else None
            case _:
                assert_never(action)
        return HTTP_CLIENT_ANSWER.encode(Ok(WebSocketAck())) if error is None else _refusal(error)

    # -- requests

    async def _fetch_in_time(
        self, asked: OutgoingHttpRequest, payload: Payload | None, seconds: int
    ) -> bytes | Response:
        # A little less, so that the answer comes before the asker's time is up.
        with trio.move_on_after(seconds * 0.95):
            return await self._fetch(asked, payload)
        return _refusal(ExecuteRequestFailed(f"{asked.url}: no whole answer within {seconds:g} s"))

    async def _fetch(self, asked: OutgoingHttpRequest, payload: Payload | None) -> bytes | Response:
        problem = refused(asked) or _not_for_processes(asked)
        if problem is not None:
            return _refusal(problem)
        server = self._server_of(asked.url)
        if server is None:
            there = ", ".join(self._servers) or "none"
            text = f"{asked.url}: this test has no such server (serve(url, answer) makes one); it has {there}"
            return _refusal(ExecuteRequestFailed(text))
        body = b"" if payload is None else payload.bytes
        found = server(HttpCall(asked.method.upper(), asked.url, dict(asked.headers), body))
        if inspect.isawaitable(found):
            found = await found
        if found is None:
            await trio.sleep_forever()
        if isinstance(found, HttpClientError):
            return _refusal(found)
        response = _fetched(found)
        head = Head.of(response.status, response.headers.items())
        answer = HTTP_CLIENT_ANSWER.encode(Ok(HttpAnswer(head)))
        return Response().ipc(answer).payload(Payload(None, response.body))

    def _server_of(self, url: str) -> Callable[..., Reply] | None:
        """The one whose URL says most of that one."""
        url = url.partition("?")[0]
        below = [base for base in self._servers if f"{url}/".startswith(f"{base.rstrip('/')}/")]
        return self._servers[max(below, key=len)] if below else None

    # -- sockets

    def _open(self, owner: Address, asked: WebSocketOpen) -> HttpClientError | None:
        problem = refused(asked)
        if problem is not None:
            return problem
        server = self._server_of(asked.url)
        if server is None or _not_for_processes(asked) is not None:
            return WsOpenFailed(asked.url)
        self._sockets[owner, asked.channel_id] = _Socket(owner, server)
        return None

    def _push(self, owner: Address, asked: WebSocketPush, payload: Payload | None) -> HttpClientError | None:
        socket = self._sockets.get((owner, asked.channel_id))
        if socket is None:
            return WsPushUnknownChannel(asked.channel_id)
        problem = refused_push(asked, payload)
        if problem is not None:
            return problem
        sent = payload or Payload()
        frame = Frame(asked.channel_id, asked.message_type, sent.bytes, sent.mime)
        self.frames.append(frame)
        if asked.message_type is WsMessageType.Close:
            del self._sockets[owner, asked.channel_id]
            return None
        found = socket.server(frame)
        if inspect.isawaitable(found):
            current().start_soon(self._send_later, socket, frame.channel_id, found)
        else:
            self._send(socket, frame.channel_id, found)
        return None

    async def _send_later(self, socket: _Socket, channel_id: int, found: Awaitable[Reply]) -> None:
        try:
            self._send(socket, channel_id, await found)
        except Exception as error:  # noqa: BLE001 - a script's failure is the test's
            self._failures.append(error)

    def _send(self, socket: _Socket, channel_id: int, found: Reply) -> None:
        """What a server makes of a frame: bytes and text are sent back, other values as JSON; None is silence."""
        if found is not None and socket in self._sockets.values():
            self.push(channel_id, found if isinstance(found, str) else serialize(found))

    # -- what servers do; in a task of http_client

    def push(self, channel_id: int, data: Bytes) -> None:
        """Raises LookupError for a channel that is not open."""
        kind, mime = (
            (WsMessageType.Text, "text/plain")
            if isinstance(data, str)
            else (WsMessageType.Binary, "application/octet-stream")
        )
        self._tell(
            channel_id, WebSocketPush(channel_id, kind), Payload(mime, to_bytes(data, "payload_bytes"))
        )

    def close(self, channel_id: int) -> None:
        """Raises LookupError for a channel that is not open."""
        owner = self._tell(channel_id, WebSocketClose(channel_id), None)
        del self._sockets[owner, channel_id]

    def _tell(self, channel_id: int, what: HttpClientRequest, payload: Payload | None) -> Address:
        for owner, number in self._sockets:
            if number == channel_id:
                told = RawRequest(ipc=HTTP_CLIENT_REQUEST.encode(what))
                current().send_request(owner, told, None, payload)
                return owner
        there = ", ".join(str(number) for _, number in self._sockets) or "none"
        raise LookupError(f"the actor has no socket {channel_id} open; open are: {there}")


def _refusal(error: HttpClientError) -> bytes:
    return HTTP_CLIENT_ANSWER.encode(Err(error))


def _not_for_processes(asked: OutgoingHttpRequest | WebSocketOpen) -> ExecuteRequestFailed | None:
    """A server of the machine itself, unless that is asked for by who may."""
    host = urlsplit(asked.url).hostname or ""
    if (asked.local and current().has_capability(LOCAL)) or not _is_this_machine(host):
        return None
    return ExecuteRequestFailed(f"{asked.url}: {not_for_processes(host)}")


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_link_local


def _fetched(found: Reply) -> FetchedResponse:
    match found:
        case FetchedResponse():
            return found
        case bytes():
            return FetchedResponse(200, {}, found)
        case str():
            return FetchedResponse(200, {"Content-Type": "text/plain; charset=utf-8"}, found.encode())
    return FetchedResponse(200, {"Content-Type": "application/json"}, serialize(found))
