"""The reference servers, each as its own documentation shows it.

`python -m scripts.benchmarks.bare_servers KIND PORT`; the imports are inside, so that one never weighs on the other.
"""

from __future__ import annotations

import sys

HOST = "127.0.0.1"
HELLO = b"Hello, world!"


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


KINDS = {"websocket": trio_websocket_echo, "http": aiohttp_hello}

if __name__ == "__main__":
    KINDS[sys.argv[1]](int(sys.argv[2]))
