"""Links of a router gone bad: what it should pass on it changes, drops, repeats or reorders."""

from __future__ import annotations

import enum
from collections import deque

import attrs

from sys_processes.devices import Channel, Link, Links
from sys_processes.net.protocol import IdentityRecord


class How(enum.Enum):
    change = "change"
    drop = "drop"
    repeat = "repeat"
    reorder = "reorder"


@attrs.frozen
class Harm:
    """Done to the piece of that number, from 0, of those that a channel brings; to reorder is to swap its halves."""

    how: How
    number: int


class BadChannel:
    """`sys_processes.devices.Channel`."""

    def __init__(self, channel: Channel, harm: Harm | None, seen: bytearray) -> None:
        self._channel = channel
        self._seen = seen
        self._harm = harm
        self._number = 0
        self._ready: deque[bytes] = deque()

    async def send(self, data: bytes) -> None:
        await self._channel.send(data)

    async def receive(self) -> bytes:
        while not self._ready:
            data = await self._channel.receive()
            self._seen += data
            if not data:
                return b""
            self._take(data)
        return self._ready.popleft()

    def _take(self, data: bytes) -> None:
        here = self._harm is not None and self._number == self._harm.number
        self._number += 1
        if self._harm is None or not here:
            self._ready.append(data)
        elif self._harm.how is How.change:
            middle = len(data) // 2
            self._ready.append(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        elif self._harm.how is How.repeat:
            self._ready += [data, data]
        elif self._harm.how is How.reorder and len(data) > 1:
            half = len(data) // 2
            self._ready += [data[half:], data[:half]]

    async def aclose(self) -> None:
        await self._channel.aclose()

    async def abort(self) -> None:
        await self._channel.abort()


class BadRouter:
    """`sys_processes.devices.Links`: of those who come with a preface, the first suffer one harm each. `seen` is all
    that any of them said.
    """

    def __init__(self, links: Links, *harms: Harm) -> None:
        self._links = links
        self._harms = deque(harms)
        self.seen = bytearray()

    async def dial(self, record: IdentityRecord) -> Link:
        return await self._links.dial(record)

    async def accept(self) -> Link:
        return await self._links.accept()

    async def reach(self, record: IdentityRecord) -> Channel:
        return await self._links.reach(record)

    async def accept_plain(self) -> Channel:
        channel = await self._links.accept_plain()
        return BadChannel(channel, self._harms.popleft() if self._harms else None, self.seen)

    async def secure(self, channel: Channel, *, server: bool) -> Link:
        return await self._links.secure(channel, server=server)
