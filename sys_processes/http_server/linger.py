"""Closing a connection so that the last words arrive."""

from __future__ import annotations

import trio

from sys_processes.devices import ByteStream

_READ_BYTES = 64 * 1024


async def close_after_last_words(stream: ByteStream, seconds: float) -> None:
    """End our side, discard what the client still sends until it ends or the time is over, then close.

    Closing with unread bytes would reset the connection, and the client would lose the answer that says why.
    Never raises for what the client does.
    """
    try:
        with trio.move_on_after(seconds):
            await stream.send_eof()
            while await stream.receive_some(_READ_BYTES):
                pass
    except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
        pass
    finally:
        await stream.aclose()
