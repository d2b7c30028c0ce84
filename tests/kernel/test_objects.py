"""Fields of objects, unions, forms that contain themselves (PROTOCOL 0.3, 2.1)."""

from __future__ import annotations

import attrs
import pytest

from kernel.codec import (
    U8,
    Malformed,
    Shape,
    newtype,
)
from kernel.jsontext import JsonValue
from tests.kernel.forms import (
    EVENT,
    TREE,
    Both,
    Channel,
    Closed,
    Kind,
    Leaf,
    Named,
    Point,
)


def test_unknown_keys_are_ignored_and_missing_ones_take_null_or_their_default() -> None:
    """C-018, C-019."""
    point: Shape[Point] = Shape(Point)
    assert point.decode(b'{"x":1,"colour":"red"}') == Point(1, None, Kind.Text)
    with pytest.raises(Malformed) as caught:
        point.decode(b'{"label":"a"}')
    assert caught.value.problem == "missing key 'x'"


def test_a_field_may_have_another_name_and_several_spellings() -> None:
    named: Shape[Named] = Shape(Named)
    assert named.encode(Named(b"\1", "t")) == b'{"ipc":[1],"type":"t"}'
    assert named.encode(Named(b"", "t", (1,), [2])) == b'{"ipc":[],"type":"t","extra":[1],"more":[2]}'
    assert named.decode(b'{"body":[1],"type":"t"}') == Named(b"\1", "t")
    with pytest.raises(Malformed, match="'ipc' and 'body'"):
        named.decode(b'{"body":[1],"ipc":[1],"type":"t"}')
    with pytest.raises(Malformed, match="missing key 'ipc' or 'body'"):
        named.decode(b'{"type":"t"}')


def test_members_of_a_union_are_told_apart_by_what_they_read() -> None:
    shape: Shape[int | str | Closed | list[int] | None] = Shape(int | str | Closed | list[int] | None)
    for value in (1, "Closed", Closed(1), [1, 2], None):
        assert shape.decode(shape.encode(value)) == value
    with pytest.raises(Malformed) as caught:
        shape.decode(b'[1,"2"]')
    assert caught.value.path == "$[1]"


def test_a_union_may_hold_ranged_and_renamed_integers() -> None:
    narrow: Shape[int | str] = Shape(U8 | str)
    assert (narrow.decode(b"255"), narrow.encode(1), narrow.encode("a")) == (255, b"1", b'"a"')
    with pytest.raises(Malformed):
        narrow.decode(b"256")
    named: Shape[Channel | list[str] | None] = Shape(Channel | list[str] | None)
    assert (named.decode(b"7"), named.encode(Channel(7)), named.decode(b"null")) == (7, b"7", None)


def test_a_form_may_contain_itself() -> None:
    value = Both(Leaf(1), Both(Leaf(2), Leaf(3)))
    assert TREE.decode(TREE.encode(value)) == value


def test_what_is_nested_deeper_than_the_stack_is_malformed() -> None:
    deep: JsonValue = {"Leaf": 1}
    for _ in range(100_000):
        deep = {"Both": {"left": {"Leaf": 1}, "right": deep}}
    with pytest.raises(Malformed, match="nested too deeply"):
        TREE.load(deep)
    while isinstance(deep, dict) and "Both" in deep:  # taken apart by hand: freeing it at once recurses too
        inner = deep["Both"]
        assert isinstance(inner, dict)
        deep = inner.pop("right")


@attrs.frozen
class Even:
    number: int = attrs.field()

    @number.validator
    def _check(self, _: object, value: int) -> None:
        if value % 2:
            raise ValueError(f"{value} is odd")


def test_a_validators_refusal_is_malformed() -> None:
    shape: Shape[list[Even]] = Shape(list[Even])
    with pytest.raises(Malformed) as caught:
        shape.decode(b'[{"number":2},{"number":3}]')
    assert (caught.value.path, caught.value.problem) == ("$[1]", "3 is odd")


@attrs.frozen
class Bytes:
    bytes: bytes


def test_a_field_may_be_named_like_its_type() -> None:
    shape: Shape[Bytes] = Shape(Bytes)
    assert shape.decode(b'{"bytes":[1]}') == Bytes(b"\1")


@newtype("Closed")
@attrs.frozen
class ClosedAgain:
    channel_id: int


def test_unions_nobody_could_tell_apart_are_refused() -> None:
    with pytest.raises(TypeError, match="two variants"):
        Shape[object](Closed | ClosedAgain)
    with pytest.raises(TypeError, match="class of its own"):
        Shape[object](list[int] | list[str])


def test_a_value_that_is_not_of_the_type_is_not_written() -> None:
    with pytest.raises(TypeError, match="is none of"):
        EVENT.encode(Leaf(1))  # type: ignore[arg-type]
