"""Scalars, arrays, maps, carried classes: nothing is coerced (PROTOCOL 2.1)."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from kernel.address import Address, ProcessId
from kernel.codec import (
    Malformed,
    Shape,
)
from tests.kernel.forms import (
    PLAIN,
    Collected,
    Colour,
    Level,
)


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


def test_a_path_does_not_repeat_a_huge_key() -> None:
    with pytest.raises(Malformed) as caught:
        Shape[dict[str, int]](dict[str, int]).load({"k" * 10_000: "x"})
    assert len(caught.value.path) < 80


def test_an_error_does_not_repeat_a_huge_string() -> None:
    with pytest.raises(Malformed, match="found a string of 10000 characters"):
        Shape[int](int).load("k" * 10_000)


def test_an_identifier_that_does_not_parse_is_an_error_where_it_stands() -> None:
    shape: Shape[list[Address]] = Shape(list[Address])
    with pytest.raises(Malformed) as caught:
        shape.decode(b'["n@a:b:c","a:b:c"]')
    assert caught.value.path == "$[1]"
    assert "Node ID missing" in caught.value.problem


def test_a_class_may_be_carried_by_another_form() -> None:
    shape: Shape[tuple[Colour, ...]] = Shape(tuple[Colour, ...])
    assert shape.encode((Colour("#fff"),)) == b'["#fff"]'
    assert shape.decode(b'["#000"]')[0].text == "#000"
    with pytest.raises(Malformed) as caught:
        shape.decode(b'["red"]')
    assert caught.value.path == "$[0]"


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
