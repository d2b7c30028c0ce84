"""Processes and questions for the tests of worlds."""

from __future__ import annotations

from kernel.address import Address
from userland.process_lib import Response, SendError, await_message


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
