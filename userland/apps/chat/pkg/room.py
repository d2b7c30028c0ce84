"""The room in which people talk: what is said is kept first, then told to all."""

from userland.process_lib import (
    Address,
    Payload,
    SendError,
    StateError,
    WsMessageType,
    now,
    send_ws_push,
    set_state,
    start_soon,
)

from .elsewhere import Elsewhere
from .model import ChatMessage, History
from .wire import Refused, Reply, Send, message_answer

SAVED_AT_ONCE = 32
"""So many messages may be on their way to the disk, which takes them together, before the room listens again."""


class Room:
    def __init__(self, our: Address, history: History) -> None:
        """The owner of our node is the author of what has none."""
        self.history = history
        self._owner = our.node
        self._elsewhere = Elsewhere(our)
        self._channels: dict[int, None] = {}
        self._tags: dict[int, tuple[int, str]] = {}
        """Of messages that are being saved: the channel that sent it, and how that knows it."""
        self._on_the_way = 0

    def enter(self, channel_id: int) -> None:
        self._channels[channel_id] = None

    def leave(self, channel_id: int) -> None:
        self._channels.pop(channel_id, None)

    async def say(
        self, send: Send, reply: Reply, channel_id: int | None = None, node: str | None = None
    ) -> None:
        """Replies 201 once it is kept and told to all; 503 when it cannot be kept, and then nobody hears of it.

        `node` is the other node it comes from, if it does. What is to be said elsewhere is replied to from there.
        """
        if send.to is not None and send.to != self._owner:
            self._elsewhere.say(send, send.to, reply)
            return
        message = self.history.saving(send.author or node or self._owner, send.text, now(), node)
        if channel_id is not None and send.tag is not None:
            self._tags[message.id] = channel_id, send.tag
        self._on_the_way += 1
        if self._on_the_way < SAVED_AT_ONCE:
            start_soon(self._keep, message, send.tag, reply)
        else:
            await self._keep(message, send.tag, reply)

    async def _keep(self, message: ChatMessage, tag: str | None, reply: Reply) -> None:
        """A state holds all that was said before it was written, so the first that is durable settles many."""
        newest = self.history.newest
        try:
            await set_state(self.history.to_bytes())
        except (SendError, StateError) as error:
            if self.history.withdraw(message.id):
                self._tags.pop(message.id, None)
                refused = Refused(503, f"the node could not keep that: {error}; try again", tag)
                reply(refused.status, refused.to_bytes())
                return
        else:
            self._tell(self.history.saved(newest))
        finally:
            self._on_the_way -= 1
        reply(201, message_answer(message.to_bytes()))

    def _tell(self, messages: dict[int, bytes]) -> None:
        for number, text in messages.items():
            frames = dict.fromkeys(self._channels, _frame(text))
            sender, tag = self._tags.pop(number, (None, None))
            if sender in frames:
                frames[sender] = _frame(text, tag)
            for channel_id, frame in frames.items():
                send_ws_push(channel_id, WsMessageType.Text, frame)


def _frame(message: bytes, tag: str | None = None) -> Payload:
    return Payload(None, message_answer(message, tag))
