"""What is read without the codec is read as the codec reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.codec import Malformed, Shape
from kernel.jsontext import JsonValue, dump
from sys_processes._database_hotpath import read_bytes, read_envelope
from sys_processes.kv.protocol import KV_REQUEST, KvRequest
from sys_processes.sqlite.protocol import SQLITE_REQUEST, SqliteRequest
from tests.support.golden import golden, golden_file

PLAIN_KV: Shape[KvRequest] = Shape(KvRequest)
PLAIN_SQLITE: Shape[SqliteRequest] = Shape(SqliteRequest)

ODD: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 256)
    | st.just(2.0)
    | st.sampled_from(["", "a", "a:b", "chess"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "tx_id", "Get", "Set", "Query", "package_name"]), below, max_size=3
        )
    ),
    max_leaves=6,
)
PACKAGES = (
    ODD
    | st.just({"package_name": "chess", "publisher_node": "nectar"})
    | st.just("chess:nectar")
    | st.fixed_dictionaries({"package_name": ODD, "publisher_node": ODD}, optional={"more": ODD})
)
KEYS = st.lists(st.integers(-1, 256) | st.booleans(), max_size=3) | ODD
ACTIONS = (
    ODD
    | st.fixed_dictionaries({"Get": KEYS}, optional={"Set": ODD})
    | st.fixed_dictionaries(
        {"Set": st.fixed_dictionaries({"key": KEYS}, optional={"tx_id": ODD, "more": ODD})}
    )
    | st.fixed_dictionaries({"Query": ODD}, optional={"more": ODD})
)
REQUESTS = st.fixed_dictionaries(
    {"package_id": PACKAGES, "db": ODD | st.just("games"), "action": ACTIONS}, optional={"more": ODD}
)


def outcome(shape: Shape[KvRequest] | Shape[SqliteRequest], raw: bytes) -> object:
    """What it reads, and writes again."""
    try:
        value = shape.decode(raw)
    except Malformed as error:
        return str(error)
    return value, shape.encode(value)


@given(REQUESTS)
def test_both_ways_of_reading_agree(request: JsonValue) -> None:
    raw = dump(request)
    assert outcome(KV_REQUEST, raw) == outcome(PLAIN_KV, raw)
    assert outcome(SQLITE_REQUEST, raw) == outcome(PLAIN_SQLITE, raw)


@pytest.mark.parametrize("area", ["kv", "sqlite"])
def test_they_agree_about_everything_approved(area: str) -> None:
    for raw in golden_file(area).values():
        assert outcome(KV_REQUEST, raw) == outcome(PLAIN_KV, raw)
        assert outcome(SQLITE_REQUEST, raw) == outcome(PLAIN_SQLITE, raw)


def test_the_usual_text_is_taken_apart() -> None:
    assert read_envelope(golden("kv/get")) == (PackageId("chess", "nectar"), "games", {"Get": [97]})
    for other in (
        b"",
        b"[]",
        golden("kv/get").replace(b'"chess"', b'"a:b"'),
        golden("kv/get").replace(b'"db"', b'"d"'),
    ):
        assert read_envelope(other) is None
    assert read_bytes([0, 255]) == b"\0\xff"
    others: list[JsonValue] = ["a", [True], [256], [-1], [1.0], None]
    assert [read_bytes(other) for other in others] == [None] * 6
