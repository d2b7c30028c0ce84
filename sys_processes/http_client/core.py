"""What may be asked of the outside world, and in which era's words it is answered (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kernel.codec import Err, Ok
from kernel.message import Payload
from sys_processes.http_client.protocol import (
    EARLY_ANSWER,
    EARLY_SOCKET_ANSWER,
    HTTP_CLIENT_ANSWER,
    AnyRequest,
    BadMethod,
    BadUrl,
    BadVersion,
    BuildRequestFailed,
    CloseFailed,
    EarlyBadRequest,
    EarlyClose,
    EarlyError,
    EarlyOpen,
    EarlyPush,
    EarlySocketAnswer,
    ExecuteRequestFailed,
    Head,
    Http,
    HttpAnswer,
    HttpClientError,
    OpenFailed,
    OutgoingHttpRequest,
    PushFailed,
    RequestFailed,
    WebSocketAck,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    refused,
    refused_push,
)

MOST_REDIRECTS = 10
MOST_BODY = 10 << 20
MOST_CHANNELS = 1000
"""Open sockets of one process."""

_OURS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that say how the message is sent, which is not for the asker to say; Host is that of the URL."""


class Refused(Exception):
    """`error` is the answer, in the words of E3."""

    def __init__(self, error: HttpClientError) -> None:
        super().__init__(repr(error))
        self.error = error


@attrs.frozen
class Checked:
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]


def checked(request: OutgoingHttpRequest) -> Checked:
    """Raises `Refused`."""
    _refuse(refused(request))
    return Checked(request.method.upper(), request.url, _sendable(request.headers))


def checked_headers(asked: WebSocketOpen) -> tuple[tuple[str, str], ...]:
    """Those to open it with. Raises `Refused`."""
    _refuse(refused(asked))
    return _sendable(asked.headers)


def check_push(asked: WebSocketPush, payload: Payload | None) -> None:
    """Raises `Refused`."""
    _refuse(refused_push(asked, payload))


def _refuse(error: HttpClientError | None) -> None:
    if error is not None:
        raise Refused(error)


def _sendable(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Without those that are not the asker's to say."""
    return tuple((name, value) for name, value in headers.items() if name.lower() not in _OURS)


# -- in the words of the request


def in_words(request: AnyRequest, found: Head | None) -> bytes:
    """That it went well. `found` is None for what is asked of sockets."""
    match request:
        case OutgoingHttpRequest() if found is not None:
            return EARLY_ANSWER.encode(Ok(found))
        case EarlyOpen() | EarlyPush() | EarlyClose():
            return EARLY_SOCKET_ANSWER.encode(EarlySocketAnswer(request.channel_id, Ok(None)))
    return HTTP_CLIENT_ANSWER.encode(Ok(WebSocketAck() if found is None else HttpAnswer(found)))


def refusal(request: AnyRequest, error: HttpClientError) -> bytes:
    match request:
        case OutgoingHttpRequest():
            return EARLY_ANSWER.encode(Err(_early(error)))
        case EarlyOpen(url, _, channel_id):
            return EARLY_SOCKET_ANSWER.encode(EarlySocketAnswer(channel_id, Err(OpenFailed(url))))
        case EarlyPush(channel_id):
            return EARLY_SOCKET_ANSWER.encode(EarlySocketAnswer(channel_id, Err(PushFailed(channel_id))))
        case EarlyClose(channel_id):
            return EARLY_SOCKET_ANSWER.encode(EarlySocketAnswer(channel_id, Err(CloseFailed(channel_id))))
    return HTTP_CLIENT_ANSWER.encode(Err(error))


def _early(error: HttpClientError) -> EarlyError:
    match error:
        case BadMethod() | BadUrl() | BadVersion():
            return error
        case BuildRequestFailed(text):
            return EarlyBadRequest(text)
        case ExecuteRequestFailed(text):
            return RequestFailed(text)
    return RequestFailed(repr(error))


def modern(request: AnyRequest) -> OutgoingHttpRequest | WebSocketOpen | WebSocketPush | WebSocketClose:
    """The same in one vocabulary."""
    match request:
        case Http(inner):
            return inner
        case EarlyOpen(url, headers, channel_id, local):
            return WebSocketOpen(url, headers, channel_id, local)
        case EarlyPush(channel_id, message_type):
            return WebSocketPush(channel_id, message_type)
        case EarlyClose(channel_id):
            return WebSocketClose(channel_id)
    return request
