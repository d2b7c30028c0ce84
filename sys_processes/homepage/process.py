"""Keeps the list of apps and serves the start page through http_server (PROTOCOL 8.3, 6.9).

Requests are handled in the order of their arrival; pages are made beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import quote

import attrs

from kernel.address import Address, ProcessId
from kernel.codec import Err, Malformed
from kernel.errors import StateError
from kernel.message import Message, Payload, Request, SendError
from kernel.ports import Init
from kernel.process_exited import ProcessExited
from kernel.syscalls import current
from sys_processes._look import STYLE
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.homepage.core import (
    KEPT,
    Apps,
    Change,
    Kept,
    Move,
    SetOrder,
    changed,
    forgotten,
    is_form,
    read_favorite,
    read_kept,
    read_order,
)
from sys_processes.homepage.page import start_page
from sys_processes.homepage.protocol import (
    APP_LIST,
    DONE,
    HOMEPAGE_REQUEST,
    HOMEPAGE_RESPONSE,
    MAY_REMOVE_OTHER,
    MAY_SET_STYLESHEET,
    Add,
    AppEntry,
    AppsAre,
    BadRequest,
    GetApps,
    HomepageError,
    HomepageRequest,
    NoRoom,
    NotAllowed,
    NotKept,
    Remove,
    RemoveOther,
    SetStylesheet,
    check_add,
    check_stylesheet,
)
from sys_processes.http_server.protocol import (
    ACTION,
    BOUND_ROOTS,
    HTTP_SERVER,
    METADATA_HTTP,
    REQUEST,
    RESPONSE,
    ROOTS,
    Bind,
    Http,
    HttpResponse,
    IncomingHttpRequest,
)

SECONDS: Final = 5
"""How long http_server is waited for."""

# app_store uninstalls; what http_server asks came by the RPC route, from the node's owner.
TRUSTED: Final = (ProcessId("main", "app_store", "nectar"), HTTP_SERVER)

_STYLESHEETS: Final = ("/nectar.css", "/kinode.css")
_PATHS: Final = {"/": "GET, HEAD", "/apps": "GET, HEAD", "/favorite": "POST", "/order": "POST"}


@attrs.frozen
class _Call:
    """http_server passes an HTTP call on."""

    request: IncomingHttpRequest
    body: bytes


_Asked: TypeAlias = HomepageRequest | ProcessExited | _Call
_DONE: Final = Answer(DONE)


def _refusal(error: HomepageError) -> Answer:
    return Answer(HOMEPAGE_RESPONSE.encode(Err(error)))


def _reply(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    return Answer(RESPONSE.encode(HttpResponse(status, headers or {})), Payload(None, body))


def _line(status: int, text: str, **headers: str) -> Answer:
    return _reply(status, {"content-type": "text/plain; charset=utf-8", **headers}, f"{text}\n".encode())


class _Homepage:
    def __init__(self, apps: Apps, our: Address) -> None:
        self._apps = apps
        self._our = our
        self._server = Address(our.node, HTTP_SERVER)
        self._unreadable: str | None = None
        """Why what was kept could not be read: then nothing is written over it."""

    async def open(self) -> None:
        """Find what was kept, and take the root."""
        await self._load()
        for path in _PATHS:
            await self._bind(Bind(path, authenticated=True, local_only=False, cache=False))
        await self._bind_stylesheet()

    async def _load(self) -> None:
        node = current()
        try:
            self._apps.kept, problem = read_kept(await node.get_state())
        except StateError as error:
            self._unreadable = f"what was kept before cannot be read: {error}"
            node.print_to_terminal(0, self._unreadable)
            return
        if problem is not None:
            node.print_to_terminal(
                0, f"favorites and order start anew, the old ones are set aside: {problem}"
            )

    async def _bind(self, action: Bind, payload: Payload | None = None) -> None:
        try:
            answer = await self._ask(ACTION.encode(action), payload)
        except SendError as error:
            current().print_to_terminal(0, f"cannot serve {action.path}: {error}")
            return
        if answer.ipc != DONE:
            text = answer.ipc.decode(errors="replace")
            current().print_to_terminal(0, f"cannot serve {action.path}: {text}")

    async def _bind_stylesheet(self) -> None:
        content = Payload("text/css; charset=utf-8", (STYLE + self._apps.kept.stylesheet).encode())
        for path in _STYLESHEETS:
            await self._bind(Bind(path, authenticated=False, local_only=False, cache=True), content)

    async def _ask(self, ipc: bytes, payload: Payload | None = None) -> Message:
        request = Request(expects_response=SECONDS, ipc=ipc)
        return await current().send_and_await_response(self._server, request, payload)

    # -- requests

    def decode(self, message: Message) -> _Asked:
        exited = ProcessExited.from_message(message)
        if exited is not None:
            return exited
        if message.is_process(HTTP_SERVER) and message.metadata == METADATA_HTTP:
            call = REQUEST.decode(message.ipc)
            if isinstance(call, Http):
                return _Call(call.request(), (message.payload() or Payload()).bytes)
        return HOMEPAGE_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: _Asked) -> Outcome:
        source = message.source.process
        match request:
            case ProcessExited(process):
                self._apps.gone(process)
                return None
            case _Call(call, body):
                return await self._answer_call(call, body)
            case Add():
                return self._add(source, request)
            case Remove():
                self._apps.remove(source)
                return _DONE
            case GetApps():
                return Later(self._tell_apps)
            case RemoveOther(process):
                refused = self._refuse(message, MAY_REMOVE_OTHER)
                return refused or await self._remove_other(process)
            case SetStylesheet(stylesheet):
                refused = self._refuse(message, MAY_SET_STYLESHEET)
                return refused or await self._set_stylesheet(stylesheet)

    def _add(self, source: ProcessId, add: Add) -> Answer:
        try:
            checked = check_add(add)
        except ValueError as error:
            current().print_to_terminal(0, f"refused an entry of {source}: {error}")
            return _refusal(BadRequest(str(error)))
        full = self._apps.add(source, checked)
        if full is None:
            return _DONE
        current().print_to_terminal(0, f"refused an entry of {source}: {full}")
        return _refusal(NoRoom(f"{full}; remove another one first"))

    def _refuse(self, message: Message, params: str) -> Answer | None:
        source = message.source.process
        if source in TRUSTED or current().has_capability(params):
            return None
        text = (
            f"{source} may not ask for {params}: add "
            f'{{"process": "{self._our.process}", "params": {params}}} to "request_capabilities" in its manifest.json'
        )
        current().print_to_terminal(1, text)
        return _refusal(NotAllowed(text))

    async def _remove_other(self, process: ProcessId) -> Answer:
        kept = forgotten(self._apps.kept, str(process))
        not_kept = None if kept == self._apps.kept else await self._keep(kept)
        if not_kept is not None:
            return _refusal(not_kept)
        self._apps.remove(process)
        if not current().is_running(process):
            self._apps.gone(process)
        return _DONE

    async def _set_stylesheet(self, stylesheet: str) -> Answer:
        try:
            kept = attrs.evolve(self._apps.kept, stylesheet=check_stylesheet(stylesheet))
        except ValueError as error:
            return _refusal(BadRequest(str(error)))
        not_kept = await self._keep(kept)
        if not_kept is not None:
            return _refusal(not_kept)
        await self._bind_stylesheet()
        return _DONE

    async def _keep(self, kept: Kept) -> NotKept | None:
        """Durable before it counts."""
        if self._unreadable is not None:
            return NotKept(f"{self._unreadable}; restart the node")
        try:
            await current().set_state(KEPT.encode(kept))
        except StateError as error:
            current().print_to_terminal(0, f"favorites and order cannot be kept: {error}")
            return NotKept(str(error))
        self._apps.kept = kept
        return None

    async def _tell_apps(self) -> Answer:
        return Answer(HOMEPAGE_RESPONSE.encode(AppsAre(await self._listed())))

    async def _listed(self) -> tuple[AppEntry, ...]:
        """Without http_server there is nobody to look at the page either: then those that added themselves."""
        try:
            answer = await self._ask(BOUND_ROOTS)
            roots = ROOTS.decode(answer.ipc).processes
        except (SendError, Malformed) as error:
            current().print_to_terminal(1, f"http_server does not tell who serves a page: {error}")
            roots = ()
        return self._apps.listed(roots)

    # -- HTTP calls

    async def _answer_call(self, call: IncomingHttpRequest, body: bytes) -> Outcome:
        path = call.bound_path or "/"
        allowed = _PATHS.get(path, "")
        if call.method not in allowed.split(", "):
            return _line(405, f"{call.method} is not possible here", allow=allowed)
        if allowed != "POST":
            return Later(self._list if path == "/apps" else partial(self._show, call))
        return await self._change(path, body)

    async def _list(self) -> Answer:
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return _reply(200, headers, APP_LIST.encode(await self._listed()))

    async def _show(self, call: IncomingHttpRequest) -> Answer:
        entries = await self._listed()
        arranging = "arrange" in call.query_params
        stylesheet = self._apps.kept.stylesheet
        return _reply(200, *start_page(self._our.node, entries, stylesheet=stylesheet, arranging=arranging))

    async def _change(self, path: str, body: bytes) -> Answer:
        read: Callable[[bytes], Change] = read_favorite if path == "/favorite" else read_order
        try:
            change = read(body)
        except Malformed as error:
            return _line(400, str(error))
        kept = changed(self._apps.kept, await self._listed(), change)
        not_kept = None if kept == self._apps.kept else await self._keep(kept)
        if not_kept is not None:
            return _line(500, f"not kept: {not_kept.error}")
        if not is_form(body) or isinstance(change, SetOrder):
            return _reply(200)
        back = "/?arrange" if isinstance(change, Move) else "/"
        return _reply(303, {"location": f"{back}#{quote(change.app, safe=':')}"})

    # -- bad news

    def malformed(self, error: Malformed) -> bytes:
        return _refusal(BadRequest(str(error))).ipc

    def foreign(self) -> bytes:
        return _refusal(NotAllowed("only processes of this node have a place on its start page")).ipc

    def failed(self, error: Exception) -> bytes:
        return _refusal(NotKept(f"{type(error).__name__}: {error}")).ipc


def _ends_later(process: ProcessId) -> None:
    """The kernel's message, which comes after all that the process had sent, is soon enough."""


def make() -> Init:
    """The `init` of the process. Entries outlive a restart of it."""
    apps = Apps()

    async def init(our: Address) -> None:
        node = current()
        node.watch_exits(_ends_later)
        for process in apps.processes():
            if not node.is_running(process):
                apps.gone(process)
        homepage = _Homepage(apps, our)
        await homepage.open()
        await serve(homepage)

    return init
