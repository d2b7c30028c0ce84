"""Capabilities that travel between nodes (PROTOCOL 4.3, 9.2)."""

from __future__ import annotations

import pytest

from kernel.capability import Capability, SignedCapability
from kernel.errors import BadCapability
from kernel.mailbox import Limits
from kernel.message import Reason, Request, Response
from kernel.signing import Signing
from tests.kernel.test_remote import BOB, from_bob, linked
from tests.support.kernel_node import NODE
from userland.process_lib.testing._ports import Seals


def signed_by_bob(params: str = '"x"') -> SignedCapability:
    plain = Capability(BOB, params)
    return SignedCapability(BOB, params, Seals("bob.uq").sign(plain.signed_bytes()))


async def test_attached_capabilities_are_verified_on_arrival():
    """C-067, F-33."""
    async with linked() as (node, _, a):
        good, forged = signed_by_bob(), SignedCapability(BOB, '"y"', b"\0" * 64)
        ours = Capability(a.address, '"mine"')
        attached = (good, forged, ours, Capability(BOB, '"unsigned"'))
        from_bob(node, a, Request(capabilities=attached))
        assert (await a.receive()).capabilities == (good,)
        assert not await a.do(lambda calls: calls.has_capability('"mine"'))


class CountedSeals(Seals):
    """How many signatures were looked at."""

    checked = 0

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        self.checked += 1
        return super().verify(node, data, signature)


async def test_no_signature_is_looked_at_for_what_nobody_takes():
    """They take longer than anything else that another node can ask for."""
    async with linked() as (node, net, a):
        seals = CountedSeals(NODE)
        node.kernel.router.signing = Signing(NODE, seals)
        b = await node.puppet("b", network=True, limits=Limits(messages=1))
        good = (signed_by_bob(),)
        from_bob(node, b, Request(ipc=b"1"))
        assert from_bob(node, b, Request(capabilities=good)).reason is Reason.mailbox_full
        from_bob(node, a, Response(capabilities=good), number=3)
        assert seals.checked == 0
        await a.send(BOB, expects=60)
        from_bob(node, a, Response(capabilities=good), number=(await net.receive()).id)
        assert ((await a.receive()).capabilities, seals.checked) == (good, 1)


async def test_a_capability_of_ours_held_elsewhere_counts_when_attached():
    """C-068, F-33."""
    async with linked() as (node, _, a):
        mine = Capability(a.address, '"mine"')
        signed = SignedCapability(mine.issuer, mine.params, Seals(NODE).sign(mine.signed_bytes()))
        for attached, expected in (((), False), ((signed,), True)):
            from_bob(node, a, Request(capabilities=attached))
            await a.receive()
            assert await a.do(lambda calls: calls.has_capability('"mine"')) is expected


async def test_a_name_of_another_node_gives_no_right_that_a_local_process_has():
    """C-068: bob's chat is not our chat."""
    async with linked() as (node, _, a):
        local = await node.puppet(str(BOB.process))
        await a.do(lambda calls: calls.create_capability(local.pid, '"mine"'))
        from_bob(node, a, Request())
        await a.receive()
        assert not await a.do(lambda calls: calls.has_capability('"mine"'))


async def test_a_received_foreign_capability_can_be_saved_shown_and_passed_on():
    """F-32 (c), F-31."""
    async with linked() as (node, net, a):
        from_bob(node, a, Request(capabilities=(signed_by_bob(),)))
        [received] = (await a.receive()).capabilities
        await a.do(lambda calls: calls.save_capabilities([received]))
        assert await a.do(lambda calls: calls.get_capability(BOB, '"x"')) == signed_by_bob()
        await a.send(BOB, capabilities=[Capability(BOB, '"x"')])
        assert (await net.receive()).capabilities == (signed_by_bob(),)
        b = await node.puppet("b")
        await a.do(lambda calls: calls.share_capability(b.pid, Capability(BOB, '"x"')))
        assert await b.do(lambda calls: calls.get_capability(BOB, '"x"')) == signed_by_bob()


async def test_a_foreign_capability_whose_signature_is_not_ours_to_make_is_not_invented():
    """A foreign capability given without its signature cannot be shown."""
    async with linked() as (node, net, _):
        a = await node.puppet("b", network=True, capabilities=[Capability(BOB, '"bare"')])
        assert await a.do(lambda calls: calls.get_capability(BOB, '"bare"')) is None
        await a.send(BOB, capabilities=[Capability(BOB, '"bare"')])
        assert (await net.receive()).capabilities == ()


async def test_another_nodes_capability_with_our_signature_is_refused():
    async with linked() as (_, _net, a):
        plain = Capability(BOB, '"x"')
        forged = SignedCapability(BOB, '"x"', Seals(NODE).sign(plain.signed_bytes()))
        with pytest.raises(BadCapability):
            await a.do(lambda calls: calls.save_capabilities([forged]))
