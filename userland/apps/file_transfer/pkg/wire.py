"""What is asked and answered, as JSON: by processes, by the page, and by the workers of other nodes.

`"Files"` and `{"Files":{"node":"bob.nec"}}` list files. `"Transfers"` lists transfers. `{"Get":{"node":"bob.nec",
"name":"a.txt"}}` fetches one. `{"Remove":"a.txt"}` removes one. Other nodes may ask for `"Files"`,
`{"Offer":"a.txt"}` and `{"Chunk":{"name":"a.txt","offset":0,"sha256":".."}}`, whose bytes are the answer's payload.
"""

import json
from typing import Any, NamedTuple

from .names import BadName, checked

CHUNK = 256 * 1024
"""Bytes of one answer. A worker asks for the next when it has written one, so no more than that is ever under way."""


class Refused(Exception):
    """`text` is for who asked."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status

    def to_bytes(self) -> bytes:
        return to_json({"Error": self.text})


class ListFiles(NamedTuple):
    node: str | None = None


class ListTransfers(NamedTuple):
    pass


class Get(NamedTuple):
    node: str
    name: str


class Remove(NamedTuple):
    name: str


class Offer(NamedTuple):
    name: str


class Chunk(NamedTuple):
    """`sha256` is that of the offer: a file that changed meanwhile is another one."""

    name: str
    offset: int
    sha256: str


def parse(body: bytes) -> ListFiles | ListTransfers | Get | Remove | Offer | Chunk:
    """Raises `Refused`."""
    try:
        asked = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(f"that is no JSON: {error}") from None
    try:
        match asked:
            case "Files" | {"Files": None}:
                return ListFiles()
            case {"Files": {"node": str(node)}}:
                return ListFiles(node)
            case "Transfers" | {"Transfers": None}:
                return ListTransfers()
            case {"Get": {"node": str(node), "name": name}}:
                return Get(node, checked(name))
            case {"Remove": name}:
                return Remove(checked(name))
            case {"Offer": name}:
                return Offer(checked(name))
            case {"Chunk": {"name": name, "offset": int(offset), "sha256": str(sha256)}} if offset >= 0:
                return Chunk(checked(name), offset, sha256)
    except BadName as error:
        raise Refused(str(error)) from None
    raise Refused('ask "Files", "Transfers", {"Get":{"node":"bob.nec","name":"a.txt"}} or {"Remove":"a.txt"}')


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def error_in(ipc: bytes) -> str | None:
    """What an answer complains of."""
    match _read(ipc):
        case {"Error": str(text)}:
            return text
    return None


def offered(ipc: bytes) -> tuple[int, str]:
    """Size and SHA-256 of what another node offers. Raises `Refused`."""
    match _read(ipc):
        case {"Offer": {"size": int(size), "sha256": str(sha256)}} if size >= 0:
            return size, sha256
        case {"Error": str(text)}:
            raise Refused(text)
    raise Refused("the other node answers in words that nobody here knows")


def _read(ipc: bytes) -> Any:
    try:
        return json.loads(ipc.decode())
    except (ValueError, RecursionError):
        return None
