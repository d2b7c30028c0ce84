"""The gateway and the worker of docs/nodes.md, on two nodes, with a browser at the gateway."""

from __future__ import annotations

import json

from runtime.sim.clients import WsClient, open_websocket
from sys_processes.http_server.tokens import LoginTokens
from tests.support.docs import blocks
from tests.support.live_process import ROOT
from tests.support.sim_home import SimNode
from tests.support.sim_network import SimNetwork
from tests.support.web_node import EPOCH, SECRET

GATEWAY, WORKER = "gateway.dev", "worker.dev"


def shown_package() -> dict[str, bytes]:
    """The files of the package `work` as the page has them."""
    page = (ROOT / "docs" / "nodes.md").read_text()
    files = {block.info: block.text.encode() for block in blocks(page) if block.info.startswith("work/")}
    return {path.removeprefix("work/"): text for path, text in files.items()}


async def browser(node: SimNode) -> WsClient:
    socket = await open_websocket(node.listener.connect("127.0.0.1:5000"), "/")
    token = LoginTokens(GATEWAY, SECRET).issue(EPOCH)
    frame = {"auth_token": token, "target_process": "work:work:me", "encrypted": False}
    await socket.send(json.dumps(frame))
    assert "channel_id" in json.loads(await socket.receive())
    return socket


async def test_a_worker_pushes_what_it_did_to_the_browsers_of_a_gateway() -> None:
    """C-136."""
    network, work = SimNetwork(GATEWAY, WORKER), shown_package()
    async with network.booted(GATEWAY, work) as gateway, network.booted(WORKER, work) as worker:
        one, other = await browser(gateway), await browser(gateway)
        await one.send("hello")
        assert await one.receive() == "HELLO"
        await other.send("good")
        await other.send("morning")
        assert [await other.receive(), await other.receive()] == ["GOOD", "MORNING"]
        network.wires.cut_all()
        await one.send("again")
        assert await one.receive() == "AGAIN"
        assert "not done" not in f"{gateway.console.text}{worker.console.text}"
