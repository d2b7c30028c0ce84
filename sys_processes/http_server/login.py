"""POST /login and /logout: what they take, how often a login may fail, and what is answered (PROTOCOL 6.8)."""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote

import attrs

from kernel.address import ProcessId, ProcessIdParseError
from kernel.codec import Malformed, Shape
from kernel.jsontext import dump
from sys_processes.http_server.calls import BadQuery, query_params
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.subdomains import Subdomain, is_subdomain

BODY_BYTES = 16 * 1024

WRONG_PASSWORD = "Failed to decode keyfile"  # noqa: S105 - a text of the protocol
BAD_BODY = "Failed to parse login info"

_ATTEMPTS = 5
_WINDOW = 60.0
_NO_STORE = ("cache-control", "no-store")
_HEADER_TEXT = "".join(map(chr, range(0x21, 0x7F)))


@attrs.frozen
class LoginRequest:
    """`subdomain` is a process id, which later eras name; the Host of the call says the same."""

    password: str
    subdomain: str | None = None

    def is_for(self, subdomain: Subdomain | None) -> bool:
        """Whether it names no subdomain, or a process of this one."""
        if self.subdomain is None:
            return True
        try:
            package = ProcessId.from_str(self.subdomain).package_id
        except ProcessIdParseError:
            return False
        return subdomain is not None and subdomain.package == package


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
    if head.length is None or "content-length" not in head.fields:
        return login_error(411, "Send Content-Length")
    if head.length > BODY_BYTES:
        return login_error(413, f"The body has {head.length} bytes, at most {BODY_BYTES} are taken")
    return None


def read_login(body: bytes) -> LoginRequest | None:
    """None for a body that is no login request; answer that with 400 and `BAD_BODY`."""
    try:
        return _LOGIN.decode(body)
    except Malformed:
        return None


def wrong_host(host: str | None, request: LoginRequest, subdomain: Subdomain | None) -> HttpReply | None:
    """A login that would not be good for what is meant; the main token has no business on an app's own host."""
    if subdomain is None and is_subdomain(host):
        return login_error(404, f"No app has bound a path on the secure subdomain {host}; is it running?")
    if not request.is_for(subdomain):
        return login_error(400, f"Host {host} is not the secure subdomain of {request.subdomain}")
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


def logged_out(cookie: str) -> HttpReply:
    """To the login; `cookie` is the Set-Cookie value that ends the session's."""
    return HttpReply(303, [("location", "/login"), _NO_STORE, ("set-cookie", cookie)])


def refuse_logout(head: RequestHead) -> HttpReply | None:
    """405 for what is no POST: a link on a page, or a prefetch, must log nobody out."""
    if head.method == "POST":
        return None
    return login_error(405, f"{head.method} is not possible here", [("allow", "POST")])


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
