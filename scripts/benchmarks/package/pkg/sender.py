"""Sends numbered messages one way, as fast as its peer has room for them."""

import json

from userland.process_lib import Address, Payload, Request, Response, await_message

BODY = bytes(range(64))


async def init(our: Address) -> None:
    while True:
        order = json.loads((await await_message()).ipc)
        if "stop" in order:
            Response().try_ipc(0).send()
            return
        request = Request.to(order["peer"]).payload(Payload(bytes=BODY))
        for number in range(order["count"]):
            await request.ipc(b"%d" % number).send_paced()
        Response().try_ipc(0).send()
