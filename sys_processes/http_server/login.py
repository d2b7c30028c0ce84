"""POST /login: what it takes, how often it may fail, and what it answers (PROTOCOL 6.8)."""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote

import attrs

from kernel.codec import Malformed, Shape
from kernel.jsontext import dump
from sys_processes.http_server.calls import BadQuery, query_params
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply

BODY_BYTES = 16 * 1024

WRONG_PASSWORD = "Failed to decode keyfile"  # noqa: S105 - a text of the protocol
BAD_BODY = "Failed to parse login info"

_ATTEMPTS = 5
_WINDOW = 60.0
_NO_STORE = ("cache-control", "no-store")
_HEADER_TEXT = "".join(map(chr, range(0x21, 0x7F)))


@attrs.frozen
class LoginRequest:
    password: str


_LOGIN = Shape[LoginRequest](LoginRequest)


def login_error(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> HttpReply:
    """The text as a JSON string, which clients of every era show."""
    return HttpReply(status, [("content-type", "application/json"), _NO_STORE, *headers], dump(text))


def refuse_head(head: RequestHead) -> HttpReply | None:
    """What is wrong before the body is read: 405, 411 or 413. None for a GET, a HEAD, and a good POST."""
    if head.method in ("GET", "HEAD"):
        return None
    if head.method != "POST":
        return login_error(405, f"{head.method} is not possible here", [("allow", "GET, HEAD, POST")])
    if head.length is None:
        return login_error(411, "Send Content-Length")
    if head.length > BODY_BYTES:
        return login_error(413, f"The body has {head.length} bytes, at most {BODY_BYTES} are taken")
    return None


def read_password(body: bytes) -> str | None:
    """None for a body that is no login request; answer that with 400 and `BAD_BODY`."""
    try:
        return _LOGIN.decode(body).password
    except Malformed:
        return None


def redirect_target(query: str | None) -> str | None:
    """The `redirect` parameter if it stays on this site (F-58), as header text; else None."""
    try:
        wanted = query_params(query).get("redirect", "")
    except BadQuery:
        return None
    if not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        return None
    # Browsers drop tabs and line ends from a URL, which would turn "/\t/host" into "//host".
    if any(character < " " or character == "\x7f" for character in wanted):
        return None
    return quote(wanted, safe=_HEADER_TEXT)


def logged_in(keyfile: bytes, cookie: str, query: str | None) -> HttpReply:
    """200, or 303 to a local `redirect`; `cookie` is the Set-Cookie value, `keyfile` the encrypted one."""
    headers = [("content-type", "application/json"), _NO_STORE, ("set-cookie", cookie)]
    target = redirect_target(query)
    if target is not None:
        headers.append(("location", target))
    return HttpReply(200 if target is None else 303, headers, dump(base64.b64encode(keyfile).decode()))


class AttemptLimiter:
    """At most five failed logins in any minute, whoever fails: a password is guessed from many addresses at once.

    Times are seconds; a clock that is set back forgets the failures that then lie ahead.
    """

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=_ATTEMPTS)

    def wait(self, now: float) -> int:
        """Whole seconds until a login may be tried again; 0 is now."""
        recent = [at for at in self._failures if now - _WINDOW < at <= now]
        return math.ceil(recent[0] + _WINDOW - now) if len(recent) == _ATTEMPTS else 0

    def failed(self, now: float) -> None:
        """Count a wrong password."""
        self._failures.append(now)


def too_many_attempts(seconds: int) -> HttpReply:
    return login_error(
        429, f"Too many failed logins; try again in {seconds} s", [("retry-after", str(seconds))]
    )
