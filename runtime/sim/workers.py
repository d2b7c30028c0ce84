"""Blocking work without threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import trio

from kernel.ports import Chance
from runtime.sim.choices import Choices

P = ParamSpec("P")
T = TypeVar("T")

Pause = Callable[[], Awaitable[None]]


def drawn_pause(chance: Chance, label: str, longest: float) -> Pause:
    """Pauses of up to `longest` virtual seconds, each one draw from `chance`; a draw of 0 is a mere
    checkpoint.
    """

    async def pause() -> None:
        await trio.sleep(longest * chance.bits(label, 16) / 0xFFFF)

    return pause


def chosen_pause(choices: Choices, label: str, longest: float) -> Pause:
    """Pauses of up to `longest` virtual seconds, each one choice; the harmless one is a mere checkpoint."""

    async def pause() -> None:
        await trio.sleep(choices.among(label, 0.0, longest))

    return pause


class InlineWorkers:
    """`sys_processes.devices.Workers` of a simulated node: pauses, then does the work in the caller's task.

    The pause can be cancelled, the work cannot.
    """

    def __init__(self, pause: Pause = trio.lowlevel.checkpoint) -> None:
        self._pause = pause

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self._pause()
        return work(*args, **kwargs)
