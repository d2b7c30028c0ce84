"""RPC calls that are large, as installing a package makes them: read in steps, so that nobody else waits for one."""

from __future__ import annotations

import binascii
import io
from collections.abc import Generator

from kernel.message import Payload
from sys_processes.http_server.rpc import BadCall, RpcCall, as_call, read_call, read_request

LONG_BYTES = 1024 * 1024
"""Of a body; smaller ones are read in one step."""
STEP_BYTES = 256 * 1024
"""Of base64 decoded in one step; four characters at a time."""

_MARK = b"(long data)"
_QUOTES = 10_000
"""Looked at to find the data: what stands before it is short."""


def read_in_steps(body: bytes, node: str) -> Generator[None, None, RpcCall]:
    """As `read_call`, in many short steps if nearly all of the body is plain base64 in `data`.

    The data is cut out, and the rest read with a mark in its place. What is not so simple is read in one step, and so
    are mistakes: then they are told in the same words.
    """
    start, stop = _first_long_text(body)
    if len(body) - (stop - start) > LONG_BYTES:
        return read_call(body, node)
    short = body[:start] + _MARK + body[stop:]
    if short.count(_MARK) != 1:
        return read_call(body, node)
    try:
        request = read_request(short)
        if request.data != _MARK.decode():
            return read_call(body, node)
        data = yield from _decoded(body, start, stop)
    except (BadCall, binascii.Error):
        return read_call(body, node)
    return as_call(request, node, Payload(request.mime, data))


def _first_long_text(body: bytes) -> tuple[int, int]:
    """Where the first one of more than `LONG_BYTES` begins and ends; two equal places when there is none."""
    before = body.find(b'"')
    for _ in range(_QUOTES):
        after = body.find(b'"', before + 1)
        if after < 0:
            break
        if after - before > LONG_BYTES:
            return before + 1, after
        before = after
    return 0, 0


def _decoded(body: bytes, start: int, stop: int) -> Generator[None, None, bytes]:
    """Raises `binascii.Error`."""
    decoded = io.BytesIO()
    for at in range(start, stop, STEP_BYTES):
        end = min(at + STEP_BYTES, stop)
        size = decoded.write(binascii.a2b_base64(body[at:end], strict_mode=True))
        if end < stop and size * 4 != STEP_BYTES * 3:
            raise binascii.Error("padding before the end")
        yield
    return decoded.getvalue()
