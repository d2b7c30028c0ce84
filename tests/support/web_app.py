"""A process that keeps what http_server tells it and does what a test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio
import trio.testing

from kernel.address import Address
from kernel.codec import Err
from kernel.message import Message, Payload, Request, Response, SendError
from kernel.syscalls import current
from sys_processes.http_server.protocol import (
    ACTION,
    ANSWER,
    HTTP_SERVER,
    Http,
    HttpResponse,
    HttpServerAction,
    HttpServerError,
    HttpServerRequest,
    IncomingHttpRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
)

NODE = "alice.uq"
SERVER = Address(NODE, HTTP_SERVER)

T = TypeVar("T")
Job = Callable[[], Awaitable[None]]


@attrs.frozen
class Heard:
    """One message of http_server as a process got it; `run` counts the starts of the process."""

    what: HttpServerRequest
    body: bytes | None
    run: int
    message: Message


Answer = Callable[[IncomingHttpRequest, bytes], tuple[int, dict[str, str], bytes] | None]


class App:
    """Run it by `WebNode.start`, any number of times. HTTP calls get what `answer` says; None leaves one open."""

    def __init__(self, answer: Answer = lambda call, body: (200, {}, b"ok"), *, echo: bool = False) -> None:
        self.heard: list[Heard] = []
        self.answers: list[bytes] = []
        self.errors: list[SendError] = []
        self.answer = answer
        self.echo = echo
        self.runs = 0
        self.alive = False
        self.at_start: list[Job] = []
        self.open = trio.Event()
        self.open.set()
        self._news = trio.Event()
        self._receiving = trio.CancelScope()
        self._jobs: trio.MemorySendChannel[Job] | None = None

    # -- inside

    async def init(self, our: Address) -> None:
        self.runs += 1
        self.alive = True
        try:
            await self._live()
        finally:
            self.alive = False

    async def _live(self) -> None:
        self._jobs, jobs = trio.open_memory_channel[Job](1000)
        current().start_soon(self._work, jobs)
        for job in self.at_start:
            await job()
        while True:
            await self.open.wait()
            with trio.CancelScope() as self._receiving:
                try:
                    self._hear(await current().receive())
                    self._news.set()
                    self._news = trio.Event()
                except SendError as error:
                    self.errors.append(error)

    @staticmethod
    async def _work(jobs: trio.MemoryReceiveChannel[Job]) -> None:
        async for job in jobs:
            await job()

    def _hear(self, message: Message) -> None:
        if not message.is_request():
            self.answers.append(message.ipc)
            return
        if message.source != SERVER or message.metadata not in {"http", "ws"}:
            if message.wants_response:
                current().send_response(Response(ipc=message.ipc), current().get_payload())
            return
        payload = current().get_payload()
        body = None if payload is None else payload.bytes
        what = HttpServerRequest.from_bytes(message.ipc)
        self.heard.append(Heard(what, body, self.runs, message))
        if isinstance(what, Http):
            found = self.answer(what.request(), body or b"")
            if found is not None:
                respond(*found)
        elif isinstance(what, WebSocketPush) and self.echo:
            push(what.channel_id, what.message_type, body or b"")

    # -- what the test says

    def hold(self) -> None:
        """Take no further message until `open` is set."""
        if self.open.is_set():
            self.open = trio.Event()
        self._receiving.cancel()

    async def do(self, job: Callable[[], Awaitable[T]]) -> T:
        """Run it as a task of the process; raises what it raises."""
        found: list[T] = []
        failed: list[Exception] = []
        done = trio.Event()

        async def run() -> None:
            try:
                found.append(await job())
            except Exception as error:  # noqa: BLE001 - raised again in the test
                failed.append(error)
            done.set()

        assert self._jobs is not None, "the process does not run yet"
        self._jobs.send_nowait(run)
        await done.wait()
        if failed:
            raise failed[0]
        return found[0]

    def later(self, job: Job) -> None:
        """Run it as a task of the process; what it raises is a crash of the process."""
        assert self._jobs is not None, "the process does not run yet"
        self._jobs.send_nowait(job)

    async def ask(
        self, action: HttpServerAction | bytes, payload: bytes | Payload | None = None
    ) -> HttpServerError | None:
        """What http_server answers to an action of this process; None is Ok."""
        asked = Request(False, 5, action if isinstance(action, bytes) else ACTION.encode(action))

        async def job() -> bytes:
            return (await current().send_and_await_response(SERVER, asked, _payload(payload))).ipc

        answer = ANSWER.decode(await self.do(job))
        return answer.error if isinstance(answer, Err) else None

    async def tell(self, action: HttpServerAction, payload: bytes | Payload | None = None) -> None:
        """The same, without wanting an answer."""

        self.later_tell(action, payload)
        await trio.testing.wait_all_tasks_blocked()

    def later_tell(self, action: HttpServerAction, payload: bytes | Payload | None = None) -> None:
        """`tell` whenever the process comes to it; never, if it has ended."""

        async def job() -> None:
            current().send_request(SERVER, Request(ipc=ACTION.encode(action)), None, _payload(payload))

        self.later(job)

    def crash(self) -> None:
        async def job() -> None:
            raise RuntimeError("told to crash")

        self.later(job)

    # -- what it heard

    async def until(self, heard: Callable[[], bool]) -> None:
        """Wait for what only a message can make true."""
        while not heard():
            await self._news.wait()

    def calls(self) -> list[tuple[IncomingHttpRequest, bytes | None]]:
        return [(each.what.request(), each.body) for each in self.heard if isinstance(each.what, Http)]

    def opened(self) -> list[WebSocketOpen]:
        return [each.what for each in self.heard if isinstance(each.what, WebSocketOpen)]

    def pushed(self, channel_id: int) -> list[tuple[WsMessageType, bytes | None]]:
        return [
            (each.what.message_type, each.body)
            for each in self.heard
            if isinstance(each.what, WebSocketPush) and each.what.channel_id == channel_id
        ]

    def closed(self) -> list[int]:
        return [each.what.channel_id for each in self.heard if isinstance(each.what, WebSocketClose)]

    def check_law(self, *, all_closed: bool = False) -> None:
        """In each run: no frame and no close outside of a channel's life, and no channel closed twice.

        `all_closed`: and none that is open still, unless the process has died.
        """
        alive: dict[tuple[int, int], bool] = {}
        for each in self.heard:
            match each.what:
                case WebSocketOpen(_, channel_id):
                    assert (each.run, channel_id) not in alive, f"channel {channel_id} opened twice"
                    alive[each.run, channel_id] = True
                case WebSocketPush(channel_id) | WebSocketClose(channel_id):
                    assert alive.get((each.run, channel_id)), (
                        f"{each.what} in run {each.run} is of no open channel"
                    )
                    alive[each.run, channel_id] = isinstance(each.what, WebSocketPush)
        if all_closed and self.alive:
            left = [key for key, open_ in alive.items() if open_ and key[0] == self.runs]
            assert not left, f"never told of the end of {left}"


def _payload(given: bytes | Payload | None) -> Payload | None:
    return Payload(None, given) if isinstance(given, bytes) else given


def respond(status: int, headers: dict[str, str], body: bytes, mime: str | None = None) -> None:
    ipc = HttpResponse(status, headers).to_bytes()
    current().send_response(Response(ipc=ipc), Payload(mime, body))


def push(channel_id: int, kind: WsMessageType, data: bytes) -> None:
    """As a process: a frame for a client, no answer wanted."""
    request = Request(ipc=ACTION.encode(WebSocketPush(channel_id, kind)))
    current().send_request(SERVER, request, None, Payload(None, data))
