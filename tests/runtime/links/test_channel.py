"""What comes to `/net` is told apart by its first byte, and nothing is lost by that."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.links.channel import MOST_BEFORE, first_byte
from runtime.links.frame_stream import FrameStream
from runtime.links.frames import FrameWriter
from tests.support.streams import connection

PING = b"\x89\x84mask" + bytes(byte ^ key for byte, key in zip(b"ping", b"mask", strict=True))


def masked(payload: bytes) -> bytes:
    return FrameWriter(masked=True).data(payload)


@given(
    st.lists(st.sampled_from((b"", b"N", b"NR and more", b"\x16\x03" * 50)), min_size=1, max_size=6),
    st.integers(0, 30),
    st.integers(1, 30),
)
async def test_all_that_was_said_is_still_there(parts, early, size):
    said = b"".join(parts)
    raw = PING + b"".join(masked(part) for part in parts)
    client, server = connection()
    for at in range(early, len(raw), size):
        await client.send_all(raw[at : at + size])
    await client.send_eof()
    if not said:
        with pytest.raises(trio.BrokenResourceError, match="ended before anything was said"):
            await first_byte(server, raw[:early])
        return
    first, read = await first_byte(server, raw[:early])
    assert first == said[0]
    stream = FrameStream(server, read, client=False)
    heard = b""
    while len(heard) < len(said):
        heard += await stream.receive_some()
    assert heard == said
    assert (await client.receive_some())[:6] == b"\x8a\x04ping"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"\x82\x01x", "a frame that is not masked"),
        (PING * (MOST_BEFORE // len(PING) + 1), "nothing was said"),
        (FrameWriter(masked=True).close(), "nothing was said"),
    ],
)
async def test_what_is_no_beginning(raw, told):
    _client, server = connection()
    with pytest.raises(trio.BrokenResourceError, match=told):
        await first_byte(server, raw)
