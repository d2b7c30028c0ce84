"""From a request head to what a process is told about it (PROTOCOL 6.1, 6.7)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from sys_processes.http_server.access import socket_address
from sys_processes.http_server.bindings import HttpBinding
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.protocol import Http, IncomingHttpRequest

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 1000


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
            {},
            binding.path,
        )
    )
