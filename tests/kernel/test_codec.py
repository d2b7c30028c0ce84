"""Shapes, their errors, and what holds for all of them (PROTOCOL 2.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.codec import (
    OK,
    Err,
    Malformed,
    Ok,
    Shape,
)
from kernel.jsontext import JsonValue
from runtime.sim import strategies
from tests.kernel.forms import (
    EVENT,
    Answer,
    Booted,
    Channel,
    Closed,
    Collected,
    Event,
    Found,
    Kind,
    Moved,
    Named,
    Plain,
    Point,
    PushedFrame,
    Tree,
)


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
