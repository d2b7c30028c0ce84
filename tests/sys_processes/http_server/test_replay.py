"""The stream under an accepted WebSocket."""

from __future__ import annotations

import trio
import trio.testing

from sys_processes.http_server.limits import Limits
from sys_processes.http_server.message_queue import MessageQueue
from sys_processes.http_server.replay import ReplayStream
from tests.support.streams import connection


async def test_many_control_frames_in_one_read_do_not_keep_other_tasks_from_running() -> None:
    """What wsproto makes of 64 KiB of them takes a third of a second."""
    pongs = bytes((0x8A, 0x80, 0, 0, 0, 0)) * 2_000
    _, server = connection()
    limits = Limits()
    queue = MessageQueue(limits.queue_messages, limits.queue_bytes)
    replay = ReplayStream(server, b"", pongs, queue, limits)
    replay.release()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        read = b"".join([await replay.receive_some() for _ in range(2_000)])
        nursery.cancel_scope.cancel()
    assert read == pongs
    assert turns > 20
