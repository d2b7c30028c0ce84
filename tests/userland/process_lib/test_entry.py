from __future__ import annotations

from types import ModuleType

import pytest

from kernel.address import Address
from kernel.message import Payload
from kernel.message import Request as RawRequest
from kernel.message import Response as RawResponse
from tests.support.recording_syscalls import recording, request_message
from userland.process_lib import call_init, script

ECHO = Address.from_str("fake.dev@echo:echo:nectar")


def _module(source: str) -> ModuleType:
    module = ModuleType("an_actor")
    exec(source, module.__dict__)
    return module


async def test_call_init_makes_a_function_of_any_name_the_entry_point():
    module = _module(
        "from userland.process_lib import call_init\n"
        "seen = []\n"
        "@call_init\n"
        "async def begin(our):\n"
        "    seen.append(our)\n"
    )
    await module.init(ECHO)
    assert module.seen == [ECHO]


@pytest.mark.parametrize("decorator", [call_init, script])
def test_an_entry_point_that_is_not_async_is_refused(decorator):
    with pytest.raises(TypeError, match="write async def init"):
        decorator(lambda our: None)


def _shout() -> ModuleType:
    return _module(
        "from userland.process_lib import script\n"
        "@script\n"
        "async def shout(our, args):\n"
        "    return f'{our.process_name}: {args.upper()}' if args else None\n"
    )


async def test_a_script_answers_its_first_message_if_that_wants_an_answer():
    with recording() as calls:
        calls.inbox.append(request_message(ECHO, calls.our, RawRequest(ipc=b"hi", expects_response=5)))
        calls.inbox.append(request_message(ECHO, calls.our, RawRequest(ipc=b"more")))
        await _shout().init(calls.our)
        assert len(calls.inbox) == 1
    assert calls.calls == [("send_response", (RawResponse(ipc=b"main: HI"), None))]


async def test_a_script_prints_its_result_if_nobody_wants_it():
    with recording() as calls:
        calls.inbox.append(request_message(ECHO, calls.our, RawRequest(ipc=b"hi"), Payload()))
        await _shout().init(calls.our)
        calls.inbox.append(request_message(ECHO, calls.our, RawRequest(ipc=b"")))
        await _shout().init(calls.our)
    assert calls.calls == [("print_to_terminal", (0, "main: HI"))]
