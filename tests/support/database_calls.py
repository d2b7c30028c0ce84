"""What tests ask kv and sqlite, from inside a process."""

from __future__ import annotations

from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import Message, Payload, Request
from kernel.syscalls import current
from sys_processes._databases import right
from sys_processes.devices import DatabaseName
from tests.support.module_node import NODE, ask, module

WHITE, BLACK = "white:chess:nectar", "black:chess:nectar"
STRANGER = "other:other:nectar"
GAMES = DatabaseName(PackageId("chess", "nectar"), "games")
PACKAGE: JsonValue = {"package_name": "chess", "publisher_node": "nectar"}


def request(action: JsonValue, db: str = "games", package: JsonValue = PACKAGE) -> bytes:
    return dump({"package_id": package, "db": db, "action": action})


class Calls:
    """To the module of that name. Answers are JSON values."""

    def __init__(self, module_name: str) -> None:
        self._module = module_name

    async def message(self, action: JsonValue, value: bytes | None = None, db: str = "games") -> Message:
        payload = None if value is None else Payload(None, value)
        return await ask(self._module, request(action, db), payload)

    async def __call__(self, action: JsonValue, value: bytes | None = None, db: str = "games") -> JsonValue:
        return parse((await self.message(action, value, db)).ipc)

    def send(self, action: JsonValue, value: bytes | None = None, context: bytes | None = None) -> None:
        """Without waiting."""
        payload = None if value is None else Payload(None, value)
        current().send_request(module(self._module), Request(False, 60, request(action)), context, payload)

    async def begin(self, db: str = "games") -> int:
        answer = await self("BeginTx", db=db)
        assert isinstance(answer, dict), answer
        number = answer["BeginTx"]
        assert isinstance(number, dict)
        found = number["tx_id"]
        assert isinstance(found, int)
        return found

    def capability(self, kind: str, name: DatabaseName = GAMES) -> Capability:
        return Capability(Address(NODE, ProcessId(self._module, "sys", "nectar")), right(kind, name))


NO_DB: JsonValue = {"Err": {"NoDb": [PACKAGE, "games"]}}
