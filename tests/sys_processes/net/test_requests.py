"""What `net:sys:nectar` is asked, on whole nodes that are linked in memory (PROTOCOL 7.7)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import attrs
import pytest
import trio
import trio.testing

from kernel.address import Address
from kernel.capability import Capability
from kernel.message import Payload, Reason, SendErrorKind
from sys_processes.net.frames import Hello, encode
from sys_processes.net.name_updates import GATHER_SECONDS
from sys_processes.net.protocol import (
    NAME_UPDATES,
    NET,
    Accepted,
    ConnectionRequest,
    Diagnostics,
    GetDiagnostics,
    GetPeer,
    GetPeers,
    GetStates,
    KnsBatchUpdate,
    KnsUpdate,
    NameUpdate,
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
from tests.support.net_world import identity_of, net_world, outcome, record_of

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
        await trio.testing.wait_all_tasks_blocked()
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


# -- names that an indexer tells


def update_of(name: str, *, key_of: str | None = None, ip: str | None = None) -> NameUpdate:
    key = identity_of(key_of or name).public_key
    return NameUpdate(name, f"0x{key.hex()}", (ip or name,), {"ws": 8080}, ())


@asynccontextmanager
async def indexed():
    """Alice, who knows nobody, with an indexer; and bob, who knows alice."""
    async with net_world(A) as world:
        await world.boot(B, A)
        right = Capability(Address(A, NET), NAME_UPDATES)

        async def tell(*updates: NameUpdate, json: bool = True):
            action = KnsUpdate(updates[0]) if len(updates) == 1 else KnsBatchUpdate(updates)
            return decode_response((await ask_net(A, indexer, encode_action(action, json=json))).ipc)

        indexer = await world.puppet(A, "indexer", capabilities=[right])
        yield world, tell


@pytest.mark.parametrize("json", [False, True])
async def test_a_node_that_an_indexer_tells_of_is_reached_and_its_signatures_count(json):
    """PROTOCOL 7.7, 9.1."""
    async with indexed() as (world, tell):
        a, b = await world.puppet(A), await world.puppet(B, "b")
        assert (await outcome(a.begin_ask(b))).reason is Reason.node_unreachable
        assert await tell(update_of(B), json=json) == Accepted(B)
        await a.send(b, b"hi")
        assert (await b.receive()).ipc == b"hi"
        signed = await ask_net(B, b, encode_action(Sign()), Payload(None, b"me"))
        verify = encode_action(Verify(b.address, signed.payload().bytes))
        assert decode_response((await ask_net(A, a, verify, Payload(None, b"me"))).ipc) == Verified(True)
        assert (await ask_net(A, a, b"names")).ipc.startswith(b"bob.uq 0x")


async def test_a_new_address_that_is_told_ends_the_wait_for_a_node():
    async with indexed() as (world, tell):
        a, b = await world.puppet(A), await world.puppet(B, "b")
        await tell(update_of(B, ip="nowhere"))
        assert (await outcome(a.begin_ask(b))).kind is SendErrorKind.Offline
        await tell(update_of(B))
        await trio.sleep(2 * GATHER_SECONDS)
        await a.send(b, b"hi")
        assert (await b.receive()).ipc == b"hi"


async def test_another_key_for_a_name_that_is_known_is_refused_and_reported():
    async with indexed() as (world, tell):
        a = await world.puppet(A)
        await tell(update_of(B))
        assert await tell(update_of(B, key_of="mallory.uq")) == Rejected(B)
        await trio.sleep(1)
        shown = identity_of("mallory.uq").public_key.hex()
        assert f"indexer:test:test shows the key 0x{shown} for bob.uq" in world.printed(A)
        assert "refused an update of names by indexer:test:test: 'bob.uq': its key is 0x" in world.printed(A)
        assert (
            f"the key 0x{shown} of indexer:test:test is refused"
            in (await ask_net(A, a, b"diagnostics")).ipc.decode()
        )
        b = await world.puppet(B, "b")
        await a.send(b, b"hi")
        assert (await b.receive()).ipc == b"hi"


async def test_a_conflict_is_reported_once_and_again_when_it_comes_again():
    async with indexed() as (world, tell):
        true, false = update_of(B), update_of(B, key_of="mallory.uq")
        for update, reports in ((true, 0), (false, 1), (false, 1), (true, 1), (false, 2)):
            await tell(update)
            await trio.sleep(1)
            assert world.printed(A).count("indexer:test:test shows the key 0x") == reports


async def test_what_is_wrong_with_one_name_of_a_batch_does_not_touch_the_others():
    async with indexed() as (world, tell):
        wrong = [
            attrs.evolve(update_of(B), name=name, public_key="0x00") for name in ("x.uq", "y.uq", "z.uq")
        ]
        assert await tell(update_of(B), *wrong, update_of(C)) == Rejected("x.uq, y.uq, z.uq")
        assert "'x.uq': key has 1 bytes, an Ed25519 public key has 32; and 2 more" in world.printed(A)
        names = (await ask_net(A, await world.puppet(A), b"names")).ipc.decode()
        assert [line.split()[0] for line in names.splitlines()] == [B, C]
        assert await tell(update_of(B), update_of(C)) == Accepted(f"{B}, {C}")
        assert await tell() == Accepted("")


async def test_what_is_told_of_the_node_itself_changes_nothing():
    async with indexed() as (world, tell):
        assert await tell(update_of(A, ip="elsewhere")) == Accepted(A)
        assert await tell(update_of(A, key_of="mallory.uq")) == Rejected(A)
        assert "'alice.uq': that is this node, whose key is 0x" in world.printed(A)
        assert (await ask_net(A, await world.puppet(A), b"names")).ipc == b"no other node is known"


async def test_only_a_process_of_this_node_with_the_right_tells_names():
    async with indexed() as (world, _):
        a, b = await world.puppet(A), await world.puppet(B, "b")
        said = encode_action(KnsUpdate(update_of("mallory.uq")), json=True)
        assert decode_response((await ask_net(A, a, said)).ipc) == Rejected("mallory.uq")
        assert (
            'a:test:test may not say who other nodes are: add {"process": "net:sys:nectar", "params": "name_updates"}'
            in world.printed(A)
        )
        world.nodes[A].registry.put(record_of(B))
        assert (await ask_net(A, b, said)).ipc == b"delivered"
        assert (await ask_net(A, a, b"names")).ipc.decode().split()[0] == B
