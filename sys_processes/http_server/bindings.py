"""Which process serves which path (PROTOCOL 6.3-6.5, 6.9, 6.13, 6.14)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable

import attrs

from kernel.address import Address, ProcessId, ProcessIdParseError
from kernel.message import Payload
from sys_processes.http_server.patterns import MOST_CAPTURES, B, Pattern, Routes
from sys_processes.http_server.protocol import (
    Bind,
    EarlyError,
    NoPayload,
    PathBindError,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketSecureBind,
    WebSocketUnbind,
)
from sys_processes.http_server.static import StaticContent
from sys_processes.http_server.subdomains import Subdomain, Subdomains

HOMEPAGE = ProcessId("homepage", "homepage", "nectar")

_COLON = re.compile(r"%3A", re.IGNORECASE)
_ENDED_KEPT = 1000
_BINDABLE = re.compile(r"[!-~]*")


class Fixed(enum.Enum):
    """Routes that no process binds."""

    LOGIN = "/login"
    LOGOUT = "/logout"
    OUR = "/our"
    OUR_JS = "/our.js"
    CLIENT = "/client.js"
    RPC = "/rpc:sys:nectar/message"
    ENCRYPTOR = "/encryptor:sys:nectar"
    IDENTITY = "/qns_indexer:qns_indexer:nectar/node/{node}"
    START = "/"
    """Where the homepage process is missing. Wants a login."""


_FIXED = {
    "/login": Fixed.LOGIN,
    "/logout": Fixed.LOGOUT,
    "/our": Fixed.OUR,
    "/our.js": Fixed.OUR_JS,
    "/client.js": Fixed.CLIENT,
    "/rpc:sys:nectar/message": Fixed.RPC,
    "/rpc:distro:sys/message": Fixed.RPC,
    "/encryptor:sys:nectar": Fixed.ENCRYPTOR,
}


@attrs.frozen
class HttpBinding:
    """`path` is as stored: with the process id, without a trailing slash."""

    process: ProcessId
    path: str
    authenticated: bool
    local_only: bool
    content: StaticContent | None = None
    pattern: Pattern | None = None
    """None for a literal path."""
    secure: bool = False
    """Served on a subdomain of its own only."""

    def url_params(self, path: str) -> dict[str, str]:
        """What a requested path captures, or its first segment where that was what matched."""
        if self.pattern is None:
            return {}
        path = normalise(path)
        return self.pattern.url_params(path) or self.pattern.url_params(f"/{_segments(path)[0]}")


@attrs.frozen
class SocketBinding:
    """Sockets on `path` open a channel of `process`, without a register frame unless they are to be `encrypted`."""

    process: ProcessId
    path: str
    authenticated: bool
    encrypted: bool = False
    secure: bool = False

    def opened_path(self, path: str) -> str:
        """The requested path as WebSocketOpen tells it: without the process id, `/` for the root."""
        return normalise(path)[len(f"/{self.process}") :] or "/"


@attrs.frozen
class RegisterRoute:
    """Sockets here begin with a register frame, for any process or only for `target`."""

    target: ProcessId | None


@attrs.frozen
class Gone:
    """What this process served before it ended by itself."""

    process: ProcessId


HttpRoute = Fixed | HttpBinding | Gone
SocketRoute = SocketBinding | RegisterRoute


def normalise(path: str) -> str:
    """Strip exactly one trailing slash, and decode `%3A` but nothing else."""
    if "%" in path:
        path = _COLON.sub(":", path)
    return path.removesuffix("/")


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


def _first_process(path: str) -> ProcessId | None:
    """The process whose id is the path's first segment."""
    try:
        return ProcessId.from_str(_segments(path)[0])
    except ProcessIdParseError:
        return None


class PathTable:
    """Bindings of HTTP and WebSocket paths of one node.

    `can_message` tells whether our messages to a process would pass, `is_running` whether it runs; both are asked at
    the moment of the decision.
    """

    def __init__(
        self,
        node: str,
        *,
        can_message: Callable[[Address], bool],
        is_running: Callable[[ProcessId], bool],
        encrypted_plain_ok: bool = False,
    ) -> None:
        self._node = node
        self._fixed = {**_FIXED, Fixed.IDENTITY.value.format(node=node): Fixed.IDENTITY}
        self._encrypted_plain_ok = encrypted_plain_ok
        self._can_message = can_message
        self._is_running = is_running
        self._http: Routes[HttpBinding] = Routes()
        self._sockets: Routes[SocketBinding] = Routes()
        self._subdomains = Subdomains()
        self._ended: dict[ProcessId, None] = {}
        self.edition = 0
        """Another number whenever a bound path was changed."""

    # -- what processes ask

    def bind(self, source: Address, action: Bind | SecureBind, payload: Payload | None) -> EarlyError | None:
        """None when bound; the same path bound before is replaced. Nothing changes otherwise."""
        process = source.process
        pattern = self._http_pattern(process, action.path)
        problem = self.source_problem(source) or _path_problem(action.path, pattern)
        if problem is None and _shadows(process, pattern.text):
            problem = f"{pattern.text!r} lies below another process's id"
        if problem is not None:
            return PathBindError(problem)
        content = None
        if action.cache:
            if payload is None:
                return NoPayload()
            content = StaticContent.of(payload)
        secure = isinstance(action, SecureBind)
        binding = HttpBinding(
            process,
            pattern.text,
            authenticated=isinstance(action, SecureBind) or action.authenticated,
            local_only=isinstance(action, Bind) and action.local_only,
            content=content,
            pattern=pattern if pattern.stars else None,
            secure=secure,
        )
        self._http.put(process, pattern, binding)
        self._note(process, secure=secure)
        return None

    def unbind(self, source: Address, action: Unbind) -> EarlyError | None:
        """A path that is not bound is no error."""
        return self._remove(source, self._http, self._http_pattern(source.process, action.path))

    def bind_socket(self, source: Address, action: WebSocketBind | WebSocketSecureBind) -> EarlyError | None:
        """As `bind`. `encrypted: true` is left aside where the node's owner allows serving it plainly."""
        process = source.process
        pattern = _below(process, action.path)
        problem = self.source_problem(source) or _path_problem(action.path, pattern)
        if problem is None and action.extension:
            problem = "runtime extensions are not offered; bind with extension: false"
        if problem is not None:
            return PathBindError(problem)
        secure = isinstance(action, WebSocketSecureBind)
        binding = SocketBinding(
            process,
            pattern.text,
            isinstance(action, WebSocketSecureBind) or action.authenticated,
            encrypted=action.encrypted and not self._encrypted_plain_ok,
            secure=secure,
        )
        self._sockets.put(process, pattern, binding)
        self._note(process, secure=secure)
        return None

    def unbind_socket(self, source: Address, action: WebSocketUnbind) -> EarlyError | None:
        """Open channels stay."""
        return self._remove(source, self._sockets, _below(source.process, action.path))

    def drop_all(self, process: ProcessId, *, killed: bool) -> None:
        """The process is gone: so are its bindings. Unless it was killed, callers are told that it does not run."""
        self.edition += 1
        self._subdomains.rest(process)
        dropped = [routes.drop(process) for routes in (self._http, self._sockets)]
        if killed:
            self._ended.pop(process, None)
        elif any(dropped):
            self._ended[process] = None
            if len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]

    def source_problem(self, source: Address) -> str | None:
        """Why nobody of this address can be served, whatever the path."""
        if source.node != self._node:
            return self._foreign(source)
        if not source.process.is_safe():
            return f"process id {source.process} has characters outside of A-Z a-z 0-9 _ . - and cannot be served"
        if not self._can_message(source):
            return (
                f"http_server may not message {source.process}: add "
                '"grant_capabilities": ["http_server:sys:nectar"] to its entry in manifest.json, or make it public'
            )
        return None

    def _note(self, process: ProcessId, *, secure: bool) -> None:
        self.edition += 1
        self._ended.pop(process, None)
        if secure:
            self._subdomains.claim(process)

    def _remove(self, source: Address, routes: Routes[B], pattern: Pattern) -> EarlyError | None:
        if source.node != self._node:
            return PathBindError(self._foreign(source))
        self.edition += 1
        routes.remove(source.process, pattern)
        return None

    def _foreign(self, source: Address) -> str:
        return f"{source} is not of this node; only processes of {self._node} bind paths here"

    def _http_pattern(self, process: ProcessId, path: str) -> Pattern:
        """As stored."""
        if process == HOMEPAGE:
            return Pattern.parse(normalise(path if path.startswith("/") else f"/{path}"))
        return _below(process, path)

    # -- what clients ask

    def subdomain(self, host: str | None) -> Subdomain | None:
        """The secure subdomain that a Host means; None for the main site."""
        return self._subdomains.of(host)

    def route(self, path: str) -> HttpRoute | None:
        """Who answers an HTTP call; None is a 404.

        An exact match first, which outranks every pattern; then the best pattern of the process whose id is the first
        segment, or else of the homepage; then what is bound on the first segment alone, so that `/` of a process
        catches what it did not bind.
        """
        path = normalise(path)
        exact = self._fixed.get(path) or self._http.literals.get(path)
        if exact is not None:
            return exact
        if path == "":
            return Fixed.START
        segments = _segments(path)
        process = _first_process(path)
        if process is not None and segments[1:] == ["our.js"]:
            return Fixed.OUR_JS
        first, owner = f"/{segments[0]}", process or HOMEPAGE
        found = self._http.best(owner, path) or self._http.literals.get(first)
        return found or self._http.best(owner, first) or self._gone(process)

    def _gone(self, process: ProcessId | None) -> Gone | None:
        if process is None or process not in self._ended or self._is_running(process):
            return None
        return Gone(process)

    def socket_route(self, path: str) -> SocketRoute | None:
        """What happens to a WebSocket upgrade; None is a 404. A bound path before the bridge of 6.14."""
        path = normalise(path)
        if path == "":
            return RegisterRoute(None)
        bound = self._sockets.literals.get(path)
        if bound is not None:
            return bound
        target = _first_process(path)
        if target is None:
            return None
        bound = self._sockets.best(target, path)
        if bound is not None:
            return bound
        return RegisterRoute(target) if len(_segments(path)) == 1 and self._is_running(target) else None

    def roots(self) -> list[ProcessId]:
        """Processes whose root is bound on the main site, sorted: what a start page can link to."""
        return sorted(
            one.process
            for path, one in self._http.literals.items()
            if path == f"/{one.process}" and not one.secure
        )


def _below(process: ProcessId, path: str) -> Pattern:
    prefix = f"/{process}"
    stored = normalise(f"{prefix}{path}" if path.startswith("/") else f"{prefix}/{path}")
    return Pattern.parse(stored, prefix)


def _path_problem(path: str, pattern: Pattern) -> str | None:
    if _BINDABLE.fullmatch(path) is None or "?" in path or "#" in path:
        return f"path {path[:200]!r} can never be requested; write it percent-encoded and without query"
    if len(pattern.stars) > MOST_CAPTURES:
        return f"{path[:200]!r} has {len(pattern.stars)} captures, at most {MOST_CAPTURES} are matched"
    return None


def _shadows(process: ProcessId, path: str) -> bool:
    """Whether a path at the root would take what belongs to another process."""
    owner = _first_process(path)
    return owner is not None and owner != process
