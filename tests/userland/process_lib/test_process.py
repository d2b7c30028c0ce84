from __future__ import annotations

import json

import pytest

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import OutsideProcess, StateError
from kernel.message import (
    OnExit as RawOnExit,
)
from kernel.message import (
    Payload,
    Reason,
    SendError,
    SendErrorKind,
)
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from tests.support.recording_syscalls import recording, request_message, response_message
from userland import process_lib
from userland.process_lib import BuildError, OnExit, Request, Response

ECHO = Address.from_str("fake.dev@echo:echo:nectar")
MESSAGING = Capability.messaging(ECHO)


async def test_receive_gives_the_message_with_its_source():
    with recording() as calls:
        message = request_message(ECHO, calls.our, RawRequest(ipc=b"hi"))
        calls.inbox.append(message)
        assert await process_lib.receive() == (ECHO, message)


async def test_await_message_gives_messages_and_raises_what_came_back():
    with recording() as calls:
        message = request_message(ECHO, calls.our, RawRequest(ipc=b"hi"), Payload(None, b"p"))
        failed = SendError(
            SendErrorKind.Timeout,
            Reason.no_such_process,
            target=ECHO,
            message=message,
            payload=None,
            definite=True,
            detail="it does not run",
        )
        calls.inbox.extend([message, failed, message])
        assert await process_lib.await_message() is message
        assert process_lib.get_payload() == Payload(None, b"p")
        assert process_lib.has_payload()
        with pytest.raises(SendError) as caught:
            await process_lib.await_message()
        assert caught.value is failed
        assert not process_lib.has_payload()
        assert await process_lib.await_next_message_body() == b"hi"


async def test_the_raw_calls_take_any_form_of_a_target():
    raw = RawRequest(ipc=b"x", expects_response=1)
    with recording() as calls:
        calls.answers.append(response_message(ECHO, calls.our, b"y"))
        process_lib.send_request("fake.dev@echo:echo:nectar", raw, b"c", Payload())
        process_lib.send_requests([(ECHO, raw, None, None), Request().target(ECHO).ipc(b"z")])
        process_lib.send_response(RawResponse(ipc=b"r"))
        source, answer = await process_lib.send_and_await_response(("fake.dev", "echo:echo:nectar"), raw)
    assert (source, answer.ipc) == (ECHO, b"y")
    assert [arguments[:2] for arguments in calls.sent()] == [
        (ECHO, raw),
        (ECHO, raw),
        (ECHO, RawRequest(ipc=b"z")),
        (ECHO, raw),
    ]
    assert ("send_response", (RawResponse(ipc=b"r"), None)) in calls.calls


async def test_the_raw_calls_take_builders_with_all_that_they_hold():
    """PROTOCOL 5.1."""
    builder = (
        Request()
        .ipc(b"x")
        .expects_response(3)
        .context(b"c")
        .metadata("m")
        .payload_bytes(b"p")
        .capabilities([MESSAGING])
    )
    raw = RawRequest(False, 3, b"x", "m", (MESSAGING,))
    payload = Payload(None, b"p")
    with recording() as calls:
        calls.answers.append(response_message(ECHO, calls.our, b"y"))
        process_lib.send_request(ECHO, builder)
        process_lib.send_requests([(ECHO, builder, None, None), builder.target(ECHO)])
        await process_lib.send_and_await_response("fake.dev@echo:echo:nectar", builder)
        process_lib.send_response(Response().ipc(b"r").payload(payload))
    assert calls.sent() == [(ECHO, raw, b"c", payload)] * 4
    assert calls.calls[-1] == ("send_response", (RawResponse(ipc=b"r"), payload))


async def test_what_is_given_beside_a_builder_wins():
    other = Address.from_str("fake.dev@other:echo:nectar")
    builder = Request().target(other).ipc(b"x").expects_response(3).context(b"c").payload_bytes(b"p")
    raw, payload = RawRequest(expects_response=3, ipc=b"x"), Payload(None, b"q")
    with recording() as calls:
        calls.answers.append(response_message(ECHO, calls.our, b"y"))
        process_lib.send_request(ECHO, builder, b"d", payload)
        process_lib.send_requests([(ECHO, builder, b"d", payload)])
        await process_lib.send_and_await_response(ECHO, builder, payload)
        process_lib.send_response(Response().ipc(b"r").payload_bytes(b"p"), payload)
    assert calls.sent() == [
        (ECHO, raw, b"d", payload),
        (ECHO, raw, b"d", payload),
        (ECHO, raw, b"c", payload),
    ]
    assert calls.calls[-1] == ("send_response", (RawResponse(ipc=b"r"), payload))


async def test_a_raw_call_refuses_what_is_no_message_or_no_payload():
    raw = RawRequest(ipc=b"x", expects_response=1)
    with recording() as calls:
        with pytest.raises(TypeError, match="send_request takes a Request"):
            process_lib.send_request(ECHO, Response().ipc(b""))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="send_response takes a Response"):
            process_lib.send_response(b"r")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="send_and_await_response takes a Payload"):
            await process_lib.send_and_await_response(ECHO, raw, b"p")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"text; write Payload\(bytes=text\.encode\(\)\)"):
            process_lib.send_request(ECHO, raw, None, Payload(bytes="p"))  # type: ignore[arg-type]
        with pytest.raises(BuildError):
            process_lib.send_requests([(ECHO, raw, None, None), Request().ipc(b"to nobody")])
    assert calls.calls == []


def test_payloads_are_made_and_read_with_the_serializer_given():
    assert process_lib.make_payload({"a": 1}) == Payload(None, b'{"a":1}')
    assert process_lib.make_payload("x", str.encode) == Payload(None, b"x")
    with recording() as calls:
        assert process_lib.get_typed_payload(json.loads) is None
        calls.payload = Payload(None, b'{"a":1}')
        assert process_lib.get_typed_payload(json.loads) == {"a": 1}
        calls.payload = Payload(None, b"no json")
        assert process_lib.get_typed_payload(json.loads) is None


def test_a_serializer_may_give_text_and_nothing_else_but_bytes():
    assert process_lib.make_payload({"a": 1}, json.dumps) == Payload(None, b'{"a": 1}')
    with pytest.raises(TypeError, match="make_payload: a Payload's bytes are bytes, got dict"):
        process_lib.make_payload({"a": 1}, lambda value: value)  # type: ignore[arg-type, return-value]


async def test_state_is_read_written_and_cleared():
    with recording():
        assert await process_lib.get_typed_state(json.loads) is None
        await process_lib.set_state(b"[1]")
        assert await process_lib.get_state() == b"[1]"
        assert await process_lib.get_typed_state(json.loads) == [1]
        await process_lib.clear_state()
        assert await process_lib.get_state() is None


async def test_a_state_that_does_not_parse_is_never_taken_for_none():
    """FIELD P21: taken for none it would be overwritten."""
    with recording() as calls:
        calls.state = b"old format"
        with pytest.raises(StateError, match="10 bytes of state do not parse"):
            await process_lib.get_typed_state(json.loads)


async def test_a_state_must_be_bytes():
    with recording(), pytest.raises(TypeError, match=r"json\.dumps"):
        await process_lib.set_state({"a": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), []),
        (None, []),
        ("None", []),
        ([MESSAGING], [MESSAGING]),
        (["echo:echo:nectar"], [MESSAGING]),
        ([ProcessId("echo", "echo", "nectar"), ("echo", "echo", "nectar")], [MESSAGING, MESSAGING]),
        ("All", [SignedCapability(ECHO, '"all"', b"s")]),
    ],
)
async def test_spawn_takes_capabilities_in_the_forms_of_each_era(given, expected):
    with recording() as calls:
        calls.held = [SignedCapability(ECHO, '"all"', b"s")]
        child = await process_lib.spawn("child", "child.py", OnExit.restart(), given)
    assert child == ProcessId("child", "test", "fake.dev")
    assert calls.calls == [("spawn", ("child", "child.py", RawOnExit.restart(), expected, [], False))]


async def test_a_child_may_be_detached():
    with recording() as calls:
        await process_lib.spawn("child", "child.py", OnExit.restart(), detached=True)
        await process_lib.spawn(None, fn=_child, detached=True)
    assert [args[-1] for _, args in calls.calls] == ["detached"] * 2


async def test_watching_takes_a_process_in_any_form():
    with recording() as calls:
        assert process_lib.watch("a:b:c")
        process_lib.unwatch(("a", "b", "c"))
    pid = ProcessId("a", "b", "c")
    assert calls.calls == [("watch", (pid,)), ("unwatch", (pid,))]


async def test_spawn_grants_messaging_or_given_params_to_others():
    with recording() as calls:
        await process_lib.spawn(
            None, "c.py", OnExit.none(), grant_capabilities=["a:b:c", ("a:b:c", '"read"')], public=True
        )
    one = ProcessId("a", "b", "c")
    assert calls.calls[0][1][3:] == ([], [one, (one, '"read"')], True)


async def test_spawn_understands_the_seeds_five_arguments():
    with recording() as calls:
        await process_lib.spawn("c", "c.py", OnExit.none(), None, True)
    assert calls.calls[0][1][3:] == ([], [], True)


@pytest.mark.parametrize("given", ["echo:echo:nectar", MESSAGING, ProcessId("a", "b", "c")])
async def test_one_capability_where_a_list_belongs_is_refused(given):
    with recording(), pytest.raises(TypeError, match="is a list"):
        await process_lib.spawn("c", "c.py", OnExit.none(), given)


def test_prints_carry_their_prefix_and_join_like_print():
    with recording() as calls:
        process_lib.println("a", 1, None)
        process_lib.kiprintln("a", 1)
        process_lib.process_println("a")
        process_lib.print_to_terminal(2, "detail")
    assert [arguments for _, arguments in calls.calls] == [
        (0, "a 1 None"),
        (0, "test:fake.dev: a 1"),
        (0, "main:test:fake.dev: a"),
        (2, "detail"),
    ]


async def test_time_chance_and_tasks_are_those_of_the_process():
    async def child(word: str) -> None: ...

    with recording() as calls:
        before = process_lib.now()
        await process_lib.sleep(2.5)
        assert process_lib.now() == before + 2.5
        assert process_lib.random().random() == process_lib.random().random()
        process_lib.start_soon(child, "word")
    assert calls.calls == [("start_soon", (child, ("word",)))]
    assert process_lib.Address.from_str("fake.dev@main:test:fake.dev") == calls.our


def test_our_is_the_address_of_the_process():
    with recording() as calls:
        assert process_lib.our() is calls.our


@pytest.mark.parametrize(
    "call",
    [
        process_lib.our,
        process_lib.now,
        process_lib.random,
        process_lib.get_payload,
        process_lib.get_capabilities,
        lambda: process_lib.println("x"),
        lambda: Response().ipc(b"").send(),
        OnExit.get,
    ],
)
def test_a_call_outside_an_actor_raises(call):
    with pytest.raises(OutsideProcess, match="no process runs here"):
        call()


@pytest.mark.parametrize("policy", [None, "restart"])
async def test_a_child_needs_a_policy_for_its_end(policy):
    with recording() as calls, pytest.raises(TypeError, match=r"OnExit\.restart\(\)"):
        await process_lib.spawn("child", "child.py", policy)
    assert calls.calls == []


async def test_the_policy_of_a_child_may_be_a_word_of_the_first_era():
    with recording() as calls:
        await process_lib.spawn("child", "child.py", "Restart")
    assert calls.calls == [("spawn", ("child", "child.py", RawOnExit.restart(), [], [], False))]


async def test_a_function_is_a_child_too_and_needs_no_policy():
    """PROTOCOL 5.1: `Spawn!`."""
    with recording() as calls:
        child = await process_lib.spawn("child", fn=_child, public=True)
        await process_lib.spawn(fn=_child, on_exit=OnExit.none())
    assert child == ProcessId("child", "test", "fake.dev")
    none = RawOnExit.none()
    assert calls.calls == [
        ("spawn", ("child", _child, none, [], [], True)),
        ("spawn", (None, _child, none, [], [], False)),
    ]


async def _child(our: Address) -> None:
    """Ends at once."""


@pytest.mark.parametrize(
    "given",
    [{}, {"fn": lambda our: None}, {"fn": "child.py"}, {"path": "child.py", "fn": _child}, {"path": _child}],
)
async def test_a_child_is_either_a_file_or_an_async_function(given):
    with recording() as calls, pytest.raises(TypeError, match=r"spawn\(name, fn=child\)"):
        await process_lib.spawn("child", on_exit=OnExit.none(), **given)
    assert calls.calls == []


@pytest.mark.parametrize("seconds", ["1", None])
async def test_sleeping_takes_a_number(seconds):
    with recording(), pytest.raises(TypeError, match="number of seconds"):
        await process_lib.sleep(seconds)


async def _work(number: int) -> None:
    assert number == 5


def test_a_task_that_was_called_already_is_refused_with_what_to_write():
    with recording() as calls, pytest.raises(TypeError, match=r"write start_soon\(_work, \*args\)"):
        process_lib.start_soon(_work(5))  # type: ignore[arg-type]
    assert calls.calls == []


@pytest.mark.parametrize("task", [None, 5, lambda: None, print])
def test_a_task_must_be_async(task):
    with recording() as calls, pytest.raises(TypeError, match=r"start_soon\(fn, \*args\)"):
        process_lib.start_soon(task)
    assert calls.calls == []


async def test_what_gives_something_to_await_is_a_task():
    with recording() as calls:
        process_lib.start_soon(_work, 5)
        process_lib.start_soon(lambda: _work(5))
        (first, arguments), (wrapped, given) = (found for _, found in calls.calls)
        assert (first, arguments) == (_work, (5,))
        await wrapped(*given)
