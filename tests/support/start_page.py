"""The start page of a node on memory devices, as its owner uses it."""

from __future__ import annotations

import json

from runtime.sim.clients import HttpClient, Reply
from sys_processes.homepage.protocol import HOMEPAGE
from tests.support.sim_home import SimNode


async def post(node: SimNode, path: str, body: bytes) -> Reply:
    """Logged in."""
    client = HttpClient(node.listener.connect())
    login = await client.ask("POST", "/login", b'{"password":"hunter2hunter2"}')
    cookie = (login.header("set-cookie") or "").partition(";")[0]
    reply = await client.ask("POST", path, body, cookie=cookie)
    await client.close()
    return reply


async def listed(node: SimNode) -> list[tuple[str, bool]]:
    """Label and whether it is a favorite, in the order of the page."""
    answer = json.loads(await node.ask(str(HOMEPAGE), '"GetApps"'))
    return [(entry["label"], entry["favorite"]) for entry in answer["GetApps"]]
