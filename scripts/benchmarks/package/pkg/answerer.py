"""Answers every Request of its asker with the Request's own ipc and payload; ends when its parent says so."""

from userland.process_lib import Address, Response, await_message, get_payload


async def init(our: Address) -> None:
    while True:
        message = await await_message()
        if get_payload() is None:
            Response().try_ipc(0).send()
            return
        Response().ipc(message.ipc).payload(get_payload()).send()
