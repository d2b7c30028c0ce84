"""A run that was written down happens again from its record, whatever its packages did (DESIGN 7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.stepping import turn_off, turn_on
from runtime.sim.disk import MemoryDisk
from runtime.sim.replay_record import ReplayVerdict, replay_record
from runtime.sim.scheduler import run_deterministic
from runtime.sim.store import MemoryStore
from tests.support.recorded import Recorded, ask, example, package_of, record, recorder_into
from tests.support.recorded_apps import busy
from tests.support.web_node import WebNode, settle, web_node

BUSY, SINK = "busy:app:me", "sink:app:me"


async def busy_story(web: WebNode) -> None:
    """Its tasks, children, timers and states; crashes, a kill, last words."""
    await trio.sleep(0.1)
    await ask(web, BUSY, "too early")
    await trio.sleep(5)
    assert await ask(web, BUSY, "abc") == "cba1700000010.1"
    await ask(web, BUSY, "rights", 1)
    assert "as told" in await ask(web, BUSY, "crash")
    await trio.sleep(5)
    await ask(web, BUSY, "crash")
    await web.kill(SINK)
    await trio.sleep(4)
    await ask(web, BUSY, "end", 1)
    await trio.sleep(3)


async def talk(web: WebNode, name: str) -> None:
    socket, _ = await web.registered("echo:echo:nectar")
    for frame in (f"{name} says", b"\xff" * 1000):
        await socket.send(frame)
        assert await socket.receive() == frame
    await socket.close()


async def web_story(web: WebNode) -> None:
    """Clients of the example apps, some at once."""
    cookie = web.cookie()
    async with trio.open_nursery() as nursery:
        for name in ("ann", "bob", "cat"):
            nursery.start_soon(talk, web, name)
    assert (await web.http("GET", "/fibonacci:fibonacci:nectar/10", cookie=cookie)).body == b'{"Number":55}'
    socket = await web.websocket("/chat:chat:nectar/", cookie=cookie)
    reply = await web.http(
        "POST",
        "/chat:chat:nectar/messages",
        b'{"text":"hello"}',
        cookie=cookie,
        content_type="application/json",
    )
    assert reply.status in {200, 201}, reply
    assert b"hello" in (await web.http("GET", "/chat:chat:nectar/messages", cookie=cookie)).body
    await socket.close()
    await settle()


@pytest.mark.parametrize("seed", range(5))
def test_processes_that_use_all_that_there_is(tmp_path: Path, seed: int):
    """DESIGN 2, 3: child tasks, spawn, state, timers, now(), random(), sleep, on-exit, restarts, timeouts of trio."""
    run = record(tmp_path, [busy()], busy_story, seed=seed)
    report = run.assert_same()
    assert report.is_whole
    assert report.compared > 300


@pytest.mark.parametrize("seed", range(3))
def test_messages_that_somebody_held_and_let_go_on(tmp_path: Path, seed: int):
    async def story(web: WebNode) -> None:
        router = web.node.kernel.router
        turn_on(router)
        for _ in range(20):
            await trio.sleep(0.1)
            assert router.stepping is not None
            router.stepping.step(2)
        turn_off(router)
        assert (await ask(web, BUSY, "abc")).startswith("cba17")
        await ask(web, BUSY, "crash")

    record(tmp_path, [busy()], story, seed=seed).assert_same()


@pytest.mark.parametrize("seed", range(3))
def test_the_example_apps_with_clients(tmp_path: Path, seed: int):
    record(tmp_path, example("echo", "fibonacci", "chat"), web_story, seed=seed).assert_same()


def test_a_replay_is_the_same_each_time(tmp_path: Path):
    run = record(tmp_path, [busy()], busy_story)
    reports = [run.assert_same() for _ in range(3)]
    assert len({report.digest for report in reports}) == 1
    assert len({report.text() for report in reports}) == 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("whole"), [busy()], busy_story)


@pytest.mark.parametrize("part", range(1, 30))
def test_what_a_kill_left_of_a_record_happens_again(whole: Recorded, part: int):
    size = len(whole.path.read_bytes()) * part // 30
    cut = whole.cut(size)
    report = cut.assert_same()
    assert not report.is_whole
    assert report.compared <= whole.replay().compared


def test_a_node_that_boots_again_is_recorded_with_what_it_restores(tmp_path: Path):
    """C-081: processes, rights and states of an earlier boot."""
    store, disk = MemoryStore(), MemoryDisk()
    written: list[bytes] = []

    async def first() -> None:
        async with web_node(packages=[busy()], store=store, disk=disk) as web:
            await trio.sleep(5)
            await ask(web, BUSY, "rights", 1)

    async def second() -> None:
        async with web_node(store=store.crash(), disk=disk.crash(), recorder=recorder_into(written)) as web:
            await trio.sleep(5)
            await ask(web, BUSY, "abc")

    run_deterministic(first, seed=1)
    run_deterministic(second, seed=2)
    run = Recorded.of(tmp_path / "second.jsonl", written)
    run.assert_same()
    assert b"busy.py" in run.path.read_bytes()


FAR = """
from userland.process_lib import *

async def init(our):
    while True:
        try:
            message = await await_message()
        except SendError as error:
            println(f"{error}")
            Request().target((our.node, "far:far:me")).ipc(f"{error.reason}".encode()).send()
            continue
        if message.ipc.startswith(b"to "):
            target = ("bob.uq", "x:y:z")
            Request().target(target).ipc(message.ipc).send()
            try:
                answer = await Request().target(target).ipc(b"?").send_and_await_response(2)
            except SendError as error:
                Response().ipc(f"{error.kind} {error.reason} {error.detail}").send()
        elif message.wants_response:
            Response().ipc(b"here: " + message.ipc).payload(get_payload()).send()
"""


def test_messages_of_other_nodes_come_from_the_record(tmp_path: Path):
    async def story(web: WebNode) -> None:
        assert await ask(web, "far:far:me", "hello") == "here: hello"
        answer = await ask(web, "far:far:me", "to bob", 5)
        assert "deadline_passed" in answer
        assert [message.message.ipc for message in web.to_other_nodes] == [b"to bob", b"?"]

    record(tmp_path, [package_of({"far": FAR}, name="far", request_networking=True)], story).assert_same()


QUEUE = """
from userland.process_lib import *

async def init(our):
    other = (our.node, "slow:queue:me")
    while True:
        try:
            message = await await_message()
        except SendError as error:
            continue
        for number in range(1500):
            await Request().target(other).ipc(b"%d" % number).send_paced()
        Response().ipc(b"all sent").send()
"""
SLOW = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        if int(message.ipc) % 500 == 0:
            await sleep(0.1)
"""


def test_paced_senders_wait_where_they_did(tmp_path: Path):
    async def story(web: WebNode) -> None:
        assert await ask(web, "queue:queue:me") == "all sent"
        await trio.sleep(1)

    package = package_of({"queue": QUEUE, "slow": SLOW}, "queue", "slow", name="queue")
    record(tmp_path, [package], story).assert_same()


def test_a_full_mailbox_refuses_what_it_did(tmp_path: Path):
    """F-16: what does not fit comes back at once."""
    flood = (
        QUEUE.replace("await Request()", "Request()")
        .replace(".send_paced()", ".payload_bytes(bytes(2**20)).send()")
        .replace("1500", "70")
    )

    async def story(web: WebNode) -> None:
        await ask(web, "queue:queue:me")
        await trio.sleep(20)

    package = package_of({"queue": flood, "slow": SLOW}, "queue", "slow", name="queue")
    run = record(tmp_path, [package], story)
    assert b"mailbox_full" in run.path.read_bytes()
    run.assert_same()


def test_a_package_that_is_installed_anew_goes_on_with_its_new_code(tmp_path: Path):
    async def story(web: WebNode) -> None:
        await trio.sleep(5)
        await web.node.packages.install_files(busy(sink="# another\n" + busy()["pkg/sink.py"].decode()))
        await trio.sleep(5)
        assert await ask(web, BUSY, "abc")
        assert await ask(web, SINK, "tell")

    run = record(tmp_path, [busy()], story)
    run.assert_same()
    assert run.path.read_bytes().count(b'{"Code":') == 2


def test_a_process_that_does_not_end_in_time_is_left_at_its_time(tmp_path: Path):
    stubborn = """
import trio
from userland.process_lib import *

async def init(our):
    try:
        await await_message()
    finally:
        with trio.CancelScope(shield=True):
            await sleep(100)
"""

    async def story(web: WebNode) -> None:
        await settle()
        await web.kill("app:app:me")
        await trio.sleep(5)

    run = record(tmp_path, [package_of({"app": stubborn})], story)
    assert run.assert_same().is_whole
    assert b'"task":"","cause":"KILLED"' in run.path.read_bytes()


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("ask"), st.sampled_from([BUSY, SINK, "no:app:me"]), st.sampled_from(["abc", "tell", ""])
        ),
        st.tuples(st.just("ask"), st.just(BUSY), st.sampled_from(["crash", "rights", "end"])),
        st.tuples(st.just("talk"), st.text(max_size=5), st.just("")),
        st.tuples(st.just("sleep"), st.floats(0, 2), st.just("")),
        st.tuples(st.just("kill"), st.sampled_from([BUSY, SINK]), st.just("")),
        st.tuples(st.just("number"), st.integers(0, 50), st.just("")),
    ),
    max_size=12,
)


async def do(web: WebNode, kind: str, what: object, text: str) -> None:
    match kind:
        case "ask":
            await ask(web, what, text, 2)
        case "talk":
            await talk(web, what)
        case "sleep":
            await trio.sleep(what)
        case "kill":
            await web.node.kernel.kill(ProcessId.from_str(what))
        case "number":
            await ask(web, "fibonacci:fibonacci:nectar", json.dumps({"Number": what}))


@settings(max_examples=25)
@given(steps=STEPS, at_once=st.booleans(), seed=st.integers(0, 2**16))
def test_any_traffic_happens_again(tmp_path_factory: pytest.TempPathFactory, steps, at_once: bool, seed: int):
    async def story(web: WebNode) -> None:
        async with trio.open_nursery() as nursery:
            for step in steps:
                if at_once:
                    nursery.start_soon(do, web, *step)
                else:
                    await do(web, *step)

    packages = [busy(), *example("echo", "fibonacci")]
    run = record(tmp_path_factory.mktemp("any"), packages, story, seed=seed)
    assert replay_record(run.path).verdict is ReplayVerdict.same, run.replay().text()
