"""The law of WebSocket channels, checked in every simulated run (DESIGN 5, PROTOCOL 6.1, 6.12).

A process hears of a channel that it opens, then what the client says, then once that it is closed, and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable

from kernel.address import Address, ProcessId
from kernel.codec import Malformed
from kernel.events import EventKind
from kernel.message import KernelMessage, Request
from runtime.sim.trace import Entry, WorldKind
from runtime.sim.violation import LawBroken
from sys_processes.http_server.protocol import (
    HTTP_SERVER,
    METADATA_WS,
    REQUEST,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
)

LAW = "channels"

_Channel = tuple[str, ProcessId, Address, int]
"""The node and the process that hear of it, the http_server that has it, and its id there."""


class ChannelLaws:
    """Add `check` to a trace's `monitors`. `broken` is the first breach, which `on_broken` is told in its step."""

    def __init__(self, on_broken: Callable[[LawBroken], None] | None = None) -> None:
        self.broken: LawBroken | None = None
        self._on_broken = on_broken
        self._open: dict[_Channel, int] = {}
        """With the numbers of the entries that tell of the opening."""

    def check(self, entry: Entry) -> None:
        event = entry.event
        if event is None:
            if entry.kind in {WorldKind.CRASHED, WorldKind.STOPPED}:
                self._forget(lambda channel: entry.node in {channel[0], channel[2].node})
        elif entry.kind is EventKind.APPENDED:
            message = event.message
            assert message is not None
            request = message.message
            if (
                message.source.process == HTTP_SERVER
                and isinstance(request, Request)
                and request.metadata == METADATA_WS
                and event.subject is not None
                and message.target.node == entry.node
            ):
                self._heard(entry, event.subject, message, request)
        elif entry.kind is EventKind.EXITED:
            self._forget(lambda channel: self._ends_with(channel, entry))

    @staticmethod
    def _ends_with(channel: _Channel, entry: Entry) -> bool:
        node, pid, server, _ = channel
        assert entry.event is not None
        subject = entry.event.subject
        return (entry.node == node and subject == pid) or (
            entry.node == server.node and subject == server.process
        )

    def _forget(self, ended: Callable[[_Channel], bool]) -> None:
        if self._open:
            self._open = {channel: number for channel, number in self._open.items() if not ended(channel)}

    def _heard(self, entry: Entry, pid: ProcessId, message: KernelMessage, request: Request) -> None:
        try:
            said = REQUEST.decode(request.ipc)
        except Malformed as error:
            self._break(entry, (), f"{pid} hears of a channel what cannot be read: {error}")
            return
        if not isinstance(said, WebSocketOpen | WebSocketPush | WebSocketClose):
            return
        channel = entry.node, pid, message.source, said.channel_id
        opened = self._open.get(channel)
        what = f"of channel {said.channel_id} of {message.source} on {entry.node}"
        if isinstance(said, WebSocketOpen):
            if opened is not None:
                self._break(entry, (opened,), f"{pid} hears twice of the opening {what}")
            self._open[channel] = entry.number
        elif opened is None:
            kind = "the closing" if isinstance(said, WebSocketClose) else "a message"
            self._break(entry, (), f"{pid} hears {kind} {what}, which is not open (any more)")
        elif isinstance(said, WebSocketClose):
            del self._open[channel]

    def _break(self, entry: Entry, before: tuple[int, ...], text: str) -> None:
        if self.broken is None:
            self.broken = LawBroken(LAW, entry.at, (*before, entry.number), text)
            if self._on_broken is not None:
                self._on_broken(self.broken)
