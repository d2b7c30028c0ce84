"""The same talk between two programs without nodes: trio-websocket over TLS as its documentation has it, or TCP alone.

`python -m scripts.benchmarks.bare_link serve KIND` prints its port; with `WORK N PORT KIND` it talks to that one and
prints one JSON line. KIND is `tls` or `tcp`.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import sys
import time
from typing import Protocol

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket_url,
    serve_websocket,
)

from runtime.links.tls import client_context, server_context
from scripts.benchmarks.link_node import ASKED, BATCH, BODY, BULK, identity

HOST = "127.0.0.1"
HEAD = 4
LARGEST = 16 * 1024 * 1024


def no_alpn(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context


class Talk(Protocol):
    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes: ...


class Framed:
    """Messages on a stream, each behind its length."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._held = bytearray()

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(len(data).to_bytes(HEAD, "big") + data)

    async def receive(self) -> bytes:
        size = HEAD + int.from_bytes(await self._peek(HEAD), "big")
        await self._peek(size)
        message = bytes(self._held[HEAD:size])
        del self._held[:size]
        return message

    async def _peek(self, size: int) -> bytes:
        while len(self._held) < size:
            data = await self._stream.receive_some(1024 * 1024)
            if not data:
                raise trio.BrokenResourceError("the end")
            self._held += data
        return bytes(self._held[:HEAD])


class Messages:
    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        await self._socket.send_message(data)

    async def receive(self) -> bytes:
        message = await self._socket.get_message()
        assert isinstance(message, bytes)
        return message


async def answer(talk: Talk) -> None:
    told = 0
    while True:
        message = await talk.receive()
        if message == b"count":
            await talk.send(b"%d" % told)
            told = 0
        elif message[:1] == b"t":
            told += message[1:] == BODY
        else:
            await talk.send(message if len(message) < LARGEST // 2 else b"%d" % len(message))


async def ask(talk: Talk, work: str, count: int) -> int:
    right = 0
    match work:
        case "ask":
            for _ in range(count):
                await talk.send(BODY)
                right += await talk.receive() == BODY
        case "tell":
            for _ in range(count // BATCH):
                for _ in range(BATCH):
                    await talk.send(b"t" + BODY)
                await talk.send(b"count")
                right += int(await talk.receive())
        case _:
            for _ in range(count):
                await talk.send(BULK)
                right += int(await talk.receive()) == len(BULK)
    return right


async def serve(kind: str) -> None:
    if kind == "tcp":

        async def on_tcp(stream: trio.SocketStream) -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                await answer(Framed(stream))

        (listener,) = await trio.open_tcp_listeners(0, host=HOST)
        print(listener.socket.getsockname()[1], flush=True)
        await trio.serve_listeners(on_tcp, [listener])
        return

    async def on_socket(request: WebSocketRequest) -> None:
        with contextlib.suppress(ConnectionClosed):
            await answer(Messages(await request.accept()))

    context = no_alpn(server_context(identity(ASKED).network_key, b"bench".ljust(32)))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            lambda task_status: serve_websocket(
                on_socket, HOST, 0, context, max_message_size=LARGEST, task_status=task_status
            )
        )
        print(server.port, flush=True)


async def talk(work: str, count: int, port: int, kind: str) -> None:
    if kind == "tcp":
        await measure(Framed(await trio.open_tcp_stream(HOST, port)), work, count)
        return
    opened = open_websocket_url(
        f"wss://{HOST}:{port}/", ssl_context=no_alpn(client_context()), max_message_size=LARGEST
    )
    async with opened as socket:
        await measure(Messages(socket), work, count)


async def measure(talk: Talk, work: str, count: int) -> None:
    await ask(talk, work, BATCH if work == "tell" else max(count // 10, 1))
    begin = time.perf_counter()
    right = await ask(talk, work, count)
    seconds = time.perf_counter() - begin
    if right != count:
        raise SystemExit(f"{work}: {right} of {count} came through as sent")
    print(json.dumps({"count": right, "seconds": seconds}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        trio.run(serve, sys.argv[2])
    else:
        trio.run(talk, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
