"""The messages of a chat, in order and within bounds, and the text that keeps them. Knows no process.

A message is `{"id":1,"author":"alice","text":"hi","at":1700000000.5}`: ids grow, `at` is in seconds since the epoch.
One that came from another node has that node's name as `"node"`, too.
"""

import base64
import itertools
import json
import math
from dataclasses import asdict, dataclass

VERSION = 1
MOST_MESSAGES = 1000
MOST_BYTES = 256 * 1024
"""Of the kept messages as JSON text; the newest stays in any case."""


@dataclass(frozen=True)
class ChatMessage:
    id: int
    author: str
    text: str
    at: float
    node: str | None = None

    def to_bytes(self) -> bytes:
        return to_json({name: value for name, value in asdict(self).items() if value is not None})


class Unreadable(ValueError):
    """The text is not what `History.to_bytes` gives."""


class History:
    """Messages that are kept, and behind them those that are being saved.

    `saving` gives a message its id, `saved` makes it a kept one, `withdraw` takes it back. Readers see kept ones only.
    """

    def __init__(
        self, kept: list[ChatMessage] | None = None, set_aside: dict[str, object] | None = None
    ) -> None:
        self._kept: dict[int, bytes] = {}
        self._bytes = 0
        self._keep({each.id: each.to_bytes() for each in kept or []})
        self._saving: dict[int, bytes] = {}
        self.newest = self.last
        """The highest id that was ever given away."""
        self.set_aside = to_json(set_aside)
        """A state that could not be read, as JSON: `at`, `why`, and its bytes as `base64`. `null` without one."""

    @property
    def last(self) -> int:
        """The id of the newest kept message, 0 without one."""
        return next(reversed(self._kept), 0)

    def since(self, number: int) -> list[bytes]:
        """The kept messages with higher ids, oldest first, each as JSON."""
        return [text for each, text in self._kept.items() if each > number]

    def saving(self, author: str, text: str, at: float, node: str | None = None) -> ChatMessage:
        self.newest += 1
        message = ChatMessage(self.newest, author, text, round(at, 3), node)
        self._saving[message.id] = message.to_bytes()
        return message

    def saved(self, upto: int) -> dict[int, bytes]:
        """Those with ids up to that are on the disk; returns the ones that were not known to be, oldest first."""
        done = {number: text for number, text in self._saving.items() if number <= upto}
        for number in done:
            del self._saving[number]
        self._keep(done)
        return done

    def _keep(self, messages: dict[int, bytes]) -> None:
        """These too, and as many of the old ones as fit."""
        self._kept |= messages
        self._bytes += sum(map(len, messages.values()))
        while len(self._kept) > MOST_MESSAGES or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def withdraw(self, number: int) -> bool:
        """It could not be saved. False when it is kept already, for it was saved along with another one.

        A state that is still on its way may bring it back after a restart, until the next one is saved.
        """
        return self._saving.pop(number, None) is not None

    def to_bytes(self) -> bytes:
        """All messages, those being saved too."""
        messages = b",".join([*self._kept.values(), *self._saving.values()])
        return b'{"version":%d,"messages":[%b],"set_aside":%b}' % (VERSION, messages, self.set_aside)

    @classmethod
    def from_bytes(cls, state: bytes) -> "History":
        """Raises `Unreadable`."""
        try:
            match json.loads(state.decode(), parse_constant=_no_number):
                case {"version": version} if version != VERSION:
                    raise Unreadable(f"version {version!r} is unknown, {VERSION} is known")
                case {"messages": [*messages], "set_aside": None | dict() as set_aside}:
                    return cls(_in_order([_message(each) for each in messages]), set_aside)
                case _:
                    raise Unreadable("it has no messages")
        except RecursionError:
            raise Unreadable("it is nested too deeply") from None
        except ValueError as error:
            raise error if isinstance(error, Unreadable) else Unreadable(f"it is no JSON: {error}") from None

    @classmethod
    def anew(cls, unreadable: bytes, why: str, at: float) -> "History":
        """No messages, and the state that could not be read."""
        return cls(set_aside={"at": at, "why": why, "base64": base64.b64encode(unreadable).decode()})


def to_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _no_number(text: str) -> float:
    raise Unreadable(f"{text} is no JSON")


def _message(value: object) -> ChatMessage:
    match value:
        case {
            "id": int(number),
            "author": str(author),
            "text": str(text),
            "at": int() | float() as at,
            **others,
        } if not isinstance(number, bool) and not isinstance(at, bool) and math.isfinite(at):
            node = others.get("node")
            if node is None or isinstance(node, str):
                return ChatMessage(number, author, text, at, node)
    raise Unreadable(f"{value!r:.100} is no message")


def _in_order(messages: list[ChatMessage]) -> list[ChatMessage]:
    ids = [0, *(each.id for each in messages)]
    if any(before >= after for before, after in itertools.pairwise(ids)):
        raise Unreadable("its ids do not grow")
    return messages
