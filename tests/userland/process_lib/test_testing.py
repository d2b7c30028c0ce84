"""`process_lib.testing`, and process_lib on the real kernel through it."""

from __future__ import annotations

import doctest
import sys

import pytest

from kernel.errors import NoSuchFile, ProgramError
from kernel.message import Payload, Reason, SendError, SendErrorKind
from userland.process_lib import (
    Address,
    Capability,
    Request,
    Response,
    await_message,
    get_capabilities,
    get_payload,
    grant_messaging,
    http,
    now,
    random,
    sleep,
    spawn,
    start_soon,
    testing,
    timer,
)
from userland.process_lib.testing import ActorTest

GREETER = "greeter:greeter:nectar"


def greeter(**options) -> ActorTest:
    return ActorTest("package/greeter.py", our=GREETER, **options)


async def echo(our):
    while True:
        message = await await_message()
        if message.is_request():
            Response().ipc(message.ipc).payload(get_payload()).send()


def test_the_example_of_the_module_is_true():
    result = doctest.testmod(testing)
    assert result.attempted > 3
    assert result.failed == 0


# -- asking


def test_a_request_is_answered_and_what_was_sent_is_seen():
    with ActorTest(echo) as actor:
        answer = actor.send(b"hi", Payload("a/b", b"p"), expects_response=5)
    assert (answer.ipc, answer.payload()) == (b"hi", Payload("a/b", b"p"))
    sent = actor.sent[0]
    assert (str(sent.target), sent.ipc, sent.is_request) == ("fake.dev@tester:tester:nectar", b"hi", False)


def test_ipc_may_be_text_bytes_or_any_json_value():
    with ActorTest(echo) as actor:
        found = [actor.send(ipc, expects_response=1).ipc for ipc in ("text", b"bytes", {"a": [1]})]
    assert found == [b"text", b"bytes", b'{"a":[1]}']


def test_a_silent_actor_costs_the_timeout_in_virtual_time_only():
    async def silent(our):
        while True:
            await await_message()

    with ActorTest(silent) as actor, pytest.raises(SendError) as caught:
        actor.send(b"", expects_response=3600)
    assert (caught.value.kind, caught.value.reason) == (SendErrorKind.Timeout, Reason.deadline_passed)


def test_the_source_may_be_any_process_also_of_another_node():
    async def names(our):
        while True:
            message = await await_message()
            Response().ipc(str(message.source)).send()

    with ActorTest(names) as actor:
        sources = ["fake.dev@chat:chat:nectar", "other.dev@chat:chat:nectar"]
        for source in sources:
            assert actor.send(b"", source=source, expects_response=5).ipc.decode() == source
        with pytest.raises(SendError, match="deadline_passed"), ActorTest(sleepy) as other:
            other.send(b"", source="other.dev@chat:chat:nectar", expects_response=2)


async def sleepy(our):
    await await_message()
    await sleep(10)
    Response().ipc(b"late").send()


# -- the files of a package


def test_a_file_is_run_with_its_siblings_and_fresh_modules_at_each_start():
    for _ in range(2):
        with greeter() as actor:
            assert actor.send({"greet": "ada"}, expects_response=5).ipc == b"hello ada"
            assert [line.text for line in actor.printed] == ["greeter:greeter:nectar: ready"]
    assert not [name for name in sys.modules if name.startswith("_actor_under_test")]


def test_state_is_found_kept_and_seen():
    with greeter(state=b"grace") as actor:
        assert actor.send('"who"', expects_response=5).ipc == b"grace"
        actor.send({"greet": "ada"}, expects_response=5)
        assert actor.state == b"ada"
        assert not [sent for sent in actor.sent if sent.target.process_name == "state"]
    with greeter() as actor:
        assert actor.send('"who"', expects_response=5).ipc == b"nobody"


def test_a_child_runs_from_the_file_beside_it():
    with greeter() as actor:
        assert actor.send('"spawn"', expects_response=5).ipc == b"child:greeter:nectar"
        answer = actor.send({"relay": "our@child:greeter:nectar"}, expects_response=5)
    assert answer.ipc == b"child was here"


def test_a_child_may_be_a_function_beside_its_parent():
    """PROTOCOL 5.1: `Spawn!`."""

    async def child(our):
        await echo(our)

    async def parent(our):
        await await_message()
        Response().ipc(str(await spawn("child", fn=child))).send()
        await await_message()

    with ActorTest(parent, our=GREETER) as actor:
        assert actor.send(b"", expects_response=5).ipc == b"child:greeter:nectar"


def test_a_missing_file_is_named():
    with pytest.raises(NoSuchFile, match=r"package/nobody\.py"):
        ActorTest("package/nobody.py")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("async def init(our)\n    pass", "line 1: SyntaxError"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("\n1 / 0", "line 2: ZeroDivisionError"),
        ("def init(our): pass", "no async function"),
        ("init = 5", "no async function"),
        ("", "has no `init`"),
    ],
)
def test_a_file_that_cannot_start_raises_with_its_place(tmp_path, source, problem):
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(ProgramError, match=problem) as caught, ActorTest(path):
        pytest.fail("it started")
    assert caught.value.file == str(path)


async def test_a_file_that_cannot_start_raises_the_same_inside_trio(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("def")
    with pytest.raises(ProgramError, match="line 1: SyntaxError"):
        async with ActorTest(path):
            pytest.fail("it started")


# -- other processes


async def asking(our):
    while True:
        message = await await_message()
        try:
            answer = await Request().target(message.ipc.decode()).ipc(b"q").send_and_await_response(5)
        except SendError as error:
            Response().ipc(f"{error.kind} {error.reason}").send()
        else:
            Response().ipc(answer.ipc).payload(get_payload()).send()


PEERS = ["our@peer:chat:nectar", "fake.dev@peer:chat:nectar", "other.dev@peer:chat:nectar"]


@pytest.mark.parametrize("peer", PEERS)
def test_a_script_answers_for_a_process_of_any_node(peer):
    async def later(message):
        await sleep(2)
        return "later"

    with ActorTest(asking) as actor:
        actor.on(peer, lambda message: {"asked": message.ipc.decode()})
        assert actor.send(peer, expects_response=9).ipc == b'{"asked":"q"}'
        actor.on(peer, Response().ipc(b"r").payload_bytes(b"p"))
        answer = actor.send(peer, expects_response=9)
        assert (answer.ipc, answer.payload()) == (b"r", Payload(None, b"p"))
        actor.on(peer, later)
        assert actor.send(peer, expects_response=9).ipc == b"later"
        actor.on(peer, None)
        assert actor.send(peer, expects_response=9).ipc == b"Timeout deadline_passed"


@pytest.mark.parametrize(
    ("peer", "outcome"),
    [
        ("our@peer:chat:nectar", b"Timeout no_such_process"),
        ("other.dev@peer:chat:nectar", b"Offline node_unreachable"),
        ("known.dev@peer:chat:nectar", b"Timeout no_such_process"),
    ],
)
def test_who_has_no_script_cannot_be_reached(peer, outcome):
    with ActorTest(asking) as actor:
        actor.on("known.dev@somebody:else:nectar", None)
        assert actor.send(peer, expects_response=9).ipc == outcome
        assert actor.sent[0].ipc == b"q"


def test_a_script_that_fails_fails_the_test():
    def wrong(message):
        assert message.ipc == b"expected"

    with ActorTest(asking) as actor:
        for peer in PEERS:
            actor.on(peer, wrong)
            with pytest.raises(AssertionError):
                actor.send(peer, expects_response=9)


def test_a_script_may_replace_a_module_of_the_runtime():
    async def binding(our):
        await http.bind_http_path("/")

    refusal = {"Err": {"PathBindError": {"error": "taken"}}}
    with ActorTest(_later(binding)) as actor:
        actor.on("our@http_server:sys:nectar", refusal)
        actor.send(b"go")
        assert "taken" in str(actor.last_error)


def _later(init):
    async def waits(our):
        await await_message()
        await init(our)

    return waits


# -- time, chance, rights


def test_time_moves_only_when_it_is_told_to_and_each_timer_fires_at_its_own():
    ticks = []

    async def ticking(our):
        start_soon(background)
        while True:
            await timer.set_and_await_timer(1500)
            ticks.append(("timer", now()))

    async def background():
        while True:
            await sleep(2)
            ticks.append(("sleep", now()))

    with ActorTest(ticking) as actor:
        assert ticks == []
        actor.advance(4.5)
    begin = testing._actor.EPOCH
    assert [(kind, at - begin) for kind, at in ticks] == [
        ("timer", 1.5),
        ("sleep", 2.0),
        ("timer", 3.0),
        ("sleep", 4.0),
        ("timer", 4.5),
    ]


def test_chance_is_the_seeds():
    drawn = []

    async def drawing(our):
        drawn.append(random().random())

    for seed in (1, 1, 2):
        with ActorTest(drawing, seed=seed):
            pass
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_capabilities_given_are_those_it_holds():
    read = Capability(Address.from_str("fake.dev@vfs:sys:nectar"), '"read"')
    held: list[Capability] = []

    async def looking(our):
        held.extend(c.unsigned() for c in get_capabilities())
        grant_messaging(["timer:sys:nectar"])

    with ActorTest(looking, capabilities=[read]):
        pass
    assert read in held


# -- inside trio


async def test_the_same_calls_are_awaited_inside_trio():
    async with ActorTest(echo) as actor:
        assert (await actor.send(b"hi", expects_response=5)).ipc == b"hi"
        await actor.advance(5)
        assert actor.is_running


def test_a_context_comes_back_with_the_awaited_response_and_with_its_error():
    """C-035, on the real kernel."""
    heard = []

    async def asker(our):
        await await_message()
        echo_request = Request().ipc(b"x").context(b"c")
        heard.append((await echo_request.target("our@echo:echo:nectar").send_and_await_response(1)).context)
        try:
            await echo_request.target("our@nobody:echo:nectar").send_and_await_response(1)
        except SendError as error:
            heard.append(error.context)

    with ActorTest(asker) as actor:
        actor.on("our@echo:echo:nectar", "y")
        actor.send("go")
    assert heard == [b"c", b"c"]


async def _asks_as_it_starts(our):
    answer = await Request().target("our@words:test:fake.dev").ipc(b"who?").send_and_await_response(5)
    far = await Request().target("far.dev@words:test:far.dev").ipc(b"who?").send_and_await_response(5)
    await http.bind_http_path("/" + answer.ipc.decode() + far.ipc.decode())


def test_neighbours_are_scripted_before_the_actor_starts():
    on = {"our@words:test:fake.dev": "near", "far.dev@words:test:far.dev": lambda message: "far"}
    with ActorTest(_asks_as_it_starts, on=on) as actor:
        assert [binding.path for binding in actor.bound] == ["/nearfar"]
        actor.on("our@words:test:fake.dev", "changed")
