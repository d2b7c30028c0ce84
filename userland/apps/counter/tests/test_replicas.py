"""Replicas on several nodes in a simulated world: whatever goes wrong, in the end all of them show what was added."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from kernel.message import SendError
from runtime.sim import Faults, SimNode, Verdict, World, run
from runtime.sim.check import Calling, History, g_counter
from runtime.sim.clients import ConnectionGone
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Partition

COUNTER = Path(__file__).parents[1]
ID = "counter:counter:nectar"
NAMES = ["alice.nec", "bob.nec", "carol.nec"]


async def value(node: SimNode) -> int:
    found: int = json.loads((await node.ask(ID, b'"Value"')).ipc)["value"]
    return found


async def share(node: SimNode) -> None:
    await node.ask(ID, json.dumps({"Replicas": NAMES}).encode())


async def replicas(w: World) -> list[SimNode]:
    """A node for each name, which knows of the others."""
    nodes = [await w.node(name, [COUNTER]) for name in NAMES]
    for node in nodes:
        await share(node)
    return nodes


async def add(node: SimNode, over_http: bool, adding: Calling) -> None:
    """What ends without an answer may count or not."""
    try:
        if over_http:
            reply = await node.http().post(f"/{ID}/add", json.dumps({"amount": adding.call.value}).encode())
            told = reply.status == 200
        else:
            answer = await node.ask(ID, json.dumps({"Add": adding.call.value}).encode())
            told = "value" in json.loads(answer.ipc)
    except (SendError, NodeDown, ConnectionGone, ConnectionRefusedError, trio.BrokenResourceError) as error:
        adding.info(error)
    else:
        adding.ok() if told else adding.info("refused")


async def many_add(w: World) -> None:
    nodes, history = await replicas(w), History(lambda: w.now)
    for number in range(12):
        node = nodes[w.choices.choose("where", len(nodes))]
        over_http = bool(w.choices.choose("over HTTP", 2))
        w.start_soon(add, node, over_http, history.invoke(number, "add", number + 1))
        await w.sleep(w.choices.among("next", 0.5, 5.0))
    await w.sleep(30)
    await w.heal()
    await w.sleep(60)
    for node in nodes:
        history.invoke(node.name, "read").ok(await value(node))
    found = g_counter(history)
    assert found.valid, found.text
    w.cover("perhaps added", any(not call.is_ok for call in history.of("add")))


@pytest.mark.parametrize("seed", range(8))
def test_all_replicas_show_what_was_added_whatever_goes_wrong(seed: int) -> None:
    report = run(many_add, seed=seed, faults=Faults.swarm(seconds=40))
    assert report.verdict is Verdict.OK, report.violation or report.error


@pytest.mark.parametrize("seed", range(4))
def test_a_storm_of_crashes_and_partitions_takes_nothing_that_was_answered(seed: int) -> None:
    faults = Faults.of(Crash(every=4, lasts=(0.5, 3)), Partition(every=4, lasts=(2, 12)), seconds=40)
    report = run(many_add, seed=seed, faults=faults)
    assert report.verdict is Verdict.OK, report.violation or report.error


async def one_is_lost(w: World) -> None:
    """Its disk, too: what comes back is a new replica, which learns from the others what it knew."""
    alice, bob, carol = nodes = await replicas(w)
    await alice.ask(ID, b'{"Add":5}')
    await bob.ask(ID, b'{"Add":2}')
    await w.settle()
    await alice.restart(keep="nothing")
    assert await value(alice) == 0
    await alice.ask(ID, b'{"Add":1}')
    await share(alice)
    await w.settle()
    assert [await value(node) for node in nodes] == [8, 8, 8]
    carol.crash()
    await bob.ask(ID, b'{"Add":1}')
    await carol.restart()
    await w.settle()
    assert await value(carol) == 9


def test_a_replica_that_lost_its_disk_counts_on_beside_what_it_had_counted() -> None:
    report = run(one_is_lost)
    assert report.verdict is Verdict.OK, report.violation or report.error


async def through_a_third(w: World) -> None:
    nodes = alice, _, carol = await replicas(w)
    with w.net.partition([alice.name], [carol.name]):
        await alice.ask(ID, b'{"Add":1}')
        await w.until(lambda: b'"totals":{"alice.nec' in (carol.state(ID) or b""), timeout=30)
        assert [await value(node) for node in nodes] == [1, 1, 1]


def test_news_come_through_a_third_replica_when_two_cannot_talk() -> None:
    report = run(through_a_third)
    assert report.verdict is Verdict.OK, report.violation or report.error
