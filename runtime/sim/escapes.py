"""What happens when the code of a package reaches for the real world from within a simulated one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, Self

_NOT_THE_CALLER = ("runtime.sim.escapes", "runtime.sim.guards", "runtime.sim.guarded", "random")


class EscapedSimulation(Exception):
    """Code in a world asked for real time, chance, files, sockets, threads or processes: the run could not be repeated.

    `what` was called at `file`:`line`; `instead` is what to write there.
    """

    def __init__(self, what: str, instead: str, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}: {what} leaves the simulated world; {instead}")
        self.what = what
        self.instead = instead
        self.file = file
        self.line = line


class Escapes:
    """Makes what refuses, for one world. `on_escape` hears of each escape, because the package may catch the error."""

    def __init__(self, on_escape: Callable[[EscapedSimulation], None] | None = None) -> None:
        self._on_escape = on_escape

    def refuse(self, what: str, instead: str) -> NoReturn:
        """Raises `EscapedSimulation` that points at the package's line."""
        frame = _caller(inspect.currentframe())
        file, line = ("<unknown>", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
        error = EscapedSimulation(what, instead, file, line)
        if self._on_escape is not None:
            self._on_escape(error)
        raise error

    def function(self, what: str, instead: str) -> Callable[..., NoReturn]:
        """Refuses when it is called."""

        def escaping(*_args: object, **_named: object) -> NoReturn:
            self.refuse(f"{what}()", instead)

        escaping.__name__ = escaping.__qualname__ = what.rpartition(".")[2]
        return escaping

    def class_(self, what: str, instead: str) -> type:
        """Refuses when an object is made of it; it may be named in types, and be the base of other classes."""
        escapes = self

        class Escaping:
            def __new__(cls, *_args: object, **_named: object) -> Self:
                escapes.refuse(f"{what}()", instead)

            def __class_getitem__(cls, _item: object) -> type:
                return cls

        Escaping.__name__ = Escaping.__qualname__ = what.rpartition(".")[2]
        return Escaping

    def value(self, what: str, instead: str) -> object:
        """Refuses whatever is done with it."""
        escapes = self

        class Closed:
            def __getattr__(self, name: str) -> NoReturn:
                escapes.refuse(f"{what}.{name}", instead)

            def __getitem__(self, key: object) -> NoReturn:
                escapes.refuse(f"{what}[{key!r}]", instead)

            def __setitem__(self, key: object, value: object) -> None:
                escapes.refuse(f"{what}[{key!r}]", instead)

            def __contains__(self, key: object) -> bool:
                escapes.refuse(f"{key!r} in {what}", instead)

            def __iter__(self) -> NoReturn:
                escapes.refuse(f"iter({what})", instead)

        return Closed()


def _caller(frame: FrameType | None) -> FrameType | None:
    """The nearest frame that is not one of the guards'."""
    while frame is not None and frame.f_globals.get("__name__") in _NOT_THE_CALLER:
        frame = frame.f_back
    return frame
