"""People at a node: pages and sockets of an app, several at once, some who have no business there."""

from __future__ import annotations

from itertools import count

import trio

from kernel.message import SendError
from runtime.sim.boot import identity_of
from runtime.sim.channel_laws import ChannelLaws
from runtime.sim.clients import ConnectionGone, Reply, SocketEnded, UpgradeRefused
from runtime.sim.mover import NodeDown
from runtime.sim.sim_node import SimNode
from runtime.sim.web import RegisterRefused, Socket
from runtime.sim.world import World
from sys_processes.http_server.tokens import LoginTokens
from tests.simulation.zoo.base import CALM_SECONDS, RETRY_SECONDS, STORM_SECONDS, outlast, watch_actors
from userland.process_lib import Address, Payload, await_message, http, sleep, start_soon

NODE = "a.nec"
GONE = (
    NodeDown,
    ConnectionRefusedError,
    ConnectionGone,
    UpgradeRefused,
    SocketEnded,
    RegisterRefused,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)
"""How a client sees that its node is gone, or not there yet."""
SERVED = "served:world:sim"
PATH = f"/{SERVED}/say"
SLOWEST_GOODBYE = 60.0
"""Seconds until a socket whose client is gone has ended at the latest."""


class Web:
    def __init__(self, w: World) -> None:
        self.w = w
        self.open: dict[int, int] = {}
        """Channels of the app's present life, and how many frames it has heard on each."""
        self.opened = 0
        self.closed = 0
        self._numbers = count(1)

    # -- the process

    async def served(self, our: Address) -> None:
        """Says back what it hears: on the page at once or later, on a socket twice, with the number of the frame."""
        self.open.clear()
        self.opened = self.closed = 0
        try:
            await http.bind_http_path("/say")
        except (http.HttpServerError, SendError):
            # Its http_server did not answer in time: whoever comes will be told that there is no such page.
            self.w.cover("not on the web")
        while True:
            try:
                message = await await_message()
            except SendError:
                continue
            self.hear(http.of_the_web(message), message.payload() or Payload())

    def hear(self, said: object, payload: Payload) -> None:
        match said:
            case http.Http(request):
                start_soon(self._answer, request.query_params.get("after", "0"), payload.bytes)
            case http.WebSocketOpen(_, channel_id):
                self.open[channel_id] = 0
                self.opened += 1
            case http.WebSocketPush(channel_id):
                self.open[channel_id] += 1
                text = b"%d %b" % (self.open[channel_id], payload.bytes)
                for frame in (text, text + b" again"):
                    http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, frame))
                if payload.bytes.endswith(b"bye"):
                    http.send_ws_push(channel_id, http.WsMessageType.Close, Payload(None, b""))
            case http.WebSocketClose(channel_id):
                self.closed += 1
                self.open.pop(channel_id, None)

    @staticmethod
    async def _answer(after: str, body: bytes) -> None:
        await sleep(int(after) / 1000)
        http.send_response(200, {}, b"re " + body)

    async def meddler(self, our: Address) -> None:
        """Pushes to sockets that are not its own; no client ever reads that."""
        while self.w.now < STORM_SECONDS:
            await sleep(0.4)
            for channel_id in tuple(self.open):
                http.send_ws_push(channel_id, http.WsMessageType.Text, Payload(None, b"meddled"))

    # -- people

    async def browse(self, node: SimNode) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("web pace", 0.1, 3.0))
            for _ in range(1 + choices.choose("web more", 3)):
                self.w.start_soon(self._post, node, choices.choose("web after", 300))

    async def _post(self, node: SimNode, after: int) -> None:
        body = b"%d" % next(self._numbers)
        try:
            reply = await node.http().post(f"{PATH}?after={after}", body)
        except GONE:
            return
        if reply.status == 200 and reply.body != b"re " + body:
            self.w.violate("answers", f"{body!r} was answered {reply.body!r}")

    async def intrude(self, node: SimNode) -> None:
        """Without a login, and with one of another node."""
        choices = self.w.choices
        tokens = LoginTokens("b.nec", identity_of("b.nec").jwt_secret)
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("web pace", 1.0, 5.0))
            cookie = None
            if choices.choose("web cookie", 2):
                cookie = f"nectar-auth_{NODE}={tokens.issue(node.clock.now())}"
            try:
                reply = await node.http(logged_in=False).post(PATH, b"let me in", cookie=cookie)
            except GONE:
                continue
            self._check_refused(reply)

    def _check_refused(self, reply: Reply) -> None:
        if reply.status == 200:
            self.w.violate("logins", f"somebody without a login was answered {reply.body!r}")

    async def chat(self, node: SimNode) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("web pace", 0.1, 3.0))
            try:
                async with node.http().ws(SERVED) as socket:
                    await self._converse(socket)
            except GONE:
                continue

    async def _converse(self, socket: Socket) -> None:
        choices = self.w.choices
        frames = 1 + choices.choose("web frames", 5)
        said = [f"{next(self._numbers)}" for _ in range(frames)]
        if choices.choose("web goodbye", 2):
            said[-1] += "bye"
        for text in said:
            await socket.send(text)
            if choices.choose("web thinks", 2):
                await self.w.sleep(choices.among("web pause", 0.0, 0.5))
        if choices.choose("web leave", 4) == 3:
            return
        for number, text in enumerate(said, 1):
            for wanted in (f"{number} {text}", f"{number} {text} again"):
                heard = await socket.receive()
                if heard != wanted:
                    self.w.violate("frames", f"expected {wanted!r}, heard {heard!r}")


async def web(w: World) -> None:
    watch_actors(w)
    w.watch(ChannelLaws(w.violated).check)
    world = Web(w)
    node = await w.node(NODE, [world.served, world.meddler])
    for task in (world.browse, world.intrude, world.chat, world.chat):
        w.start_soon(task, node)
    await outlast(w)
    await w.sleep(SLOWEST_GOODBYE)
    await w.settle()
    assert world.opened == world.closed, f"{world.opened} channels opened, {world.closed} closed"
    await _serves(w, node)


async def _serves(w: World, node: SimNode) -> None:
    """After all that, a node that is booted anew serves its page."""
    began = w.now
    await node.restart()
    while (await node.http().post(PATH, b"hello")).body != b"re hello":
        assert w.now < began + CALM_SECONDS, "the page is not there"
        await w.sleep(RETRY_SECONDS)
