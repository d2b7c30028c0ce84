"""Waits for one message, answers it and ends."""

from userland.process_lib import Address, Response, await_message


async def init(our: Address) -> None:
    await await_message()
    Response().try_ipc(1).send()
