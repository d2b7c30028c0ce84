"""HTTP calls of processes: what a process is told, and what is made of its answer (PROTOCOL 6.1, 6.2, 6.6)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from kernel.codec import Malformed
from kernel.message import Payload
from sys_processes.http_server.access import socket_address
from sys_processes.http_server.bindings import HttpBinding
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.protocol import RESPONSE, Http, IncomingHttpRequest
from sys_processes.http_server.replies import HttpReply, app_headers, reply_lines

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 1000
_REMEMBERED_ANSWERS = 256
_REMEMBERED_BYTES = 512


class BadQuery(ValueError):
    """A query string that cannot be read; answer 400 with this text."""


def query_params(query: str | None) -> dict[str, str]:
    """Decoded parameters; of a repeated one the last counts. Raises `BadQuery`."""
    if not query:
        return {}
    if _BAD_ESCAPE.search(query) is not None:
        raise BadQuery("the query has a % without two hexadecimal digits behind it")
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS))
    except UnicodeDecodeError:
        raise BadQuery("the query's decoded bytes are not UTF-8") from None
    except ValueError:
        raise BadQuery(f"the query has more than {_MAX_PARAMETERS} parameters") from None


def incoming(head: RequestHead, binding: HttpBinding) -> Http:
    """What the process of `binding` is sent. Raises `BadQuery`."""
    return Http(
        IncomingHttpRequest(
            socket_address(head.peer),
            head.method,
            f"http://{head.host or 'localhost'}{head.path.removesuffix('/')}",
            # The parser lets no control character through, so ASCII is visible ASCII.
            {name: value if value.isascii() else "" for name, value in head.fields.items()},
            query_params(head.query),
            binding.url_params(head.path),
            binding.path,
        )
    )


def static_reply(head: RequestHead, binding: HttpBinding) -> HttpReply | None:
    """The content bound with `cache`, for GET and HEAD; None when the process is to be asked."""
    if binding.content is None or head.method not in ("GET", "HEAD"):
        return None
    return binding.content.reply(head)


class Answers:
    """What processes answer, as replies. Most answers differ in their bodies only: the last few are remembered.

    Cookies are secrets and differ each time: not kept.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, str | None], HttpReply] = {}

    def reply(self, ipc: bytes, payload: Payload | None) -> HttpReply | None:
        """As `app_reply`."""
        key = ipc, None if payload is None else payload.mime
        known = self._known.get(key)
        if known is None:
            fresh = app_reply(ipc, payload)
            if fresh is not None and len(ipc) + len(key[1] or "") <= _REMEMBERED_BYTES:
                self._remember(key, fresh)
            return fresh
        body = b"" if payload is None else payload.bytes
        return HttpReply(known.status, known.headers, body, known.lines)

    def _remember(self, key: tuple[bytes, str | None], reply: HttpReply) -> None:
        if any(name == "set-cookie" for name, _ in reply.headers):
            return
        if len(self._known) >= _REMEMBERED_ANSWERS:
            del self._known[next(iter(self._known))]
        self._known[key] = HttpReply(reply.status, reply.headers, b"", reply_lines(reply))


def app_reply(ipc: bytes, payload: Payload | None) -> HttpReply | None:
    """What a process answered, with the payload as body; None when it is no HttpResponse (answer 500).

    Without a content type of its own the payload's mime is used, unless that is `application/octet-stream`.
    """
    try:
        response = RESPONSE.decode(ipc)
    except Malformed:
        return None
    if not 200 <= response.status <= 999:
        return None
    headers = app_headers(response.headers)
    if payload is None:
        return HttpReply(response.status, headers)
    mime = payload.mime
    if mime and mime != "application/octet-stream" and all(name != "content-type" for name, _ in headers):
        headers.append(("content-type", mime))
    return HttpReply(response.status, headers, payload.bytes)
