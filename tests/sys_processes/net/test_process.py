"""Two and three whole nodes, linked in memory, on virtual time."""

from __future__ import annotations

import attrs
import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from kernel.message import Payload, Reason, Request, SendError, SendErrorKind
from runtime.sim.links import LinkFate
from sys_processes.net.frames import Hello, encode
from tests.support.kernel_node import Puppet
from tests.support.net_world import identity_of, net_world, outcome, record_of

A, B, C = "alice.uq", "bob.uq", "carol.uq"


async def answer_all(b: Puppet, times: int) -> list[bytes]:
    heard = []
    for _ in range(times):
        message = await b.receive()
        heard.append(message.ipc)
        await b.respond(b"re: " + message.ipc)
    return heard


def offline(error: object) -> bool:
    return isinstance(error, SendError) and error.kind is SendErrorKind.Offline


# -- messages


async def test_a_request_and_its_response_cross_with_all_their_parts():
    """C-164, C-034."""
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        asked = a.begin_ask(b, b"hi", payload=Payload("text/plain", b"p"))
        message = await b.receive()
        assert (message.source, message.target, message.ipc) == (a.address, b.address, b"hi")
        assert message.payload() == Payload("text/plain", b"p")
        await b.respond(b"hello", payload=Payload(None, b"q"))
        answer = await asked.result()
        assert (answer.ipc, answer.payload(), answer.source) == (b"hello", Payload(None, b"q"), b.address)
        assert world.network.dials == 1


async def test_messages_between_a_pair_stay_in_order():
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        for number in range(200):
            await a.send(b, b"%d" % number)
        assert [message.ipc for message in await b.unread()] == [b"%d" % number for number in range(200)]


async def test_a_relay_over_three_nodes_answers_who_asked_first():
    """C-024, C-027 across nodes."""
    async with net_world(A, B, C) as world:
        a, b, c = [await world.puppet(node) for node in (A, B, C)]
        asked = a.begin_ask(b, b"q")
        await b.receive()
        await b.send(c, b"for you", inherit=True)
        await c.receive()
        await c.respond(b"from carol")
        answer = await asked.result()
        assert (answer.ipc, answer.source) == (b"from carol", c.address)


async def test_an_unknown_node_is_offline_at_once():
    """C-052."""
    async with net_world(A) as world:
        a = await world.puppet(A)
        began = trio.current_time()
        error = await outcome(a.begin_ask(Address("nobody.uq", "a:a:a")))
        assert offline(error)
        assert (error.reason, error.definite) == (Reason.node_unreachable, True)
        assert trio.current_time() == began


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_a_stopped_peer_is_offline_within_six_seconds(how):
    """C-168."""
    fates = [LinkFate(), LinkFate(hanging=how == "hanging"), LinkFate()]
    async with net_world(A, B, fate=lambda number: fates[min(number, 2)]) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"first")
        await world.kill(B)
        began = trio.current_time()
        error = await outcome(a.begin_ask(b))
        assert offline(error)
        assert error.definite
        assert trio.current_time() - began < 6


async def test_after_a_boot_everything_flows_again_and_nothing_comes_twice():
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"before")
        assert len(await b.unread()) == 1
        await world.kill(B)
        assert offline(await outcome(a.begin_ask(b)))
        await world.boot(B, A)
        again = await world.puppet(B, "b")
        await trio.sleep(4)
        asked = a.begin_ask(again, b"after")
        assert await answer_all(again, 1) == [b"after"]
        assert await outcome(asked) == b"re: after"


async def test_what_a_peer_had_not_acknowledged_when_it_died_is_offline_and_uncertain():
    fates = [LinkFate(delay=0.7), LinkFate()]
    async with net_world(A, B, fate=lambda number: fates[min(number, 1)]) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        warm = a.begin_ask(b, b"warm")
        await answer_all(b, 1)
        await outcome(warm)
        asked = a.begin_ask(b, b"lost?")
        await trio.sleep(0.5)
        await world.kill(B)
        await world.boot(B, A)
        error = await outcome(asked)
        assert offline(error)
        assert not error.definite


async def test_a_message_that_nobody_takes_there_is_refused_with_its_reason():
    """C-060, 9.4."""
    async with net_world(A, B) as world:
        a = await world.puppet(A)
        closed = await world.puppet(B, "closed", network=False)
        for target, reason in (
            (closed.address, Reason.capability_missing),
            (Address(B, "no:no:no"), Reason.no_such_process),
            (Address(B, "kernel:sys:nectar"), Reason.capability_missing),
        ):
            error = await outcome(a.begin_ask(target))
            assert (error.kind, error.reason, error.definite) == (SendErrorKind.Timeout, reason, True)
            assert error.target == target
        await a.send(Address(B, "no:no:no"), b"one way")
        [returned] = await a.unread()
        assert returned.reason is Reason.no_such_process


async def test_a_process_without_the_network_capability_reaches_nobody():
    """C-059."""
    async with net_world(A, B) as world:
        a = await world.puppet(A, network=False)
        error = await outcome(a.begin_ask(Address(B, "b:b:b")))
        assert error.reason is Reason.capability_missing
        assert world.network.dials == 0


async def test_a_message_above_ten_mebibytes_comes_back_at_once_and_the_link_lives():
    """C-167."""
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"warm")
        error = await outcome(a.begin_ask(b, payload=Payload(None, b"x" * 10_485_800)))
        assert (error.kind, error.reason, error.definite) == (SendErrorKind.Timeout, Reason.too_large, True)
        big = Payload(None, b"x" * (10 * 1024 * 1024 - 1000))
        await a.send(b, payload=big)
        assert [message.payload() for message in await b.unread()] == [None, big]
        assert world.network.dials == 1


async def test_both_dialling_at_once_end_with_one_link_and_lose_nothing():
    async with net_world(A, B, fate=lambda number: LinkFate(delay=0.1)) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        a.begin(lambda calls: calls.send_request(b.address, Request(ipc=b"from alice")))
        b.begin(lambda calls: calls.send_request(a.address, Request(ipc=b"from bob")))
        await trio.sleep(3)
        assert [message.ipc for message in await a.unread()] == [b"from bob"]
        assert [message.ipc for message in await b.unread()] == [b"from alice"]
        states = [
            await world.peers(node, puppet)
            for node, puppet in ((A, await world.puppet(A, "p")), (B, await world.puppet(B, "p")))
        ]
        assert [state.split(",")[0] for state in states] == [f"{B} up", f"{A} up"]
        assert world.network.dials == 2


async def test_a_capability_of_another_node_is_verified_with_its_registered_key():
    """C-067, F-33."""
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, capabilities=[Capability(a.address, '"mine"')])
        [held] = (await b.receive()).capabilities
        assert held.signature == identity_of(A).sign(held.signed_bytes())
        await b.do(lambda calls: calls.save_capabilities([held]))
        forged = SignedCapability(a.address, '"more"', identity_of(B).sign(b"?"))
        with pytest.raises(Exception, match="no valid signature"):
            await b.do(lambda calls: calls.save_capabilities([forged]))
        await b.send(a, capabilities=[held])
        await a.receive()
        assert await a.do(lambda calls: calls.has_capability('"mine"'))


async def test_a_node_with_another_key_than_the_registered_one_is_refused():
    """C-166."""
    async with net_world(A) as world:
        await world.boot(B, A, identity=attrs.evolve(identity_of("mallory.uq"), name=B))
        world.nodes[A].registry.put(record_of(B))
        a, b = await world.puppet(A), await world.puppet(B, "b")
        error = await outcome(a.begin_ask(b))
        assert (error.kind, error.reason) == (SendErrorKind.Offline, Reason.link_refused)
        error = await outcome(b.begin_ask(a))
        assert (error.kind, error.reason) == (SendErrorKind.Offline, Reason.link_refused)
        assert "no node 'bob.uq' with the key" in error.detail
        assert "the key of bob.uq is" in world.printed(A)


async def test_a_changed_key_in_the_registry_is_reported_and_the_old_one_counts():
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"1")
        world.nodes[A].registry.put(record_of(B, key_of="mallory.uq"))
        await a.send(b, b"2")
        assert len(await b.unread()) == 2
        assert world.printed(A).count("shows the key") == 1
        world.nodes[A].registry.remove(B)
        await trio.sleep(1)
        assert offline(await outcome(a.begin_ask(b)))


async def test_a_second_node_of_our_own_name_is_reported():
    async with net_world(A) as world:
        for record in (record_of(A), record_of(A, key_of="mallory.uq")):
            world.nodes[A].registry.put(record)
        await trio.sleep(1)
        assert f"another node called {A} is there already" in world.printed(A)


# -- links that misbehave


async def test_a_peer_that_never_reads_gets_offline_and_hangs_nobody():
    async with net_world(A, B, C, fate=lambda number: LinkFate(deaf=number == 0)) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        stuck = a.begin_ask(Address(B, "b:test:test"), expects=600)
        other = await world.puppet(A, "other")
        asked = other.begin_ask(c, b"hi")
        await answer_all(c, 1)
        assert await outcome(asked) == b"re: hi"
        began = trio.current_time()
        assert offline(await outcome(stuck))
        assert trio.current_time() - began < 6


async def test_a_peer_that_stops_reading_after_the_handshake_is_given_up():
    async with net_world(A, B, fate=lambda number: LinkFate(deaf=number > 0)) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"warm")
        world.network.deafen_all()
        asked = a.begin_ask(b, payload=Payload(None, b"x" * 1_000_000), expects=600)
        began = trio.current_time()
        error = await outcome(asked)
        assert offline(error)
        assert not error.definite
        assert trio.current_time() - began < 130


@pytest.mark.parametrize("how", [{"hanging": True}, {"deaf": True}])
async def test_links_that_were_given_up_leave_no_task_behind(how):
    async with net_world(A, B, fate=lambda number: LinkFate(**how)) as world:
        a, net = await world.puppet(A), world.nodes[A].net
        before = len(net.children)
        for _ in range(3):
            assert offline(await outcome(a.begin_ask(Address(B, "b:test:test"))))
            await trio.sleep(100)
        assert world.network.dials == 3
        assert len(net.children) == before


async def test_links_whose_close_takes_for_ever_leave_no_task_behind_either():
    async with net_world(A, B, fate=lambda number: LinkFate(lingering=True)) as world:
        a, b, net = await world.puppet(A), await world.puppet(B, "b"), world.nodes[A].net
        before = len(net.children)
        for _ in range(3):
            await a.send(b, b"hi")
            assert len(await b.unread()) == 1
            world.network.cut_all()
        await trio.sleep(10)
        assert world.network.dials == 3
        assert len(net.children) == before


async def test_a_stranger_that_says_half_a_hello_is_closed_and_disturbs_nobody():
    """A slow loris."""
    async with net_world(A, B) as world:
        link = await world.network.open(record_of(B))
        await link.send(encode(Hello(A, B, identity_of(A).public_key))[:20])
        a, b = await world.puppet(A), await world.puppet(B, "b")
        asked = a.begin_ask(b, b"hi")
        await answer_all(b, 1)
        assert await outcome(asked) == b"re: hi"
        began = trio.current_time()
        assert await link.receive() == b""
        assert trio.current_time() - began <= 5


async def test_garbage_on_a_link_disturbs_nobody():
    """C-172."""
    async with net_world(A, B) as world:
        for garbage in (b"GET /net HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\0\0\0\1\xc1"):
            link = await world.network.open(record_of(B))
            await link.send(garbage)
            while await link.receive():
                pass
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"hi")
        assert len(await b.unread()) == 1


async def test_a_carrier_that_is_restarted_gives_back_what_it_held():
    async with net_world(A, B, fate=lambda number: LinkFate(hanging=True)) as world:
        a = await world.puppet(A)
        asked = a.begin_ask(Address(B, "b:test:test"))
        lone = await world.puppet(A, "lone")
        await lone.send(Address(B, "b:test:test"), b"one way")
        world.nodes[A].net.scope.cancel()
        for error in (await outcome(asked), (await lone.unread())[0]):
            assert (error.kind, error.reason, error.definite) == (
                SendErrorKind.Offline, Reason.node_unreachable, True,
            )  # fmt: skip
