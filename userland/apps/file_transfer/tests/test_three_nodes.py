"""Nodes fetch files from each other in a simulated world: whatever is kept is what was offered, whatever goes wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from runtime.sim import Faults, SimNode, Verdict, World, run
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Cut, Loss, Partition
from runtime.sim.testing import sim_test
from userland.process_lib import SendError

FILES = "file_transfer:file_transfer:nectar"
FOLDER = Path(__file__).parents[1]
CONTENT = bytes(range(256)) * 3000
STORM = Faults.of(Partition(every=8), Crash(every=15), Cut(every=6), Loss(), seconds=60)


async def ask(node: SimNode, question: object) -> Any:
    answer = await node.ask(FILES, json.dumps(question).encode(), seconds=60)
    return json.loads(answer.ipc)


async def put(node: SimNode, name: str, data: bytes) -> None:
    reply = await node.http().ask("PUT", f"/{FILES}/files/{name}", data)
    assert reply.status == 201, reply.body


async def ended(w: World, node: SimNode, number: int) -> dict[str, Any]:
    while True:
        one: dict[str, Any]
        (one,) = [each for each in (await ask(node, "Transfers"))["Transfers"] if each["id"] == number]
        if one["state"] != "running":
            return one
        await w.sleep(1)


async def two(w: World) -> tuple[SimNode, SimNode]:
    return await w.node("alice.nec", [FOLDER]), await w.node("bob.nec", [FOLDER])


async def fetched(w: World) -> None:
    alice, bob = await two(w)
    await put(bob, "a.bin", CONTENT)
    await put(alice, "a.bin", b"another one")
    assert await ask(alice, {"Files": {"node": "bob.nec"}}) == {
        "Files": [{"name": "a.bin", "size": len(CONTENT)}]
    }
    started = (await ask(alice, {"Get": {"node": "bob.nec", "name": "a.bin"}}))["Started"]
    done = await ended(w, alice, started["id"])
    assert done["error"] is None, done["error"]
    assert (done["state"], done["kept_as"], done["received"]) == ("done", "a (2).bin", len(CONTENT))
    found = await alice.http().get(f"/{FILES}/files/a%20(2).bin")
    assert hashlib.sha256(found.body).digest() == hashlib.sha256(CONTENT).digest()
    await put(bob, "empty", b"")
    started = (await ask(alice, {"Get": {"node": "bob.nec", "name": "empty"}}))["Started"]
    assert (await ended(w, alice, started["id"]))["kept_as"] == "empty"
    started = (await ask(alice, {"Get": {"node": "bob.nec", "name": "none"}}))["Started"]
    failed = await ended(w, alice, started["id"])
    assert (failed["state"], "there is no file 'none' here" in failed["error"]) == ("failed", True)


def test_a_file_is_fetched_whole_under_a_name_that_is_free() -> None:
    report = run(fetched)
    assert report.verdict is Verdict.OK, report.error


async def left_alone(w: World) -> None:
    alice, bob = await two(w)
    await put(bob, "a.bin", CONTENT)
    with w.net.partition({"alice.nec"}, {"bob.nec"}):
        started = (await ask(alice, {"Get": {"node": "bob.nec", "name": "a.bin"}}))["Started"]
        failed = await ended(w, alice, started["id"])
    assert (failed["state"], "bob.nec does not answer" in failed["error"]) == ("failed", True)
    assert await ask(alice, "Files") == {"Files": []}


def test_who_does_not_answer_for_long_ends_the_transfer_with_a_reason() -> None:
    report = run(left_alone)
    assert report.verdict is Verdict.OK, report.error


@sim_test(seeds=4, faults=STORM)
async def test_whatever_is_kept_is_what_was_offered(w: World) -> None:
    alice, bob = await two(w)
    await put(bob, "a.bin", CONTENT)
    begun = 0
    for _ in range(6):
        try:
            await ask(alice, {"Get": {"node": "bob.nec", "name": "a.bin"}})
            begun += 1
        except (SendError, NodeDown):
            w.cover("a transfer could not begin")
        await w.sleep(10)
    await w.heal()
    await w.sleep(120)
    assert all(one["state"] != "running" for one in (await ask(alice, "Transfers"))["Transfers"])
    for file in (await ask(alice, "Files"))["Files"]:
        found = await alice.http().get(f"/{FILES}/files/{file['name'].replace(' ', '%20')}")
        assert found.body == CONTENT
    started = (await ask(alice, {"Get": {"node": "bob.nec", "name": "a.bin"}}))["Started"]
    assert (await ended(w, alice, started["id"]))["state"] == "done"
