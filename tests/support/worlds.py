"""Processes for the tests of worlds, and the run that such a test expects."""

from __future__ import annotations

from typing import Unpack

from kernel.address import Address
from runtime.sim.report import Report, Verdict
from runtime.sim.run import Rules, Test, run
from userland.process_lib import Response, SendError, await_message


def passes(test: Test, **rules: Unpack[Rules]) -> Report:
    """The run of it. Raises what it raised."""
    report = run(test, **rules)
    if report.error is not None:
        raise report.error
    assert report.verdict is Verdict.OK, (report.verdict, report.violation, report.waiting)
    return report


async def echo(our: Address) -> None:
    """Answers with what it was asked."""
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        Response().ipc(message.ipc).send()


async def silent(our: Address) -> None:
    """Takes every message and answers none."""
    while True:
        try:
            await await_message()
        except SendError:
            continue


KEEPER = """
from userland.process_lib import Response, await_message, get_state, set_state

async def init(our):
    while True:
        message = await await_message()
        known = await get_state() or b""
        if message.ipc != b"?":
            known += message.ipc
            await set_state(known)
        Response().ipc(known).send()
"""
"""Adds to its state what it hears, and answers with the state."""
