"""Who may do what, and how capabilities move between processes (PROTOCOL 4.1-4.5)."""

from __future__ import annotations

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import KERNEL, NETWORK, Capability, SignedCapability
from kernel.errors import BadCapability, NoPromptingMessage, ProgramError, SpawnError, SpawnErrorKind
from kernel.lifecycle import CannotCreate
from kernel.message import OnExit, Reason, SendError
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, pid_of
from tests.support.shelf import Code
from userland.process_lib.testing._ports import Seals

VFS = Address(NODE, "vfs:sys:nectar")
READ = Capability(VFS, '{"kind": "read", "drive": "/a:b"}')


async def forever(our: Address) -> None:
    await trio.sleep_forever()


async def held(puppet: Puppet) -> list[str]:
    return [str(c.unsigned()) for c in await puppet.do(lambda calls: calls.our_capabilities())]


def messaging(puppet: Puppet | Address) -> Capability:
    return Capability.messaging(puppet if isinstance(puppet, Address) else puppet.address)


async def is_refused(sender: Puppet, target: Puppet) -> bool:
    """Whether a message came back for want of a capability; else it was delivered."""
    await sender.send(target)
    back = [] if sender is target else await sender.unread()
    assert [error.reason for error in back if isinstance(error, SendError)] == [
        Reason.capability_missing
    ] * len(back)
    assert len(await target.unread()) == 1 - len(back)
    return bool(back)


@pytest.mark.parametrize(
    ("public", "granted", "refused"), [(False, False, True), (False, True, False), (True, False, False)]
)
async def test_who_may_message_whom(public, granted, refused):
    """C-057, C-058."""
    async with kernel_node() as node:
        b = await node.puppet("b", public=public)
        a = await node.puppet("a", may_message=[b] if granted else [])
        assert await a.do(lambda calls: calls.can_message(b.address)) is not refused
        assert await is_refused(a, b) is refused


async def test_every_process_may_message_itself():
    """PROTOCOL 4.4."""
    async with kernel_node() as node:
        a = await node.puppet("a", public=False)
        assert await held(a) == [f'{a.address}^"messaging"']
        assert not await is_refused(a, a)


async def test_modules_of_the_runtime_message_each_other_and_have_the_network():
    """PROTOCOL 4.4."""
    async with kernel_node() as node:
        one, two = await node.system("one"), await node.system("two")
        assert not await is_refused(one, two)
        assert await one.do(lambda calls: calls.can_message(Address("bob.uq", "x:y:z")))
        app = await node.puppet("app", public=False)
        assert await is_refused(one, app)


@pytest.mark.parametrize("name", ["state", "vfs"])
async def test_state_and_vfs_are_not_checked_by_their_full_id_only(name):
    """PROTOCOL 4.2, F-30."""
    async with kernel_node() as node:
        app = await node.puppet("app", public=False)
        assert not await is_refused(await node.system(name), app)
        assert await is_refused(await node.puppet(name), app)


async def test_a_response_to_an_open_request_needs_no_capability():
    """C-062."""
    async with kernel_node() as node:
        b = await node.puppet("b", public=False)
        a = await node.puppet("a", public=False, may_message=[b])
        asked = a.begin_ask(b)
        await b.receive()
        assert not await b.do(lambda calls: calls.can_message(a.address))
        await b.respond(b"solicited")
        assert (await asked.result()).ipc == b"solicited"


async def test_can_message_an_absent_process_when_the_capability_is_held():
    async with kernel_node() as node:
        gone = Address(NODE, "gone:test:test")
        a = await node.puppet("a", may_message=[gone])
        assert await a.do(lambda calls: calls.can_message(gone))
        assert not await a.do(lambda calls: calls.can_message(Address(NODE, "else:test:test")))


# -- spawn


async def spawned(node: KernelNode, parent: Puppet, name: str = "child", **given) -> Puppet:
    child = Puppet(node, ProcessId(name, parent.pid.package, parent.pid.publisher))
    node.programs.at["/child.py"] = Code(child.init)
    pid = await parent.do(lambda calls: calls.spawn(name, "/child.py", OnExit.none(), **given))
    assert pid == child.pid
    return child


@pytest.mark.parametrize("ready", [False, True])
async def test_parent_and_child_may_message_each_other(ready):
    """C-063."""
    async with kernel_node() as node:
        parent = await node.puppet("parent", public=False)
        node.programs.is_ready = ready
        child = await spawned(node, parent)
        assert bool(node.programs.asked) is not ready
        assert not await is_refused(parent, child)
        assert not await is_refused(child, parent)
        assert await is_refused(await node.puppet("other", public=False), child)


async def test_a_child_gets_only_what_its_parent_holds_or_issues():
    """C-064."""
    async with kernel_node() as node:
        b = await node.puppet("b", public=False)
        parent = await node.puppet("parent", may_message=[b], capabilities=[READ])
        own = Capability(parent.address, '"own"')
        wanted = [
            messaging(Address("our", b.pid)),
            READ,
            own,
            Capability.network(NODE),
            Capability(VFS, '{"root":true}'),
        ]
        child = await spawned(node, parent, request_capabilities=wanted)
        assert await held(child) == [
            str(c) for c in (messaging(child), messaging(parent), messaging(b), READ, own)
        ]
        said = [line.text for line in node.console.recent() if "cannot pass on" in line.text]
        assert len(said) == 2


async def test_a_child_of_a_networked_parent_gets_the_network():
    async with kernel_node() as node:
        parent = await node.puppet("parent", network=True)
        child = await spawned(
            node, parent, request_capabilities=[Capability(Address("our", KERNEL), NETWORK)]
        )
        assert await child.do(lambda calls: calls.can_message(Address("bob.uq", "x:y:z")))


async def test_a_child_that_gets_all_of_its_parent_gets_the_network_too():
    """What `our_capabilities` gives is signed."""
    async with kernel_node() as node:
        parent = await node.puppet("parent", network=True)
        held = await parent.do(lambda calls: calls.our_capabilities())
        child = await spawned(node, parent, request_capabilities=held)
        assert await child.do(lambda calls: calls.can_message(Address("bob.uq", "x:y:z")))
        assert "network" in str(await child.do(lambda calls: calls.our_capabilities()))
        await child.do(lambda calls: calls.drop_capabilities(held))
        assert not await child.do(lambda calls: calls.can_message(Address("bob.uq", "x:y:z")))


async def test_a_child_grants_messaging_or_more_to_the_processes_named():
    """PROTOCOL 4.4."""
    async with kernel_node() as node:
        parent, a, b = await node.puppet("parent"), await node.puppet("a"), await node.puppet("b")
        grants = [a.pid, (b.pid, '{"x":1}'), pid_of("gone")]
        child = await spawned(node, parent, grant_capabilities=grants, public=False)
        assert not await is_refused(a, child)
        assert await is_refused(b, child)
        assert f'{child.address}^{{"x":1}}' in await held(b)
        assert any("gone" in line.text for line in node.console.recent())


async def test_a_grant_that_is_no_capability_makes_no_child():
    """`spawn` is one kernel step: it happens whole or not at all."""
    async with kernel_node() as node:
        parent, b = await node.puppet("parent"), await node.puppet("b")
        with pytest.raises(ValueError, match="Unicode"):
            await spawned(node, parent, grant_capabilities=[(b.pid, "\ud800")])
        assert node.state(pid_of("child")) is None


async def test_a_public_child_may_be_messaged_by_all():
    async with kernel_node() as node:
        child = await spawned(node, await node.puppet("parent"), public=True)
        assert not await is_refused(await node.puppet("other"), child)


async def test_a_child_without_a_name_gets_a_random_one():
    """PROTOCOL 4.5."""
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        node.programs.at["/child.py"] = Code(forever)
        one, two = [
            await parent.do(lambda calls: calls.spawn(None, "/child.py", OnExit.none())) for _ in range(2)
        ]
        assert one != two
        assert one.process.isdigit()
        assert (one.package, one.publisher) == (parent.pid.package, parent.pid.publisher)


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("parent", "/child.py", SpawnErrorKind.NameTaken),
        ("child", "/missing.py", SpawnErrorKind.NoFileAtPath),
        ("child", "/broken.py", SpawnErrorKind.BadProgram),
        ("kernel", "/child.py", SpawnErrorKind.BadName),
        ("a:b", "/child.py", SpawnErrorKind.BadName),
        ("", "/child.py", SpawnErrorKind.BadName),
        ("ü", "/child.py", SpawnErrorKind.BadName),
    ],
)
async def test_a_spawn_that_fails_says_why_and_makes_nothing(name, path, kind):
    """C-065, PROTOCOL 4.5."""
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        node.programs.at["/child.py"] = Code(forever)
        before = node.kernel.standings()
        if path == "/broken.py":

            async def broken(*args: object, **kwargs: object):
                raise ProgramError("broken.py", "does not parse", "mend it")

            node.programs.prepare = broken
        with pytest.raises(SpawnError) as caught:
            await parent.do(lambda calls: calls.spawn(name, path, OnExit.none()))
        assert caught.value.kind is kind
        assert node.kernel.standings() == before
        assert not node.mailbox(parent.pid)


async def test_a_name_taken_while_the_code_is_read_is_taken():
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        node.programs.at["/child.py"] = Code(forever)
        gate = trio.Event()
        node.programs.pause = gate.wait
        doing = parent.begin(lambda calls: calls.spawn("child", "/child.py", OnExit.none()))
        await node.settle()
        await node.puppet("child")
        gate.set()
        with pytest.raises(SpawnError) as caught:
            await doing.result()
        assert caught.value.kind is SpawnErrorKind.NameTaken


async def test_a_spawn_that_must_survive_is_durable_when_it_returns():
    async with kernel_node() as node:
        parent = await node.puppet("parent")
        node.programs.at["/child.py"] = Code(forever)
        await parent.do(lambda calls: calls.spawn("child", "/child.py", OnExit.restart()))
        assert [key for key, _ in await node.store.crash().scan("processes")] == ["child:test:test"]


@pytest.mark.parametrize("name", ["kernel:test:test", "kernel:sys:evil"])
async def test_nobody_else_is_called_kernel(name):
    """C-065, F-30."""
    async with kernel_node() as node:
        with pytest.raises(CannotCreate, match="kernel"):
            node.create(name, forever)


# -- the calls of 4.3


async def test_create_capability_makes_has_capability_true():
    """C-068, C-069."""
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b")
        await a.send(b)
        await b.receive()
        assert not await b.do(lambda calls: calls.has_capability('{"x": [1, 2]}'))
        await b.do(lambda calls: calls.create_capability(a.pid, '{"x":[1,2]}'))
        assert await b.do(lambda calls: calls.has_capability('{ "x" : [1,2] }'))
        assert not await b.do(lambda calls: calls.has_capability('{"x":[2,1]}'))
        await node.kill(a)
        assert not await b.do(lambda calls: calls.has_capability('{"x":[1,2]}'))


async def test_has_capability_asks_about_what_we_issued_only():
    """C-068."""
    async with kernel_node() as node:
        a = await node.puppet("a", capabilities=[Capability(VFS, '"x"')])
        b = await node.puppet("b")
        await a.send(b)
        await b.receive()
        assert not await b.do(lambda calls: calls.has_capability('"x"'))


async def test_has_capability_without_a_request_raises():
    async with kernel_node() as node:
        b = await node.puppet("b")
        with pytest.raises(NoPromptingMessage):
            await b.do(lambda calls: calls.has_capability('"x"'))


async def test_granted_messaging_opens_the_way():
    """C-070."""
    async with kernel_node() as node:
        a, b = await node.puppet("a"), await node.puppet("b", public=False)
        assert await is_refused(a, b)
        await b.do(lambda calls: calls.create_capability(a.pid, '"messaging"'))
        assert not await is_refused(a, b)


@pytest.mark.parametrize("call", ["create_capability", "share_capability"])
async def test_nothing_is_given_to_nobody(call):
    async with kernel_node() as node:
        b = await node.puppet("b")
        given = '"x"' if call == "create_capability" else messaging(b)
        with pytest.raises(BadCapability, match="no process"):
            await b.do(lambda calls: getattr(calls, call)(pid_of("gone"), given))


async def test_share_capability_passes_on_what_is_held_and_nothing_else():
    async with kernel_node() as node:
        a = await node.puppet("a")
        b = await node.puppet("b", capabilities=[READ])
        await b.do(lambda calls: calls.share_capability(a.pid, READ))
        await b.do(lambda calls: calls.share_capability(a.pid, Capability(b.address, '"own"')))
        assert str(READ) in await held(a)
        with pytest.raises(BadCapability, match="does not hold"):
            await b.do(lambda calls: calls.share_capability(a.pid, Capability.network(NODE)))


@pytest.mark.parametrize(
    "wanted",
    [
        Capability.network(NODE),
        Capability.network("our"),
        SignedCapability(Address(NODE, KERNEL), NETWORK, b"\0" * 64),
        SignedCapability(VFS, '{"root":true}', Seals("bob.uq").sign(b"anything")),
        Capability(Address("bob.uq", "x:y:z"), '"x"'),
        Capability.messaging(Address(NODE, "closed:test:test")),
    ],
    ids=str,
)
async def test_a_process_cannot_write_itself_a_capability(wanted):
    """C-066, F-32: all or nothing."""
    async with kernel_node() as node:
        a = await node.puppet("a")
        await node.puppet("closed", public=False)
        before = await held(a)
        own = Capability(a.address, '"own"')
        with pytest.raises(BadCapability, match="nothing was saved"):
            await a.do(lambda calls: calls.save_capabilities([own, wanted]))
        assert await held(a) == before


async def test_what_is_our_own_or_well_signed_is_saved():
    """F-32."""
    async with kernel_node() as node:
        a, b = await node.puppet("a", capabilities=[READ]), await node.puppet("b")
        signed = await a.do(lambda calls: calls.get_capability(VFS, READ.params))
        own = Capability(b.address, '"own"')
        await b.do(lambda calls: calls.save_capabilities([signed, own]))
        assert [str(READ), str(own)] == (await held(b))[1:]


async def test_dropped_capabilities_are_gone():
    async with kernel_node() as node:
        closed = await node.puppet("closed", public=False)
        a = await node.puppet("a", capabilities=[READ], may_message=[closed], network=True)
        assert len(await held(a)) == 4
        gone = [READ, messaging(Address("our", closed.pid)), Capability.network("our"), READ]
        await a.do(lambda calls: calls.drop_capabilities(gone))
        assert await held(a) == [str(messaging(a))]
        assert await is_refused(a, closed)


async def test_own_capabilities_are_signed_by_the_node():
    async with kernel_node() as node:
        a = await node.puppet("a", capabilities=[READ])
        for one in await a.do(lambda calls: calls.our_capabilities()):
            assert Seals(NODE).verify(NODE, one.signed_bytes(), one.signature)
        assert await a.do(lambda calls: calls.get_capability(VFS, '"else"')) is None
