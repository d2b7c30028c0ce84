"""Whole nodes that reach each other: packages, the RPC route, signatures, capabilities, restarts."""

from __future__ import annotations

import json

import pytest
import trio

from tests.support.net_world import record_of
from tests.support.sim_home import NotAnswered, SimHome, package
from tests.support.sim_network import SimNetwork

A, B = "alice.uq", "bob.uq"
NET = "net:sys:nectar"

# Does what it is told, and answers with the result.
ACTOR = """
import base64
from userland.process_lib import *

async def init(our):
    while True:
        try:
            message = await await_message()
            if message.is_request():
                verb, _, rest = message.ipc.decode().partition(" ")
                Response().ipc(str(await obey(our, message, verb, rest))).send()
        except SendError as error:
            println(f"came back: {error}")

async def obey(our, message, verb, rest):
    match verb:
        case "ask":
            target, _, ipc = rest.partition(" ")
            try:
                answer = await Request().target(target).ipc(ipc).send_and_await_response(5)
            except SendError as error:
                return f"{error.kind} {error.reason}"
            return answer.ipc.decode()
        case "sign":
            return base64.b64encode(await net.sign(rest)).decode()
        case "verify":
            source, signature, said = rest.split(" ", 2)
            return await net.verify(source, said, base64.b64decode(signature))
        case "who":
            return message.source
        case "add":
            count = int(await get_state() or b"0") + 1
            await set_state(b"%d" % count)
            return count
    return f"{our.node} heard {verb}"
"""
APP = "app:app:me"


def app(*wanted: str) -> dict[str, bytes]:
    return package(ACTOR, request_capabilities=["net:sys:nectar"], request_networking=True)


async def test_two_nodes_without_an_address_and_their_router_talk():
    """C-170."""
    network = SimNetwork(A, B, "carol.uq", routed={A: (B,), "carol.uq": (B,)})
    async with network.booted(B), network.booted(A) as alice, network.booted("carol.uq", app()) as carol:
        # Until carol has her link with bob.
        await trio.sleep(1)
        assert await alice.ask(APP, "hello", node="carol.uq") == "carol.uq heard hello"
        assert await alice.ask(APP, "add", node="carol.uq") == "1"
        network.wires.cut_all()
        assert await alice.ask(APP, "add", node="carol.uq") == "2"
        assert "through bob.uq" in await carol.ask(NET, "names")


async def test_a_request_through_the_rpc_route_arrives_on_another_node_and_its_answer_comes_back():
    network = SimNetwork(A, B)
    async with network.booted(A) as alice, network.booted(B, app()):
        assert await alice.ask(APP, "hello", node=B) == "bob.uq heard hello"
        assert await alice.ask(APP, "who", node=B) == "alice.uq@http_server:sys:nectar"
        with pytest.raises(NotAnswered, match="no process none:none:none"):
            await alice.ask("none:none:none", "hello", node=B)
        with pytest.raises(NotAnswered, match="carol"):
            await alice.ask(APP, "hello", node="carol.uq")


async def test_processes_of_two_packages_talk_both_ways():
    network = SimNetwork(A, B)
    async with network.booted(A, app()) as alice, network.booted(B, app()) as bob:
        assert await alice.ask(APP, f"ask {B}@{APP} who") == f"{A}@{APP}"
        assert await bob.ask(APP, f"ask {A}@{APP} hi") == "alice.uq heard hi"


async def test_what_a_process_of_one_node_signs_is_verified_on_another():
    network = SimNetwork(A, B)
    async with network.booted(A, app()) as alice, network.booted(B, app()) as bob:
        signature = await alice.ask(APP, "sign a statement")
        assert await bob.ask(APP, f"verify {A}@{APP} {signature} a statement") == "True"
        assert await bob.ask(APP, f"verify {A}@{APP} {signature} another") == "False"
        assert await bob.ask(APP, f"verify {B}@{APP} {signature} a statement") == "False"
        assert await bob.ask(APP, f"verify carol.uq@{APP} {signature} a statement") == "False"


async def test_a_node_says_who_it_is_and_how_it_stands_with_the_others():
    network = SimNetwork(A, B)
    async with network.booted(A) as alice, network.booted(B):
        for name in ("our", A):
            answer = json.loads(await alice.ask(NET, json.dumps({"GetPeer": name})))
            assert answer["Peer"]["networking_key"] == record_of(A).key_hex
        assert await alice.ask(NET, "hi", node=B) == "delivered"
        [state] = json.loads(await alice.ask(NET, '"GetStates"'))["States"]
        assert (state["name"], state["state"]) == (B, "up")
        assert state["round_trip_ms"] > 0


async def test_a_node_that_went_away_is_offline_in_time_and_reached_again_once_it_is_back():
    """C-168."""
    network, home = SimNetwork(A, B), SimHome()
    async with network.booted(A, app()) as alice:
        async with network.booted(B, app(), home=home):
            assert await alice.ask(APP, f"ask {B}@{APP} add") == "1"
        started = trio.current_time()
        assert (await alice.ask(APP, f"ask {B}@{APP} add")).startswith("Offline ")
        assert trio.current_time() - started < 6
        async with network.booted(B, home=home):
            await trio.sleep(61)
            assert await alice.ask(APP, f"ask {B}@{APP} add") == "2"


async def test_without_a_network_what_is_sent_to_other_nodes_comes_back_at_once():
    async with SimHome().booted(app()) as node:
        assert (await node.ask(APP, f"ask {B}@{APP} hi")).startswith("Offline ")
