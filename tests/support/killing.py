"""A kernel in a nursery that runs until it is killed as by a power cut."""

from __future__ import annotations

import trio

from tests.support.kernel_node import KernelNode


async def run_until_killed(
    node: KernelNode, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with scope:
        await node.kernel.run(task_status=task_status)


def kill(node: KernelNode, scope: trio.CancelScope) -> None:
    """As `kill -9`: nobody is asked. Its sockets and links are still to be closed."""
    # What its processes still do while they are cancelled never happened.
    node.kernel.router.observer = None
    scope.cancel()
