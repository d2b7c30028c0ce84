"""Commands to kernel:sys:nectar and their exact answers (PROTOCOL 4.6)."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from kernel.address import Address
from kernel.capability import Capability
from kernel.jsontext import dump, parse
from kernel.message import OnExit, Payload, Reason, SendError
from tests.support.golden import golden
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, pid_of
from tests.support.shelf import Code

KERNEL = Address(NODE, "kernel:sys:nectar")
BOARD = "/chess:nectar/pkg/chess.wasm"
CODE = Payload(None, b"code")


@asynccontextmanager
async def commanded():
    """A node with its kernel's own process, and an operator that may message it."""
    async with kernel_node(commands=True) as node:
        yield node, await node.puppet("operator", may_message=[KERNEL])


def initialize(name: str = "chess", path: str = BOARD, **given) -> bytes:
    command = {
        "id": str(pid_of(name)),
        "wasm_bytes_handle": path,
        "wit_version": None,
        "on_exit": "None",
        "initial_capabilities": [],
        "public": True,
    } | given
    return dump({"InitializeProcess": command})


async def chess(node: KernelNode, operator: Puppet, **given) -> Puppet:
    """Initialised, not yet run."""
    puppet = Puppet(node, pid_of("chess"))
    node.programs.at[BOARD] = Code(puppet.init)
    answer = await operator.ask(KERNEL, initialize(**given), payload=CODE)
    assert answer.ipc == golden("kernel/initialized_process")
    return puppet


async def test_a_process_is_initialised_then_run():
    """C-055."""
    async with commanded() as (node, operator):
        puppet = await chess(node, operator)
        assert node.state(puppet) == "starting"
        assert node.programs.asked == [(puppet.pid, BOARD, b"code")]
        for number in b"123":
            await operator.send(puppet, bytes([number]))
        answer = await operator.ask(KERNEL, b'{"RunProcess":"chess:test:test"}')
        assert answer.ipc == golden("kernel/started_process")
        assert b"".join(m.ipc for m in await puppet.unread()) == b"123"


async def test_the_initialiser_may_message_what_it_initialised():
    """PROTOCOL 4.4."""
    async with commanded() as (node, operator):
        puppet = await chess(node, operator, public=False)
        await operator.ask(KERNEL, b'{"RunProcess":"chess:test:test"}')
        await operator.send(puppet, b"hello")
        assert (await puppet.receive()).ipc == b"hello"


async def test_initial_capabilities_and_on_exit_are_taken_over():
    async with commanded() as (node, operator):
        held = [{"issuer": "our@vfs:sys:nectar", "params": '{"root": true}'}]
        puppet = await chess(node, operator, initial_capabilities=held, on_exit="Restart")
        await operator.ask(KERNEL, b'{"RunProcess":"chess:test:test"}')
        assert await puppet.do(lambda calls: calls.get_on_exit()) == OnExit.restart()
        capabilities = await puppet.do(lambda calls: calls.our_capabilities())
        assert f'{NODE}@vfs:sys:nectar^{{"root":true}}' in [str(c.unsigned()) for c in capabilities]
        assert len(await node.store.crash().scan("processes")) == 1


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (initialize(), None),  # C-072
        (initialize("operator"), CODE),  # C-071
        (initialize("kernel"), CODE),  # C-065
        (initialize(id="kernel:sys:evil"), CODE),
        (initialize(id="ü:test:test"), CODE),
        (initialize(path="/missing.py"), CODE),
    ],
)
async def test_a_process_that_cannot_be_initialised(command, payload):
    """C-065, C-071, C-072."""
    async with commanded() as (node, operator):
        node.programs.at[BOARD] = Code(_forever)
        before = [standing.id for standing in node.kernel.standings()]
        answer = await operator.ask(KERNEL, command, payload=payload)
        assert answer.ipc == golden("kernel/initialize_process_error")
        assert [standing.id for standing in node.kernel.standings()] == before
        assert any(line.verbosity == 0 and "operator" in line.text for line in node.console.recent())


async def test_the_handle_of_the_first_era_is_a_number():
    async with commanded() as (node, operator):
        node.programs.at["123456"] = Code(_forever)
        answer = await operator.ask(KERNEL, initialize(path=123456), payload=CODE)
        assert answer.ipc == golden("kernel/initialized_process")


@pytest.mark.parametrize("pid", ["gone:test:test", "operator:test:test"])
async def test_what_does_not_wait_to_be_run_is_not_run(pid):
    """C-073."""
    async with commanded() as (_, operator):
        answer = await operator.ask(KERNEL, dump({"RunProcess": pid}))
        assert answer.ipc == golden("kernel/run_process_error")


@pytest.mark.parametrize("name", ["a", "gone"])
async def test_a_kill_is_answered_whether_or_not_there_was_somebody(name):
    """C-074, F-35."""
    async with commanded() as (node, operator):
        a = await node.puppet("a")
        answer = await operator.ask(KERNEL, dump({"KillProcess": str(pid_of(name))}))
        assert answer.ipc == dump({"KilledProcess": str(pid_of(name))})
        assert node.state(a) == (None if name == "a" else "running")


async def test_a_kill_triggers_no_on_exit():
    """C-079."""
    async with commanded() as (node, operator):
        a = await node.puppet("a", on_exit=OnExit.restart())
        await operator.send(KERNEL, b'{"KillProcess":"a:test:test"}')
        assert node.state(a) is None
        assert a.runs == 1


@pytest.mark.parametrize("metadata", [None, "no-revoke"])
async def test_a_kill_revokes_what_the_process_issued_unless_told_not_to(metadata):
    """C-080."""
    async with commanded() as (node, operator):
        a, b = await node.puppets("a", "b")
        await a.do(lambda calls: calls.create_capability(b.pid, '"x"'))
        await a.do(lambda calls: calls.create_capability(b.pid, '"messaging"'))
        await operator.send(KERNEL, b'{"KillProcess":"a:test:test"}', metadata=metadata)
        held = await b.do(lambda calls: calls.our_capabilities())
        assert len([c for c in held if c.issuer == a.address]) == (0 if metadata is None else 2)


async def test_a_slow_kill_delays_no_other_command():
    async with commanded() as (node, operator):

        async def stubborn(our: Address) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(10)

        await node.start("stubborn", stubborn)
        started = trio.current_time()
        await operator.send(KERNEL, b'{"KillProcess":"stubborn:test:test"}', expects=60)
        await operator.ask(KERNEL, b'{"Debug":"ProcessMap"}')
        assert trio.current_time() == started
        assert (await operator.receive()).ipc == b'{"KilledProcess":"stubborn:test:test"}'
        assert trio.current_time() == started + 2


async def test_two_kills_of_one_process_are_both_answered():
    async with commanded() as (node, operator):

        async def stubborn(our: Address) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(10)

        await node.start("stubborn", stubborn)
        for _ in range(2):
            await operator.send(KERNEL, b'{"KillProcess":"stubborn:test:test"}', expects=60)
        await trio.sleep(3)
        assert [m.ipc for m in await operator.unread()] == [b'{"KilledProcess":"stubborn:test:test"}'] * 2


async def test_the_kernel_survives_an_order_to_kill_itself():
    async with commanded() as (_, operator):
        with pytest.raises(SendError) as caught:
            await operator.ask(KERNEL, b'{"KillProcess":"kernel:sys:nectar"}')
        assert caught.value.reason is Reason.process_exited
        await trio.sleep(2)
        assert (await operator.ask(KERNEL, b'{"RunProcess":"gone:a:b"}')).ipc == b'"RunProcessError"'


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("GrantCapabilities", {"capabilities": [{"issuer": "our@vfs:sys:nectar", "params": '"x"'}]}),
        ("DropCapabilities", {"capabilities": [{"issuer": f"{NODE}@a:b:c", "params": '"messaging"'}]}),
        ("SetOnExit", {"on_exit": "Restart"}),
    ],
)
@pytest.mark.parametrize("name", ["a", "gone"])
async def test_changes_are_done_durable_and_answered(command, arguments, name):
    async with commanded() as (node, operator):
        other = Address(NODE, "a:b:c")
        a = await node.puppet("a", may_message=[other], on_exit=OnExit.requests([]))
        order = dump({command: {"target": str(pid_of(name)), **arguments}})
        answer = await operator.ask(KERNEL, order)
        if name == "gone":
            assert answer.ipc == golden("kernel/no_such_process")
            return
        assert answer.ipc == golden("kernel/done")
        [(_, record)] = await node.store.crash().scan("processes")
        held = [str(c.unsigned()) for c in await a.do(lambda calls: calls.our_capabilities())]
        assert (f'{NODE}@vfs:sys:nectar^"x"' in held) is (command == "GrantCapabilities")
        assert (f'{other}^"messaging"' in held) is (command != "DropCapabilities")
        assert (b'"on_exit":"Restart"' in record) is (command == "SetOnExit")


@pytest.mark.parametrize(
    ("on", "cap", "held"),
    [
        ("a:test:test", {"issuer": "our@vfs:sys:nectar", "params": '"x"'}, True),
        ("a:test:test", {"issuer": f"{NODE}@vfs:sys:nectar", "params": ' "x" '}, True),
        ("a:test:test", {"issuer": "bob.uq@vfs:sys:nectar", "params": '"x"'}, False),
        ("gone:test:test", {"issuer": "our@vfs:sys:nectar", "params": '"x"'}, None),
    ],
)
async def test_whether_a_process_has_a_capability(on, cap, held):
    """C-075."""
    async with commanded() as (node, operator):
        await node.puppet("a", capabilities=[Capability(Address(NODE, "vfs:sys:nectar"), '"x"')])
        answer = await operator.ask(KERNEL, dump({"Debug": {"HasCap": {"on": on, "cap": cap}}}))
        assert answer.ipc == dump({"Debug": {"HasCap": held}})


async def test_the_process_map_tells_all_and_one_process_of_itself():
    async with commanded() as (node, operator):
        await node.puppet("a", public=False, on_exit=OnExit.restart())
        seen = parse((await operator.ask(KERNEL, b'{"Debug":"ProcessMap"}')).ipc)
        assert list(seen["Debug"]["ProcessMap"]) == [str(s.id) for s in node.kernel.standings()]
        expected = {
            "wasm_bytes_handle": "",
            "wit_version": None,
            "on_exit": "Restart",
            "capabilities": [{"issuer": f"{NODE}@a:test:test", "params": '"messaging"'}],
            "public": False,
        }
        one = parse((await operator.ask(KERNEL, b'{"Debug":{"Process":"a:test:test"}}')).ipc)
        assert one == {"Debug": {"Process": expected}}
        none = await operator.ask(KERNEL, b'{"Debug":{"Process":"gone:test:test"}}')
        assert none.ipc == golden("kernel/process_absent")


async def test_the_list_of_processes_says_how_they_do():
    async with commanded() as (node, operator):
        a = await node.puppet("a", on_exit=OnExit.restart())
        held = node.create("held", _forever, public=True)
        await operator.send(held.address)
        await a.crash(KeyError("one"))
        await a.crash(ValueError("two \ud800"))
        listed = parse((await operator.ask(KERNEL, b'{"Debug":"Processes"}')).ipc)["Debug"]["Processes"]
        by_id = {row["id"]: row for row in listed}
        assert by_id["held:test:test"] == {
            "id": "held:test:test",
            "state": "starting",
            "mailbox": 1,
            "restarts": 0,
            "last_error": None,
            "bytes": 0,
            "received": 0,
        }
        row = by_id["a:test:test"]
        assert (row["state"], row["restarts"]) == ("waiting", 2)
        assert "two" in row["last_error"]


@pytest.mark.parametrize(
    "ipc",
    [
        b"",
        b"run",
        b"{",
        b"\xff\xfe",
        b"null",
        b'"Reboot"',
        b'{"RunProcess":7}',
        b'{"KillProcess":"a:b"}',
        b'{"KillProcess":',
        b'{"RunProcess":"a:b:c","KillProcess":"a:b:c"}',
        b'{"Debug":{"HasCap":{"on":"a:b:c"}}}',
        b"[" * 5000,
    ],
)
async def test_a_malformed_command_is_an_error_and_nothing_else(ipc):
    """C-172."""
    async with commanded() as (_, operator):
        assert (await operator.ask(KERNEL, ipc)).ipc == golden("kernel/malformed_request")
        await operator.send(KERNEL, ipc)
        assert await operator.unread() == []


@pytest.mark.parametrize("command", [b'"Booted"', b'"Shutdown"'])
async def test_what_only_the_runtime_may_say_does_nothing(command):
    async with commanded() as (node, operator):
        with pytest.raises(SendError) as caught:
            await operator.ask(KERNEL, command, expects=1)
        assert caught.value.reason is Reason.deadline_passed
        assert node.state(operator) == "running"


@pytest.mark.parametrize(
    "command",
    [
        initialize(),
        b'{"RunProcess":"held:test:test"}',
        b'{"KillProcess":"gone:test:test"}',
        b'{"GrantCapabilities":{"target":"operator:test:test","capabilities":[]}}',
        b'{"Debug":"ProcessMap"}',
    ],
)
async def test_a_command_that_expects_no_answer_gets_none(command):
    async with commanded() as (node, operator):
        node.programs.at[BOARD] = Code(_forever)
        node.create("held", _forever)
        await operator.send(KERNEL, command, payload=CODE)
        assert await operator.unread() == []
        assert node.dead_letters() == []


async def test_messaging_to_the_kernel_is_needed_by_everybody():
    """PROTOCOL 4.6: it is root."""
    async with commanded() as (node, _):
        stranger, victim = await node.puppets("stranger", "victim")
        with pytest.raises(SendError) as caught:
            await stranger.ask(KERNEL, b'{"KillProcess":"victim:test:test"}')
        assert caught.value.reason is Reason.capability_missing
        assert node.state(victim) == "running"


async def test_a_store_that_fails_is_reported_and_the_kernel_goes_on():
    """A command is durable before it is answered."""
    async with commanded() as (node, operator):
        node.store.broken = "disk full"
        with pytest.raises(SendError) as caught:
            await operator.ask(KERNEL, b'{"Debug":"ProcessMap"}', expects=1)
        assert caught.value.reason is Reason.deadline_passed
        node.store.broken = None
        await operator.ask(KERNEL, b'{"Debug":"ProcessMap"}')
        assert any("disk full" in line.text for line in node.console.recent())


async def _forever(our: Address) -> None:
    await trio.sleep_forever()
