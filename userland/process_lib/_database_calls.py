"""What the clients of kv and sqlite share: a package's id and what travels as bytes."""

from __future__ import annotations

from functools import lru_cache

from kernel.address import Address, PackageId, ProcessId
from kernel.message import Message, Payload, Request
from kernel.syscalls import current
from userland.process_lib._builders import Bytes

SECONDS = 5


def to_package_id(package_id: PackageId | str) -> PackageId:
    """Takes the text, too: `"chess:nectar"`. Raises what `PackageId.from_str` raises."""
    if isinstance(package_id, PackageId):
        return package_id
    if isinstance(package_id, str):
        return PackageId.from_str(package_id)
    raise TypeError(f"a package is a PackageId or its text, got {package_id!r}; write our.package_id")


def to_bytes(what: str, value: Bytes) -> bytes:
    """Text as UTF-8."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(
        f"{what} is bytes or text, got {type(value).__name__}; the calls that end in _as take what JSON can say"
    )


async def ask(process: ProcessId, ipc: bytes, value: bytes | None, timeout: int) -> Message:
    """The module's answer. Raises `SendError`."""
    node = current()
    payload = None if value is None else Payload(None, value)
    target = _module(node.our.node, process)
    return await node.send_and_await_response(target, Request(False, timeout, ipc), payload)


@lru_cache(maxsize=64)
def _module(node: str, process: ProcessId) -> Address:
    return Address(node, process)
