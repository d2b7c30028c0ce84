"""Whatever happens in whatever order: one WebSocketClose per WebSocketOpen, and the node goes on answering."""

from __future__ import annotations

import contextlib

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.utilities import LocalProtocolError

from kernel.jsontext import JsonValue, dump
from kernel.message import OnExit
from runtime.sim.clients import SocketEnded, UpgradeRefused, WsClient, request_bytes
from runtime.sim.stream import MemoryStream
from sys_processes.http_server.protocol import (
    Bind,
    HttpServerAction,
    Unbind,
    WebSocketBind,
    WebSocketClose,
    WebSocketPush,
    WebSocketUnbind,
    WsMessageType,
)
from tests.support.sealed_client import sealed_register
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, WebNode, settle, web_node

TEXT, BINARY, CLOSE = WsMessageType.Text, WsMessageType.Binary, WsMessageType.Close
KINDS = (
    "open",
    "open bound",
    "open sealed",
    "open sealed bound",
    "open old",
    "say",
    "read",
    "close",
    "cut",
    "vanish",
    "push",
    "push much",
    "push close",
    "end channel",
    "bind",
    "bind sealed",
    "unbind",
    "call",
    "hold",
    "resume",
    "crash",
    "wait",
    "settle",
)

# What a client hears that does more after its end.
LEFT = (trio.BrokenResourceError, trio.ClosedResourceError, SocketEnded, LocalProtocolError)


def old_frames(web: WebNode) -> tuple[bytes, bytes]:
    """Of a client of November 2023: a register, and the message that settles its process."""
    who: dict[str, JsonValue] = {"auth_token": web.token(), "channel_id": "old"}
    target: JsonValue = {"node": NODE, "process": APP}
    return dump({"WsRegister": who}), dump({"WsMessage": {**who, "target": target, "json": "hello"}})


@attrs.define
class World:
    """A node with one app and the clients of a run; steps that cannot be done now do nothing."""

    web: WebNode
    app: App
    clients: list[WsClient] = attrs.Factory(list)

    async def step(self, kind: str, which: int) -> None:
        if kind.startswith("open"):
            await self._open(f"/{APP}/" if kind.endswith("bound") else "/", kind)
        elif kind == "call":
            await self.web.connect().send_all(request_bytes("GET", f"/{APP}/"))
        elif kind == "wait":
            await trio.sleep(which)
        elif kind == "settle":
            await settle()
        elif kind in {"say", "read", "close", "cut", "vanish"}:
            await self._as_client(kind, which)
        else:
            self._as_process(kind, which)

    def _as_process(self, kind: str, which: int) -> None:
        match kind:
            case "bind" | "bind sealed":
                self._tell(WebSocketBind("/", authenticated=False, encrypted=kind == "bind sealed"))
                self._tell(Bind("/", False, False, False))
            case "unbind":
                self._tell(WebSocketUnbind("/"))
                self._tell(Unbind("/"))
            case "hold":
                self.app.hold()
            case "resume":
                self.app.open.set()
            case "crash":
                self.app.crash()
            case _:
                self._as_owner(kind, which)

    async def _open(self, path: str, kind: str) -> None:
        with contextlib.suppress(UpgradeRefused, *LEFT):
            client = await self.web.websocket(path)
            self.clients.append(client)
            match kind:
                case "open" | "open bound":
                    await client.send(self.web.register_frame())
                case "open old":
                    for frame in old_frames(self.web):
                        await client.send(frame)
                case _:
                    await client.send(sealed_register(self.web))

    def _tell(self, action: HttpServerAction, data: bytes | None = None) -> None:
        self.app.later_tell(action, data)

    def _as_owner(self, kind: str, which: int) -> None:
        opened = self.app.opened()
        if not opened:
            return
        channel_id = opened[which % len(opened)].channel_id
        match kind:
            case "push":
                self._tell(WebSocketPush(channel_id, TEXT), b"news")
            case "push much":
                for _ in range(50):
                    self._tell(WebSocketPush(channel_id, BINARY), bytes(500))
            case "push close":
                self._tell(WebSocketPush(channel_id, CLOSE), b"")
            case _:
                self._tell(WebSocketClose(channel_id))

    async def _as_client(self, kind: str, which: int) -> None:
        if not self.clients:
            return
        client = self.clients[which % len(self.clients)]
        assert isinstance(client.stream, MemoryStream)
        with contextlib.suppress(*LEFT):
            with trio.move_on_after(0.01):
                match kind:
                    case "say":
                        await client.send("hello")
                    case "read":
                        await client.receive()
                    case "close":
                        await client.close()
                    case "cut":
                        client.stream.reset()
                    case _:
                        await client.stream.aclose()


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5)), max_size=40),
    restarts=st.booleans(),
    capacity=st.sampled_from((256, 65536)),
)
async def test_any_order_of_events_leaves_one_close_per_open_and_a_node_that_answers(
    steps: list[tuple[str, int]], restarts: bool, capacity: int
) -> None:
    """C-128, C-133, C-135, C-146."""
    app, bystander = App(), App(echo=True)
    async with web_node(capacity=capacity) as web:
        web.start(app, on_exit=OnExit.restart() if restarts else OnExit.none())
        await web.started(bystander, "other:app:alice.uq")
        beside, _ = await web.registered("other:app:alice.uq")
        world = World(web, app)
        for kind, which in steps:
            await world.step(kind, which)
        await beside.send("still here?")
        assert await beside.receive() == "still here?"
        app.open.set()
        await settle()
        app.check_law()
        for client in world.clients:
            assert isinstance(client.stream, MemoryStream)
            client.stream.reset()
        await trio.sleep(120)
        app.check_law(all_closed=True)
        [server] = [p for p in web.node.kernel.router.processes.values() if p.pid.process == "http_server"]
        assert len(server.children or ()) == 2  # it listens, and there is the bystander's socket
        assert web.node.kernel.router.open == {}
    bystander.check_law(all_closed=True)
