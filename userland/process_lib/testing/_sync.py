"""The actor under test for plain test functions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import overload

from kernel.address import Address
from kernel.message import Message, Payload
from sys_processes.homepage.protocol import Add
from userland.process_lib._builders import Bytes, Target
from userland.process_lib.testing._actor import AsyncActor
from userland.process_lib.testing._ports import Printed
from userland.process_lib.testing._record import HttpAnswer, Sent
from userland.process_lib.testing._scripted import Answer, Reply
from userland.process_lib.testing._servers import Server
from userland.process_lib.testing._thread import TrioThread
from userland.process_lib.testing._web import Binding, Frame


class Actor:
    """The actor under test: `with ActorTest(...) as actor`. Time stands still between calls.

    Each call returns when the actor has come to rest: it waits for a message, an answer or a time.
    """

    def __init__(self, actor: AsyncActor, thread: TrioThread[AsyncActor]) -> None:
        self._actor = actor
        self._thread = thread

    @property
    def our(self) -> Address:
        return self._actor.our

    @property
    def sent(self) -> list[Sent]:
        """Every Request and Response of the actor in order, but for those that read or write its state."""
        return self._actor.sent

    @property
    def printed(self) -> list[Printed]:
        """What it printed, and what the kernel printed about it."""
        return self._actor.printed

    @property
    def bound(self) -> list[Binding]:
        """What is bound at http_server, in order."""
        return self._actor.bound

    @property
    def content(self) -> dict[str, Payload]:
        """What http_server would serve for it, by path."""
        return self._actor.content

    @property
    def on_homepage(self) -> Add | None:
        """What it shows on the start page."""
        return self._actor.on_homepage

    @property
    def state(self) -> bytes | None:
        return self._actor.state

    @property
    def is_running(self) -> bool:
        return self._actor.is_running

    @property
    def last_error(self) -> str | None:
        """Of its last crash: type, text and place. A crash that the test never looked at fails it at its end."""
        return self._actor.last_error

    def frames(self, channel_id: int | None = None) -> list[Frame]:
        """What it pushed to the client of a channel, or to all."""
        return self._actor.frames(channel_id)

    def server_frames(self, channel_id: int | None = None) -> list[Frame]:
        """What it pushed to a server on a socket that it had opened, or on all."""
        return self._actor.server_frames(channel_id)

    def on(self, target: Target, answer: Answer | Reply) -> None:
        """Let the process at `target` answer each Request with what `answer(message)` gives, or with `answer` itself.

        None says nothing; a `Response` builder is sent; bytes and text become the ipc; other values are sent as JSON.
        A function may be async and `sleep`. A process of another node makes that node one that can be reached.
        """

        async def script() -> None:
            self._actor.on(target, answer)

        self._thread.call(script)

    def serve(self, url: str, answer: Server | Reply) -> None:
        """Let the server at that URL, and below it, answer what the actor asks through http_client.

        For http and https, `answer(call)` is given an `HttpCall`; what it returns is the body, a whole
        `http.FetchedResponse`, or an error of http_client; None never answers. For ws and wss there is a server that
        takes every socket, and `answer(frame)` says what comes back for a frame, if anything. Either may be async and
        `sleep`; what is no function is said to everything. Raises ValueError for what is no URL.
        """
        self._actor.serve(url, answer)

    def advance(self, seconds: float) -> None:
        """Let time pass; whatever falls due happens at its time."""
        self._thread.call(partial(self._actor.advance, seconds))

    @overload
    def send(
        self,
        ipc: Reply,
        payload: Payload | None = None,
        *,
        expects_response: int,
        metadata: str | None = None,
        source: Target | None = None,
    ) -> Message: ...

    @overload
    def send(
        self,
        ipc: Reply,
        payload: Payload | None = None,
        *,
        expects_response: None = None,
        metadata: str | None = None,
        source: Target | None = None,
    ) -> None: ...

    def send(
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

        async def call() -> Message | None:
            if expects_response is None:
                await self._actor.send(ipc, payload, metadata=metadata, source=source)
                return None
            return await self._actor.send(
                ipc, payload, expects_response=expects_response, metadata=metadata, source=source
            )

        return self._thread.call(call)

    def push_http(
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
        An actor that never bound a path gets every call. `path` may have a query; `url_params` wins over a pattern's.
        """
        call = partial(
            self._actor.push_http,
            method,
            path,
            body=body,
            headers=headers,
            query=query,
            url_params=url_params,
        )
        return self._thread.call(call)

    def open_channel(self, path: str = "/") -> int:
        """A client opens a WebSocket to it; the channel's id. Raises LookupError for a path that it did not bind."""
        return self._thread.call(partial(self._actor.open_channel, path))

    def push_frame(self, channel_id: int, data: Bytes) -> None:
        """The client of a channel sends a text frame, or a binary one."""
        self._thread.call(partial(self._actor.push_frame, channel_id, data))

    def close_channel(self, channel_id: int) -> None:
        """The client of a channel leaves."""
        self._thread.call(partial(self._actor.close_channel, channel_id))

    def push_server_frame(self, channel_id: int, data: Bytes) -> None:
        """A server sends a text frame, or a binary one, on a socket that the actor has opened. Raises LookupError."""
        self._thread.call(partial(self._actor.push_server_frame, channel_id, data))

    def close_server_channel(self, channel_id: int) -> None:
        """A server ends a socket that the actor has opened. Raises LookupError."""
        self._thread.call(partial(self._actor.close_server_channel, channel_id))
