"""What a chat can be asked, and how it answers: the same JSON over HTTP, sockets and messages.

`{"Send":{"text":"hi","author":"alice","tag":"1"}}` (author and tag may be missing), `{"History":{"since":7}}` or just
`"History"`, and `"SetAside"`. The answers are `{"message":{..}}`, `{"messages":[..],"last":9}`, `{"set_aside":{..}}`
and `{"error":"..","tag":"1"}`. Every socket hears `{"message":{..}}` of each message; the one that sent it with a tag
hears `{"message":{..},"tag":"1"}`.

A `Send` with `"to":"bob.uq"` is said in the chat of that node and not in ours; once it is kept there, the answer is
`{"delivered":{"to":"bob.uq","id":7},"tag":"1"}`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

TEXT_CHARACTERS = 4000
AUTHOR_CHARACTERS = 40
TAG_CHARACTERS = 64
QUOTED_CHARACTERS = 300
"""Of what another node says, at most."""
REQUEST_BYTES = 64 * 1024
"""Of one request as JSON; the longest text that is allowed fits, escaped or not."""

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_NODE = re.compile("[A-Za-z0-9._-]{1,253}")
_MORE_THAN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


Reply = Callable[[int, bytes], None]
"""Takes the status and the JSON of an answer, when there is one."""


class Refused(Exception):
    """What was asked is not done: `status` as HTTP has it, and the words for it."""

    def __init__(self, status: int, reason: str, tag: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.tag = tag

    def to_bytes(self) -> bytes:
        """In ASCII, so that it can be sent whatever it quotes."""
        tag = {} if self.tag is None else {"tag": self.tag}
        return json.dumps({"error": self.reason} | tag, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Send:
    """Without an author it is the node's owner who speaks. `to` is another node in whose chat it is to be said."""

    text: str
    author: str | None = None
    tag: str | None = None
    to: str | None = None

    def to_bytes(self) -> bytes:
        """As the other node is asked."""
        said = {"text": self.text} if self.author is None else {"text": self.text, "author": self.author}
        return json.dumps({"Send": said}, separators=(",", ":")).encode()


@dataclass(frozen=True)
class ReadHistory:
    since: int = 0


@dataclass(frozen=True)
class ReadSetAside:
    """The state that a start could not read."""


def parse_request(data: bytes) -> Send | ReadHistory | ReadSetAside:
    """Raises `Refused`."""
    match _parse(data):
        case {"Send": dict() as send, **others} if not others:
            return _send(send)
        case "History":
            return ReadHistory()
        case {"History": {"since": since, **unknown}, **others} if not others and not unknown:
            return ReadHistory(_since(since))
        case "SetAside":
            return ReadSetAside()
    raise Refused(400, 'ask {"Send":{"text":".."}}, "History" or {"History":{"since":0}}')


def parse_visit(data: bytes) -> Send:
    """What another node asks. Raises `Refused`."""
    match parse_request(data):
        case Send(to=None) as send:
            return send
    raise Refused(403, "another node may say something in this chat, and nothing else")


def parse_post(body: bytes) -> Send:
    """The body of a POST is what a `Send` holds. Raises `Refused`."""
    match _parse(body):
        case dict() as send:
            return _send(send)
    raise Refused(400, 'the body is JSON such as {"text":"hello","author":"alice"}')


def parse_since(text: str) -> int:
    """Of a query. Raises `Refused`."""
    return _since(int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else text)


def _parse(data: bytes) -> object:
    if len(data) > REQUEST_BYTES:
        raise Refused(413, f"that is {len(data)} bytes, {REQUEST_BYTES} at most")
    try:
        value: object = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"that is no JSON: {error}") from None
    return value


def _since(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Refused(400, f"since is the id of a message, a whole number from 0 up, not {_shown(value)}")


def _send(fields: dict[str, object]) -> Send:
    tag = _tag(fields.get("tag"))
    try:
        _check_names(fields)
        return Send(_text(fields.get("text")), _author(fields.get("author")), tag, _node(fields.get("to")))
    except Refused as refused:
        refused.tag = tag
        raise


def _check_names(fields: dict[str, object]) -> None:
    unknown = fields.keys() - {"text", "author", "tag", "to"}
    if unknown:
        raise Refused(400, f"{_shown(min(unknown))} is unknown; there are text, author, tag and to")


def _tag(value: object) -> str | None:
    if value is None or (
        isinstance(value, str) and len(value) <= TAG_CHARACTERS and not _HALF_A_PAIR.search(value)
    ):
        return value
    raise Refused(400, f"a tag is text of at most {TAG_CHARACTERS} characters, not {_shown(value)}")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"text is what you want to say, not {_shown(value)}")
    if len(value) > TEXT_CHARACTERS:
        raise Refused(413, f"text has {len(value)} characters, {TEXT_CHARACTERS} at most")
    if _HALF_A_PAIR.search(value):
        raise Refused(400, "text has half of a surrogate pair in it, which is no character")
    return value


def _author(value: object) -> str | None:
    """None for one that is left out or empty."""
    if value is None:
        return None
    if not isinstance(value, str) or _MORE_THAN_A_LINE.search(value):
        raise Refused(400, f"author is a name in one line, not {_shown(value)}")
    name = value.strip()
    if len(name) > AUTHOR_CHARACTERS:
        raise Refused(400, f"author has {len(name)} characters, {AUTHOR_CHARACTERS} at most")
    return name or None


def _node(value: object) -> str | None:
    if value is None or (isinstance(value, str) and _NODE.fullmatch(value)):
        return value
    raise Refused(400, f"to is the name of a node, not {_shown(value)}")


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
    return json.dumps(value)[:60]


def message_answer(message: bytes, tag: str | None = None) -> bytes:
    """`message` is JSON."""
    return (
        b'{"message":%b}' % message
        if tag is None
        else b'{"message":%b,"tag":%b}' % (message, json.dumps(tag).encode())
    )


def messages_answer(messages: list[bytes], last: int) -> bytes:
    return b'{"messages":[%b],"last":%d}' % (b",".join(messages), last)


def read_delivery(answer: bytes, node: str) -> int:
    """The id that a message got in the chat of the other node. Raises `Refused`."""
    try:
        value: object = json.loads(answer.decode())
    except (ValueError, RecursionError):
        value = None
    match value:
        case {"message": {"id": int(number)}}:
            return number
        case {"error": str(reason)}:
            raise Refused(502, f"{node} refused that: {reason[:QUOTED_CHARACTERS]}")
    raise Refused(502, f"{node} answered what no chat answers")


def delivered_answer(node: str, number: int, tag: str | None = None) -> bytes:
    answer: dict[str, object] = {"delivered": {"to": node, "id": number}}
    return json.dumps(answer if tag is None else answer | {"tag": tag}, separators=(",", ":")).encode()
