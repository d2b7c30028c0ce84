from __future__ import annotations

import pytest

from kernel.address import PackageId
from kernel.codec import Err, Malformed
from sys_processes._database_words import EarlyDiskError, EarlyInputError, EarlyNoCap, EarlyNoDb, EarlyNoTx
from sys_processes.sqlite.protocol import (
    EARLY_FAILURE,
    SQLITE_REQUEST,
    SQLITE_RESPONSE,
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    DiskError,
    EarlyFailure,
    EarlySqlError,
    EarlySqliteError,
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
    Ok,
    Open,
    Query,
    Read,
    RemoveDb,
    Rows,
    SqlError,
    SqliteAction,
    SqliteRequest,
    SqliteResponse,
    Write,
)
from tests.support.golden import golden

CHESS = PackageId("chess", "nectar")


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("sqlite/open", Open()),
        ("sqlite/remove_db", RemoveDb()),
        ("sqlite/write", Write("INSERT INTO t VALUES (?1)")),
        ("sqlite/write_in_tx", Write("DELETE FROM t", 4)),
        ("sqlite/query", Query("SELECT * FROM t")),
        ("sqlite/begin_tx", BeginTx()),
        ("sqlite/commit", Commit(4)),
        ("sqlite/new", New()),
        ("sqlite/early_read", Read("SELECT * FROM t")),
        ("sqlite/backup", Backup()),
    ],
)
def test_requests_look_as_approved(name: str, action: SqliteAction) -> None:
    request = SqliteRequest(CHESS, "games", action)
    assert SQLITE_REQUEST.encode(request) == golden(name)
    assert SQLITE_REQUEST.decode(golden(name)) == request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sqlite/ok", Ok()),
        ("sqlite/read", Rows()),
        ("sqlite/answer_begin_tx", BeganTx(4)),
        ("sqlite/no_db", Err(NoDb(CHESS, "games"))),
        ("sqlite/no_tx", Err(NoTx(4))),
        ("sqlite/no_write_cap", Err(NoWriteCap())),
        ("sqlite/no_read_cap", Err(NoReadCap())),
        ("sqlite/mismatching_package_id", Err(MismatchingPackageId())),
        ("sqlite/add_cap_failed", Err(AddCapFailed())),
        ("sqlite/malformed_request", Err(MalformedRequest())),
        ("sqlite/io_error", Err(DiskError("why"))),
        ("sqlite/not_a_write_keyword", Err(NotAWriteKeyword())),
        ("sqlite/not_a_read_keyword", Err(NotAReadKeyword())),
        ("sqlite/invalid_parameters", Err(InvalidParameters())),
        ("sqlite/rusqlite_error", Err(SqlError("why"))),
    ],
)
def test_answers_look_as_approved(name: str, value: SqliteResponse) -> None:
    assert SQLITE_RESPONSE.encode(value) == golden(name)
    assert SQLITE_RESPONSE.decode(golden(name)) == value


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("sqlite/early_no_db", EarlyNoDb()),
        ("sqlite/early_no_tx", EarlyNoTx()),
        ("sqlite/early_no_cap", EarlyNoCap("why")),
        ("sqlite/early_input_error", EarlyInputError("why")),
        ("sqlite/early_io_error", EarlyDiskError("why")),
        ("sqlite/early_not_a_read_keyword", NotAReadKeyword()),
        ("sqlite/early_invalid_parameters", InvalidParameters()),
        ("sqlite/early_rusqlite_error", EarlySqlError("why")),
    ],
)
def test_errors_of_early_eras_look_as_approved(name: str, error: EarlySqliteError) -> None:
    assert EARLY_FAILURE.encode(Err(EarlyFailure(error))) == golden(name)
    assert EARLY_FAILURE.decode(golden(name)) == Err(EarlyFailure(error))


@pytest.mark.parametrize("action", [b'{"Query":1}', b'{"Write":{"tx_id":1}}', b'{"Read":"SELECT 1"}', b"[]"])
def test_an_action_that_is_none_is_malformed(action: bytes) -> None:
    with pytest.raises(Malformed, match=r"^\$\.action"):
        SQLITE_REQUEST.decode(golden("sqlite/open").replace(b'"Open"', action))
