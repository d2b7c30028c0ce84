"""What `net:sys:nectar` is asked, on whole nodes that are linked in memory (PROTOCOL 7.7)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address
from kernel.message import Payload
from sys_processes.net.frames import Hello, encode
from sys_processes.net.protocol import (
    NET,
    ConnectionRequest,
    Diagnostics,
    GetDiagnostics,
    GetPeer,
    GetPeers,
    GetStates,
    PeerFound,
    PeerIdentity,
    Peers,
    Rejected,
    Sign,
    Signed,
    SignStatement,
    States,
    Verified,
    Verify,
    VerifyStatement,
    decode_response,
    encode_action,
)
from tests.support.kernel_node import Puppet
from tests.support.net_world import net_world, record_of

A, B, C = "alice.uq", "bob.uq", "carol.uq"


async def ask_net(node: str, asker: Puppet, ipc: bytes, payload: Payload | None = None):
    return await asker.ask(Address(node, NET), ipc, payload=payload)


async def test_hi_is_printed_there_and_answered_delivered():
    """C-171."""
    async with net_world(A, B) as world:
        a = await world.puppet(A)
        answer = await ask_net(B, a, b"good \xff morning")
        assert answer.ipc == b"delivered"
        assert f"{a.address}: good \ufffd morning" in world.printed(B)


async def test_a_peer_that_says_hello_without_end_fills_no_log_and_is_answered_all_the_same():
    async with net_world(A, B, C) as world:
        a, c = await world.puppet(A), await world.puppet(C)
        for number in range(40):
            assert (await ask_net(B, a, b"hello %d" % number)).ipc == b"delivered"
        assert (await ask_net(B, c, b"me too")).ipc == b"delivered"
        assert world.printed(B).count(": hello") == 10
        assert ": me too" in world.printed(B)
        await trio.sleep(11)
        assert f"30 more lines about {A} were left out in 10 s" in world.printed(B)
        await ask_net(B, a, b"later")
        assert ": later" in world.printed(B)


async def test_strangers_who_knock_without_end_fill_no_log():
    async with net_world(A, B) as world:
        for _ in range(30):
            link = await world.network.open(record_of(B))
            await link.send(encode(Hello("mallory.uq", C, b"\1" * 32)))
            while await link.receive():
                pass
        assert world.printed(B).count("refused a link") == 10
        await trio.sleep(11)
        assert "20 more lines about strangers were left out" in world.printed(B)


@pytest.mark.parametrize("json", [False, True])
async def test_peers_are_listed_in_the_encoding_of_the_question(json):
    async with net_world(A, B, C) as world:
        a = await world.puppet(A)

        async def asked(action):
            answer = await ask_net(A, a, encode_action(action, json=json))
            assert (answer.ipc[:1] in b'{"') == json
            return decode_response(answer.ipc)

        others = tuple(PeerIdentity.of(record_of(name)) for name in (B, C))
        assert await asked(GetPeers()) == Peers(others)
        assert await asked(GetPeer(C)) == PeerFound(others[1])
        assert await asked(GetPeer("nobody.uq")) == PeerFound(None)
        assert await asked(ConnectionRequest("r.uq")) == Rejected("r.uq")
        diagnostics = await asked(GetDiagnostics())
        assert isinstance(diagnostics, Diagnostics)
        assert diagnostics.text == "2 nodes are known\nno peers yet"


@pytest.mark.parametrize("json", [False, True])
async def test_it_is_told_how_it_stands_with_each_node_that_is_known(json):
    async with net_world(A, B, C) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"hi")
        await b.receive()

        async def states():
            answer = decode_response((await ask_net(A, a, encode_action(GetStates(), json=json))).ipc)
            assert isinstance(answer, States)
            return answer.states

        found = await states()
        assert [(state.name, state.state) for state in found] == [(B, "up"), (C, "untried")]
        assert (found[0].round_trip_ms is not None, found[1].round_trip_ms) == (True, None)
        world.nodes[A].registry.remove(B)
        assert [(state.name, state.state) for state in await states()] == [(B, "resting"), (C, "untried")]


@pytest.mark.parametrize(("sign", "verify"), [(Sign, Verify), (SignStatement, VerifyStatement)])
async def test_what_one_node_signs_another_verifies(sign, verify):
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        signed = await ask_net(A, a, encode_action(sign()), Payload(None, b"a statement"))
        assert decode_response(signed.ipc) == Signed()
        signature = signed.payload().bytes
        longer = Address(A, f"{a.pid}a")
        for source, said, valid in (
            (a.address, b"a statement", True),
            (a.address, b"another", False),
            (Address(A, "other:test:test"), b"a statement", False),
            (Address("nobody.uq", a.pid), b"a statement", False),
            (longer, b" statement", sign is Sign),
        ):
            action = encode_action(verify(source, signature))
            answer = await ask_net(B, b, action, Payload(None, said))
            assert decode_response(answer.ipc) == Verified(valid)


async def test_text_commands_are_printed_and_answered():
    async with net_world(A, B) as world:
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await a.send(b, b"hi")
        assert (await ask_net(A, a, b"peers")).ipc.startswith(b"bob.uq up, ")
        names = (await ask_net(A, a, b"names")).ipc.decode()
        assert names == f"{B} {record_of(B).key_hex} {B}:8080"
        assert (await ask_net(A, a, b"pki")).ipc.decode() == names
        assert (await ask_net(A, a, b"diagnostics")).ipc.startswith(b"1 nodes are known\nbob.uq up")
        assert names in world.printed(A)


async def test_another_node_may_say_hello_and_nothing_else():
    async with net_world(A, B) as world:
        a = await world.puppet(A)
        for ipc in (b"peers", encode_action(GetPeers()), encode_action(Sign(), json=True)):
            assert (await ask_net(B, a, ipc)).ipc == b"delivered"
        answer = await ask_net(B, a, encode_action(ConnectionRequest(C)))
        assert decode_response(answer.ipc) == Rejected(C)
