"""People at a simulated node: a browser that is logged in, or a stranger, over connections in memory to the real
http_server. Their own network is ideal, so that it hides nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from runtime.sim.boot import identity_of
from runtime.sim.clients import HttpClient, Reply, WsClient, open_websocket
from sys_processes.http_server.tokens import LoginTokens

if TYPE_CHECKING:
    from kernel.address import ProcessId
    from runtime.sim.sim_node import SimNode

LOCAL = "127.0.0.1:5000"


class RegisterRefused(AssertionError):
    """A process did not get the socket; the text is what the node said."""


@attrs.frozen
class Socket:
    """A WebSocket that is registered to a process."""

    client: WsClient
    channel_id: int

    async def send(self, data: str | bytes) -> None:
        await self.client.send(data)

    async def receive(self) -> str | bytes:
        """The next message, text or bytes. Raises `runtime.sim.clients.SocketEnded`."""
        return await self.client.receive()


class Browser:
    """Made by `SimNode.http`. Each request goes on a connection of its own; a cookie goes with each."""

    def __init__(self, node: SimNode, *, logged_in: bool, peer: str = LOCAL) -> None:
        self._node = node
        self._logged_in = logged_in
        self._peer = peer

    @property
    def token(self) -> str | None:
        """What a login at this moment would give."""
        if not self._logged_in:
            return None
        node = self._node
        return LoginTokens(node.name, identity_of(node.name).jwt_secret).issue(node.clock.now())

    @property
    def cookie(self) -> str | None:
        return None if (token := self.token) is None else f"nectar-auth_{self._node.name}={token}"

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str | None) -> Reply:
        """`content_type="x"` is the header `content-type: x`.

        Raises ConnectionRefusedError, trio.BrokenResourceError, and `runtime.sim.clients.ConnectionGone` when the node
        ends the connection before it has answered.
        """
        client = HttpClient(self._node.connect(self._peer))
        try:
            return await client.ask(method, path, body, **({"cookie": self.cookie} | headers))
        finally:
            await client.close()

    async def get(self, path: str, **headers: str | None) -> Reply:
        return await self.ask("GET", path, None, **headers)

    async def post(self, path: str, body: bytes, **headers: str | None) -> Reply:
        return await self.ask("POST", path, body, **headers)

    @asynccontextmanager
    async def ws(self, process: ProcessId | str, path: str = "/") -> AsyncIterator[Socket]:
        """A WebSocket that has registered to the process, as the pages of apps do; closed at the end of the block.

        Raises what `ask` does, `runtime.sim.clients.UpgradeRefused`, `SocketEnded`, `RegisterRefused`.
        """
        client = await open_websocket(self._node.connect(self._peer), path, cookie=self.cookie)
        try:
            pid = str(self._node.pid(process))
            await client.send(
                json.dumps({"auth_token": self.token or "", "target_process": pid, "encrypted": False})
            )
            answer = await client.receive()
            try:
                channel = json.loads(answer)["channel_id"]
            except (ValueError, KeyError, TypeError):
                raise RegisterRefused(f"{pid} at {self._node.name}: {answer!r}") from None
            yield Socket(client, channel)
        finally:
            await client.leave()
