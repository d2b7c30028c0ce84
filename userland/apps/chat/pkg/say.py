"""A script: its arguments are said in the chat of this node, by the node's owner."""

import json

from userland.process_lib import Address, Request, SendError, script

from .wire import Send

CHAT = "chat:chat:nectar"
PATIENCE = 10
"""Seconds."""


@script
async def say(our: Address, args: str) -> str:
    text = args.strip()
    if not text:
        return f"write say:{our.package}:{our.publisher} TEXT"
    asked = Request().target((our.node, CHAT)).ipc(Send(text).to_bytes())
    try:
        answer = json.loads((await asked.send_and_await_response(PATIENCE)).ipc)
    except SendError as error:
        return f"the chat does not answer: {error.detail or error.reason}"
    match answer:
        case {"message": {"id": int(number)}}:
            return f"said, as message {number}"
        case {"error": str(reason)}:
            return reason
    return f"the chat gave an answer that is none: {answer}"
