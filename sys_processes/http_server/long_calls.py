"""RPC calls that are large, as installing a package makes them: read and answered in steps, so that nobody waits."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Generator, Iterator

import attrs

from kernel.jsontext import dump
from kernel.message import Payload
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.rpc import (
    BadCall,
    RpcCall,
    Vocabulary,
    answered,
    as_call,
    read_call,
    read_request,
)

LONG_BYTES = 1024 * 1024
"""Of a call or an answer; smaller ones are made in one step."""
STEP_BYTES = 256 * 1024
"""Of base64 decoded in one step; four characters at a time."""

_ENCODED_BYTES = 48 * 1024
"""Of an answer encoded in one step; three bytes at a time."""
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


def answer_in_steps(
    vocabulary: Vocabulary, ipc: bytes, payload: Payload | None
) -> Generator[None, None, HttpReply]:
    """As `answered`, in many short steps."""
    empty = answered(vocabulary, b"", None if payload is None else Payload(payload.mime, b""))
    body = io.BytesIO()
    # The first empty list is the ipc, whatever the mime says, and the last one the bytes.
    before, _, rest = empty.body.partition(b"[]")
    body.write(before)
    for text in _numbers(ipc):
        body.write(text)
        yield
    if payload is not None:
        before, _, rest = rest.rpartition(b"[]")
        body.write(before)
        for text in _numbers(payload.bytes, base64_text=True):
            body.write(text)
            yield
    body.write(rest)
    return attrs.evolve(empty, body=body.getvalue())


def _numbers(data: bytes, *, base64_text: bool = False) -> Iterator[bytes]:
    """The JSON list of its bytes, or of those of its base64 text."""
    yield b"["
    for at in range(0, len(data), _ENCODED_BYTES):
        piece = data[at : at + _ENCODED_BYTES]
        numbers = dump(list(base64.b64encode(piece) if base64_text else piece))[1:-1]
        yield b"," + numbers if at else numbers
    yield b"]"
