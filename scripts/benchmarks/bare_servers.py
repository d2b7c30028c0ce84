"""The reference servers, each as its own documentation shows it.

`python -m scripts.benchmarks.bare_servers KIND PORT`; the imports are inside, so that one never weighs on the other.
"""

from __future__ import annotations

import sys

HOST = "127.0.0.1"
HELLO = b"Hello, world!"
HI = "hello"
STATIC = bytes(range(32, 96)) * 64
"""4 KiB."""


def trio_websocket_echo(port: int) -> None:
    import trio  # noqa: PLC0415
    from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket  # noqa: PLC0415

    async def echo(request: WebSocketRequest) -> None:
        channel = await request.accept()
        while True:
            try:
                message = await channel.get_message()
                await channel.send_message(message)
            except ConnectionClosed:
                break

    async def serve() -> None:
        await serve_websocket(echo, HOST, port, ssl_context=None)

    trio.run(serve)


def aiohttp_hello(port: int) -> None:
    from aiohttp import web  # noqa: PLC0415

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(body=HELLO, content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    web.run_app(app, host=HOST, port=port, access_log=None, print=None)


def trio_websocket_idle(port: int) -> None:
    import trio  # noqa: PLC0415
    from trio_websocket import (  # noqa: PLC0415
        ConnectionClosed,
        WebSocketConnection,
        WebSocketRequest,
        serve_websocket,
    )

    channels: dict[WebSocketConnection, None] = {}

    async def idle(request: WebSocketRequest) -> None:
        channel = await request.accept()
        channels[channel] = None
        while True:
            try:
                await channel.get_message()
                for other in list(channels):
                    await other.send_message(HI)
            except ConnectionClosed:
                break
        del channels[channel]

    async def serve() -> None:
        await serve_websocket(idle, HOST, port, ssl_context=None)

    trio.run(serve)


def trio_httptools_static(port: int) -> None:
    import httptools  # noqa: PLC0415
    import trio  # noqa: PLC0415

    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(STATIC)
    pages = {b"/static": head + STATIC}
    nothing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"

    class Requests:
        def __init__(self) -> None:
            self.url = b""
            self.headers: list[tuple[bytes, bytes]] = []
            self.answers = b""

        def on_message_begin(self) -> None:
            self.url, self.headers = b"", []

        def on_url(self, url: bytes) -> None:
            self.url += url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name.lower(), value))

        def on_message_complete(self) -> None:
            self.answers += pages.get(self.url, nothing)

    async def serve(stream: trio.SocketStream) -> None:
        requests = Requests()
        parser = httptools.HttpRequestParser(requests)
        try:
            while data := await stream.receive_some(65536):
                parser.feed_data(data)
                answers, requests.answers = requests.answers, b""
                await stream.send_all(answers)
        except trio.BrokenResourceError:
            pass

    async def listen() -> None:
        await trio.serve_tcp(serve, port, host=HOST)

    trio.run(listen)


KINDS = {
    "websocket": trio_websocket_echo, "http": aiohttp_hello, "idle": trio_websocket_idle,
    "static": trio_httptools_static,
}  # fmt: skip

if __name__ == "__main__":
    KINDS[sys.argv[1]](int(sys.argv[2]))
