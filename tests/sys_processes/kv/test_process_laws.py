"""kv against a dict, with crashes between any two steps and in the midst of them."""

from __future__ import annotations

import attrs
from hypothesis import given, settings

from kernel.jsontext import JsonValue
from kernel.ports import Init
from runtime.sim.engine import MemoryEngine
from runtime.sim.workers import Pause
from sys_processes.kv import process as kv
from tests.support.database_calls import Calls
from tests.support.database_laws import KEYS, STEPS, Held, Run, Step, Subject

call = Calls("kv")


@attrs.define
class Engine(Held):
    engine: MemoryEngine

    def module(self) -> Init:
        return kv.make(self.engine)

    def crash(self) -> Engine:
        return Engine(self.engine.crash())


class Kv(Subject):
    name = "kv"

    def held(self, pause: Pause) -> Engine:
        return Engine(MemoryEngine(pause))

    def change(self, key: int, value: int | None, tx_id: int | None) -> tuple[JsonValue, bytes | None]:
        if value is None:
            return {"Delete": {"key": [key], "tx_id": tx_id}}, None
        return {"Set": {"key": [key], "tx_id": tx_id}}, bytes([value])

    async def look(self) -> dict[int, int]:
        answers = {key: await call.message({"Get": [key]}) for key in KEYS}
        found = {key: answer.payload() for key, answer in answers.items()}
        return {key: payload.bytes[0] for key, payload in found.items() if payload is not None}

    async def prepare(self) -> None:
        pass


@given(STEPS)
@settings(max_examples=150, deadline=None)
async def test_nothing_acknowledged_is_lost_and_nothing_else_is_there(steps: list[Step]) -> None:
    await Run(Kv(), steps).follow()
