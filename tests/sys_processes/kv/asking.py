"""What the tests of kv ask it."""

from __future__ import annotations

from kernel.jsontext import JsonValue
from kernel.ports import Init
from runtime.sim.engine import MemoryEngine
from sys_processes.kv import process as kv
from tests.support.database_calls import Calls

call = Calls("kv")


def modules(engine: MemoryEngine) -> dict[str, tuple[Init, bool]]:
    return {"kv": (kv.make(engine), True)}


async def set_(key: bytes, value: bytes, tx_id: int | None = None, db: str = "games") -> JsonValue:
    return await call({"Set": {"key": list(key), "tx_id": tx_id}}, value, db)


async def get(key: bytes, db: str = "games") -> bytes | JsonValue:
    """The value, or what the module answers without one."""
    answer = await call.message({"Get": list(key)}, db=db)
    payload = answer.payload()
    if payload is None:
        return answer.ipc
    assert answer.ipc == b'{"Get":[%s]}' % b",".join(b"%d" % byte for byte in key)
    return payload.bytes


MISSING = b'{"Err":"KeyNotFound"}'
