"""The list and the values agree, whenever the node crashes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.sim import Faults, SimNode, World
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash
from runtime.sim.testing import sim_test
from userland.process_lib import SendError

KEYS = "kv_browser:kv_browser:nectar"


async def ask(node: SimNode, question: object) -> Any:
    return json.loads((await node.ask(KEYS, json.dumps(question).encode())).ipc)


@sim_test(seeds=5, faults=Faults.of(Crash(every=3), seconds=30))
async def test_what_was_acknowledged_is_listed_and_there(w: World) -> None:
    node = await w.node("alice.nec", [Path(__file__).parents[1]])
    acknowledged: dict[str, str] = {}
    tried: dict[str, set[str]] = {}
    for number in range(60):
        key, value = f"k{number % 7}", str(number)
        tried.setdefault(key, set()).add(value)
        try:
            if "Set" in await ask(node, {"Set": {"key": key, "value": value}}):
                acknowledged[key] = value
                tried[key] = {value}
        except (SendError, NodeDown):
            w.cover("a write was cut off")
        await w.sleep(0.5)
    await w.heal()
    await w.settle()
    listed = {one["key"]: one["size"] for one in (await ask(node, {"Keys": {"prefix": ""}}))["Keys"]}
    assert set(acknowledged) <= set(listed)
    for key, size in listed.items():
        value = (await ask(node, {"Get": key}))["Value"]
        assert value in tried[key]
        assert len(value) == size
