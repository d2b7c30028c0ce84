"""How a class travels as one variant of a serde enum, and ranges of integers (PROTOCOL 2.1)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated, TypeVar, overload

import attrs


class Style(enum.StrEnum):
    unit = "unit"
    newtype = "newtype"
    struct = "struct"
    tuple_variant = "tuple_variant"


@attrs.frozen
class Variant:
    style: Style
    tag: str


@attrs.frozen
class Range:
    """The integers a field admits, both ends included."""

    least: int
    most: int


U8 = Annotated[int, Range(0, 2**8 - 1)]
U16 = Annotated[int, Range(0, 2**16 - 1)]
U32 = Annotated[int, Range(0, 2**32 - 1)]
U64 = Annotated[int, Range(0, 2**64 - 1)]

C = TypeVar("C")
_MARK = "_wire_variant"
_FIELDS = {Style.unit: "no field", Style.newtype: "one field"}


def variant_of(cls: type) -> Variant | None:
    """How this very class (no base of it) was declared to travel."""
    found: Variant | None = vars(cls).get(_MARK)
    return found


def _mark(cls: type[C], style: Style, tag: str | None) -> type[C]:
    fields: tuple[object, ...] | None = vars(cls).get("__attrs_attrs__")
    if fields is None:
        raise TypeError(f"@{style} goes above @attrs.frozen, and {cls.__name__} is no attrs class yet")
    count = len(fields)
    if (style is Style.unit and count != 0) or (style is Style.newtype and count != 1):
        raise TypeError(f"@{style} class {cls.__name__} must have {_FIELDS[style]}, it has {count}")
    setattr(cls, _MARK, Variant(style, tag or cls.__name__))
    return cls


def _decorate(style: Style, given: type[C] | str) -> type[C] | Callable[[type[C]], type[C]]:
    if isinstance(given, str):
        return lambda cls: _mark(cls, style, given)
    return _mark(given, style, None)


@overload
def unit(given: type[C], /) -> type[C]: ...
@overload
def unit(given: str, /) -> Callable[[type[C]], type[C]]: ...
def unit(given: type[C] | str, /) -> type[C] | Callable[[type[C]], type[C]]:
    """`"V"`. Takes the class, or the tag when it differs from the class's name; so do the other three."""
    return _decorate(Style.unit, given)


@overload
def newtype(given: type[C], /) -> type[C]: ...
@overload
def newtype(given: str, /) -> Callable[[type[C]], type[C]]: ...
def newtype(given: type[C] | str, /) -> type[C] | Callable[[type[C]], type[C]]:
    """`{"V": x}`, for a class of one field."""
    return _decorate(Style.newtype, given)


@overload
def struct(given: type[C], /) -> type[C]: ...
@overload
def struct(given: str, /) -> Callable[[type[C]], type[C]]: ...
def struct(given: type[C] | str, /) -> type[C] | Callable[[type[C]], type[C]]:
    """`{"V": {"a": x, "b": y}}`."""
    return _decorate(Style.struct, given)


@overload
def tuple_variant(given: type[C], /) -> type[C]: ...
@overload
def tuple_variant(given: str, /) -> Callable[[type[C]], type[C]]: ...
def tuple_variant(given: type[C] | str, /) -> type[C] | Callable[[type[C]], type[C]]:
    """`{"V": [x, y]}`."""
    return _decorate(Style.tuple_variant, given)
