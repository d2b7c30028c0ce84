from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.codec import Err
from kernel.jsontext import dump
from kernel.message import Payload
from sys_processes.sqlite.core import (
    READ_WORDS,
    WRITE_WORDS,
    BadParameters,
    Value,
    early_failure,
    is_early,
    kind_of_right,
    missing,
    parameters,
    rows_as_json,
    size_of,
    statement_of,
    wrong_door,
)
from sys_processes.sqlite.protocol import (
    EARLY_FAILURE,
    AddCapFailed,
    Backup,
    BeginTx,
    Commit,
    DiskError,
    InvalidParameters,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoDb,
    NoReadCap,
    NotAReadKeyword,
    NotAWriteKeyword,
    NoTx,
    NoWriteCap,
    Open,
    Query,
    Read,
    RemoveDb,
    SqlError,
    SqliteAction,
    SqliteError,
    Write,
)
from tests.support.golden import golden


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Open(), None),
        (New(), None),
        (RemoveDb(), None),
        (Query(""), "read"),
        (Read(""), "read"),
        (Backup(), "read"),
        (Write(""), "write"),
        (BeginTx(), "write"),
        (Commit(1), "write"),
    ],
)
def test_each_action_needs_one_right(action: SqliteAction, kind: str | None) -> None:
    assert kind_of_right(action) == kind


def test_the_missing_right_has_a_name() -> None:
    assert missing("read") == NoReadCap()
    assert missing("write") == NoWriteCap()


def test_what_only_early_eras_spell_so() -> None:
    early = [New(), Backup(), Read("")]
    assert [action for action in (*early, Open(), Query(""), Write("")) if is_early(action)] == early
    assert statement_of(Read("a")) == statement_of(Query("a")) == statement_of(Write("a")) == "a"


@pytest.mark.parametrize("word", sorted(READ_WORDS | WRITE_WORDS | {"MERGE", "LOAD"}))
@pytest.mark.parametrize("form", ["{}", "  {} x", "\n{}\t", "{};"])
def test_the_first_word_decides(word: str, form: str) -> None:
    for text in (form.format(word), form.format(word.lower())):
        assert wrong_door(Query(text)) == (None if word in READ_WORDS else NotAReadKeyword())
        assert wrong_door(Read(text)) == (None if word in READ_WORDS else NotAReadKeyword())
        assert wrong_door(Write(text)) == (None if word in WRITE_WORDS else NotAWriteKeyword())


@pytest.mark.parametrize("text", ["", " ", ";", "-- SELECT", "/* INSERT */ SELECT", "(SELECT 1)", "'", "1"])
def test_a_statement_without_a_first_word_takes_no_door(text: str) -> None:
    assert wrong_door(Query(text)) == NotAReadKeyword()
    assert wrong_door(Write(text)) == NotAWriteKeyword()


def test_parameters_look_as_approved() -> None:
    given = parameters(Payload(None, golden("sqlite/parameters")))
    assert given == [1, -2.5, "Dave", 1, None, b"\0\xff"]
    assert parameters(None) == parameters(Payload()) == []


@pytest.mark.parametrize("text", ["Dave", "abcd", "QUJD", ""])
def test_text_stays_text_even_if_it_looks_like_base64(text: str) -> None:
    """C-157, F-88."""
    assert parameters(Payload(None, dump([text]))) == [text]


@pytest.mark.parametrize(
    "payload",
    [
        b"nonsense",
        b"{}",
        b"1",
        b"[[1]]",
        b"[{}]",
        b'[{"base64":"!"}]',
        b'[{"base64":1}]',
        b'[{"base64":"AP8=","x":1}]',
        b"[9223372036854775808]",
        b"[18446744073709551615]",
    ],
)
def test_anything_else_is_no_parameter(payload: bytes) -> None:
    with pytest.raises(BadParameters):
        parameters(Payload(None, payload))


def test_rows_look_as_approved() -> None:
    assert rows_as_json(["n", "x", "t", "z", "b"], [(1, -2.5, "Dave", None, b"\0\xff")]) == golden(
        "sqlite/rows"
    )
    assert rows_as_json([], []) == b"[]"
    assert rows_as_json(["a", "a"], [(1, 2)]) == b'[{"a":2}]'


VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


@given(st.lists(VALUES))
def test_what_json_can_say_arrives_as_it_is(values: list[Value]) -> None:
    assert parameters(Payload(None, dump(values))) == values


def test_the_size_counts_text_and_bytes() -> None:
    assert size_of("1234", ["12", b"123", 1, None]) == 4 + 2 + 3 + 8 + 8


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoDb(PackageId("a", "b"), "c"), b'"NoDb"'),
        (NoTx(4), b'"NoTx"'),
        (NoReadCap(), b'{"NoCap":{"error":"the capability to read this database is missing"}}'),
        (NoWriteCap(), b'{"NoCap":{"error":"the capability to write this database is missing"}}'),
        (
            MismatchingPackageId(),
            b'{"NoCap":{"error":"only processes of the package itself make and remove its databases"}}',
        ),
        (AddCapFailed(), b'{"NoCap":{"error":"the capabilities could not be given"}}'),
        (
            MalformedRequest(),
            b'{"InputError":{"error":"the request or its payload is not as it should be"}}',
        ),
        (NotAReadKeyword(), b'"NotAReadKeyword"'),
        (NotAWriteKeyword(), b'"NotAWriteKeyword"'),
        (InvalidParameters(), b'"InvalidParameters"'),
        (SqlError("why"), b'{"RusqliteError":{"error":"why"}}'),
        (DiskError("why"), b'{"IOError":{"error":"why"}}'),
    ],
)
def test_every_error_has_words_of_early_eras(error: SqliteError, words: bytes) -> None:
    assert EARLY_FAILURE.encode(Err(early_failure(error))) == b'{"Err":{"error":%s}}' % words
