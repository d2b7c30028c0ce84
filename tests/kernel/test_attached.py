"""Capabilities that ride on a message inside a node (PROTOCOL 4.3, F-31)."""

from __future__ import annotations

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from tests.support.kernel_node import NODE, kernel_node
from userland.process_lib.testing._ports import Seals


async def test_attached_capabilities_ride_on_one_message_signed():
    """C-067, F-31."""
    async with kernel_node() as node:
        vfs = Capability(Address(NODE, "vfs:sys:nectar"), '"read"')
        a, b = await node.puppet("a", capabilities=[vfs]), await node.puppet("b")
        lacking = Capability(Address(NODE, "vfs:sys:nectar"), '"write"')
        forged = SignedCapability(vfs.issuer, vfs.params, b"\0" * 64)
        for one in (vfs, lacking, forged, Capability(Address("our", a.pid), '"own"')):
            await a.do(lambda calls, one=one: calls.attach_capability(one))
        await a.send(b, expects=60)
        await a.send(b)
        first, second = await b.receive(), await b.receive()
        assert [str(c.unsigned()) for c in first.capabilities] == [str(vfs), f'{a.address}^"own"']
        assert all(Seals(NODE).verify(NODE, c.signed_bytes(), c.signature) for c in first.capabilities)
        assert second.capabilities == ()


async def test_a_response_carries_attached_capabilities():
    """F-31."""
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        asked = a.begin_ask(b)
        await b.receive()
        await b.do(lambda calls: calls.attach_capability(Capability(b.address, '"own"')))
        await b.respond()
        assert [c.params for c in (await asked.result()).capabilities] == ['"own"']
