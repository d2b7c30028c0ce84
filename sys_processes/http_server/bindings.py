"""Which process serves which path (PROTOCOL 6.3-6.5, 6.9, 6.13, 6.14). Literal paths only."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import TypeVar

import attrs

from kernel.address import Address, ProcessId, ProcessIdParseError
from kernel.message import Payload
from sys_processes.http_server.protocol import (
    Bind,
    HttpServerError,
    NoPayload,
    PathBindError,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketSecureBind,
    WebSocketUnbind,
)

HOMEPAGE = ProcessId("homepage", "homepage", "nectar")

_COLON = re.compile(r"%3A", re.IGNORECASE)
_ENDED_KEPT = 1000
_BINDABLE = re.compile(r"[!-~]*")


class Fixed(enum.Enum):
    """Routes that no process binds."""

    LOGIN = "/login"
    OUR = "/our"
    OUR_JS = "/our.js"
    CLIENT = "/client.js"
    RPC = "/rpc:sys:nectar/message"
    ENCRYPTOR = "/encryptor:sys:nectar"
    IDENTITY = "/qns_indexer:qns_indexer:nectar/node/{node}"
    START = "/"
    """The built-in start page, until the homepage process binds the root. Wants a login."""


_FIXED = {
    "/login": Fixed.LOGIN,
    "/our": Fixed.OUR,
    "/our.js": Fixed.OUR_JS,
    "/client.js": Fixed.CLIENT,
    "/rpc:sys:nectar/message": Fixed.RPC,
    "/rpc:distro:sys/message": Fixed.RPC,
    "/encryptor:sys:nectar": Fixed.ENCRYPTOR,
}


@attrs.frozen
class StaticContent:
    """What is served on GET and HEAD without asking the process."""

    mime: str
    body: bytes


@attrs.frozen
class HttpBinding:
    """`path` is as stored: with the process id, without a trailing slash."""

    process: ProcessId
    path: str
    authenticated: bool
    local_only: bool
    content: StaticContent | None = None


@attrs.frozen
class SocketBinding:
    """Sockets on `path` open a channel of `process`, without a register frame unless they are to be `encrypted`."""

    process: ProcessId
    path: str
    authenticated: bool
    encrypted: bool = False

    def opened_path(self) -> str:
        """As WebSocketOpen tells it: without the process id, `/` for the root."""
        return self.path[len(f"/{self.process}") :] or "/"


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
B = TypeVar("B", HttpBinding, SocketBinding)


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
        # The paths of each process, so that its end costs nothing to the paths of others.
        self._bound: dict[ProcessId, dict[str, None]] = {}
        self._http: dict[str, HttpBinding] = {}
        self._sockets: dict[str, SocketBinding] = {}
        self._ended: dict[ProcessId, None] = {}
        self.edition = 0
        """Another number whenever a bound path was changed."""

    # -- what processes ask

    def bind(
        self, source: Address, action: Bind | SecureBind, payload: Payload | None
    ) -> HttpServerError | None:
        """None when bound; the same path bound before is replaced. Nothing changes otherwise."""
        problem = self._why_not(source, action.path)
        if problem is None and isinstance(action, SecureBind):
            problem = "secure subdomains are not offered; use Bind with authenticated: true"
        path = self._stored(source.process, action.path)
        if problem is None and _shadows(source.process, path):
            problem = f"{path!r} lies below another process's id"
        if problem is not None:
            return PathBindError(problem)
        assert isinstance(action, Bind)
        content = None
        if action.cache:
            if payload is None:
                return NoPayload()
            content = StaticContent(payload.mime or "text/plain", payload.bytes)
        binding = HttpBinding(source.process, path, action.authenticated, action.local_only, content)
        self._http[path] = binding
        self._note(source.process, path)
        return None

    def unbind(self, source: Address, action: Unbind) -> HttpServerError | None:
        """A path that is not bound is no error."""
        return self._remove(source, self._http, self._stored(source.process, action.path))

    def bind_socket(
        self, source: Address, action: WebSocketBind | WebSocketSecureBind
    ) -> HttpServerError | None:
        """As `bind`. `encrypted: true` is left aside where the node's owner allows serving it plainly."""
        problem = self._why_not(source, action.path)
        if problem is None and isinstance(action, WebSocketSecureBind):
            problem = "secure subdomains are not offered; use WebSocketBind with authenticated: true"
        if problem is None and action.extension:
            problem = "runtime extensions are not offered; bind with extension: false"
        if problem is not None:
            return PathBindError(problem)
        assert isinstance(action, WebSocketBind)
        path = _below(source.process, action.path)
        encrypted = action.encrypted and not self._encrypted_plain_ok
        self._sockets[path] = SocketBinding(source.process, path, action.authenticated, encrypted=encrypted)
        self._note(source.process, path)
        return None

    def unbind_socket(self, source: Address, action: WebSocketUnbind) -> HttpServerError | None:
        """Open channels stay."""
        return self._remove(source, self._sockets, _below(source.process, action.path))

    def drop_all(self, process: ProcessId, *, killed: bool) -> None:
        """The process is gone: so are its bindings. Unless it was killed, callers are told that it does not run."""
        paths = self._bound.pop(process, {})
        self.edition += 1
        for path in paths:
            self._http.pop(path, None)
            self._sockets.pop(path, None)
        if killed:
            self._ended.pop(process, None)
        elif paths:
            self._ended[process] = None
            if len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]

    def _note(self, process: ProcessId, path: str) -> None:
        self.edition += 1
        self._bound.setdefault(process, {})[path] = None
        self._ended.pop(process, None)

    def _remove(self, source: Address, table: dict[str, B], path: str) -> HttpServerError | None:
        if source.node != self._node:
            return PathBindError(self._foreign(source))
        self.edition += 1
        table.pop(path, None)
        if path not in self._http and path not in self._sockets:
            self._bound.get(source.process, {}).pop(path, None)
        return None

    def _foreign(self, source: Address) -> str:
        return f"{source} is not of this node; only processes of {self._node} bind paths here"

    def _why_not(self, source: Address, path: str) -> str | None:
        if source.node != self._node:
            return self._foreign(source)
        if not source.process.is_safe():
            return f"process id {source.process} has characters outside of A-Z a-z 0-9 _ . - and cannot be served"
        if not self._can_message(source):
            return (
                f"http_server may not message {source.process}: add "
                '"grant_capabilities": ["http_server:sys:nectar"] to its entry in manifest.json, or make it public'
            )
        if _BINDABLE.fullmatch(path) is None or "?" in path or "#" in path:
            return f"path {path[:200]!r} can never be requested; write it percent-encoded and without query"
        for segment in re.split(r"[/.]", path):
            if segment.startswith((":", "*")):
                return f"segment {segment!r} of {path!r} is a pattern; only literal paths are served"
        return None

    def _stored(self, process: ProcessId, path: str) -> str:
        if process == HOMEPAGE:
            return normalise(path if path.startswith("/") else f"/{path}")
        return _below(process, path)

    # -- what clients ask

    def route(self, path: str) -> HttpRoute | None:
        """Who answers an HTTP call; None is a 404.

        An exact match first; then the binding of the path's first segment alone, so that `/` of a process catches what
        it did not bind.
        """
        path = normalise(path)
        exact = self._fixed.get(path) or self._http.get(path)
        if exact is not None:
            return exact
        if path == "":
            return Fixed.START
        segments = _segments(path)
        if len(segments) == 2 and segments[1] == "our.js" and _first_process(path) is not None:
            return Fixed.OUR_JS
        return self._http.get(f"/{segments[0]}") or self._gone(path)

    def _gone(self, path: str) -> Gone | None:
        process = _first_process(path) if self._ended else None
        return None if process not in self._ended or self._is_running(process) else Gone(process)

    def socket_route(self, path: str) -> SocketRoute | None:
        """What happens to a WebSocket upgrade; None is a 404. A bound path before the bridge of 6.14."""
        path = normalise(path)
        if path == "":
            return RegisterRoute(None)
        bound = self._sockets.get(path)
        if bound is not None:
            return bound
        target = _first_process(path) if len(_segments(path)) == 1 else None
        if target is None or not self._is_running(target):
            return None
        return RegisterRoute(target)

    def roots(self) -> list[ProcessId]:
        """Processes whose root is bound, sorted: what a start page can link to."""
        return sorted(one.process for path, one in self._http.items() if path == f"/{one.process}")


def _below(process: ProcessId, path: str) -> str:
    return normalise(f"/{process}{path}" if path.startswith("/") else f"/{process}/{path}")


def _shadows(process: ProcessId, path: str) -> bool:
    """Whether a path at the root would take what belongs to another process."""
    owner = _first_process(path)
    return owner is not None and owner != process
