"""What a counter can be asked, and how it answers.

`{"Add":3}` and `"Value"` are answered with `{"value":7}`, `{"Replicas":["bob.uq"]}` (on which other nodes it is, too)
and `"Replicas"` with `{"replicas":["bob.uq"]}`. Over HTTP it is `POST /add` with `{"amount":3}` (empty: 1) and
`GET /value`. What is refused gets `{"error":".."}`.

A replica tells another one `{"News":{"replica":"..","totals":{..}}}`, and hears `"Kept"` once it is.
"""

import json
import re
from dataclasses import dataclass

from .tally import Totals, read_totals

MOST_ADDED = 1_000_000
MOST_OTHERS = 100
MOST_NAME = 300
REQUEST_BYTES = 1024 * 1024

_NODE = re.compile("[A-Za-z0-9._-]{1,253}")


class Refused(Exception):
    """What was asked is not done: `status` as HTTP has it, and the words for it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Add:
    amount: int


@dataclass(frozen=True)
class ReadValue:
    pass


@dataclass(frozen=True)
class SetReplicas:
    others: tuple[str, ...]


@dataclass(frozen=True)
class ReadReplicas:
    pass


@dataclass(frozen=True)
class News:
    replica: str
    totals: Totals

    def to_bytes(self) -> bytes:
        return to_json({"News": {"replica": self.replica, "totals": self.totals}})


KEPT = b'"Kept"'


def parse_request(data: bytes) -> Add | ReadValue | SetReplicas | ReadReplicas:
    """Raises `Refused`."""
    match _parse(data):
        case {"Add": amount, **others} if not others:
            return Add(_amount(amount))
        case "Value":
            return ReadValue()
        case {"Replicas": [*nodes], **others} if not others and len(nodes) <= MOST_OTHERS:
            return SetReplicas(tuple(map(_node, nodes)))
        case "Replicas":
            return ReadReplicas()
    raise Refused(400, 'ask {"Add":1}, "Value", {"Replicas":["bob.uq"]} or "Replicas"')


def parse_post(body: bytes) -> Add:
    """Raises `Refused`."""
    match _parse(body or b'{"amount":1}'):
        case {"amount": amount, **others} if not others:
            return Add(_amount(amount))
    raise Refused(400, 'the body is JSON such as {"amount":1}')


def parse_news(data: bytes) -> News:
    """Raises `Refused`."""
    match _parse(data):
        case {"News": {"replica": str(replica), "totals": totals}} if len(replica) <= MOST_NAME:
            found = read_totals(totals)
            if found is not None and all(len(name) <= MOST_NAME for name in found):
                return News(replica, found)
    raise Refused(403, "another node may tell a counter its news, and nothing else")


def _parse(data: bytes) -> object:
    if len(data) > REQUEST_BYTES:
        raise Refused(413, f"that is {len(data)} bytes, {REQUEST_BYTES} at most")
    try:
        value: object = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"that is no JSON: {error}") from None
    return value


def _amount(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_ADDED:
        return value
    raise Refused(400, f"an amount is a whole number from 1 to {MOST_ADDED}, not {json.dumps(value)[:60]}")


def _node(value: object) -> str:
    if isinstance(value, str) and _NODE.fullmatch(value):
        return value
    raise Refused(400, f"a replica is named by its node, not by {json.dumps(value)[:60]}")


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
