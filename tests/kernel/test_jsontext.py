"""JSON text: strict in, compact out."""

from __future__ import annotations

import pytest

from kernel.jsontext import NotJson, canonical, dump, parse


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"'a'",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b"1 2",
        b"[" * 5000 + b"]" * 5000,
        "\ud800",
    ],
)
def test_what_is_no_json_is_refused(text: bytes | str) -> None:
    with pytest.raises(NotJson):
        parse(text)


def test_numbers_up_to_u64_are_exact() -> None:
    assert parse(b"[18446744073709551615,-9223372036854775808]") == [2**64 - 1, -(2**63)]
    assert dump([2**64 - 1]) == b"[18446744073709551615]"


def test_keys_keep_their_order_and_text_stays_utf_8() -> None:
    assert dump({"b": "é", "a": None}) == '{"b":"é","a":null}'.encode()


@pytest.mark.parametrize("value", [2**64, "\ud800", object(), {1: 2}])
def test_what_json_cannot_say_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        dump(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (' { "b" : 1 , "a" : [ true ] } ', '{"a":[true],"b":1}'),
        ('"\\u00e9"', '"é"'),
        ("nonsense", "nonsense"),
        ("\ud800", "\ud800"),
        ("[" * 300 + " " + "]" * 300, "[" * 300 + " " + "]" * 300),
    ],
)
def test_canonical_text_is_sorted_and_tight_or_untouched(text: str, expected: str) -> None:
    assert canonical(text) == expected
