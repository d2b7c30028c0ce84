"""How a bug is planted: one name of our code stands for something wrong, inside a `with` block and for nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import attrs

from runtime.sim.world import World

Workload = Callable[[World], Awaitable[object]]


@contextmanager
def swapped(owner: object, name: str, make: Callable[..., object]) -> Iterator[None]:
    """In the block, the attribute of a class or a module is what `make` gives for the right one. A static method is
    given, and put back, as what it is.
    """
    former = vars(owner)[name]
    right = former.__func__ if isinstance(former, staticmethod) else former
    made = make(right)
    setattr(owner, name, staticmethod(made) if isinstance(former, staticmethod) else made)  # type: ignore[arg-type]
    try:
        yield
    finally:
        setattr(owner, name, former)


@attrs.frozen
class Bug:
    """`part` is where it is, `text` what is wrong, `workload` what finds it."""

    name: str
    part: str
    text: str
    workload: Workload
    planted: Callable[[], AbstractContextManager[None]]


Planting = Callable[[], AbstractContextManager[None]]


class Part:
    """The bugs of one part of a node: `@part.bug(workload, "what is wrong")` above a function that plants one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bugs: list[Bug] = []

    def bug(self, workload: Workload, text: str) -> Callable[[Planting], Planting]:
        def register(planting: Planting) -> Planting:
            name = planting.__name__.replace("_", " ")
            self.bugs.append(Bug(name, self.name, text, workload, planting))
            return planting

        return register
