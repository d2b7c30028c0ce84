"""Variants of serde enums, and ranges of integers (PROTOCOL 2.1)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from kernel.codec import (
    U8,
    U32,
    U64,
    Malformed,
    Shape,
    newtype,
    struct,
    unit,
)
from tests.kernel.forms import (
    EVENT,
    EVENTS,
    Booted,
    Closed,
    Colour,
    Event,
    Point,
)


@pytest.mark.parametrize(("value", "text"), EVENTS)
def test_each_style_of_variant_has_its_form(value: Event, text: bytes) -> None:
    assert EVENT.encode(value) == text
    assert EVENT.decode(text) == value
    assert EVENT.load(EVENT.dump(value)) == value


def test_a_variant_alone_travels_as_in_its_union() -> None:
    assert Shape[Closed](Closed).encode(Closed(7)) == b'{"Closed":7}'


def test_a_unit_variant_is_read_with_null_too() -> None:
    assert EVENT.decode(b'{"Booted":null}') == Booted()


@pytest.mark.parametrize(
    "decorate",
    [
        pytest.param(lambda: unit(Point), id="unit with fields"),
        pytest.param(lambda: newtype(Point), id="newtype of three"),
        pytest.param(lambda: newtype(Booted), id="newtype of none"),
        pytest.param(lambda: struct(Colour), id="no attrs class"),
    ],
)
def test_a_decorator_refuses_a_class_it_cannot_carry(decorate: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        decorate()


def test_a_subclass_of_a_variant_is_no_variant() -> None:
    @attrs.frozen
    class Special(Closed):
        pass

    assert Shape[Special](Special).decode(b'{"channel_id":1}') == Special(1)


@pytest.mark.parametrize(("form", "most"), [(U8, 2**8 - 1), (U32, 2**32 - 1), (U64, 2**64 - 1)])
def test_ranged_integers_take_their_ends_and_no_more(form: object, most: int) -> None:
    shape: Shape[int] = Shape(form)
    assert shape.decode(b"0") == 0
    assert shape.decode(str(most).encode()) == most
    for text in (str(most + 1), "-1", "0.0", "false"):
        with pytest.raises(Malformed):
            shape.decode(text.encode())
