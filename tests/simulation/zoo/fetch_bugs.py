"""Bugs of what asks servers elsewhere."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

from kernel.syscalls import current
from sys_processes.http_client import process as http_client
from sys_processes.http_client.core import Refused
from sys_processes.http_client.protocol import WebSocketClose
from sys_processes.http_client.sockets import Sockets
from tests.simulation.zoo.fetch import fetch
from tests.simulation.zoo.plant import Part, swapped

HTTP_CLIENT = Part("http_client")
LATER = 0.1
"""Seconds."""


@HTTP_CLIENT.bug(fetch, "Of three answers that are awaited at once, the last comes with the body of another.")
def body_of_another():
    under_way = 0
    latest = b""

    def make(right):
        async def wrong(*given, **named):
            nonlocal under_way, latest
            under_way += 1
            try:
                head, body = await right(*given, **named)
                former, latest = latest, body
                return head, (former or body) if under_way > 2 else body
            finally:
                under_way -= 1

        return wrong

    return swapped(http_client, "fetch", make)


@HTTP_CLIENT.bug(fetch, "A process is not told that a server has ended its socket.")
def end_of_a_socket_untold():
    def make(tell):
        async def wrong(channel, what, payload=None):
            if not isinstance(what, WebSocketClose):
                await tell(channel, what, payload)

        return wrong

    return swapped(Sockets, "_tell", make)


@HTTP_CLIENT.bug(fetch, "Each fifth frame to a server goes out a moment later, behind the next ones.")
def frame_overtaken():
    numbers = count(1)

    def make(push):
        async def wrong(self, owner, asked, payload):
            if next(numbers) % 5:
                await push(self, owner, asked, payload)
                return

            async def later() -> None:
                await current().sleep(LATER)
                with suppress(Refused):
                    await push(self, owner, asked, payload)

            current().start_soon(later)

        return wrong

    return swapped(Sockets, "push", make)
