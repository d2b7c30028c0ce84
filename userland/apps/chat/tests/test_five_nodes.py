"""The chats of five nodes in a simulated world, through partitions and crashes: what was delivered is there once, what
was said to be lost is not, and of what nobody can tell no more than one.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import attrs
import trio

from runtime.sim import Faults, SimNode, Verdict, World, run
from runtime.sim.clients import ConnectionGone, Reply
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Cut, Partition, SlowLinks

CHAT = "chat:chat:nectar"
FOLDER = Path(__file__).parents[1]
NAMES = [f"{name}.nec" for name in ("alice", "bob", "carol", "dave", "erin")]


async def five(w: World) -> list[SimNode]:
    return [await w.node(name, [FOLDER]) for name in NAMES]


async def post(node: SimNode, text: str, to: str) -> Reply:
    body = json.dumps({"text": text, "author": node.name, "to": to}).encode()
    return await node.http().post(f"/{CHAT}/messages", body)


async def history(node: SimNode) -> dict[int, str]:
    found = json.loads((await node.ask(CHAT, b'"History"')).ipc)["messages"]
    return {message["id"]: message["text"] for message in found}


# -- one node with a slow disk


async def boots_slowly(w: World) -> None:
    (alice,) = [await w.node(NAMES[0], [FOLDER])]
    assert (await post(alice, "hello", alice.name)).status == 201
    said = await history(alice)
    alice.crash()
    alice.store.pause = partial(trio.sleep, 12)
    w.start_soon(alice.restart)
    await w.sleep(60)
    alice.store.pause = trio.lowlevel.checkpoint
    await w.sleep(30)
    assert await history(alice) == said


def test_a_disk_that_takes_longer_than_a_read_waits_only_delays_the_chat() -> None:
    report = run(boots_slowly)
    assert report.verdict is Verdict.OK, report
    crashes = [one.event.subject for one in report.trace.entries if one.event and one.event.note == "CRASH"]
    assert CHAT not in map(str, crashes)


# -- one partition, step by step


async def two_and_three(w: World) -> None:
    alice, bob, carol, dave, erin = await five(w)
    async with erin.http().ws(CHAT) as socket:
        with w.net.partition([alice.name, bob.name], [carol.name, dave.name, erin.name]):
            assert (await post(alice, "to my side", bob.name)).status == 200
            assert (await post(carol, "to mine", dave.name)).status == 200
            before = w.now
            refused = await post(alice, "across", erin.name)
            assert refused.status == 503
            assert json.loads(refused.body)["error"].startswith("erin.nec is offline: ")
            assert json.loads(refused.body)["error"].endswith("; try again")
            assert w.now - before <= 6
        # A node that could not be reached is left alone for a while.
        await w.sleep(5)
        delivered = json.loads((await post(alice, "over there", erin.name)).body)
        assert delivered == {"delivered": {"to": "erin.nec", "id": 1}}
        told = json.loads(await socket.receive())["message"]
        assert (told["text"], told["author"], told["node"]) == ("over there", "alice.nec", "alice.nec")
    assert [await history(node) for node in (bob, dave, erin)] == [
        {1: "to my side"},
        {1: "to mine"},
        {1: "over there"},
    ]


def test_a_partition_is_told_as_offline_and_forgotten_once_it_heals() -> None:
    report = run(two_and_three)
    assert report.verdict is Verdict.OK, report.violation or report.error


# -- many people in a storm


@attrs.define
class Said:
    """`id` is what the sender was told. `tries` are those that came back as certainly not heard."""

    text: str
    to: str
    id: int | None = None
    tries: int = 0


async def say(w: World, node: SimNode, said: Said) -> None:
    """Again and again, as long as it certainly was not heard."""
    while True:
        try:
            reply = await post(node, said.text, said.to)
        except (NodeDown, ConnectionRefusedError):
            certain = True  # our own node is not there
        except (ConnectionGone, trio.BrokenResourceError):
            return
        else:
            if reply.status == 200:
                said.id = json.loads(reply.body)["delivered"]["id"]
                return
            certain = reply.body.endswith(b'; try again"}')
        if not certain:
            return
        said.tries += 1
        await w.sleep(2)


async def many_talk(w: World) -> None:
    nodes, all_said = await five(w), list[Said]()
    async with trio.open_nursery() as people:
        for number in range(15):
            speaker = nodes[number % 5]
            to = nodes[(number + w.choices.choose("to whom", 4) + 1) % 5]
            all_said.append(Said(f"word {number}", to.name))
            people.start_soon(say, w, speaker, all_said[-1])
            await w.sleep(w.choices.among("next", 0.5, 3.0))
        await w.heal()
    await w.settle()
    for node in nodes:
        there = await history(node)
        texts = list(there.values())
        assert len(set(texts)) == len(texts), f"{node.name} heard something twice: {texts}"
        for said in all_said:
            if said.id is not None and said.to == node.name:
                assert there.get(said.id) == said.text, f"{said} is not there: {there}"
        assert set(texts) <= {said.text for said in all_said if said.to == node.name}
    w.cover("delivered", any(said.id is not None for said in all_said))
    w.cover("came back and was said again", any(said.tries and said.id is not None for said in all_said))
    w.cover("nobody can tell", any(said.id is None for said in all_said))


STORM = Faults.of(
    Partition(every=5, lasts=(2, 20)),
    Crash(every=12, lasts=(0.5, 5)),
    Cut(every=4),
    SlowLinks(every=8),
    seconds=45,
)


def test_what_is_said_among_five_nodes_in_a_storm_is_there_once() -> None:
    reports = [run(many_talk, seed=seed, faults=STORM) for seed in range(8)]
    for report in reports:
        assert report.verdict is Verdict.OK, report.violation or report.error
    for goal in ("delivered", "came back and was said again", "nobody can tell"):
        assert any(report.cover[goal] for report in reports), goal
