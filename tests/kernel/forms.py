"""Declared types that the codec is tried on."""

from __future__ import annotations

import enum
from typing import NewType

import attrs

from kernel.address import PackageId, ProcessId
from kernel.codec import (
    U32,
    Result,
    Shape,
    carry,
    newtype,
    struct,
    tuple_variant,
    unit,
)
from kernel.jsontext import JsonValue


class Kind(enum.StrEnum):
    Text = "Text"
    Binary = "Binary"


class Level(enum.Enum):
    low = 0
    high = 1


Channel = NewType("Channel", int)


@attrs.frozen
class Point:
    x: int
    label: str | None
    kind: Kind = Kind.Text


@unit
@attrs.frozen
class Booted: ...


@newtype
@attrs.frozen
class Closed:
    channel_id: U32


@struct("Pushed")
@attrs.frozen
class PushedFrame:
    channel_id: Channel
    kind: Kind


@tuple_variant
@attrs.frozen
class Moved:
    at: Point
    by: tuple[float, float]


Event = Booted | Closed | PushedFrame | Moved
EVENT: Shape[Event] = Shape(Event)

EVENTS = [
    (Booted(), b'"Booted"'),
    (Closed(7), b'{"Closed":7}'),
    (PushedFrame(Channel(1), Kind.Binary), b'{"Pushed":{"channel_id":1,"kind":"Binary"}}'),
    (Moved(Point(1, None), (0.5, 2.0)), b'{"Moved":[{"x":1,"label":null,"kind":"Text"},[0.5,2.0]]}'),
]


@attrs.frozen
class Plain:
    whole: int = 0
    flag: bool = False
    real: float = 0.0
    text: str = ""
    raw: bytes = b""
    nothing: None = None
    level: Level = Level.low


PLAIN: Shape[Plain] = Shape(Plain)


@attrs.frozen
class Named:
    ipc: bytes = attrs.field(metadata={"also": ("body",)})
    type_: str = attrs.field(metadata={"name": "type"})
    extra: tuple[int, ...] = attrs.field(default=(), metadata={"omit_default": True})
    more: list[int] = attrs.field(factory=list, metadata={"omit_default": True})


@attrs.frozen
class Collected:
    names: list[str]
    pairs: tuple[tuple[str, int], ...]
    by_process: dict[ProcessId, Level]
    anything: JsonValue
    whatever: object


Answer = Result[None, Kind]
Found = Result[tuple[PackageId, ...], Event]


@struct
@attrs.frozen
class Both:
    left: Tree
    right: Tree


@newtype
@attrs.frozen
class Leaf:
    value: int


Tree = Leaf | Both
TREE: Shape[Tree] = Shape(Tree)


class Colour:
    """Not an attrs class: travels as text."""

    def __init__(self, text: str) -> None:
        if not text.startswith("#"):
            raise ValueError(f"colour {text!r} does not start with '#'")
        self.text = text


carry(Colour, str, lambda colour: colour.text, Colour)
