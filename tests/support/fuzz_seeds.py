"""Good inputs of each target, from which a search goes on."""

from __future__ import annotations

import msgpack

from kernel.address import Address
from kernel.capability import SignedCapability
from kernel.message import KernelMessage, Payload, Request, Response, SendErrorKind
from kernel.message import Reason as Why
from runtime.links.frames import FrameWriter
from sys_processes.net.envelopes import pack_message
from sys_processes.net.frames import (
    Ack,
    Bye,
    Challenge,
    Goodbye,
    Ping,
    Pong,
    Proof,
    Refuse,
    Session,
    Welcome,
    encode,
    encode_data,
)
from tests.sys_processes.net.between_cores import A, B, hello

ALICE, BOB = Address(A, "chat:chat:nectar"), Address(B, "chat:chat:nectar")
SIGNED = SignedCapability(ALICE, '"x"', b"\5" * 64)
MESSAGES = [
    pack_message(KernelMessage(7, ALICE, BOB, ALICE, Request(True, 5, b"hi", "m", (SIGNED,)), None)),
    pack_message(KernelMessage(8, ALICE, BOB, None, Response(False, b"ok"), Payload("text/plain", b"p"))),
]
FRAMES = [
    hello(),
    encode(Challenge(B, b"\2" * 32)),
    encode(Proof(b"\3" * 64, Session(1, 2, 3, 4, 5, 6))),
    encode(Welcome(Session(1, 2, 3, 4, 5, 6))),
    *(encode_data(number + 1, message) for number, message in enumerate(MESSAGES)),
    encode(Refuse(3, 8, 9, SendErrorKind.Timeout, Why.mailbox_full, "full")),
    encode(Ack(0)),
    encode(Ping(1)),
    encode(Pong(1)),
    encode(Bye(Goodbye.crossed, "why")),
]
BODIES = [bytes((len(frame) - 4,)) + frame[4:] for frame in FRAMES if len(frame) < 255]
CUTS = b"\x03\x00\x10\x40"
IN, OUT = FrameWriter(masked=True), FrameWriter(masked=False)
HEADS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: bob\r\nConnection: close\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: bob\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /x HTTP/1.1\r\nHost: bob\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET /net HTTP/1.1\r\nHost: bob\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]

SEEDS: dict[str, list[bytes]] = {
    "link-frames": [CUTS + frame for frame in FRAMES] + [CUTS + b"".join(FRAMES)],
    "link-greeting": [*BODIES, b"".join(BODIES)],
    "link-conversation": [b"\x00" + body for body in BODIES] + [b"\xff" + b"".join(BODIES[4:])],
    "websocket-frames": [
        CUTS + writer.data(b"hello") + writer.pong(b"there") + writer.data(b"x" * 200) + writer.close()
        for writer in (IN, OUT)
    ],
    "http-head": [CUTS + head for head in HEADS] + [CUTS + HEADS[0] * 3],
    "net-message": [*MESSAGES, msgpack.packb({"id": 1})],
    "json-action": [
        b'{"HttpBind":{"path":"/","authenticated":true,"local_only":false,"cache":false}}',
        b'{"WebSocketPush":{"channel_id":1,"message_type":"Text"}}',
        b'{"SecureBind":{"path":"/x","cache":false}}',
    ],
}
