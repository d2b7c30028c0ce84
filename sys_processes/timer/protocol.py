"""What `timer:sys:nectar` is asked (PROTOCOL 7.2). It answers with an empty ipc when the time is over."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.codec import Malformed, Shape, newtype, unit

TIMER = ProcessId("timer", "sys", "nectar")

# The largest whole number that every JSON reader keeps exact.
LONGEST_MS = 2**53

_RAW_LENGTH = 8


@newtype
@attrs.frozen
class SetTimer:
    ms: int


@unit
@attrs.frozen
class Debug:
    """Print how many timers run."""


TimerRequest = SetTimer | Debug
_REQUEST: Shape[TimerRequest] = Shape(TimerRequest)

MALFORMED = b'{"Err":"MalformedRequest"}'


def encode_timer(ms: int) -> bytes:
    """The first eras' form: eight bytes, little-endian. ValueError for a time that no timer takes."""
    if not 0 <= ms <= LONGEST_MS:
        raise ValueError(f"a timer runs for 0 to {LONGEST_MS} milliseconds, not {ms}")
    return ms.to_bytes(_RAW_LENGTH, "little")


def decode_timer(ipc: bytes) -> TimerRequest:
    """Either form: eight bytes are raw milliseconds, anything else is JSON or the text `debug`. Raises `Malformed`."""
    if len(ipc) == _RAW_LENGTH:
        request: TimerRequest = SetTimer(int.from_bytes(ipc, "little"))
    elif ipc == b"debug":
        return Debug()
    else:
        request = _REQUEST.decode(ipc)
    if isinstance(request, SetTimer) and not 0 <= request.ms <= LONGEST_MS:
        raise Malformed("$.SetTimer", f"expected 0 to {LONGEST_MS} milliseconds, found {request.ms}")
    return request
