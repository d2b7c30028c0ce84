"""A door that answers like a node's RPC route, from a script, over a real socket of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import attrs

from kernel.jsontext import JsonValue, parse


@attrs.define
class RpcDoor:
    """`answers` are given in order, as (status, body); `calls` and `tokens` are what came."""

    url: str
    answers: list[tuple[int, bytes]]
    calls: list[dict[str, JsonValue]] = attrs.Factory(list)
    tokens: list[str | None] = attrs.Factory(list)


@contextmanager
def rpc_door(*answers: tuple[int, bytes]) -> Iterator[RpcDoor]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/rpc:sys:nectar/message"
            body = parse(self.rfile.read(int(self.headers["Content-Length"])))
            assert isinstance(body, dict)
            door.calls.append(body)
            door.tokens.append(self.headers["Authorization"])
            status, answer = door.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - overridden
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        door = RpcDoor(f"http://127.0.0.1:{server.server_port}", list(answers))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield door
        finally:
            server.shutdown()
            thread.join()
