# ruff: noqa: INP001 - a user's package
from userland.process_lib import Address, Response, await_message


async def init(our: Address) -> None:
    await await_message()
    Response().ipc(f"{our.process_name} was here").send()
