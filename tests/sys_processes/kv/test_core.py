from __future__ import annotations

import pytest

from kernel.address import PackageId
from kernel.codec import Err
from sys_processes.kv.core import (
    LARGEST_KEY,
    LARGEST_VALUE,
    early_failure,
    is_early,
    key_of,
    kind_of_right,
    missing,
    too_large,
)
from sys_processes.kv.protocol import (
    EARLY_FAILURE,
    AddCapFailed,
    Backup,
    BeginTx,
    Commit,
    Delete,
    DiskError,
    EarlyKey,
    EngineError,
    Get,
    KeyNotFound,
    KvAction,
    KvError,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoDb,
    NoReadCap,
    NoTx,
    NoWriteCap,
    Open,
    RemoveDb,
    Set,
)


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Open(), None),
        (New(), None),
        (RemoveDb(), None),
        (Get(b""), "read"),
        (Backup(), "read"),
        (Set(b""), "write"),
        (Delete(b""), "write"),
        (BeginTx(), "write"),
        (Commit(1), "write"),
    ],
)
def test_each_action_needs_one_right(action: KvAction, kind: str | None) -> None:
    assert kind_of_right(action) == kind


def test_the_missing_right_has_a_name() -> None:
    assert missing("read") == NoReadCap()
    assert missing("write") == NoWriteCap()


def test_what_only_early_eras_spell_so() -> None:
    early = [New(), Backup(), Get(EarlyKey(b"a"))]
    assert [action for action in (*early, Open(), Get(b"a"), Set(b"a")) if is_early(action)] == early
    assert key_of(Get(EarlyKey(b"a"))) == key_of(Get(b"a")) == b"a"


def test_keys_and_values_have_a_limit_that_is_said() -> None:
    assert too_large(b"k" * LARGEST_KEY, b"v" * LARGEST_VALUE) is None
    assert too_large(b"k" * (LARGEST_KEY + 1)) == DiskError(
        "a key of 65537 bytes: at most 65536; keep its hash, and the rest in the value"
    )
    error = too_large(b"", bytes(LARGEST_VALUE + 1))
    assert isinstance(error, DiskError)
    assert "at most 33554432" in error.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoDb(PackageId("a", "b"), "c"), b'"NoDb"'),
        (KeyNotFound(), b'"KeyNotFound"'),
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
        (EngineError("why"), b'{"RocksDBError":{"action":"New","error":"why"}}'),
        (DiskError("why"), b'{"IOError":{"error":"why"}}'),
    ],
)
def test_every_error_has_words_of_early_eras(error: KvError, words: bytes) -> None:
    assert EARLY_FAILURE.encode(Err(early_failure(New(), error))) == b'{"Err":{"error":%s}}' % words
