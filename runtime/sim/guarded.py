"""Classes of the standard library that are half pure: what a simulated world gives out in their place.

Each passes for the real one in `isinstance`, and what is pickled of it is the real one.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import random
import time
from collections.abc import Mapping
from types import ModuleType
from typing import SupportsIndex, cast

from runtime.sim.escapes import Escapes

NOW = "write process_lib.now(), seconds since the epoch in UTC"
_DATE = "write datetime.fromtimestamp(process_lib.now(), timezone.utc)"
_ZONE = "the time zone of the machine is none of the world's: give a tz, such as timezone.utc"
_CHANCE = "write process_lib.random(), or give a seed"
FILES = "ask vfs:sys:nectar for files"


class _PassesFor(type):
    """Of a class that stands in for its first base, but not for the bases of those that are derived from it."""

    stands_for: type | None = None

    def __instancecheck__(cls, instance: object) -> bool:
        real = cls.__dict__.get("stands_for")
        return isinstance(instance, real) if real is not None else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = cls.__dict__.get("stands_for")
        return issubclass(subclass, real) if real is not None else type.__subclasscheck__(cls, subclass)


def _named_as(made: type, real: type) -> type:
    made.__name__, made.__qualname__, made.__module__ = real.__name__, real.__qualname__, real.__module__
    return made


def _real_repr(value: object, own: type, text: str) -> str:
    """C code shows a derived class without its module."""
    return f"datetime.{text}" if type(value) is own else text


def dates(escapes: Escapes) -> Mapping[str, object]:
    """`datetime.datetime` and `datetime.date` without the clock and the time zone of the machine."""
    return {"date": _date(escapes), "datetime": _datetime(escapes)}


def _date(escapes: Escapes) -> type:
    class Date(dt.date, metaclass=_PassesFor):
        stands_for = dt.date

        def __repr__(self) -> str:
            return _real_repr(self, Date, super().__repr__())

        @classmethod
        def today(cls) -> Date:
            escapes.refuse("date.today()", f"{_DATE}.date()")

        @classmethod
        def fromtimestamp(cls, timestamp: float, /) -> Date:
            escapes.refuse(
                "date.fromtimestamp()", "write datetime.fromtimestamp(seconds, timezone.utc).date()"
            )

    return _named_as(Date, dt.date)


def _datetime(escapes: Escapes) -> type:  # noqa: C901 - one class, of many small methods
    class DateTime(dt.datetime, metaclass=_PassesFor):
        stands_for = dt.datetime

        def __repr__(self) -> str:
            return _real_repr(self, DateTime, super().__repr__())

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> DateTime:
            escapes.refuse("datetime.now()", _DATE)

        @classmethod
        def utcnow(cls) -> DateTime:
            escapes.refuse("datetime.utcnow()", _DATE)

        @classmethod
        def today(cls) -> DateTime:
            escapes.refuse("datetime.today()", _DATE)

        @classmethod
        def fromtimestamp(cls, timestamp: float, tz: dt.tzinfo | None = None) -> DateTime:
            if tz is None:
                escapes.refuse("datetime.fromtimestamp() without a time zone", _ZONE)
            return super().fromtimestamp(timestamp, tz)

        def astimezone(self, tz: dt.tzinfo | None = None) -> DateTime:
            if tz is None or self.tzinfo is None:
                escapes.refuse("datetime.astimezone() from or to the local zone", _ZONE)
            return super().astimezone(tz)

        def timestamp(self) -> float:
            if self.tzinfo is None:
                escapes.refuse("datetime.timestamp() of a time without a zone", _ZONE)
            return super().timestamp()

        def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[object, ...]:
            reduced = cast("tuple[object, ...]", super().__reduce_ex__(protocol))
            return dt.datetime, *reduced[1:]

    return _named_as(DateTime, dt.datetime)


def generator(escapes: Escapes) -> type:
    """`random.Random`, which takes a seed."""

    class Random(random.Random, metaclass=_PassesFor):
        stands_for = random.Random

        def seed(  # type: ignore[override]  # the C base class takes no version
            self, a: float | str | bytes | bytearray | None = None, version: int = 2
        ) -> None:
            if a is None:
                escapes.refuse("random.Random() without a seed", _CHANCE)
            super().seed(a, version)

        def __reduce__(self) -> tuple[object, ...]:
            return random.Random, (), self.getstate()

    return _named_as(Random, random.Random)


def path(escapes: Escapes) -> type:
    """`pathlib.Path`, which is only a path."""
    touching = [name for name in dir(pathlib.Path) if name not in dir(pathlib.PurePath)]
    body = {name: escapes.function(f"Path.{name}", FILES) for name in touching}
    return type("Path", (pathlib.PurePosixPath,), {"__slots__": (), **body})


def clock(escapes: Escapes) -> Mapping[str, object]:
    """Those functions of `time` that take the clock only when they are given no time."""

    def gmtime(seconds: float | None = None, /) -> time.struct_time:
        if seconds is None:
            escapes.refuse("time.gmtime() without a time", "write time.gmtime(process_lib.now())")
        return time.gmtime(seconds)

    def asctime(parts: time.struct_time | None = None, /) -> str:
        if parts is None:
            escapes.refuse(
                "time.asctime() without a time", "write time.asctime(time.gmtime(process_lib.now()))"
            )
        return time.asctime(parts)

    def strftime(form: str, parts: time.struct_time | None = None, /) -> str:
        if parts is None:
            escapes.refuse("time.strftime() without a time", "give it time.gmtime(process_lib.now())")
        return time.strftime(form, parts)

    return {"gmtime": gmtime, "asctime": asctime, "strftime": strftime}


def blank(name: str, real: ModuleType) -> ModuleType:
    """A module of that name with what the real one says of itself."""
    made = ModuleType(name, real.__doc__)
    for key in ("__file__", "__package__", "__path__", "__spec__", "__all__"):
        if hasattr(real, key):
            setattr(made, key, getattr(real, key))
    return made
