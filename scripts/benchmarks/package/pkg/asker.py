"""Asks its peer as often as it is told and counts the answers that carry the right number and body."""

import json

from userland.process_lib import Address, Payload, Request, Response, await_message

BODY = bytes(range(64))
PATIENCE = 60


async def ask(peer: Address, count: int) -> int:
    request = Request.to(peer).payload(Payload(bytes=BODY))
    good = 0
    for number in range(count):
        ipc = b"%d" % number
        answer = await request.ipc(ipc).send_and_await_response(PATIENCE)
        payload = answer.payload()
        good += answer.ipc == ipc and payload is not None and payload.bytes == BODY
    return good


async def init(our: Address) -> None:
    while True:
        order = json.loads((await await_message()).ipc)
        if "stop" in order:
            Response().try_ipc(0).send()
            return
        Response().try_ipc(await ask(Address.from_str(order["peer"]), order["count"])).send()
