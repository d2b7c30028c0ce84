"""Questions of commands to a running node's kernel, through its RPC route (PROTOCOL 4.6)."""

from __future__ import annotations

from typing import TypeVar

from kernel.capability import KERNEL
from kernel.codec import Malformed
from kernel.protocol import (
    KERNEL_ANSWER,
    KERNEL_COMMAND,
    AskProcesses,
    Debug,
    DebugAnswer,
    DebugIs,
    DebugQuestion,
    KernelAnswer,
    KernelCommand,
    ProcessesAre,
    ProcessStatus,
)
from runtime.command_error import CommandError
from runtime.rpc_client import NodeDoor, call

A = TypeVar("A", bound=DebugAnswer)


def ask_kernel(door: NodeDoor, command: KernelCommand) -> KernelAnswer:
    """Raises `CommandError`."""
    answer = call(door, KERNEL, KERNEL_COMMAND.encode(command).decode())
    assert answer is not None
    try:
        return KERNEL_ANSWER.decode(answer.ipc)
    except Malformed as error:
        problem = f"the kernel at {door.url} gave an answer we do not know: {error}"
        raise CommandError(problem, "nectar ps") from None


def look(door: NodeDoor, question: DebugQuestion, wanted: type[A]) -> A:
    """Raises `CommandError`, also when the node is too old to know the question."""
    answer = ask_kernel(door, Debug(question))
    if isinstance(answer, DebugIs) and isinstance(answer.answer, wanted):
        return answer.answer
    raise CommandError(f"the kernel at {door.url} does not tell: it answered {answer}", "nectar ps --url URL")


def processes_of(door: NodeDoor) -> tuple[ProcessStatus, ...]:
    """In order of creation. Raises `CommandError`."""
    return look(door, AskProcesses(), ProcessesAre).processes
