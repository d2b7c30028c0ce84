from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import Request as RawRequest
from sys_processes.timer.protocol import SetTimer, decode_timer
from tests.support.recording_syscalls import recording, response_message
from userland.process_lib import timer

TIMER = Address.from_str("fake.dev@timer:sys:nectar")


@pytest.mark.parametrize(("ms", "seconds"), [(0, 1), (1, 1), (999, 1), (1000, 2), (90_500, 91)])
async def test_a_timer_expects_its_response_after_it_ran(ms, seconds):
    """PROTOCOL 5.7: ER = ms/1000 + 1, so that the answer comes before the error would."""
    with recording() as calls:
        calls.answers.append(response_message(TIMER, calls.our, b""))
        timer.set_timer(ms, b"context")
        timer.set_timer(ms)
        await timer.set_and_await_timer(ms)
    raw = RawRequest(expects_response=seconds, ipc=ms.to_bytes(8, "little"))
    assert calls.sent() == [
        (TIMER, raw, b"context", None),
        (TIMER, raw, None, None),
        (TIMER, raw, None, None),
    ]
    assert decode_timer(raw.ipc) == SetTimer(ms)


@pytest.mark.parametrize("ms", [-1, 2**53 + 1])
async def test_a_time_that_no_timer_takes_is_refused_before_it_is_sent(ms):
    with recording() as calls:
        with pytest.raises(ValueError, match="milliseconds"):
            timer.set_timer(ms)
        with pytest.raises(ValueError, match="milliseconds"):
            await timer.set_and_await_timer(ms)
    assert calls.calls == []


@pytest.mark.parametrize("ms", ["5", 1.5, True, None])
async def test_a_time_that_is_no_whole_number_is_refused(ms):
    with recording() as calls:
        with pytest.raises(TypeError, match="whole number of milliseconds"):
            timer.set_timer(ms)
        with pytest.raises(TypeError, match="whole number of milliseconds"):
            await timer.set_and_await_timer(ms)
    assert calls.calls == []
