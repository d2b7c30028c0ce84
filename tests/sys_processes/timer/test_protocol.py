from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.codec import Malformed
from sys_processes.timer.protocol import LONGEST_MS, Debug, SetTimer, decode_timer, encode_timer


@given(st.integers(0, LONGEST_MS))
def test_both_forms_of_a_time_mean_the_same(ms: int) -> None:
    """C-148."""
    assert decode_timer(encode_timer(ms)) == decode_timer(b'{"SetTimer":%d}' % ms) == SetTimer(ms)


@pytest.mark.parametrize("ipc", [b"debug", b'"Debug"', b'{"Debug":null}'])
def test_both_spellings_of_debug_are_read(ipc: bytes) -> None:
    assert decode_timer(ipc) == Debug()


@pytest.mark.parametrize(
    "ipc",
    [
        b"",
        b"1234567",
        b"123456789",
        b'{"SetTimer":-1}',
        b'{"SetTimer":1.5}',
        b'{"SetTimer":"9"}',
        b'{"SetTimer":%d}' % (LONGEST_MS + 1),
        (LONGEST_MS + 1).to_bytes(8, "little"),
        b"\xff" * 8,
    ],
)
def test_what_is_no_time_is_malformed(ipc: bytes) -> None:
    with pytest.raises(Malformed):
        decode_timer(ipc)


@pytest.mark.parametrize("ms", [-1, LONGEST_MS + 1])
def test_a_time_that_no_timer_takes_is_not_written(ms: int) -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        encode_timer(ms)
