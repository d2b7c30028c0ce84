"""Which WebSocket upgrades are well-formed (RFC 6455 section 4.2.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

import attrs

from sys_processes.devices import ByteStream
from sys_processes.http_server.http1 import BadRequest, RequestHead, comma_members

VERSION = "13"


@attrs.frozen
class Accept:
    """Take an upgrade. The subprotocol must be one of those the client proposed."""

    subprotocol: str | None = None


@attrs.frozen
class HandOver:
    """Take an upgrade, and let somebody else have the connection, with what came behind the head."""

    serve: Callable[[ByteStream, bytes], Awaitable[None]]


def is_proposed(subprotocol: str | None, head: RequestHead) -> bool:
    """None always is."""
    if subprotocol is None:
        return True
    proposed = head.header("sec-websocket-protocol") or ""
    return subprotocol in [name.strip(" \t") for name in proposed.split(",")]


def check_upgrade(head: RequestHead) -> None:
    """Raises `BadRequest`: 426 with the version we speak for another one, else 400."""
    if head.method != "GET":
        raise BadRequest(400, f"a WebSocket upgrade is a GET, not {head.method}")
    if head.version != "1.1":
        raise BadRequest(400, f"a WebSocket upgrade needs HTTP/1.1, not {head.version}")
    if "upgrade" not in comma_members(head.header("connection") or ""):
        raise BadRequest(400, "Upgrade without 'Connection: Upgrade'; does a proxy drop it?")
    if not head.host:
        raise BadRequest(400, "a WebSocket upgrade needs a Host")
    version = head.header("sec-websocket-version")
    if version != VERSION:
        raise BadRequest(
            400 if version is None else 426,
            f"Sec-WebSocket-Version is {version!r}; {VERSION} is spoken here",
            (("sec-websocket-version", VERSION),),
        )
    if not _is_key(head.header("sec-websocket-key") or ""):
        raise BadRequest(400, "Sec-WebSocket-Key is not 16 bytes in base64")


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
