"""The example chat on three nodes: people say things here and elsewhere, others listen, and nothing that was said is
lost, doubled, or heard before it is kept.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from pathlib import Path

from runtime.node import PackageFiles
from runtime.packages import read_package
from runtime.sim.check import Calling, History, acked_not_lost
from runtime.sim.clients import Reply
from runtime.sim.sim_node import SimNode
from runtime.sim.world import World
from tests.simulation.zoo.base import CALM_SECONDS, RETRY_SECONDS, STORM_SECONDS, judge, outlast, watch_actors
from tests.simulation.zoo.web import GONE

NODES = ("a.nec", "b.nec", "c.nec")
CHAT = "chat:chat:nectar"
PATH = f"/{CHAT}/messages"
ROOT = Path(__file__).parents[3]
UNHEARD = "; try again"
"""How a chat says that the other one certainly did not hear of it."""
HERE = "could not keep"


def chat_app() -> PackageFiles:
    return read_package(ROOT / "userland" / "apps" / "chat")


class Chats:
    def __init__(self, w: World) -> None:
        self.w = w
        self.said: dict[str, History] = {name: History(lambda: w.now) for name in NODES}
        """What each chat was told."""
        self._numbers = count(1)
        self._heard: dict[str, dict[str, None]] = {name: {} for name in NODES}

    async def speak(self, node: SimNode) -> None:
        choices = self.w.choices
        while self.w.now < STORM_SECONDS:
            await self.w.sleep(choices.among("chat pace", 0.5, 5.0))
            to = NODES[choices.choose("chat to", len(NODES))]
            for _ in range(1 + choices.choose("chat more", 3)):
                self.w.start_soon(self._say, node, to)

    async def _say(self, node: SimNode, to: str) -> None:
        text = f"m{next(self._numbers)}"
        calling = self.said[to].invoke(node.name, "add", text)
        said = {"text": text} if to == node.name else {"text": text, "to": to}
        try:
            reply = await node.http().post(PATH, json.dumps(said).encode(), content_type="application/json")
        except GONE as error:
            calling.info(error)
            return
        self._became(calling, reply)

    @staticmethod
    def _became(calling: Calling, reply: Reply) -> None:
        body = reply.body.decode()
        if reply.status in {200, 201}:
            calling.ok()
        elif reply.status == 503 and UNHEARD in body and HERE not in body:
            calling.fail(body)
        else:
            calling.info(body)

    async def listen(self, node: SimNode) -> None:
        """What a socket hears is kept: whoever heard it may count on it. It hears ids that grow."""
        while True:
            await self.w.sleep(RETRY_SECONDS)
            try:
                async with node.http().ws(CHAT) as socket:
                    latest = 0
                    while True:
                        latest = self._hear(node.name, latest, json.loads(await socket.receive()))
            except GONE:
                continue

    def _hear(self, name: str, latest: int, heard: dict[str, dict[str, object]]) -> int:
        message = heard["message"]
        number, text = message["id"], message["text"]
        assert isinstance(number, int)
        if number <= latest:
            self.w.violate("order of the chat", f"{name} told the message {number} after {latest}")
        self._heard[name][str(text)] = None
        return number

    # -- in the end

    async def judge(self, node: SimNode) -> None:
        history = self.said[node.name]
        calling = history.invoke(node.name, "read")
        texts = await self._messages(node)
        calling.ok(texts)
        twice = [text for text, times in Counter(texts).items() if times > 1]
        if twice:
            self.w.violate("once", f"{node.name} has {twice[0]} more than once")
        for text in self._heard[node.name]:
            if text not in texts:
                self.w.violate("told is kept", f"somebody heard {text} at {node.name}, where it is not")
        judge(self.w, acked_not_lost(history))

    async def _messages(self, node: SimNode) -> list[str]:
        began = self.w.now
        while True:
            reply = await node.http().get(PATH)
            if reply.status == 200:
                return [message["text"] for message in json.loads(reply.body)["messages"]]
            assert self.w.now < began + CALM_SECONDS, f"{node.name} does not show its chat: {reply}"
            await self.w.sleep(RETRY_SECONDS)


async def chat(w: World) -> None:
    watch_actors(w)
    chats = Chats(w)
    app = chat_app()
    nodes = [await w.node(name, [app]) for name in NODES]
    for node in nodes:
        w.start_soon(chats.speak, node)
        w.start_soon(chats.listen, node)
    await outlast(w)
    await w.sleep(30.0)
    for node in nodes:
        # What counts is what is still there after one more start.
        await node.restart()
    for node in nodes:
        await chats.judge(node)
