"""Statements that other nodes can check (PROTOCOL 5.7, 7.7): the node's key signs what one of its processes says.

The process needs `net:sys:nectar` among its `request_capabilities`.
"""

from __future__ import annotations

from kernel.address import OUR, Address
from kernel.codec import Malformed
from kernel.message import Message, Payload
from kernel.syscalls import current
from sys_processes.net.protocol import (
    NET,
    NetAction,
    NetResponse,
    Sign,
    Signed,
    SignStatement,
    Verified,
    Verify,
    VerifyStatement,
    decode_response,
    encode_action,
)
from userland.process_lib._builders import Bytes, Request, Target, to_address

__all__ = ["NetError", "sign", "sign_statement", "verify", "verify_statement"]

SECONDS = 5


class NetError(Exception):
    """`net:sys:nectar` gave an answer that does not answer."""


async def sign(message: Bytes) -> bytes:
    """The node's signature (64 bytes) that we, this process, say this. Raises `SendError`, `NetError`.

    The signed bytes are the protocol's, in which nothing parts the address from the message: where another process of
    this node might have a name that begins as ours, use `sign_statement`.
    """
    return await _signature(Sign(), _said("sign", message))


async def verify(from_: Target, message: Bytes, signature: bytes) -> bool:
    """Whether the process at that address said this: its node signed it, with the key that ours knows it by.

    False also for a node that is not known. Raises `SendError`, `NetError`.
    """
    return await _verified(Verify(_source(from_), _checked(signature)), _said("verify", message))


async def sign_statement(message: Bytes) -> bytes:
    """As `sign`, over bytes that no other process, message or purpose can have: for `verify_statement`. Ours."""
    return await _signature(SignStatement(), _said("sign_statement", message))


async def verify_statement(from_: Target, message: Bytes, signature: bytes) -> bool:
    """As `verify`, of what `sign_statement` gave."""
    action = VerifyStatement(_source(from_), _checked(signature))
    return await _verified(action, _said("verify_statement", message))


async def _signature(action: Sign | SignStatement, said: bytes) -> bytes:
    answer, response = await _ask(action, said)
    payload = answer.payload()
    if isinstance(response, Signed) and payload is not None:
        return payload.bytes
    raise NetError(f"{NET} was to sign and answered {response}")


async def _verified(action: Verify | VerifyStatement, said: bytes) -> bool:
    _, response = await _ask(action, said)
    if isinstance(response, Verified):
        return response.valid
    raise NetError(f"{NET} was to verify a signature and answered {response}")


def _checked(signature: bytes) -> bytes:
    if not isinstance(signature, bytes):
        raise TypeError(f"a signature is bytes, got {type(signature).__name__}; give what sign returned")
    return signature


def _source(from_: Target) -> Address:
    source = to_address(from_)
    return Address(current().our.node, source.process) if source.node == OUR else source


def _said(call: str, message: Bytes) -> bytes:
    if isinstance(message, str):
        return message.encode()
    if isinstance(message, bytes | bytearray | memoryview):
        return bytes(message)
    raise TypeError(f"net.{call} takes bytes or text, got {type(message).__name__}; write json.dumps(value)")


async def _ask(action: NetAction, said: bytes) -> tuple[Message, NetResponse]:
    request = Request().target(Address(current().our.node, NET)).ipc(encode_action(action))
    answer = await request.payload(Payload(None, said)).send_and_await_response(SECONDS)
    try:
        return answer, decode_response(answer.ipc)
    except Malformed as problem:
        raise NetError(f"the answer of {NET} is unreadable: {problem}") from None
