"""TLS on our own pump, beside trio's: what it brings, and how it ends."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing

from runtime.links.frame_stream import FrameStream
from runtime.links.link import cause
from runtime.links.tls import client_context, server_context
from runtime.links.tls_stream import PIECE, RECORD, TlsStream
from tests.support.net_world import identity_of
from tests.support.streams import MemoryStream, PeerStream, connection, stalling_connection

LONG = bytes(range(256)) * (3 * PIECE // 256) + b"end"
Ends = tuple[MemoryStream, PeerStream]


def bob() -> ssl.SSLContext:
    return server_context(identity_of("bob.uq").network_key, b"s" * 32)


async def shake(*ends: TlsStream | trio.SSLStream[FrameStream]) -> None:
    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(end.do_handshake)


def pair(ends: Ends) -> tuple[TlsStream, TlsStream]:
    near, far = FrameStream(ends[0], b"", client=True), FrameStream(ends[1], b"", client=False)
    return TlsStream(near, client_context(), server=False), TlsStream(far, bob(), server=True)


async def exactly(stream: TlsStream | trio.SSLStream[FrameStream], size: int) -> bytes:
    received = b""
    while len(received) < size and (data := await stream.receive_some()):
        received += data
    return received


@pytest.mark.parametrize("ours_serves", [False, True])
async def test_it_talks_with_trios_own_in_either_part(ours_serves):
    """C-164."""
    near, far = connection()
    frames = FrameStream(near, b"", client=True), FrameStream(far, b"", client=False)
    contexts = client_context(), bob()
    ours = TlsStream(frames[ours_serves], contexts[ours_serves], server=ours_serves)
    other = trio.SSLStream(frames[not ours_serves], contexts[not ours_serves], server_side=not ours_serves)
    await shake(ours, other)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, LONG)
        nursery.start_soon(other.send_all, LONG)
        assert await exactly(other, len(LONG)) == LONG
        assert await exactly(ours, len(LONG)) == LONG
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other.aclose)
        assert await ours.receive_some() == b""
        assert await ours.receive_some() == b""
        await ours.aclose()


async def test_all_records_that_have_come_are_given_at_once():
    alice, there = pair(connection())
    await shake(alice, there)
    for _ in range(3):
        await alice.send_all(b"x" * RECORD)
    assert await there.receive_some() == b"x" * 3 * RECORD


async def test_what_comes_with_the_end_of_the_handshake_is_not_lost():
    near, far = connection()
    alice, there = pair((near, far))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(there.do_handshake)
        await alice.do_handshake()
        await alice.send_all(b"at once")
    with trio.fail_after(1):
        assert await exactly(there, 7) == b"at once"


class Wire:
    """What one side said, byte for byte, to be brought to the other in the test's own way."""

    def __init__(self) -> None:
        self.alice_end, self.alice_wire = connection()
        self.bob_end, self.bob_wire = connection()
        self.alice = TlsStream(FrameStream(self.alice_end, b"", client=True), client_context(), server=False)
        self.bob = TlsStream(FrameStream(self.bob_wire, b"", client=False), bob(), server=True)

    async def shake(self) -> None:
        async with trio.open_nursery() as nursery:

            async def carry(source: trio.abc.ReceiveStream, target: trio.abc.SendStream) -> None:
                while True:
                    await target.send_all(await source.receive_some())

            nursery.start_soon(carry, self.alice_wire, self.bob_end)
            nursery.start_soon(carry, self.bob_end, self.alice_wire)
            await shake(self.alice, self.bob)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def read_until_broken(stream: TlsStream) -> tuple[bytes, str]:
    received = b""
    while True:
        try:
            data = await stream.receive_some()
        except trio.BrokenResourceError as error:
            # It stays so.
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
            return received, cause(error)
        assert data
        received += data


async def test_a_cut_at_every_byte_gives_the_whole_records_before_it_and_says_that_it_is_none_of_a_goodbye():
    wire = Wire()
    await wire.shake()
    for part in (b"one", b"two"):
        await wire.alice.send_all(part)
    said = bytes(await wire.alice_wire.receive_some())
    for place in range(len(said)):
        fresh = Wire()
        await fresh.shake()
        for part in (b"one", b"two"):
            await fresh.alice.send_all(part)
        await fresh.bob_end.send_all(bytes(await fresh.alice_wire.receive_some())[:place])
        await fresh.bob_end.send_eof()
        received, why = await read_until_broken(fresh.bob)
        assert received == (b"" if place < len(said) // 2 else b"one")
        assert why == "the connection ended without a goodbye"


@pytest.mark.parametrize("place", [8, 12, 20, 40, 60])
async def test_a_changed_byte_ends_it_behind_what_came_before(place):
    wire = Wire()
    await wire.shake()
    await wire.alice.send_all(b"before")
    await wire.alice.send_all(b"a" * 100)
    said = bytearray(await wire.alice_wire.receive_some())
    first = len(said) - 100 - 22 - 6
    said[first + place] ^= 1
    await wire.bob_end.send_all(said)
    received, why = await read_until_broken(wire.bob)
    assert received == b"before"
    assert why.startswith("TLS: ")


async def test_a_send_that_was_cut_short_breaks_it_for_good():
    client, server = stalling_connection()
    alice, there = pair((client, server))
    await shake(alice, there)
    with trio.move_on_after(1):
        await alice.send_all(LONG)
    for call in (lambda: alice.send_all(b"x"), alice.receive_some):
        with pytest.raises(trio.BrokenResourceError) as broken:
            await call()
        assert cause(broken.value) == "an earlier send was cut short"
    with trio.fail_after(0.5):
        await alice.aclose()
    await trio.aclose_forcefully(server)


async def test_a_receive_that_was_cancelled_before_it_began_takes_nothing():
    alice, there = pair(connection())
    await shake(alice, there)
    await alice.send_all(b"hello")
    with trio.CancelScope() as scope:
        scope.cancel()
        await there.receive_some()
    assert scope.cancelled_caught
    assert await there.receive_some() == b"hello"
