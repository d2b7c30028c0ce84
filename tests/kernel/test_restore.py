"""What a node that boots again finds: records, rights, and code that is gone (PROTOCOL 4.7; C-081)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability, SignedCapability
from kernel.jsontext import dump
from kernel.mailbox import Limits
from kernel.message import OnExit, Payload, Request
from kernel.ports import Put, StoreFailed
from runtime.sim.store import MemoryStore
from tests.support.kernel_node import NODE, KernelNode, Puppet, kernel_node, pid_of
from tests.support.shelf import Code
from userland.process_lib.testing._ports import Seals

PATH = "/a.py"
BOB = Address("bob.uq", "x:y:z")


async def idle(our: Address) -> None:
    await trio.sleep_forever()


async def booted(node: KernelNode, *names: str) -> list[Puppet]:
    """As at a boot: restored, then started; the puppets of those names."""
    puppets = [Puppet(node, pid_of(name)) for name in names]
    node.programs.at[PATH] = _ByProcess(puppets)
    await node.kernel.restore()
    node.kernel.start_all()
    await node.settle()
    return puppets


class _ByProcess:
    """One code for several puppets."""

    def __init__(self, puppets: Sequence[Puppet]) -> None:
        self._puppets = {puppet.address: puppet for puppet in puppets}

    def fresh(self):
        async def init(our: Address) -> None:
            await self._puppets[our].init(our)

        return init


async def saved(store: MemoryStore, rules: dict[str, OnExit], **given) -> MemoryStore:
    """What is on disk after a node with these processes was cut off."""
    async with kernel_node(store) as node:
        for name, rule in rules.items():
            node.kernel.lifecycle.start(node.create(name, idle, on_exit=rule, path=PATH, **given))
        await node.settle()
        await node.kernel.records.flush()
    return store.crash()


async def test_processes_with_an_on_exit_run_again_and_the_others_are_gone():
    """C-081."""
    rules = {"none": OnExit.none(), "restart": OnExit.restart(), "requests": OnExit.requests([])}
    store = await saved(MemoryStore(), rules)
    async with kernel_node(store) as node:
        await booted(node, "restart", "requests")
        assert [str(s.id) for s in node.kernel.standings()] == ["requests:test:test", "restart:test:test"]
        assert node.state(pid_of("restart")) == "running"


async def test_a_process_comes_back_as_it_was():
    witness = Address(NODE, "witness:test:test")
    rule = OnExit.requests([(witness, Request(ipc=b"bye", metadata="m"), Payload("a/b", b"\0\xff"))])
    capabilities = [
        Capability.network(NODE),
        Capability.messaging(witness),
        Capability(Address(NODE, "vfs:sys:nectar"), '{"a": 1}'),
    ]
    limits = Limits(messages=7, bytes=70)
    store = await saved(MemoryStore(), {"a": rule}, capabilities=capabilities, limits=limits)
    async with kernel_node(store) as node:
        [a] = await booted(node, "a")
        assert await a.do(lambda calls: calls.get_on_exit()) == rule
        held = [str(c.unsigned()) for c in await a.do(lambda calls: calls.our_capabilities())]
        assert sorted(held) == sorted(map(str, [Capability.messaging(a.address), *capabilities]))
        other = await node.puppet("other", may_message=[a])
        for _ in range(8):
            await other.send(a)
        assert len(await other.unread()) == 1


async def test_a_foreign_capability_keeps_its_signature_over_a_boot():
    """F-31: it can still be shown to others."""
    plain = Capability(BOB, '"x"')
    signed = SignedCapability(BOB, '"x"', Seals("bob.uq").sign(plain.signed_bytes()))
    store = MemoryStore()
    async with kernel_node(store) as node:
        a = await node.puppet("a", on_exit=OnExit.restart())
        await a.do(lambda calls: calls.save_capabilities([signed]))
        await node.kernel.records.flush()
    store = store.crash()
    for _ in range(2):
        async with kernel_node(store) as node:
            a = Puppet(node, pid_of("a"))
            node.programs.at[""] = Code(a.init)
            await booted(node)
            assert await a.do(lambda calls: calls.get_capability(BOB, '"x"')) == signed
            await node.kernel.records.flush()
        store = store.crash()


async def test_what_was_revoked_or_dropped_does_not_come_back():
    store = MemoryStore()
    async with kernel_node(store) as node:
        a = await node.puppet("a", on_exit=OnExit.restart())
        issuer = await node.puppet("issuer")
        await issuer.do(lambda calls: calls.create_capability(a.pid, '"granted"'))
        await a.do(lambda calls: calls.save_capabilities([Capability(a.address, '"own"')]))
        await a.do(lambda calls: calls.drop_capabilities([Capability(a.address, '"own"')]))
        await node.kill(issuer)
        await node.kernel.records.flush()
    [(_, record)] = await store.crash().scan("processes")
    assert b"granted" not in record
    assert b"own" not in record


async def test_a_rule_set_at_run_time_is_kept():
    """PROTOCOL 4.7: persisted."""
    store = MemoryStore()
    async with kernel_node(store) as node:
        a, b = await node.puppet("a"), await node.puppet("b", on_exit=OnExit.restart())
        await a.do(lambda calls: calls.set_on_exit(OnExit.restart()))
        await b.do(lambda calls: calls.set_on_exit(OnExit.none()))
        await node.kernel.records.flush()
    assert [key for key, _ in await store.crash().scan("processes")] == ["a:test:test"]


async def test_a_rule_that_cannot_be_written_is_refused_and_changes_nothing():
    """An actor must not leave a record behind that makes later grants of others fail."""
    async with kernel_node() as node:
        a, b = await node.puppet("a", on_exit=OnExit.restart()), await node.puppet("b")
        bad = OnExit.requests([(b.address, Request(metadata="half \ud800"), None)])
        with pytest.raises(ValueError, match="on_exit"):
            await a.do(lambda calls: calls.set_on_exit(bad))
        assert await a.do(lambda calls: calls.get_on_exit()) == OnExit.restart()
        await b.do(lambda calls: calls.create_capability(a.pid, '"x"'))
        assert node.state(b) == "running"


async def test_a_shutdown_keeps_what_a_kill_removes():
    store = MemoryStore()
    async with kernel_node(store) as node:
        stays, goes = [await node.puppet(name, on_exit=OnExit.restart()) for name in ("stays", "goes")]
        await node.kill(goes)
        assert await node.kernel.stop() == []
        assert node.causes(stays) == ["CANCELLED"]
    assert [key for key, _ in await store.crash().scan("processes")] == ["stays:test:test"]


async def test_code_that_came_in_a_message_is_kept_with_the_process():
    store = MemoryStore()
    kernel = Address(NODE, "kernel:sys:nectar")
    async with kernel_node(store, commands=True) as node:
        operator = await node.puppet("operator", may_message=[kernel])
        node.programs.at[PATH] = Code(idle)
        command = {
            "id": "a:test:test",
            "wasm_bytes_handle": PATH,
            "wit_version": None,
            "on_exit": "Restart",
            "initial_capabilities": [],
            "public": False,
        }
        ipc = dump({"InitializeProcess": command})
        await operator.ask(kernel, ipc, payload=Payload(None, b"the source"))
    async with kernel_node(store.crash()) as node:
        await booted(node, "a")
        assert node.programs.asked == [(pid_of("a"), PATH, b"the source")]


async def test_what_was_granted_to_a_module_is_found_again_and_rubbish_is_passed_over():
    """A module is never written itself, but packages grant it rights that a boot must not lose."""
    store = MemoryStore()
    for boot in range(3):
        async with kernel_node(store) as node:
            module, issuer = await node.system("clock"), await node.puppet("issuer")
            granted = dict(await node.kernel.records.load_granted())
            if boot:
                assert '"tick"' in [capability.params for capability in granted[module.pid]]
            await issuer.do(lambda calls, to=module.pid: calls.create_capability(to, '"tick"'))
            await node.kernel.records.flush()
        store = store.crash()
        table = "granted"
        store.apply([Put(table, "rubbish:sys:nectar", b"{"), Put(table, "no id", b'{"capabilities":[]}')])


# -- what cannot be brought back


async def test_a_process_whose_code_is_gone_is_kept_for_a_repair():
    """docs/processes.md: `ended`; messages to it come back."""
    store = await saved(MemoryStore(), {"a": OnExit.restart()})
    async with kernel_node(store) as node:
        await node.kernel.restore()
        node.kernel.start_all()
        assert node.state(pid_of("a")) == "ended"
        [standing] = node.kernel.standings()
        assert "no such file" in (standing.last_error or "")
        other = await node.puppet("other", may_message=[Address(NODE, "a:test:test")])
        await other.send(Address(NODE, "a:test:test"))
        [error] = await other.unread()
        assert error.reason == "process_exited"
        assert "no such file" in error.detail
        await node.kernel.stop()
    store = store.crash()
    async with kernel_node(store) as node:
        await booted(node, "a")
        assert node.state(pid_of("a")) == "running"


async def test_a_process_that_could_not_be_started_can_be_killed():
    store = await saved(MemoryStore(), {"a": OnExit.restart()})
    async with kernel_node(store) as node:
        await node.kernel.restore()
        await node.kill(pid_of("a"))
        assert node.kernel.standings() == []
        await node.kernel.records.flush()
    assert await store.crash().scan("processes") == []


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b'{"id":"a:test:test"}', b"\xff", b'{"id":"a:b","path":7}']
)
async def test_a_corrupt_record_is_left_and_reported(value):
    store = await saved(MemoryStore(), {"good": OnExit.restart()})
    store.apply([Put("processes", "bad:test:test", value)])
    async with kernel_node(store) as node:
        await booted(node, "good")
        assert node.state(pid_of("good")) == "running"
        said = [line.text for line in node.console.recent() if "bad:test:test" in line.text]
        assert len(said) == 1
        await node.kernel.stop()
    assert dict(await store.scan("processes"))["bad:test:test"] == value


@pytest.mark.parametrize("name", ["ü:test:test", "kernel:evil:evil"])
async def test_a_record_of_a_process_that_may_not_be_is_left_and_reported(name):
    store = await saved(MemoryStore(), {"a": OnExit.restart()})
    [(_, record)] = await store.scan("processes")
    store.apply([Put("processes", name, record.replace(b"a:test:test", name.encode(), 1))])
    async with kernel_node(store) as node:
        await booted(node, "a")
        assert [str(s.id) for s in node.kernel.standings()] == ["a:test:test"]
        assert any(line.verbosity == 0 and name in line.text for line in node.console.recent())
    assert len(await store.scan("processes")) == 2


async def test_what_runs_already_is_not_restored_over():
    store = await saved(MemoryStore(), {"a": OnExit.restart()})
    async with kernel_node(store) as node:
        a = await node.puppet("a")
        assert await node.kernel.restore() == []
        assert node.state(a) == "running"


async def test_a_store_that_cannot_be_read_is_the_boots_to_report():
    store = await saved(MemoryStore(), {"a": OnExit.restart()})
    store.broken = "bad sector"
    async with kernel_node(store) as node:
        with pytest.raises(StoreFailed, match="bad sector"):
            await node.kernel.restore()


async def test_the_first_receive_of_each_is_noted_and_so_is_an_end_before_it():
    async with kernel_node() as node:
        puppet = Puppet(node, pid_of("receives"))

        async def ends(our: Address) -> None:
            raise ValueError("at once")

        processes = [
            node.create("receives", puppet.init),
            node.create("ends", ends),
            node.create("waits", idle),
        ]
        events = node.kernel.note_first_receive(processes)
        node.kernel.start_all()
        await node.settle()
        assert [event.is_set() for event in events] == [False, True, False]
        puppet.begin_receive()
        await node.settle()
        assert [event.is_set() for event in events] == [True, True, False]


STEP = st.tuples(
    st.sampled_from(("create", "rule", "grant", "drop", "kill", "flush", "crash")),
    st.integers(0, 3),
    st.integers(0, 2),
)
RULES = (OnExit.none(), OnExit.restart(), OnExit.requests([]))


@given(st.lists(STEP, max_size=25))
async def test_after_any_history_a_boot_finds_exactly_what_was_flushed(steps):
    """C-081 against a model: a table of rules and rights; a crash goes back to the last flush."""
    store = MemoryStore()
    model: dict[str, tuple[OnExit, tuple[str, ...]]] = {}
    flushed = dict(model)
    async with kernel_node(store) as node:
        for action, which, choice in steps:
            name = f"p{which}"
            process = node.kernel.router.processes.get(pid_of(name))
            if action == "create" and process is None:
                node.kernel.lifecycle.start(node.create(name, idle, on_exit=RULES[choice], path=PATH))
                model[name] = (RULES[choice], ())
            elif action == "kill":
                await node.kill(pid_of(name))
                model.pop(name, None)
            elif action == "flush":
                await node.kernel.records.flush()
                flushed = dict(model)
            elif action == "crash":
                break
            elif process is not None:
                rule, rights = model[name]
                right = Capability(Address(NODE, "vfs:sys:nectar"), str(choice))
                if action == "rule":
                    node.kernel.lifecycle.set_on_exit(process, RULES[choice])
                    model[name] = (RULES[choice], rights)
                elif action == "grant":
                    node.kernel.grants.grant(process, right)
                    model[name] = (rule, tuple(dict.fromkeys((*rights, right.params))))
                elif action == "drop":
                    node.kernel.grants.drop(process, right)
                    model[name] = (rule, tuple(r for r in rights if r != right.params))
    async with kernel_node(store.crash()) as node:
        node.programs.at[PATH] = Code(idle)
        found = {
            process.pid.process: (
                process.on_exit,
                tuple(c.params for c in process.holdings.all() if c.issuer.process_name == "vfs"),
            )
            for process in await node.kernel.restore()
        }
    assert found == {name: kept for name, kept in flushed.items() if not kept[0].is_none()}
