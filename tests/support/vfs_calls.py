"""What tests ask vfs, from inside a process."""

from __future__ import annotations

from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Message, Payload
from tests.support.module_node import ask

DATA = "/chess:nectar/data"


async def message(path: str, action: JsonValue, data: bytes | None = None) -> Message:
    payload = None if data is None else Payload(None, data)
    return await ask("vfs", dump({"path": path, "action": action}), payload)


async def call(path: str, action: JsonValue, data: bytes | None = None) -> JsonValue:
    """The answer's JSON."""
    return parse((await message(path, action, data)).ipc)


async def content(path: str, action: JsonValue = "Read") -> bytes | str:
    """The bytes of the answer, or the text of its error."""
    answer = await message(path, action)
    if answer.ipc == b'"Read"':
        payload = answer.payload()
        assert payload is not None
        assert payload.mime == "application/octet-stream"
        return payload.bytes
    found = parse(answer.ipc)
    assert isinstance(found, dict)
    return str(found["Err"])
