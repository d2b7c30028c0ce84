"""The codec: serde's forms, no coercion, errors that say where (PROTOCOL 2.1)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NewType

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, PackageId, ProcessId
from kernel.codec import (
    OK,
    U8,
    U32,
    U64,
    Err,
    Malformed,
    Ok,
    Result,
    Shape,
    carry,
    newtype,
    struct,
    tuple_variant,
    unit,
)
from kernel.jsontext import JsonValue
from tests.support import strategies


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
    ("text", "path", "words"),
    [
        (b"", "$", "not JSON"),
        (b'{"Closed":', "$", "not JSON"),
        (b'"\xff"', "$", "not JSON"),
        (b"[" * 100_000, "$", "not JSON"),
        (b"1e999", "$", "not JSON"),
        (b"NaN", "$", "not JSON"),
        (b"[]", "$", "expected one variant of Booted, Closed, Pushed, Moved, found an array of 0"),
        (b'{"Booted":null,"Closed":1}', "$", "expected one variant"),
        (b'"Nope"', "$", "'Nope' is no variant; known are Booted, Closed, Pushed, Moved"),
        (b'"PushedFrame"', "$", "is no variant"),
        (b'"Closed"', "$", "variant 'Closed' needs content"),
        (b'{"Booted":1}', "$.Booted", "expected null"),
        (b'{"Closed":-1}', "$.Closed", "expected an integer 0-4294967295, found the number -1"),
        (b'{"Closed":4294967296}', "$.Closed", "found the number 4294967296"),
        (b'{"Closed":true}', "$.Closed", "found true"),
        (b'{"Closed":1.0}', "$.Closed", "found the number 1.0"),
        (b'{"Closed":18446744073709551616}', "$.Closed", "expected an integer"),
        (b'{"Pushed":{"channel_id":"1","kind":"Text"}}', "$.Pushed.channel_id", "found the string '1'"),
        (b'{"Pushed":{"channel_id":1,"kind":"Ping"}}', "$.Pushed.kind", "expected one of 'Text', 'Binary'"),
        (b'{"Pushed":{"channel_id":1,"kind":["Text"]}}', "$.Pushed.kind", "found an array of 1"),
        (b'{"Pushed":{"kind":"Text"}}', "$.Pushed", "missing key 'channel_id'"),
        (b'{"Moved":[{"x":1}]}', "$.Moved", "expected an array of 2, found an array of 1"),
        (b'{"Moved":[{"x":1},[1,"2"]]}', "$.Moved[1][1]", "expected a number, found the string '2'"),
        (b'{"Moved":[{"x":null},[1,2]]}', "$.Moved[0].x", "expected an integer, found null"),
    ],
)
def test_what_does_not_fit_says_where_and_what(text: bytes, path: str, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        EVENT.decode(text)
    assert caught.value.path == path
    assert words in caught.value.problem
    assert str(caught.value) == f"{path}: {caught.value.problem}"


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


@pytest.mark.parametrize(
    "text",
    [
        '{"whole":true}',
        '{"whole":"1"}',
        '{"whole":1.0}',
        '{"whole":null}',
        '{"flag":1}',
        '{"flag":"true"}',
        '{"real":"1"}',
        '{"real":true}',
        '{"text":1}',
        '{"text":["a"]}',
        '{"raw":"aGk="}',
        '{"raw":[256]}',
        '{"raw":[-1]}',
        '{"raw":[1,true]}',
        '{"raw":[1.0]}',
        '{"raw":{}}',
        '{"nothing":0}',
        '{"nothing":false}',
        '{"level":"low"}',
        '{"level":true}',
        '{"level":2}',
        '{"level":0.0}',
        "null",
        "[]",
    ],
)
def test_nothing_is_coerced(text: str) -> None:
    with pytest.raises(Malformed):
        PLAIN.decode(text.encode())


def test_a_float_may_be_written_as_an_integer() -> None:
    read = PLAIN.decode(b'{"real":2}').real
    assert read == 2.0
    assert isinstance(read, float)


def test_bytes_say_which_one_is_wrong() -> None:
    with pytest.raises(Malformed) as caught:
        PLAIN.decode(b'{"raw":[0,255,256]}')
    assert caught.value.path == "$.raw[2]"


def test_unknown_keys_are_ignored_and_missing_ones_take_null_or_their_default() -> None:
    """C-018, C-019."""
    point: Shape[Point] = Shape(Point)
    assert point.decode(b'{"x":1,"colour":"red"}') == Point(1, None, Kind.Text)
    with pytest.raises(Malformed) as caught:
        point.decode(b'{"label":"a"}')
    assert caught.value.problem == "missing key 'x'"


@attrs.frozen
class Named:
    ipc: bytes = attrs.field(metadata={"also": ("body",)})
    type_: str = attrs.field(metadata={"name": "type"})
    extra: tuple[int, ...] = attrs.field(default=(), metadata={"omit_default": True})
    more: list[int] = attrs.field(factory=list, metadata={"omit_default": True})


def test_a_field_may_have_another_name_and_several_spellings() -> None:
    named: Shape[Named] = Shape(Named)
    assert named.encode(Named(b"\1", "t")) == b'{"ipc":[1],"type":"t"}'
    assert named.encode(Named(b"", "t", (1,), [2])) == b'{"ipc":[],"type":"t","extra":[1],"more":[2]}'
    assert named.decode(b'{"body":[1],"type":"t"}') == Named(b"\1", "t")
    with pytest.raises(Malformed, match="'ipc' and 'body'"):
        named.decode(b'{"body":[1],"ipc":[1],"type":"t"}')
    with pytest.raises(Malformed, match="missing key 'ipc' or 'body'"):
        named.decode(b'{"type":"t"}')


@attrs.frozen
class Collected:
    names: list[str]
    pairs: tuple[tuple[str, int], ...]
    by_process: dict[ProcessId, Level]
    anything: JsonValue
    whatever: object


def test_lists_maps_and_free_json() -> None:
    shape: Shape[Collected] = Shape(Collected)
    value = Collected(
        ["a"], (("b", 1),), {ProcessId("p", "q", "r"): Level.high}, {"deep": [1, None]}, [True, "x"]
    )
    text = (
        b'{"names":["a"],"pairs":[["b",1]],"by_process":{"p:q:r":1},'
        b'"anything":{"deep":[1,null]},"whatever":[true,"x"]}'
    )
    assert shape.encode(value) == text
    assert shape.decode(text) == value


def test_a_path_names_keys_that_are_no_plain_words() -> None:
    shape: Shape[dict[ProcessId, int]] = Shape(dict[ProcessId, int])
    with pytest.raises(Malformed) as caught:
        shape.decode(b'{"a:b:c":"x"}')
    assert caught.value.path == "$['a:b:c']"
    with pytest.raises(Malformed) as caught:
        shape.decode(b'{"nonsense":1}')
    assert caught.value.path == "$.nonsense"
    assert "Missing field" in caught.value.problem


def test_an_identifier_that_does_not_parse_is_an_error_where_it_stands() -> None:
    shape: Shape[list[Address]] = Shape(list[Address])
    with pytest.raises(Malformed) as caught:
        shape.decode(b'["n@a:b:c","a:b:c"]')
    assert caught.value.path == "$[1]"
    assert "Node ID missing" in caught.value.problem


def test_members_of_a_union_are_told_apart_by_what_they_read() -> None:
    shape: Shape[int | str | Closed | list[int] | None] = Shape(int | str | Closed | list[int] | None)
    for value in (1, "Closed", Closed(1), [1, 2], None):
        assert shape.decode(shape.encode(value)) == value
    with pytest.raises(Malformed) as caught:
        shape.decode(b'[1,"2"]')
    assert caught.value.path == "$[1]"


Answer = Result[None, Kind]
Found = Result[tuple[PackageId, ...], Event]


def test_results() -> None:
    """C-022."""
    shape: Shape[Answer] = Shape(Answer)
    assert shape.encode(Ok(None)) == OK == b'{"Ok":null}'
    assert shape.decode(OK) == Ok(None)
    assert shape.encode(Err(Kind.Text)) == b'{"Err":"Text"}'
    assert shape.decode(b'{"Err":"Text"}') == Err(Kind.Text)
    with pytest.raises(Malformed) as caught:
        shape.decode(b'{"Ok":1}')
    assert caught.value.path == "$.Ok"


def test_results_of_values() -> None:
    shape: Shape[Found] = Shape(Found)
    value: Found = Ok((PackageId("a", "b"),))
    assert shape.encode(value) == b'{"Ok":[{"package_name":"a","publisher_node":"b"}]}'
    assert shape.decode(shape.encode(value)) == value
    assert shape.decode(b'{"Err":{"Closed":1}}') == Err(Closed(1))


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


class Colour:
    """Not an attrs class: travels as text."""

    def __init__(self, text: str) -> None:
        if not text.startswith("#"):
            raise ValueError(f"colour {text!r} does not start with '#'")
        self.text = text


carry(Colour, str, lambda colour: colour.text, Colour)


def test_a_class_may_be_carried_by_another_form() -> None:
    shape: Shape[tuple[Colour, ...]] = Shape(tuple[Colour, ...])
    assert shape.encode((Colour("#fff"),)) == b'["#fff"]'
    assert shape.decode(b'["#000"]')[0].text == "#000"
    with pytest.raises(Malformed) as caught:
        shape.decode(b'["red"]')
    assert caught.value.path == "$[0]"


def test_a_shortcut_is_asked_first_and_may_decline() -> None:
    fast: Shape[Event] = Shape(
        Event,
        fast_encode=lambda value: b'{"Closed":0}' if value == Closed(0) else None,
        fast_decode=lambda raw: Closed(0) if raw == b"0" else None,
    )
    assert fast.decode(b"0") == Closed(0)
    assert fast.decode(b'"Booted"') == Booted()
    assert fast.encode(Closed(0)) == b'{"Closed":0}'
    assert fast.encode(Closed(1)) == b'{"Closed":1}'
    with pytest.raises(Malformed):
        fast.decode(b"1")


@attrs.frozen
class Bytes:
    bytes: bytes


def test_a_field_may_be_named_like_its_type() -> None:
    shape: Shape[Bytes] = Shape(Bytes)
    assert shape.decode(b'{"bytes":[1]}') == Bytes(b"\1")


@unit("Text")
@attrs.frozen
class AlsoText: ...


@newtype("Closed")
@attrs.frozen
class ClosedAgain:
    channel_id: int


@attrs.frozen
class Unreadable:
    found: set[int]


@pytest.mark.parametrize(
    "form",
    [
        set,
        set[int],
        frozenset[int],
        Colour | complex,
        complex,
        Unreadable,
        dict[str, complex],
        Callable[[], int],
    ],
)
def test_a_type_without_a_form_is_refused_when_the_shape_is_made(form: object) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        Shape[object](form)


def test_unions_nobody_could_tell_apart_are_refused() -> None:
    with pytest.raises(TypeError, match="two variants"):
        Shape[object](Closed | ClosedAgain)
    with pytest.raises(TypeError, match="class of its own"):
        Shape[object](list[int] | list[str])


def test_a_value_that_is_not_of_the_type_is_not_written() -> None:
    with pytest.raises(TypeError, match="is none of"):
        EVENT.encode(Leaf(1))  # type: ignore[arg-type]


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


_POINTS = st.builds(
    Point, st.integers(-(2**63), 2**64 - 1), st.none() | strategies.text(), st.sampled_from(Kind)
)
_REALS = st.floats(allow_nan=False, allow_infinity=False)
_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.just(Booted()),
    st.builds(Closed, st.integers(0, 2**32 - 1)),
    st.builds(PushedFrame, st.integers(0, 2**32 - 1).map(Channel), st.sampled_from(Kind)),
    st.builds(Moved, _POINTS, st.tuples(_REALS, _REALS)),
)


@given(_EVENTS)
def test_what_is_written_is_read_back(value: Event) -> None:
    assert EVENT.decode(EVENT.encode(value)) == value


SHAPES: list[Shape[object]] = [
    Shape(form) for form in (Event, Plain, Collected, Named, Tree, Answer, int | str | list[Point] | None)
]


@given(st.sampled_from(SHAPES), st.binary(max_size=60))
def test_any_bytes_are_a_value_or_malformed(shape: Shape[object], raw: bytes) -> None:
    try:
        shape.decode(raw)
    except Malformed as error:
        shown = f"{error} {error!r}"
        assert shown.startswith("$")


@given(st.sampled_from(SHAPES), strategies.json_values())
def test_any_json_is_a_value_or_malformed(shape: Shape[object], json: JsonValue) -> None:
    try:
        value = shape.load(json)
    except Malformed:
        return
    assert shape.load(shape.dump(value)) == value


@given(_EVENTS.map(EVENT.dump).flatmap(strategies.mutated))
def test_a_damaged_event_is_a_value_or_malformed(json: JsonValue) -> None:
    try:
        value = EVENT.load(json)
    except Malformed as error:
        path = error.path
    else:
        path = "$"
        assert EVENT.load(EVENT.dump(value)) == value
    assert path.startswith("$")
