"""The actor under test on a real kernel, among scripted processes, inside trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import overload
from urllib.parse import parse_qsl

import attrs
import trio
import trio.testing

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.kernel import Kernel, Ports
from kernel.lifecycle import NewProcess
from kernel.message import Message, OnExit, Payload, SendError
from kernel.message import Request as RawRequest
from kernel.process import Process, ProcessState
from kernel.syscalls import current
from sys_processes.homepage.protocol import HOMEPAGE, Add
from sys_processes.http_client.protocol import HTTP_CLIENT
from sys_processes.http_server.protocol import (
    HTTP_SERVER,
    METADATA_HTTP,
    METADATA_WS,
    RESPONSE,
    Http,
    HttpServerRequest,
    IncomingHttpRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
)
from sys_processes.net.protocol import NET
from userland.process_lib._builders import Bytes, Target, serialize, to_address, to_bytes
from userland.process_lib._on_exit import raw_on_exit
from userland.process_lib.testing._databases import Keys, Tables
from userland.process_lib.testing._files import Files
from userland.process_lib.testing._modules import Homepage, States, timer
from userland.process_lib.testing._paths import stored
from userland.process_lib.testing._ports import Draws, Memory, Printed, Screen, Seals
from userland.process_lib.testing._programs import FileProgram, Folder, FunctionProgram, Watched
from userland.process_lib.testing._record import HttpAnswer, Record, Sent, served
from userland.process_lib.testing._remote import Carrier, OtherNodes
from userland.process_lib.testing._scripted import Answer, Reply, Scripted, always, silence
from userland.process_lib.testing._servers import Server, Servers
from userland.process_lib.testing._web import Binding, Frame, HttpServer

EPOCH = 1_700_000_000.0
"""The wall clock when a test begins, in seconds."""

TESTER = ProcessId("tester", "tester", "nectar")
HTTP_SECONDS = 15


class ActorCrashed(Exception):
    """The actor crashed, and the test did not look at `last_error`. The actor's own error is the cause."""


@attrs.frozen
class Setup:
    """What `ActorTest` was given."""

    program: FileProgram | FunctionProgram
    folder: Folder
    our: Address
    on_exit: OnExit
    capabilities: tuple[Capability, ...]
    state: bytes | None
    seed: int
    on: Mapping[Target, Answer | Reply]
    servers: Mapping[str, Server | Reply]


class AsyncActor:
    """The actor under test, for a test that runs on trio itself: `async with ActorTest(...) as actor`.

    Time is trio's clock; give the test a `trio.testing.MockClock(autojump_threshold=0)`.
    """

    def __init__(self, setup: Setup) -> None:
        self.our = setup.our
        self._setup = setup
        self._failures: list[Exception] = []
        self._record = Record(setup.our)
        self._server = HttpServer()
        self._servers = Servers(self._failures)
        self._homepage = Homepage()
        self._states = States()
        self._scripted: dict[ProcessId, Scripted] = {}
        self._crashes_seen = 0
        self._process: Process | None = None
        self._program = Watched(setup.program)
        self._started = trio.current_time()
        self._screen = Screen(self._wall_clock)
        ports = Ports(
            chance=Draws(setup.seed),
            store=Memory(),
            keys=Seals(setup.our.node),
            programs=setup.folder,
            console=self._screen,
            wall_clock=self._wall_clock,
        )
        self._kernel = Kernel(setup.our.node, ports)
        self._nodes = OtherNodes(self._kernel)

    # -- the world around it

    def _wall_clock(self) -> float:
        return EPOCH + trio.current_time() - self._started

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """The actor has come to its first wait when the block begins, and is gone after it. Raises `ProgramError`."""
        self._setup.program.check()
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            await nursery.start(self._kernel.run)
            # Kept out of the nursery, which would wrap it into a group.
            try:
                self._boot()
                await self.settle()
                yield
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        self._raise_unseen_crash()

    def _boot(self) -> None:
        setup = self._setup
        self._kernel.router.observer = self._record.observe
        if setup.state is not None:
            self._states.values[setup.our.process] = setup.state
        modules: dict[str, Answer] = {
            "http_client": self._servers.answer,
            "http_server": self._server.answer,
            "kv": Keys(setup.our.package_id).answer,
            "sqlite": Tables(setup.our.package_id).answer,
            "state": self._states.answer,
            "timer": timer,
            "vfs": Files(setup.our.package_id, setup.folder.root).answer,
        }
        for name, answer in modules.items():
            self._add_module(ProcessId(name, "sys", "nectar"), Scripted(answer, self._failures))
        self._add_module(HOMEPAGE, Scripted(self._homepage.answer, self._failures))
        self._add_module(NET, Carrier(self._nodes, self._kernel.ports.keys, self._failures))
        for target, script in setup.on.items():
            self.on(target, script)
        for url, server in setup.servers.items():
            self.serve(url, server)
        self._process = self._kernel.lifecycle.create(
            NewProcess(
                setup.our.process,
                self._program,
                "",
                raw_on_exit(setup.on_exit),
                public=True,
                capabilities=(Capability.network(setup.our.node), *setup.capabilities),
            )
        )
        self._kernel.lifecycle.start(self._process)

    def _add_module(self, pid: ProcessId, scripted: Scripted) -> None:
        self._kernel.add_module(pid, scripted.init, public=True)
        self._scripted[pid] = scripted

    def _raise_unseen_crash(self) -> None:
        if self._record.crashes > self._crashes_seen:
            raise ActorCrashed(
                f"{self.our.process} crashed: {self._crash_text()}; if that is meant, look at actor.last_error"
            ) from self._program.crash

    def _speaker(self, process: ProcessId) -> Scripted:
        found = self._scripted.get(process)
        if found is None:
            found = self._scripted[process] = Scripted(silence, self._failures)
            new = NewProcess(process, FunctionProgram(found.init), "", OnExit.none(), public=True)
            self._kernel.lifecycle.start(self._kernel.lifecycle.create(new))
        return found

    def _is_local(self, address: Address) -> bool:
        return address.node in {self.our.node, "our"}

    def on(self, target: Target, answer: Answer | Reply) -> None:
        """Let the process at `target` answer each Request with what `answer(message)` gives, or with `answer` itself.

        None says nothing; a `Response` builder is sent; bytes and text become the ipc; other values are sent as JSON.
        A function may be async and `sleep`. A process of another node makes that node one that can be reached.
        """
        address = to_address(target)
        script: Answer = answer if callable(answer) else always(answer)
        if self._is_local(address):
            self._speaker(address.process).answer = script
        else:
            self._nodes.script(address, script)

    def serve(self, url: str, answer: Server | Reply) -> None:
        """Let the server at that URL, and below it, answer what the actor asks through http_client.

        For http and https, `answer(call)` is given an `HttpCall`; what it returns is the body, a whole
        `http.FetchedResponse`, or an error of http_client; None never answers. For ws and wss there is a server that
        takes every socket, and `answer(frame)` says what comes back for a frame, if anything. Either may be async and
        `sleep`; what is no function is said to everything. Raises ValueError for what is no URL.
        """
        self._servers.serve(url, answer)

    # -- what it did

    @property
    def sent(self) -> list[Sent]:
        """Every Request and Response of the actor in order, but for those that read or write its state."""
        return list(self._record.sent)

    @property
    def printed(self) -> list[Printed]:
        """What it printed, and what the kernel printed about it."""
        return [line for line in self._screen.lines if line.source == self.our]

    @property
    def bound(self) -> list[Binding]:
        """What is bound at http_server, in order."""
        return self._server.bound

    @property
    def content(self) -> dict[str, Payload]:
        """What http_server would serve for it, by path."""
        return self._server.content

    @property
    def on_homepage(self) -> Add | None:
        """What it shows on the start page."""
        return self._homepage.entries.get(self.our.process)

    @property
    def state(self) -> bytes | None:
        return self._states.values.get(self.our.process)

    @property
    def is_running(self) -> bool:
        process = self._kernel.router.processes.get(self.our.process)
        return process is not None and process.state is ProcessState.RUNNING

    @property
    def last_error(self) -> str | None:
        """Of its last crash: type, text and place. A crash that the test never looked at fails it at its end."""
        self._crashes_seen = self._record.crashes
        return self._crash_text()

    def _crash_text(self) -> str | None:
        process = self._kernel.router.processes.get(self.our.process) or self._process
        return None if process is None else process.last_error

    def frames(self, channel_id: int | None = None) -> list[Frame]:
        """What it pushed to the client of a channel, or to all."""
        return [frame for frame in self._server.frames if channel_id in {None, frame.channel_id}]

    def server_frames(self, channel_id: int | None = None) -> list[Frame]:
        """What it pushed to a server on a socket that it had opened, or on all."""
        return [frame for frame in self._servers.frames if channel_id in {None, frame.channel_id}]

    # -- what is done to it

    async def settle(self) -> None:
        """Return when everybody waits for something. Raises what a script raised meanwhile."""
        await trio.testing.wait_all_tasks_blocked()
        if self._failures:
            raise self._failures.pop(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass; whatever falls due happens at its time."""
        await trio.sleep(seconds)
        await self.settle()

    @overload
    async def send(
        self,
        ipc: Reply,
        payload: Payload | None = None,
        *,
        expects_response: int,
        metadata: str | None = None,
        source: Target | None = None,
    ) -> Message: ...

    @overload
    async def send(
        self,
        ipc: Reply,
        payload: Payload | None = None,
        *,
        expects_response: None = None,
        metadata: str | None = None,
        source: Target | None = None,
    ) -> None: ...

    async def send(
        self,
        ipc: Reply,
        payload: Payload | None = None,
        *,
        expects_response: int | None = None,
        metadata: str | None = None,
        source: Target | None = None,
    ) -> Message | None:
        """Send it a Request and wait until it has come to rest; with `expects_response`, its answer.

        Text and bytes are sent as they are, other values as JSON. `source` may be any process, also of another node.
        Raises `SendError` when the message or the answer does not arrive.
        """
        raw = ipc.encode() if isinstance(ipc, str) else serialize(ipc)
        sender = Address(self.our.node, TESTER) if source is None else to_address(source)
        request = RawRequest(expects_response=expects_response, ipc=raw, metadata=metadata)
        return await self._deliver(sender, request, payload)

    async def _deliver(self, sender: Address, request: RawRequest, payload: Payload | None) -> Message | None:
        async def speak() -> Message | None:
            if request.expects_response is None:
                current().send_request(self.our, request, None, payload)
                return None
            return await current().send_and_await_response(self.our, request, payload)

        try:
            if self._is_local(sender):
                answer = await self._speaker(sender.process).speak(speak)
            else:
                answer = await self._nodes.ask(sender, self.our, request, payload)
            await self.settle()
        except SendError as error:
            if self._record.crashes:
                error.add_note(f"{self.our.process} crashed: {self._crash_text()}")
            raise
        return answer

    async def push_http(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        body: Bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        url_params: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """An HTTP call to `path` below its process id, by a browser that is logged in. Raises `SendError`, `Malformed`.

        It goes where the actor's bindings send it: what is not bound is a 404, static content comes from http_server.
        """
        method, (path, _, text) = method.upper(), path.partition("?")
        route = self._server.route(self.our.process, method, path)
        if route is None:
            return HttpAnswer(404, {}, b"", None)
        if route.content is not None:
            return served(method, route.content)
        below = stored(self.our.process, path)
        call = IncomingHttpRequest(
            "127.0.0.1:50000",
            method,
            f"http://localhost:8080{below}",
            {"host": "localhost:8080"} | {name.lower(): value for name, value in (headers or {}).items()},
            dict(parse_qsl(text, keep_blank_values=True)) | dict(query or {}),
            route.url_params if url_params is None else dict(url_params),
            route.bound_path,
        )
        request = RawRequest(ipc=Http(call).to_bytes(), expects_response=HTTP_SECONDS, metadata=METADATA_HTTP)
        server = Address(self.our.node, HTTP_SERVER)
        answer = await self._deliver(server, request, Payload(None, to_bytes(body, "payload_bytes")))
        assert answer is not None
        response = RESPONSE.decode(answer.ipc)
        payload = answer.payload() or Payload()
        return HttpAnswer(response.status, response.headers, payload.bytes, payload.mime)

    async def open_channel(self, path: str = "/") -> int:
        """A client opens a WebSocket to it; the channel's id. Raises LookupError for a path that it did not bind."""
        told = self._server.opened_path(self.our.process, path)
        channel_id = self._server.open()
        await self._push_ws(WebSocketOpen(told, channel_id), None)
        return channel_id

    async def push_frame(self, channel_id: int, data: Bytes) -> None:
        """The client of a channel sends a text frame, or a binary one."""
        kind = WsMessageType.Text if isinstance(data, str) else WsMessageType.Binary
        payload = Payload(None, to_bytes(data, "payload_bytes"))
        await self._push_ws(WebSocketPush(channel_id, kind), payload)

    async def close_channel(self, channel_id: int) -> None:
        """The client of a channel leaves."""
        self._server.left(channel_id)
        await self._push_ws(WebSocketClose(channel_id), None)

    async def _push_ws(self, event: HttpServerRequest, payload: Payload | None) -> None:
        server = Address(self.our.node, HTTP_SERVER)
        await self._deliver(server, RawRequest(ipc=event.to_bytes(), metadata=METADATA_WS), payload)

    async def push_server_frame(self, channel_id: int, data: Bytes) -> None:
        """A server sends a text frame, or a binary one, on a socket that the actor has opened. Raises LookupError."""
        await self._as_server(partial(self._servers.push, channel_id, data))

    async def close_server_channel(self, channel_id: int) -> None:
        """A server ends a socket that the actor has opened. Raises LookupError."""
        await self._as_server(partial(self._servers.close, channel_id))

    async def _as_server(self, deed: Callable[[], None]) -> None:
        async def speak() -> None:
            deed()

        await self._scripted[HTTP_CLIENT].speak(speak)
        await self.settle()
