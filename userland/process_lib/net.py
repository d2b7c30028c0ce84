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
    Verified,
    Verify,
    decode_response,
    encode_action,
)
from userland.process_lib._builders import Bytes, Request, Target, to_address

__all__ = ["NetError", "sign", "verify"]

SECONDS = 5


class NetError(Exception):
    """`net:sys:nectar` gave an answer that does not answer."""


async def sign(message: Bytes) -> bytes:
    """The node's signature (64 bytes) that we, this process, say this. Raises `SendError`, `NetError`."""
    answer, response = await _ask(Sign(), _said("sign", message))
    payload = answer.payload()
    if isinstance(response, Signed) and payload is not None:
        return payload.bytes
    raise NetError(f"{NET} was to sign and answered {response}")


async def verify(from_: Target, message: Bytes, signature: bytes) -> bool:
    """Whether the process at that address said this: its node signed it, with the key that ours knows it by.

    False also for a node that is not known. Raises `SendError`, `NetError`.
    """
    if not isinstance(signature, bytes):
        raise TypeError(f"a signature is bytes, got {type(signature).__name__}; give what sign returned")
    source = to_address(from_)
    if source.node == OUR:
        source = Address(current().our.node, source.process)
    _, response = await _ask(Verify(source, signature), _said("verify", message))
    if isinstance(response, Verified):
        return response.valid
    raise NetError(f"{NET} was to verify a signature and answered {response}")


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
