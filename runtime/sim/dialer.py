"""The way to servers of a simulated world: the web doors of its nodes, by their names."""

from __future__ import annotations

from collections.abc import Callable

import trio

from runtime.sim.workers import Pause
from sys_processes.devices import ByteStream, DialFailed
from sys_processes.http_client.protocol import not_for_processes

Connect = Callable[[str], ByteStream]
"""To the door of the node of that name. Raises OSError, also when there is none."""
IsOpen = Callable[[str], bool]
"""Whether anything gets from here to that node at present."""


class SimDialer:
    """`sys_processes.devices.Dialer` of a simulated node: `http://bob.nec/` is the web server of `bob.nec`, whatever
    the port. A partition keeps connections from being made; those that are there go on. There is no TLS.
    """

    def __init__(
        self, name: str, connect: Connect, is_open: IsOpen, pause: Pause = trio.lowlevel.checkpoint
    ) -> None:
        self._name = name
        self._connect = connect
        self._is_open = is_open
        self._pause = pause

    async def dial(self, host: str, port: int, *, local: bool) -> ByteStream:
        await self._pause()
        own = host in {self._name, "localhost", "127.0.0.1"}
        if own and not local:
            raise DialFailed(not_for_processes(host))
        target = self._name if own else host
        if not own and not self._is_open(target):
            # As in a real network: nobody says no.
            await trio.sleep_forever()
        try:
            return self._connect(target)
        except OSError as error:
            raise DialFailed(f"{host}:{port} cannot be reached: {error.strerror or error}") from None

    async def secure(self, stream: ByteStream, host: str) -> ByteStream:
        await trio.lowlevel.checkpoint()
        raise DialFailed(f"no TLS with {host}: servers of a simulated world speak http and ws, without the s")
