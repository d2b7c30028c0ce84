"""Large RPC calls mean the same as small ones, and are read in short steps."""

from __future__ import annotations

import base64

import pytest

from kernel.jsontext import dump
from kernel.message import Payload
from sys_processes.http_server.long_calls import LONG_BYTES, STEP_BYTES, answer_in_steps, read_in_steps
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.rpc import BadCall, RpcCall, Vocabulary, answered, read_call

BYTES = bytes(range(256)) * (LONG_BYTES // 256) + b"!"
DATA = base64.b64encode(BYTES).decode()


def in_steps(body: bytes) -> tuple[RpcCall | str, int]:
    """The call, or why there is none, and the number of steps before it."""
    steps, count = read_in_steps(body, "alice.uq"), 0
    try:
        while True:
            next(steps)
            count += 1
    except StopIteration as read:
        call: RpcCall = read.value
        return call, count
    except BadCall as bad:
        return str(bad), count


def in_one(body: bytes) -> RpcCall | str:
    try:
        return read_call(body, "alice.uq")
    except BadCall as bad:
        return str(bad)


@pytest.mark.parametrize(
    "body",
    [
        dump({"process": "p:k:u", "ipc": 'says "hello"', "mime": "a/b", "expects_response": 3, "data": DATA}),
        dump({"data": DATA, "body": "later words", "process": "p:k:u", "node": "bob.uq"}),
        b'{"data": "" , "data" :\n"%b" ,"process":"p:k:u"}' % DATA.encode(),
    ],
)
def test_long_data_is_read_in_many_steps(body: bytes) -> None:
    call, steps = in_steps(body)
    assert call == in_one(body)
    assert isinstance(call, RpcCall)
    assert call.payload is not None
    assert call.payload.bytes == BYTES
    assert steps == -(-len(DATA) // STEP_BYTES)


@pytest.mark.parametrize(
    "body",
    [
        dump({"process": "p:k:u", "ipc": DATA}),
        dump({"process": "p:k:u", "ipc": DATA, "data": DATA}),
        dump({"process": "p:k:u", "ipc": DATA, "data": "(long data)"}),
        dump({"process": "p:k:u", "ipc": "(long data)", "data": DATA}),
        b'{"process":"p:k:u","data":"%b","data":"AAAA"}' % DATA.encode(),
        b'{"process":"p:k:u","ipc":"\\"%b"}' % DATA.encode(),
        dump({"process": "p:k:u", "data": DATA}).replace(b"/", b"\\/"),
        dump({"process": "p:k:u", "unknown": list(range(LONG_BYTES // 4)), "data": DATA}),
        dump({"process": "p:k:u", "data": DATA[:STEP_BYTES - 2] + "==" + DATA}),
        dump({"process": "p:k:u", "data": DATA[:-1]}),
        dump({"process": "p:k:u", "data": "é" + DATA}),
        dump({"process": "p:k:u", "data": DATA, "ipc": "both", "body": "both"}),
        dump({"process": "nobody", "data": DATA}),
        dump({"process": 7, "data": DATA}),
        dump({"data": DATA}),
        dump({"process": "p:k:u", "data": DATA})[:-1],
        b'"%b"' % DATA.encode(),
        b'"' * LONG_BYTES,
        bytes(LONG_BYTES + 1),
    ],
    ids=lambda body: f"{body[:20]!r}..{body[-20:]!r}",
)  # fmt: skip
def test_whatever_else_is_long_means_what_it_means_when_read_at_once(body: bytes) -> None:
    assert in_steps(body)[0] == in_one(body)


@pytest.mark.parametrize("vocabulary", Vocabulary)
@pytest.mark.parametrize("ipc", [b"", b"[]", BYTES])
@pytest.mark.parametrize(
    "payload",
    [None, Payload(None, b""), Payload('[] "', b"xy"), Payload("a/b", BYTES), Payload("", BYTES[:-1])],
    ids=lambda payload: "none" if payload is None else f"{payload.mime}-{len(payload.bytes)}",
)
def test_a_long_answer_says_in_many_steps_what_it_says_in_one(
    vocabulary: Vocabulary, ipc: bytes, payload: Payload | None
) -> None:
    steps, count = answer_in_steps(vocabulary, ipc, payload), 0
    try:
        while True:
            next(steps)
            count += 1
    except StopIteration as made:
        reply: HttpReply = made.value
    at_once = answered(vocabulary, ipc, payload)
    assert (reply.status, reply.headers, reply.body) == (at_once.status, at_once.headers, at_once.body)
    assert count >= (len(ipc) + len(payload.bytes if payload else b"")) / 100_000
