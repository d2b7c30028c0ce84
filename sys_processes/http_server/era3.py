"""Actions in the spelling of later eras, and their errors (PROTOCOL 6.3): who speaks so is answered so (0.3)."""

from __future__ import annotations

from kernel.jsontext import NotJson, parse
from sys_processes.http_server.later_errors import (
    InvalidSourceProcess,
    LaterError,
    MalformedRequest,
    NoBlob,
    WsChannelNotFound,
    WsPingPongTooLong,
)
from sys_processes.http_server.protocol import (
    CONTROL_TOO_LONG,
    OPEN_NOT_VALID,
    BadRequest,
    EarlyError,
    NoPayload,
    PathBindError,
    WebSocketPushError,
)

_ITS_OWN = ("Unbind", "WebSocketUnbind", "WebSocketExtPushOutgoing", "WebSocketExtPushData")
_EXTENSION = "extension"


def wants_extension(ipc: bytes) -> bool:
    """Whether a runtime extension is asked for, which no error of that era tells why it is refused."""
    action = _action(ipc)
    return action is not None and action[1].get(_EXTENSION) is True


def is_later(ipc: bytes) -> bool:
    """A variant that earlier eras lack, or their `extension` in the place of `encrypted`; ours has both keys."""
    action = _action(ipc)
    if action is None:
        return False
    variant, fields = action
    return variant in _ITS_OWN or (_EXTENSION in fields and "encrypted" not in fields)


def _action(ipc: bytes) -> tuple[str, dict[str, object]] | None:
    try:
        form = parse(ipc)
    except NotJson:
        return None
    if not isinstance(form, dict) or len(form) != 1:
        return None
    [(variant, fields)] = form.items()
    return variant, dict(fields) if isinstance(fields, dict) else {}


def later_error(error: EarlyError, *, bad_source: bool) -> LaterError:
    """`bad_source`: it is about who asks, not about what is asked."""
    match error:
        case BadRequest():
            return MalformedRequest()
        case NoPayload():
            return NoBlob()
        case PathBindError():
            return InvalidSourceProcess() if bad_source else MalformedRequest()
        case WebSocketPushError() if error == CONTROL_TOO_LONG:
            return WsPingPongTooLong()
        case WebSocketPushError() if error == OPEN_NOT_VALID:
            return MalformedRequest()
        case WebSocketPushError():
            return WsChannelNotFound()
