"""Which sockets have something to read, asked of the operating system once and not for each wait.

trio tells its epoll of each wait and each wake anew, a fifth of the cost of a small HTTP call. Here a socket is
registered once, edge-triggered, in an epoll of our own, and one task waits for that.
"""

from __future__ import annotations

import select
from typing import Protocol

import trio
from trio.lowlevel import spawn_system_task, wait_readable

HAS_EPOLL = hasattr(select, "epoll")
_EVENTS_AT_ONCE = 1024
_EDGES = (select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET) if HAS_EPOLL else 0


class Watched(Protocol):
    """Is told of each edge: something came since the last one. After one that is not `plain` a short read does not
    prove that nothing is left: the connection has ended, or an urgent byte lies in it, and a read stops there.
    """

    def readable(self, plain: bool) -> None: ...


class Readiness:
    """Of one run of trio; get it with `readiness`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}

    def add(self, descriptor: int, watched: Watched) -> None:
        """Until `remove`. What is there to read already is an edge."""
        self._epoll.register(descriptor, _EDGES)
        self._watched[descriptor] = watched

    def remove(self, descriptor: int) -> None:
        """Before the descriptor is closed, for its number is given to the next socket."""
        if self._watched.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        with self._epoll as epoll:
            while True:
                await wait_readable(epoll.fileno())
                for descriptor, flags in epoll.poll(0, _EVENTS_AT_ONCE):
                    self._watched[descriptor].readable(flags == select.EPOLLIN)


_current: trio.lowlevel.RunVar[Readiness | None] = trio.lowlevel.RunVar("readiness", default=None)


def readiness() -> Readiness | None:
    """Of this run of trio; None where there is no epoll."""
    found = _current.get()
    if found is None and HAS_EPOLL:
        found = Readiness()
        _current.set(found)
        spawn_system_task(found.run, name="readiness of sockets")
    return found
