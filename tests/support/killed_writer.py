"""Kills `database_writer` in the midst of its work."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import trio

from tests.support.live_process import ROOT


async def acknowledged_until_killed(engine: str, folder: Path, first: int, enough: int) -> list[int]:
    """The numbers that were durable, of which there are at least `enough`."""
    command = [sys.executable, "-m", "tests.support.database_writer", engine, str(folder), str(first)]
    writer = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert writer.stdout is not None
    heard = b""
    while heard.count(b"\n") < enough:
        more = await writer.stdout.receive_some(4096)
        assert more, "the writer ended by itself"
        heard += more
    writer.send_signal(signal.SIGKILL)
    async for chunk in writer.stdout:
        heard += chunk
    await writer.wait()
    await writer.stdout.aclose()
    return [int(line) for line in heard.split(b"\n")[:-1]]
