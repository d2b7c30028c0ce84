"""`HttpServer`: one object that remembers a process's bindings and channels (PROTOCOL 5.6)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import TypeAlias, TypeVar

import attrs

from kernel.codec import Malformed
from kernel.message import Payload, SendError
from kernel.message import Response as RawResponse
from kernel.syscalls import current
from sys_processes.http_server.protocol import (
    Bind,
    Http,
    HttpResponse,
    HttpServerRequest,
    IncomingHttpRequest,
    PathBindError,
    SecureBind,
    Unbind,
    WebSocketBind,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WebSocketSecureBind,
    WebSocketUnbind,
    WsMessageType,
)
from userland.process_lib._http_ask import SECONDS, HttpServerError, ask
from userland.process_lib._http_bind import static_content
from userland.process_lib._http_push import ws_push_all_channels
from userland.process_lib._http_ui import static_file, ui_folder, ui_paths
from userland.process_lib._payloads import check_payload

C = TypeVar("C")


@attrs.frozen
class HttpBindingConfig:
    """How a path is bound. `static_content` is served on GET and HEAD without asking the process.

    A secure path is always authenticated. Raises ValueError for one that is to be local only, which it cannot be.
    """

    authenticated: bool = True
    local_only: bool = False
    secure_subdomain: bool = False
    static_content: Payload | None = None

    def __attrs_post_init__(self) -> None:
        check_payload("HttpBindingConfig", self.static_content)
        if self.secure_subdomain and self.local_only:
            raise ValueError(
                "a path on a secure subdomain is never local only; leave out secure_subdomain or local_only"
            )


@attrs.frozen
class WsBindingConfig:
    """How a path for WebSockets is bound. On a secure subdomain it is always authenticated."""

    authenticated: bool = True
    secure_subdomain: bool = False
    extension: bool = False


HTTP, WS = HttpBindingConfig(), WsBindingConfig()

HttpAnswer: TypeAlias = tuple[HttpResponse, Payload | None]
"""What an `http_fn` answers: status and headers, and the body."""

HttpFunction: TypeAlias = Callable[[IncomingHttpRequest], HttpAnswer | Awaitable[HttpAnswer]]
WsFunction: TypeAlias = Callable[[int, WsMessageType, Payload], object]


class HttpServer:
    """Binds paths of this process, knows which it bound, and keeps the open channels by path.

    What is awaited raises `HttpServerError`, and `SendError` after `timeout` seconds. A path is the same with and
    without its first and its last slash. Paths that were bound otherwise are unknown to this object.
    """

    def __init__(self, timeout: int = SECONDS) -> None:
        self.timeout = timeout
        self._http: dict[str, HttpBindingConfig] = {}
        self._ws: dict[str, WsBindingConfig] = {}
        self._channels: dict[str, set[int]] = {}

    # -- HTTP paths

    async def bind_http_path(self, path: str, config: HttpBindingConfig = HTTP) -> None:
        """Binding again replaces what was there."""
        if config.secure_subdomain:
            action: Bind | SecureBind = SecureBind(path, config.static_content is not None)
        else:
            action = Bind(
                path, config.authenticated, config.local_only, cache=config.static_content is not None
            )
        await ask(action, config.static_content, self.timeout)
        self._http[_key(path)] = config

    async def bind_http_static_path(
        self, path: str, authenticated: bool, local_only: bool, content_type: str | None, content: bytes
    ) -> None:
        """As the function of this name."""
        served = static_content(content_type, content)
        await self.bind_http_path(path, HttpBindingConfig(authenticated, local_only, static_content=served))

    async def secure_bind_http_path(self, path: str) -> None:
        """To be asked on the secure subdomain of this process only."""
        await self.bind_http_path(path, HttpBindingConfig(secure_subdomain=True))

    async def modify_http_path(self, path: str, config: HttpBindingConfig) -> None:
        """Bind once more, exactly as `config` says. Raises `HttpServerError` unless this object bound the path."""
        _require(self._http, path, "bind_http_path")
        await self.bind_http_path(path, config)

    async def unbind_http_path(self, path: str) -> None:
        """Raises `HttpServerError` unless this object bound the path."""
        _require(self._http, path, "bind_http_path")
        await self._unbind_http(path)

    async def _unbind_http(self, path: str) -> None:
        await ask(Unbind(path), seconds=self.timeout)
        self._http.pop(_key(path), None)

    async def bind_multiple_http_paths(self, paths: Iterable[str], config: HttpBindingConfig = HTTP) -> None:
        """All or none: when one is refused or does not arrive, the earlier ones are put back as they were."""
        before = dict(self._http)
        touched: list[str] = []
        try:
            for path in dict.fromkeys(paths):
                touched.append(path)
                await self.bind_http_path(path, config)
        except HttpServerError:
            touched.pop()  # what is refused changes nothing
            await self._put_back(touched, before)
            raise
        except SendError:
            await self._put_back(touched, before)
            raise

    async def _put_back(self, paths: list[str], before: Mapping[str, HttpBindingConfig]) -> None:
        for path in reversed(paths):
            config = before.get(_key(path))
            if config is None:
                await self._unbind_http(path)
            else:
                await self.bind_http_path(path, config)

    # -- paths for WebSockets

    async def bind_ws_path(self, path: str, config: WsBindingConfig = WS) -> None:
        """Binding again replaces what was there."""
        if config.secure_subdomain:
            action: WebSocketBind | WebSocketSecureBind = WebSocketSecureBind(
                path, extension=config.extension
            )
        else:
            action = WebSocketBind(path, config.authenticated, extension=config.extension)
        await ask(action, seconds=self.timeout)
        self._ws[_key(path)] = config

    async def secure_bind_ws_path(self, path: str) -> None:
        """As `secure_bind_http_path`."""
        await self.bind_ws_path(path, WsBindingConfig(secure_subdomain=True))

    async def modify_ws_path(self, path: str, config: WsBindingConfig) -> None:
        """As `modify_http_path`. Open channels stay."""
        _require(self._ws, path, "bind_ws_path")
        await self.bind_ws_path(path, config)

    async def unbind_ws_path(self, path: str) -> None:
        """As `unbind_http_path`. Open channels stay."""
        _require(self._ws, path, "bind_ws_path")
        await ask(WebSocketUnbind(path), seconds=self.timeout)
        del self._ws[_key(path)]

    # -- files

    async def serve_file(
        self, file_path: str, paths: Iterable[str], config: HttpBindingConfig = HTTP
    ) -> None:
        """Serve `pkg/{file_path}` at each of `paths`, as it is now. Raises `VfsError`, too."""
        await self.serve_file_raw_path(ui_folder(current().our, file_path), paths, config)

    async def serve_file_raw_path(
        self, file_path: str, paths: Iterable[str], config: HttpBindingConfig = HTTP
    ) -> None:
        """`serve_file` for any path of the vfs: `/{package}:{publisher}/{drive}/..`."""
        content = await static_file(file_path)
        for path in paths:
            await self.bind_http_path(path, attrs.evolve(config, static_content=content))

    async def serve_ui(
        self, directory: str, roots: Iterable[str] = ("/",), config: HttpBindingConfig = HTTP
    ) -> None:
        """Serve all files below `pkg/{directory}`, `index.html` also at each of `roots`. Raises `VfsError`, too."""
        for file, paths in await ui_paths(ui_folder(current().our, directory), list(roots)):
            await self.serve_file_raw_path(file, paths, config)

    # -- channels

    def handle_websocket_open(self, path: str, channel_id: int) -> None:
        """A channel is known under the path that its `WebSocketOpen` tells."""
        self._channels.setdefault(path, set()).add(channel_id)

    def handle_websocket_close(self, channel_id: int) -> None:
        """A channel that is not known is no error."""
        for path, channels in list(self._channels.items()):
            channels.discard(channel_id)
            if not channels:
                del self._channels[path]

    def get_ws_channels(self) -> dict[str, set[int]]:
        """The open channels by path, as a copy."""
        return {path: set(channels) for path, channels in self._channels.items()}

    def ws_push_all_channels(self, path: str, message_type: WsMessageType, payload: Payload) -> None:
        """`send_ws_push` to each open channel of a path."""
        ws_push_all_channels(self._channels, path, message_type, payload)

    # -- what arrives

    def parse_request(self, body: bytes) -> HttpServerRequest:
        """From a message's ipc. Raises `HttpServerError`; its `.error` is what is `Malformed`."""
        try:
            return HttpServerRequest.from_bytes(body)
        except Malformed as problem:
            raise HttpServerError(f"{body[:80]!r} is no request of http_server", problem) from None

    def handle_request(
        self, request: HttpServerRequest, http_fn: HttpFunction, ws_fn: WsFunction
    ) -> Awaitable[None]:
        """Answer a call with what `http_fn(call)` gives, hand a frame to `ws_fn(id, type, payload)`, note channels.

        It is done at once, unless the function is async: then await what this returns. In `http_fn` the call's body is
        `get_payload()`. What a function raises passes through, and then nothing is answered.
        """
        found: object = None
        match request:
            case Http(call):
                answer = http_fn(call)
                if inspect.isawaitable(answer):
                    return _answer_later(answer)
                _answer(answer)
            case WebSocketPush(channel_id, message_type):
                found = ws_fn(channel_id, message_type, current().get_payload() or Payload())
            case WebSocketOpen(path, channel_id):
                self.handle_websocket_open(path, channel_id)
            case WebSocketClose(channel_id):
                self.handle_websocket_close(channel_id)
            case _:
                raise TypeError(f"handle_request takes an HttpServerRequest, got {request!r}")
        return _ended(found) if inspect.isawaitable(found) else _Done()


def _key(path: str) -> str:
    return path.removeprefix("/").removesuffix("/")


def _require(bound: Mapping[str, C], path: str, first: str) -> None:
    if _key(path) not in bound:
        names = ", ".join(f"/{key}" for key in bound) or "nothing"
        problem = PathBindError(
            f"this HttpServer did not bind it, but {names}; write await server.{first}(..)"
        )
        raise HttpServerError(path, problem)


class _Done:
    """Awaited, it takes no time; left alone, nothing is missing."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


async def _ended(found: Awaitable[object]) -> None:
    await found


async def _answer_later(found: Awaitable[HttpAnswer]) -> None:
    _answer(await found)


def _answer(found: object) -> None:
    match found:
        case (HttpResponse() as response, (Payload() | None) as body):
            check_payload("http_fn", body)
            current().send_response(RawResponse(False, response.to_bytes()), body or Payload())
        case _:
            raise TypeError(
                f"http_fn gives an HttpResponse and a Payload or None, got {found!r}; "
                "write return HttpResponse(200), Payload(bytes=b'..')"
            )
