"""Request heads as the parser makes them."""

from __future__ import annotations

from sys_processes.http_server.http1 import RequestHead, RequestParser


def head(
    method: str = "GET", target: str = "/", peer: str | None = "127.0.0.1:5000", **headers: str
) -> RequestHead:
    """`user_agent="x"` is the header `user-agent: x`; the Host is `localhost:8080` unless given."""
    lines = {"host": "localhost:8080", **headers}
    text = f"{method} {target} HTTP/1.1\r\n"
    text += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    parser = RequestParser(peer)
    parser.feed(f"{text}\r\n".encode("latin-1"))
    found = parser.head()
    assert found is not None
    return found
