"""Fetches one file from another node, piece by piece, into the part that it is told, and is gone.

It is asked once: `{"number":1,"node":"bob.nec","name":"a.txt","part":"/file_transfer:nectar/data/parts/1"}`. What it
has received it tells its parent; the answer is `{"Whole":true}` or `{"Error":".."}`.
"""

import json

from userland.process_lib import Address, Request, Response, SendError, await_message, get_payload, sleep, vfs

from .wire import Refused, error_in, offered, to_json

SECONDS = 20
TRIES = 6
"""Of one piece, with pauses of 1, 2, 4 .. seconds between them: a node may be booted again meanwhile."""


async def init(our: Address) -> None:
    asked = await await_message()
    job = json.loads(asked.ipc)
    parent = asked.source
    over_there = Address(job["node"], parent.process)
    answer: dict[str, object] = {"Whole": True}
    try:
        await fetch(over_there, parent, job)
    except Refused as refused:
        answer = {"Error": refused.text}
    except vfs.VfsError as error:
        answer = {"Error": f"it cannot be written here: {error}"}
    except SendError as error:
        answer = {"Error": f"the disk of this node does not answer: {error.reason}"}
    Response().ipc(to_json(answer)).send()


async def fetch(over_there: Address, parent: Address, job: dict[str, object]) -> None:
    name, part = job["name"], str(job["part"])
    size, sha256 = offered((await ask(over_there, {"Offer": name}))[0])
    async with vfs.open_file(part, create=True) as file:
        received = 0
        tell(parent, job, received, size)
        while received < size:
            question = {"Chunk": {"name": name, "offset": received, "sha256": sha256}}
            ipc, data = await ask(over_there, question)
            problem = error_in(ipc)
            if problem is not None:
                raise Refused(problem)
            if not data or received + len(data) > size:
                raise Refused("the other node sends something else than it offered")
            await file.append(data)
            received += len(data)
            tell(parent, job, received, size)
        if (await file.hash()).hex() != sha256:
            raise Refused("what arrived is not what was offered")
        await file.sync_all()


async def ask(over_there: Address, question: object) -> tuple[bytes, bytes]:
    """The answer's ipc and payload. A node that is away for a while is asked again. Raises `Refused`."""
    for attempt in range(TRIES):
        try:
            request = Request().target(over_there).ipc(to_json(question))
            answer = await request.send_and_await_response(SECONDS)
        except SendError as error:
            problem = f"{over_there.node} does not answer: {error.detail or error.reason}"
        else:
            payload = get_payload()
            return answer.ipc, b"" if payload is None else payload.bytes
        if attempt < TRIES - 1:
            await sleep(2**attempt)
    raise Refused(problem)


def tell(parent: Address, job: dict[str, object], received: int, size: int) -> None:
    progress = {"number": job["number"], "received": received, "size": size}
    Request().target(parent).ipc(to_json({"Progress": progress})).send()
