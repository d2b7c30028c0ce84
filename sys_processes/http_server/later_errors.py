"""How later eras say what went wrong (PROTOCOL 6.3, E3). Others import it from `protocol`."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from kernel.codec import unit


@unit
@attrs.frozen
class MalformedRequest:
    pass


@unit
@attrs.frozen
class NoBlob:
    """The second era says it too."""


@unit
@attrs.frozen
class InvalidSourceProcess:
    pass


@unit
@attrs.frozen
class WsPingPongTooLong:
    pass


@unit
@attrs.frozen
class WsChannelNotFound:
    """Or it is somebody else's."""


@unit
@attrs.frozen
class Timeout:
    """No server sends it; libraries of that era say it to themselves, as they do `UnexpectedResponse`."""


@unit
@attrs.frozen
class UnexpectedResponse:
    pass


LaterError: TypeAlias = (
    MalformedRequest
    | NoBlob
    | InvalidSourceProcess
    | WsPingPongTooLong
    | WsChannelNotFound
    | Timeout
    | UnexpectedResponse
)
