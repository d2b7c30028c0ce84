"""How the terminal asks other processes, and answers whoever types."""

from __future__ import annotations

from kernel import protocol as kernel_protocol
from kernel.address import Address
from kernel.capability import KERNEL
from kernel.codec import Err, Ok
from kernel.message import Message, Request
from kernel.protocol import KERNEL_ANSWER, KERNEL_COMMAND
from kernel.syscalls import current
from sys_processes._serve import Answer
from sys_processes.net.protocol import NET, NetAction, NetResponse, decode_response, encode_action
from sys_processes.terminal.protocol import TERMINAL_ANSWER

SECONDS = 10


def shown(text: str) -> Answer:
    return Answer(TERMINAL_ANSWER.encode(Ok(text)))


def failed(text: str) -> Answer:
    return Answer(TERMINAL_ANSWER.encode(Err(text)))


async def ask(target: Address, ipc: bytes, seconds: int = SECONDS) -> Message:
    """Raises `SendError`."""
    return await current().send_and_await_response(target, Request(expects_response=seconds, ipc=ipc))


async def ask_kernel(
    command: kernel_protocol.KernelCommand, seconds: int = SECONDS
) -> kernel_protocol.KernelAnswer:
    answer = await ask(Address(current().our.node, KERNEL), KERNEL_COMMAND.encode(command), seconds)
    return KERNEL_ANSWER.decode(answer.ipc)


async def ask_net(action: NetAction) -> NetResponse:
    answer = await ask(Address(current().our.node, NET), encode_action(action, json=True))
    return decode_response(answer.ipc)


def text_of(data: bytes) -> str:
    return data.decode(errors="replace")
