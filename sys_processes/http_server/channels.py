"""Whose channel is whose: opening, pushing, closing, and what waits for each client (PROTOCOL 6.3, 6.12; DESIGN 5).

One table of all channels of a node, without IO. A process is told of the end of each of its channels exactly once, in
the step that decides it; an ended channel then stays in the table until its socket is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from kernel.address import Address, ProcessId
from kernel.message import Payload
from sys_processes.http_server.channel_ids import ChannelIds
from sys_processes.http_server.coding import Coding, Frame
from sys_processes.http_server.protocol import (
    CHANNEL_CLOSED,
    CHANNEL_NOT_FOUND,
    CHANNEL_NOT_OWNED,
    CONTROL_TOO_LONG,
    REGISTERED,
    EarlyError,
    NoPayload,
    WebSocketPush,
    WsMessageType,
    WsRegisterResponse,
)
from sys_processes.http_server.settings import HttpSettings

QUEUE_FRAMES = 1_000
QUEUE_BYTES = 16 * 1024 * 1024
CONTROL_BYTES = 125


@attrs.frozen
class Ending:
    """How a socket is to be closed. Without `flush` what still waits for the client is discarded."""

    code: int
    reason: str
    flush: bool


CLOSED_BY_PROCESS = Ending(1000, "", flush=True)
CLIENT_LEFT = Ending(1000, "", flush=False)
SHUTDOWN = Ending(1001, "the node shuts down", flush=False)
OWNER_GONE = Ending(1001, "the process ended", flush=True)
NOT_REGISTERED = Ending(1008, "invalid registration", flush=False)
UNREADABLE = Ending(1008, "unreadable frame", flush=False)
TOO_BIG = Ending(1009, "message too big", flush=False)
TOO_MANY = Ending(1013, "too many sockets", flush=False)
TOO_SLOW = Ending(1013, "the client does not keep up", flush=False)
PROCESS_REFUSES = Ending(1008, "the process takes no messages", flush=False)
PROCESS_FULL = Ending(1013, "the process does not keep up", flush=False)


class Channel:
    """One open socket. Its writer calls `take` until it returns None, and then waits for `wake` or ends it."""

    __slots__ = ("_bytes", "_frames", "coding", "ending", "id", "orphaned", "owner", "path", "wake")

    def __init__(self, channel_id: int, owner: ProcessId, path: str, wake: Callable[[], None]) -> None:
        self.id = channel_id
        self.owner = owner
        self.path = path
        self.coding: Coding | None = None
        """None where frames are what they are."""
        self.ending: Ending | None = None
        self.orphaned = False
        """That run of its owner has ended: what the client says and its end concern nobody."""
        self.wake = wake
        self._frames: deque[Frame] | None = None
        """None when empty: most channels have nothing that waits, most of the time."""
        self._bytes = 0

    def first(self) -> Frame | None:
        """What `take` would give."""
        return self._frames[0] if self._frames else None

    def take(self) -> Frame | None:
        """The next frame to write; when there is none and `ending` is set, close the socket so."""
        frames = self._frames
        if frames is None:
            return None
        frame = frames.popleft()
        self._bytes -= len(frame.data) - frame.overhead
        if not frames:
            self._frames = None
        return frame

    def put(self, frame: Frame) -> bool:
        """Queue a frame, or False when too much waits. A frame of any size fits an empty queue."""
        size = len(frame.data) - frame.overhead
        if self._frames is None:
            self._frames = deque()
        elif len(self._frames) >= QUEUE_FRAMES or self._bytes + size > QUEUE_BYTES:
            return False
        self._frames.append(frame)
        self._bytes += size
        self.wake()
        return True

    def end(self, ending: Ending) -> None:
        """Decide how the socket is closed; only the first decision counts."""
        if self.ending is None:
            self.ending = ending
            if not ending.flush:
                self._frames = None
                self._bytes = 0
            self.wake()


class Seat:
    """The place of a socket that has no channel yet. Leaving twice is no error; opening a channel leaves."""

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave

    def leave(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Channels:
    """The table. `draw(n)` gives n random bits; `tell_closed(owner, channel_id)` sends WebSocketClose to the owner.

    `tell_closed` and a channel's `wake` are called in the middle of a step and must not call back. The last `wake` may
    come from within `gone`.
    """

    def __init__(
        self,
        node: str,
        settings: HttpSettings,
        draw: Callable[[int], int],
        tell_closed: Callable[[ProcessId, int], None],
    ) -> None:
        self._node = node
        self._settings = settings
        self._ids = ChannelIds(draw)
        self._tell_closed = tell_closed
        self._channels: dict[int, Channel] = {}
        self._owned: dict[ProcessId, dict[int, Channel]] = {}
        self._unregistered = 0
        self._shut_down = False

    def __len__(self) -> int:
        """Channels whose socket is not gone."""
        return len(self._channels)

    # -- the socket's side

    def admit(self) -> Seat | None:
        """A place for a new socket, or None when too many have none but that (answer `TOO_MANY`)."""
        if self._shut_down or self._unregistered >= self._settings.max_unregistered:
            return None
        self._unregistered += 1
        return Seat(self._free_seat)

    def _free_seat(self) -> None:
        self._unregistered -= 1

    def open(
        self, seat: Seat, owner: ProcessId, path: str, wake: Callable[[], None], *, announce: bool
    ) -> Channel | Ending:
        """A new channel, which exists for its owner from now on: send WebSocketOpen, then write what `take` gives.

        `announce` puts the frame with the channel id in front. If WebSocketOpen cannot be delivered call `refuse`; when
        the socket ends call `gone`.
        """
        seat.leave()
        if self._shut_down:
            return SHUTDOWN
        if len(self._channels) >= self._settings.max_channels:
            return TOO_MANY
        channel = Channel(self._ids.next(), owner, path, wake)
        self._channels[channel.id] = channel
        self._owned.setdefault(owner, {})[channel.id] = channel
        if announce:
            channel.put(Frame(WsMessageType.Text, REGISTERED.encode(WsRegisterResponse(channel.id))))
        return channel

    def encrypt(self, channel: Channel, coding: Coding, answer: bytes) -> None:
        """Answer a register that brought a key; what is pushed from now on is of that coding."""
        if channel.ending is not None:
            return
        if channel.put(Frame(WsMessageType.Text, answer)):
            channel.coding = coding
        else:
            self.end(channel, TOO_SLOW)

    def refuse(self, channel: Channel, ending: Ending = PROCESS_FULL) -> None:
        """The owner never heard of this channel, and never will."""
        channel.end(ending)

    def gone(self, channel: Channel) -> None:
        """The socket is closed or cut off. Calling twice is no error."""
        if self._channels.pop(channel.id, None) is None:
            return
        owned = self._owned[channel.owner]
        del owned[channel.id]
        if not owned:
            del self._owned[channel.owner]
        self.end(channel, CLIENT_LEFT)

    def end(self, channel: Channel, ending: Ending) -> None:
        """Close a channel, for instance with `TOO_BIG`, and tell its owner. Only the first end counts."""
        if channel.ending is None:
            channel.end(ending)
            if not channel.orphaned:
                self._tell_closed(channel.owner, channel.id)

    def end_by_id(self, channel_id: int, ending: Ending) -> None:
        """The same, whether or not the channel is still there."""
        channel = self._channels.get(channel_id)
        if channel is not None:
            self.end(channel, ending)

    # -- the processes' side

    def push(self, source: Address, action: WebSocketPush, payload: Payload | None) -> EarlyError | None:
        """None when the frame waits for the client. The sender may be the owner's namesake on another node."""
        if payload is None:
            return NoPayload()
        kind = action.message_type
        is_control = kind is WsMessageType.Ping or kind is WsMessageType.Pong
        if is_control and len(payload.bytes) > CONTROL_BYTES:
            return CONTROL_TOO_LONG
        channel = self._channels.get(action.channel_id)
        if channel is None:
            return CHANNEL_NOT_FOUND
        if channel.owner != source.process:
            return CHANNEL_NOT_OWNED
        if channel.ending is not None:
            return CHANNEL_CLOSED
        if kind is WsMessageType.Close:
            self.end(channel, CLOSED_BY_PROCESS)
            return None
        data = _as_text(payload.bytes) if kind is WsMessageType.Text else payload.bytes
        coding = channel.coding
        frame = Frame(kind, data) if coding is None or is_control else coding.outgoing(data)
        if channel.put(frame):
            return None
        self.end(channel, TOO_SLOW)
        return CHANNEL_CLOSED

    def close(self, source: Address, channel_id: int) -> EarlyError | None:
        """Only by the owner itself: for other nodes no channel exists here."""
        channel = self._channels.get(channel_id)
        if channel is None or source.node != self._node:
            return CHANNEL_NOT_FOUND
        if channel.owner != source.process:
            return CHANNEL_NOT_OWNED
        if channel.ending is not None:
            return CHANNEL_CLOSED
        self.end(channel, CLOSED_BY_PROCESS)
        return None

    def orphan(self, process: ProcessId) -> None:
        """A process has ended. A successor of its name hears nothing of its channels: they were never its own."""
        for channel in self._owned.get(process, {}).values():
            channel.orphaned = True
            channel.wake()

    def owner_gone(self, process: ProcessId) -> None:
        """Close what is orphaned: all that the process pushed before it ended has been heard."""
        for channel in self._owned.get(process, {}).values():
            if channel.orphaned:
                channel.end(OWNER_GONE)

    def shut_down(self) -> None:
        """Close all, and open none any more."""
        self._shut_down = True
        for channel in self._channels.values():
            self.end(channel, SHUTDOWN)


def _as_text(data: bytes) -> bytes:
    """Invalid sequences replaced."""
    if data.isascii():
        return data
    return data.decode("utf-8", "replace").encode()
