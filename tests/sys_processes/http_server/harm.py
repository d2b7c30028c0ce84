"""A node on which a test does harm, and others who must notice nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio

from sys_processes.http_server.protocol import Bind, WsMessageType
from sys_processes.http_server.settings import HttpSettings
from tests.support.web_app import App
from tests.support.web_node import APP, WebNode, web_node

PATH = f"/{APP}/x"
OPEN = Bind("/x", authenticated=False, local_only=False, cache=False)
OTHER = "other:app:alice.uq"


def server_tasks(web: WebNode) -> int:
    """How many tasks http_server runs."""
    [server] = [p for p in web.node.kernel.router.processes.values() if p.pid.process == "http_server"]
    return len(server.children or ())


@contextlib.asynccontextmanager
async def unharmed(
    http: HttpSettings | None = None, *, seconds: float = 120
) -> AsyncIterator[tuple[WebNode, App]]:
    """A node with an app on which the block does harm. Others are served, and nothing is left."""
    async with web_node(http) as web:
        app = await web.started(App(), APP, OPEN)
        bystander = await web.started(App(echo=True), OTHER, OPEN)
        beside, beside_id = await web.registered(OTHER)
        idle = server_tasks(web)
        yield web, app
        await beside.send("still here?")
        assert await beside.receive() == "still here?"
        assert (await web.http("GET", f"/{OTHER}/x")).status == 200
        await trio.sleep(seconds)
        assert server_tasks(web) == idle
        assert web.node.kernel.router.open == {}
        assert bystander.pushed(beside_id) == [(WsMessageType.Text, b"still here?")]
        app.check_law(all_closed=True)
        assert "failed" not in web.console.text
