"""The loop of a module whose every answer takes a while: `_serve`'s, done by several tasks in turns.

One task at a time waits for messages. It takes one, lets another task wait for the next, and works on its own; so not
each request costs a task. Requests are handled in the order of their arrival, as `serve` does it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from trio.lowlevel import Task

from kernel.message import Message, SendError
from kernel.parking import RUNNING, make_sleep, sleep, wake
from kernel.syscalls import current
from sys_processes._serve import Later, Module, answer_later, outcome_of, reply

RequestT = TypeVar("RequestT")

# Each of them holds on to the last payload that it was sent.
MOST_IDLE = 4


async def serve_in_turns(module: Module[RequestT]) -> None:
    """Never returns."""
    await _Crew(module).work(stays=True)


class _Crew(Generic[RequestT]):
    def __init__(self, module: Module[RequestT]) -> None:
        self._module = module
        self._idle: list[Task] = []

    async def work(self, *, stays: bool = False) -> None:
        """Of one task, while it is its turn to wait for messages, and afterwards."""
        node, task = current(), RUNNING.task
        rest = make_sleep(lambda: self._idle.remove(task))
        while True:
            message = await self._next()
            match await outcome_of(self._module, message):
                case Later(work):
                    if self._idle:
                        wake(self._idle.pop())
                    else:
                        node.start_soon(self.work)
                    reply(message, await answer_later(self._module, message, work))
                    if len(self._idle) >= MOST_IDLE and not stays:
                        return
                    self._idle.append(task)
                    await sleep(rest)
                case None:
                    pass
                case answer:
                    reply(message, answer)

    @staticmethod
    async def _next() -> Message:
        while True:
            try:
                message = await current().receive()
            except SendError as error:
                current().print_to_terminal(2, f"came back: {error}")
                continue
            if message.is_request():
                return message
