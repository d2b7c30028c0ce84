from __future__ import annotations

import pytest

from kernel.address import PackageId
from kernel.codec import Err, Malformed
from sys_processes._database_words import EarlyDiskError, EarlyInputError, EarlyNoCap, EarlyNoDb, EarlyNoTx
from sys_processes.kv.protocol import (
    EARLY_FAILURE,
    KV_REQUEST,
    KV_RESPONSE,
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    Delete,
    DiskError,
    EarlyEngineError,
    EarlyFailure,
    EarlyKey,
    EarlyKvError,
    EngineError,
    Get,
    KeyNotFound,
    KvAction,
    KvRequest,
    KvResponse,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoDb,
    NoReadCap,
    NoTx,
    NoWriteCap,
    Ok,
    Open,
    RemoveDb,
    Set,
)
from tests.support.golden import golden

CHESS = PackageId("chess", "nectar")


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("kv/open", Open()),
        ("kv/remove_db", RemoveDb()),
        ("kv/set", Set(b"a")),
        ("kv/set_in_tx", Set(b"a", 4)),
        ("kv/delete", Delete(b"a", 4)),
        ("kv/get", Get(b"a")),
        ("kv/begin_tx", BeginTx()),
        ("kv/commit", Commit(4)),
        ("kv/new", New()),
        ("kv/early_get", Get(EarlyKey(b"a"))),
        ("kv/backup", Backup()),
    ],
)
def test_requests_look_as_approved(name: str, action: KvAction) -> None:
    request = KvRequest(CHESS, "games", action)
    assert KV_REQUEST.encode(request) == golden(name)
    assert KV_REQUEST.decode(golden(name)) == request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kv/ok", Ok()),
        ("kv/answer_get", Get(b"a")),
        ("kv/answer_early_get", Get(EarlyKey(b"a"))),
        ("kv/answer_begin_tx", BeganTx(4)),
        ("kv/no_db", Err(NoDb(CHESS, "games"))),
        ("kv/key_not_found", Err(KeyNotFound())),
        ("kv/no_tx", Err(NoTx(4))),
        ("kv/no_write_cap", Err(NoWriteCap())),
        ("kv/no_read_cap", Err(NoReadCap())),
        ("kv/mismatching_package_id", Err(MismatchingPackageId())),
        ("kv/add_cap_failed", Err(AddCapFailed())),
        ("kv/malformed_request", Err(MalformedRequest())),
        ("kv/rocks_db_error", Err(EngineError("why"))),
        ("kv/io_error", Err(DiskError("why"))),
    ],
)
def test_answers_look_as_approved(name: str, value: KvResponse) -> None:
    assert KV_RESPONSE.encode(value) == golden(name)
    assert KV_RESPONSE.decode(golden(name)) == value


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("kv/early_no_db", EarlyNoDb()),
        ("kv/early_key_not_found", KeyNotFound()),
        ("kv/early_no_tx", EarlyNoTx()),
        ("kv/early_no_cap", EarlyNoCap("why")),
        ("kv/early_input_error", EarlyInputError("why")),
        ("kv/early_rocks_db_error", EarlyEngineError("Get", "why")),
        ("kv/early_io_error", EarlyDiskError("why")),
    ],
)
def test_errors_of_early_eras_look_as_approved(name: str, error: EarlyKvError) -> None:
    assert EARLY_FAILURE.encode(Err(EarlyFailure(error))) == golden(name)
    assert EARLY_FAILURE.decode(golden(name)) == Err(EarlyFailure(error))


def test_a_transaction_is_optional_in_what_is_read() -> None:
    assert KV_REQUEST.decode(golden("kv/set").replace(b',"tx_id":null', b"")).action == Set(b"a")


@pytest.mark.parametrize(
    "action",
    [b'"open"', b'{"Get":"a"}', b'{"Get":[256]}', b'{"Set":{"tx_id":null}}', b'{"Commit":{}}', b"null"],
)
def test_an_action_that_is_none_is_malformed(action: bytes) -> None:
    with pytest.raises(Malformed, match=r"^\$\.action"):
        KV_REQUEST.decode(golden("kv/open").replace(b'"Open"', action))
