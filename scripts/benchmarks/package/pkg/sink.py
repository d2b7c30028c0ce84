"""Counts what arrives with the right body and adds up its numbers; says both when asked, and begins again."""

from userland.process_lib import Address, Response, await_message, get_payload

BODY = bytes(range(64))


async def init(our: Address) -> None:
    arrived = total = 0
    while True:
        message = await await_message()
        if message.expects_response is not None:
            Response().try_ipc([arrived, total]).send()
            arrived = total = 0
            continue
        payload = get_payload()
        if payload is not None and payload.bytes == BODY:
            arrived += 1
            total += int(message.ipc)
