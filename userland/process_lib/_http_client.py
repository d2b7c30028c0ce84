"""Asking servers of the outside world: what a process says to `http_client:sys:nectar` (PROTOCOL 5.7, 7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

import attrs

from kernel.address import Address
from kernel.codec import Err, Malformed
from kernel.jsontext import JsonValue, parse
from kernel.message import Message, Payload
from kernel.syscalls import current
from sys_processes.http_client.protocol import (
    HTTP_CLIENT,
    HTTP_CLIENT_ACTION,
    HTTP_CLIENT_ANSWER,
    HTTP_CLIENT_REQUEST,
    Http,
    HttpAnswer,
    HttpClientAction,
    OutgoingHttpRequest,
    WebSocketAck,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
)
from sys_processes.http_client.protocol import HttpClientError as Refusal
from sys_processes.http_server.protocol import HttpResponse, WsMessageType
from userland.process_lib._builders import Bytes, Request, to_bytes

SECONDS = 5
"""For what is asked of a socket."""

WsClientPush: TypeAlias = WebSocketPush
WsClientClose: TypeAlias = WebSocketClose
Headers: TypeAlias = Mapping[str, str] | None


class HttpClientError(Exception):
    """http_client refused, or could not do it. `.error` is its answer: `BadUrl`, `ExecuteRequestFailed` and so on.

    `Malformed` when an answer could not be read, text when it was of another kind than asked for.
    """

    def __init__(self, asked: str, error: Refusal | Malformed | str) -> None:
        super().__init__(f"{asked}: {error}")
        self.error = error


@attrs.frozen
class FetchedResponse(HttpResponse):
    """What a server answered. The names of headers are title-cased."""

    body: bytes = b""

    def text(self) -> str:
        """Taken as UTF-8; what is none is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> JsonValue:
        """Raises `NotJson`."""
        return parse(self.body)


@lru_cache(maxsize=64)
def _client(node: str) -> Address:
    return Address(node, HTTP_CLIENT)


def _request(action: HttpClientAction, payload: Payload | None = None) -> Request:
    request = Request().target(_client(current().our.node)).ipc(HTTP_CLIENT_ACTION.encode(action))
    return request.payload(payload)


def _http(method: str, url: str, headers: Headers, body: Bytes | None, local: bool) -> Request:
    asked = OutgoingHttpRequest(method, url, None, dict(headers or {}), local)
    payload = None if body is None else Payload(None, to_bytes(body, "payload_bytes"))
    return _request(Http(asked), payload)


def send_request(
    method: str,
    url: str,
    headers: Headers = None,
    timeout: int | None = None,
    body: Bytes | None = None,
    *,
    local: bool = False,
) -> None:
    """Ask a server. With a `timeout` in seconds the answer comes by `await_message`; `response_of` reads it.

    `local` asks this machine itself, which takes the capability `{"local": true}` of http_client.
    """
    request = _http(method, url, headers, body, local)
    (request if timeout is None else request.expects_response(timeout)).send()


async def send_request_await_response(
    method: str,
    url: str,
    headers: Headers = None,
    timeout: int = 30,
    body: Bytes | None = None,
    *,
    local: bool = False,
) -> FetchedResponse:
    """What the server answered, within `timeout` seconds. Raises `HttpClientError`, `SendError`."""
    message = await _http(method, url, headers, body, local).send_and_await_response(timeout)
    return response_of(message, f"{method} {url}")


def response_of(message: Message, asked: str = "a request") -> FetchedResponse:
    """The answer to a `send_request`. Raises `HttpClientError`."""
    answer = _answer(message, asked)
    if not isinstance(answer, HttpAnswer):
        raise HttpClientError(asked, f"the answer is {answer!r}")
    payload = message.payload()
    return FetchedResponse(answer.head.status, answer.head.headers, b"" if payload is None else payload.bytes)


def _answer(message: Message, asked: str) -> HttpAnswer | WebSocketAck:
    try:
        answer = HTTP_CLIENT_ANSWER.decode(message.ipc)
    except Malformed as problem:
        raise HttpClientError(f"{asked}: http_client's answer is unreadable", problem) from None
    if isinstance(answer, Err):
        raise HttpClientError(asked, answer.error)
    return answer.value


# -- sockets


def open_ws_connection(*given: object, local: bool = False) -> None:
    """`(url, headers, channel_id)`; the number is ours to choose, and an open one of that number is closed. What
    happens there comes by `await_message`; `of_a_server` reads it. E2's form, with our node in front, is taken, too.
    """
    _request(_opening(given, local)).send()


async def open_ws_connection_and_await(*given: object, local: bool = False, timeout: int = SECONDS) -> None:
    """Returns when it is open. Raises `HttpClientError`, `SendError`."""
    opening = _opening(given, local)
    await _acknowledged(_request(opening), f"a WebSocket to {opening.url}", timeout)


def _opening(given: tuple[object, ...], local: bool) -> WebSocketOpen:
    match given:
        case (str(), str(url), headers, int(channel_id)) | (str(url), headers, int(channel_id)):
            if headers is None or isinstance(headers, Mapping):
                return WebSocketOpen(url, dict(headers or {}), channel_id, local)
    raise TypeError(f"write open_ws_connection(url, headers or None, channel_id), got {given!r}")


def send_ws_client_push(*given: object) -> None:
    """`(channel_id, message_type, payload)`. E2's form, with our node in front, is taken, too."""
    match given:
        case (str(), int(channel_id), WsMessageType() as kind, Payload() as payload) | (
            int(channel_id),
            WsMessageType() as kind,
            Payload() as payload,
        ):
            _request(WebSocketPush(channel_id, kind), payload).send()
        case _:
            raise TypeError(
                f"write send_ws_client_push(channel_id, WsMessageType.Text, payload), got {given!r}"
            )


def close_ws_connection(*given: object) -> None:
    """`(channel_id)`. We hear no more of it."""
    _request(_closing(given)).send()


async def close_ws_connection_and_await(*given: object, timeout: int = SECONDS) -> None:
    """Raises `HttpClientError`, also when there is no such channel, and `SendError`."""
    closing = _closing(given)
    await _acknowledged(_request(closing), f"the end of channel {closing.channel_id}", timeout)


def _closing(given: tuple[object, ...]) -> WebSocketClose:
    match given:
        case (str(), int(channel_id)) | (int(channel_id),):
            return WebSocketClose(channel_id)
    raise TypeError(f"write close_ws_connection(channel_id), got {given!r}")


async def _acknowledged(request: Request, asked: str, timeout: int) -> None:
    answer = _answer(await request.send_and_await_response(timeout), asked)
    if not isinstance(answer, WebSocketAck):
        raise HttpClientError(asked, f"the answer is {answer!r}")


def of_a_server(message: Message) -> WsClientPush | WsClientClose | None:
    """What our own http_client brings of a socket that we have opened: a frame, whose bytes are `message.payload()`, or
    the end. None for every other message. Raises nothing.
    """
    if not (message.is_request() and message.is_local() and message.is_process(HTTP_CLIENT)):
        return None
    try:
        return HTTP_CLIENT_REQUEST.decode(message.ipc)
    except Malformed:
        return None
