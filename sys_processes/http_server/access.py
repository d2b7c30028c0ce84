"""Who may ask for what: the order of checks of PROTOCOL 6.6, 6.7 and the Origin and Host rules of 6.8 (F-60)."""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import quote

import attrs

from sys_processes.http_server.bindings import (
    HOMEPAGE,
    Fixed,
    Gone,
    HttpBinding,
    HttpRoute,
    SocketBinding,
    SocketRoute,
)
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.origins import Authority, Origin, is_loopback
from sys_processes.http_server.subdomains import Subdomain, digest_label
from sys_processes.http_server.tokens import Session

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
_LOCALHOST = Authority("localhost")


@attrs.frozen
class Allow:
    """Go on."""


@attrs.frozen
class Refuse:
    """Answer with this status; `reason` is one sentence for the client."""

    status: int
    reason: str


@attrs.frozen
class SendToLogin:
    """307 to `location`."""

    location: str


@attrs.frozen
class ShowLogin:
    """401 with the login page as body."""


Verdict = Allow | Refuse | SendToLogin | ShowLogin

_ALLOW = Allow()
_NOT_FOUND = Refuse(404, "nothing is served here")
_NOT_LOCAL = Refuse(403, "this path is for programs of this machine only, and not through a proxy")
_FOREIGN_HOST = Refuse(403, "this path wants a Host of this machine, such as localhost")
_FOREIGN_ORIGIN = Refuse(
    403, "a page of another site asks; its origin must stand in the setting http.origins"
)


def peer_ip(peer: str | None) -> str | None:
    """The address in `ip:port`, without the brackets of IPv6."""
    return None if peer is None else peer.rpartition(":")[0].strip("[]")


def is_local_caller(head: RequestHead) -> bool:
    """Whether a loopback peer asks, and not a proxy for somebody else."""
    address = peer_ip(head.peer)
    if address is None or not is_loopback(address):
        return False
    return head.header("x-forwarded-for") is None and head.header("forwarded") is None


def host_of(head: RequestHead) -> Authority | None:
    """`localhost` when the client names none, None when what it names is no host."""
    return Authority.parse(head.host) if head.host else _LOCALHOST


def outer_scheme(head: RequestHead) -> str:
    """`https` when a proxy in front of us says so, else `http`."""
    told = (head.header("x-forwarded-proto") or "").partition(",")[0].strip().lower()
    return "https" if told == "https" else "http"


def check_origin(head: RequestHead, trusted: frozenset[Origin]) -> Refuse | None:
    """Refuse a request that a browser makes for a page of another site. Callers without Origin pass."""
    text = head.header("origin")
    if text is None:
        return None
    origin = Origin.parse(text)
    if origin is None:
        return _FOREIGN_ORIGIN
    host = host_of(head)
    if origin in trusted or (host is not None and origin.is_same_site(host)):
        return None
    return _FOREIGN_ORIGIN


def check_local(head: RequestHead) -> Refuse | None:
    """Refuse other machines, and names that a foreign name server may have pointed at this one."""
    if not is_local_caller(head):
        return _NOT_LOCAL
    host = host_of(head)
    return None if host is not None and host.is_local() else _FOREIGN_HOST


def _main_host(head: RequestHead, subdomain: Subdomain | None) -> Authority:
    """Where a subdomain could stand: numbers have none."""
    host = host_of(head) or _LOCALHOST
    if subdomain is not None:
        return Authority(host.name.partition(".")[2], host.port)
    return Authority("localhost", host.port) if is_loopback(host.name) else host


def check_subdomain(
    head: RequestHead, route: HttpRoute | SocketRoute, subdomain: Subdomain | None
) -> Refuse | None:
    """Keep packages apart: a secure path is served on a subdomain of its own, and nothing of others is served there.

    What somebody without a login may have anywhere (the login, the scripts of the node) is served everywhere.
    """
    match route:
        case HttpBinding() | SocketBinding():
            process = route.process
            if route.secure and (subdomain is None or not subdomain.serves(process)):
                host = f"{digest_label(process)}.{_main_host(head, subdomain)}"
                return Refuse(401, f"{process} serves this path on the host {host} only")
            # The homepage's style is for all, and whatever else it serves wants a login.
            style = process == HOMEPAGE and not route.authenticated
            foreign = subdomain is not None and subdomain.package != process.package_id and not style
        case Fixed.START | Fixed.RPC | Fixed.ENCRYPTOR:
            foreign = subdomain is not None
        case _:
            foreign = False
    return Refuse(403, f"this host is for {subdomain.package} only") if foreign and subdomain else None


def check_http(
    head: RequestHead,
    route: HttpRoute | None,
    session: Session,
    trusted: frozenset[Origin],
    subdomain: Subdomain | None = None,
) -> Verdict:
    """The verdict on a call of `route`; `subdomain` is what its Host means. `Fixed.RPC` and `Fixed.ENCRYPTOR`
    have more rules, in `rpc` and `era0`.
    """
    if route is None:
        return _NOT_FOUND
    if isinstance(route, HttpBinding) and route.local_only:
        refused = check_local(head)
        if refused is not None:
            return refused
    refused = check_subdomain(head, route, subdomain)
    if refused is not None:
        return refused
    match route:
        case Gone(process):
            return Refuse(503, f"{process} does not run")
        case Fixed.LOGIN | Fixed.LOGOUT:
            return _check_state_change(head, trusted) or _ALLOW
        case Fixed.OUR | Fixed.OUR_JS | Fixed.CLIENT | Fixed.RPC | Fixed.ENCRYPTOR | Fixed.IDENTITY:
            return _ALLOW
        case Fixed.START:
            return _check_login(head, session, trusted)
        case HttpBinding():
            return _check_login(head, session, trusted) if route.authenticated else _ALLOW


def _check_state_change(head: RequestHead, trusted: frozenset[Origin]) -> Refuse | None:
    return None if head.method in SAFE_METHODS else check_origin(head, trusted)


def _check_login(head: RequestHead, session: Session, trusted: frozenset[Origin]) -> Verdict:
    refused = _check_state_change(head, trusted)
    if refused is not None:
        return refused
    match session:
        case Session.VALID:
            return _ALLOW
        case Session.ABSENT if head.method in ("GET", "HEAD"):
            return SendToLogin(login_location(head))
        case Session.ABSENT | Session.INVALID:
            return ShowLogin()


def login_location(head: RequestHead) -> str:
    """Where to log in, and to come back from: `{scheme}://{host}/login?redirect=..`."""
    host = host_of(head) or _LOCALHOST
    wanted = head.path if head.query is None else f"{head.path}?{head.query}"
    return f"{outer_scheme(head)}://{host}/login?redirect={quote(wanted, safe='/:')}"


def check_upgrade(
    head: RequestHead,
    route: SocketRoute | None,
    session: Session,
    trusted: frozenset[Origin],
    subdomain: Subdomain | None = None,
) -> Allow | Refuse:
    """The verdict on a WebSocket upgrade: no redirects and no login page, for no browser would show them."""
    if route is None:
        return Refuse(404, "no process takes WebSockets here; connect to / and register")
    refused = check_origin(head, trusted) or check_subdomain(head, route, subdomain)
    if refused is not None:
        return refused
    if isinstance(route, SocketBinding) and route.authenticated and session is not Session.VALID:
        return Refuse(401, "this WebSocket needs the cookie of a login")
    return _ALLOW


@functools.lru_cache(maxsize=1024)
def socket_address(peer: str | None) -> str | None:
    """`ip:port` of a peer, IPv6 bracketed and a v4-mapped address as the IPv4 it is (PROTOCOL 6.1)."""
    address = peer_ip(peer)
    if peer is None or address is None:
        return None
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return peer
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return f"{found.ipv4_mapped}:{peer.rpartition(':')[2]}"
    return peer
