"""What a request of kv needs, how much it may hold, and in which era's words it is answered (PROTOCOL 7.4)."""

from __future__ import annotations

from sys_processes._database_words import in_early_words
from sys_processes.kv.protocol import (
    Backup,
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
    KvError,
    New,
    NoReadCap,
    NoWriteCap,
    Open,
    RemoveDb,
    Set,
)

LARGEST_KEY = 64 << 10
LARGEST_VALUE = 32 << 20


def is_early(action: KvAction) -> bool:
    """Whether only E1 and E2 spell it so."""
    return isinstance(action, New | Backup) or (isinstance(action, Get) and isinstance(action.key, EarlyKey))


def key_of(get: Get) -> bytes:
    return get.key.key if isinstance(get.key, EarlyKey) else get.key


_RIGHTS: dict[type[KvAction], str | None] = {
    Get: "read",
    Backup: "read",
    Set: "write",
    Delete: "write",
    BeginTx: "write",
    Commit: "write",
    Open: None,
    New: None,
    RemoveDb: None,
}


def kind_of_right(action: KvAction) -> str | None:
    """The capability that it takes; None for what only the owning package may do."""
    return _RIGHTS[type(action)]


def missing(kind: str) -> KvError:
    return NoReadCap() if kind == "read" else NoWriteCap()


def too_large(key: bytes, value: bytes = b"") -> KvError | None:
    if len(key) > LARGEST_KEY:
        return DiskError(
            f"a key of {len(key)} bytes: at most {LARGEST_KEY}; keep its hash, and the rest in the value"
        )
    if len(value) > LARGEST_VALUE:
        return DiskError(
            f"a value of {len(value)} bytes: at most {LARGEST_VALUE}; keep it in a file of the package's drive"
        )
    return None


def early_failure(action: KvAction, error: KvError) -> EarlyFailure:
    words: EarlyKvError
    match error:
        case KeyNotFound():
            words = error
        case EngineError(text):
            words = EarlyEngineError(type(action).__name__, text)
        case _:
            words = in_early_words(error)
    return EarlyFailure(words)
