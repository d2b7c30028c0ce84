"""What `kv:sys:nectar` is asked and answers (PROTOCOL 7.4). Values travel as payload, in both directions."""

from __future__ import annotations

import re

import attrs

from kernel.address import PackageId, ProcessId
from kernel.codec import U64, Err, Shape, newtype, struct, unit
from kernel.jsontext import NotJson, parse
from sys_processes._database_hotpath import bytes_text, envelope_text, read_bytes, read_envelope
from sys_processes._database_words import (
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    CommonEarlyError,
    DiskError,
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
)

__all__ = [
    "EARLY_FAILURE",
    "KV",
    "KV_REQUEST",
    "KV_RESPONSE",
    "AddCapFailed",
    "Backup",
    "BeganTx",
    "BeginTx",
    "Commit",
    "Delete",
    "DiskError",
    "EarlyEngineError",
    "EarlyFailure",
    "EarlyKey",
    "EarlyKvError",
    "EngineError",
    "Get",
    "KeyNotFound",
    "KvAction",
    "KvError",
    "KvRequest",
    "KvResponse",
    "MalformedRequest",
    "MismatchingPackageId",
    "New",
    "NoDb",
    "NoReadCap",
    "NoTx",
    "NoWriteCap",
    "Ok",
    "Open",
    "RemoveDb",
    "Set",
]

KV = ProcessId("kv", "sys", "nectar")


@struct
@attrs.frozen
class Set:
    key: bytes
    tx_id: U64 | None = None


@struct
@attrs.frozen
class Delete:
    key: bytes
    tx_id: U64 | None = None


@attrs.frozen
class EarlyKey:
    """As E1 and E2 write the key of a `Get`."""

    key: bytes


@newtype
@attrs.frozen
class Get:
    """As an action, and as its answer, which is spelled like the action."""

    key: bytes | EarlyKey


KvAction = Open | New | RemoveDb | Set | Delete | Get | BeginTx | Commit | Backup


@attrs.frozen
class KvRequest:
    package_id: PackageId
    db: str
    action: KvAction


def _decode_request(raw: bytes) -> KvRequest | None:
    """`Get` and `Set` without a transaction."""
    envelope = read_envelope(raw)
    if envelope is None:
        return None
    package, db, action = envelope
    if not isinstance(action, dict) or len(action) != 1:
        return None
    if "Get" in action:
        key = read_bytes(action["Get"])
        return None if key is None else KvRequest(package, db, Get(key))
    change = action.get("Set")
    if isinstance(change, dict) and len(change) == 2 and change.get("tx_id", 0) is None:
        key = read_bytes(change.get("key"))
        return None if key is None else KvRequest(package, db, Set(key))
    return None


def _encode_request(request: KvRequest) -> bytes | None:
    action = request.action
    if isinstance(action, Get) and isinstance(action.key, bytes):
        return b'%b{"Get":%b}}' % (envelope_text(request.package_id, request.db), bytes_text(action.key))
    if isinstance(action, Set) and action.tx_id is None:
        text = bytes_text(action.key)
        return b'%b{"Set":{"key":%b,"tx_id":null}}}' % (envelope_text(request.package_id, request.db), text)
    return None


KV_REQUEST: Shape[KvRequest] = Shape(KvRequest, fast_encode=_encode_request, fast_decode=_decode_request)


@unit
@attrs.frozen
class KeyNotFound:
    pass


@newtype("RocksDBError")
@attrs.frozen
class EngineError:
    """The database itself is at fault: damaged, say."""

    error: str


KvError = (
    NoDb
    | KeyNotFound
    | NoTx
    | NoWriteCap
    | NoReadCap
    | MismatchingPackageId
    | AddCapFailed
    | MalformedRequest
    | EngineError
    | DiskError
)
KvResponse = Ok | Get | BeganTx | Err[KvError]

_GET = re.compile(rb'\{"Get":(\[[0-9,]*\])\}')


def _encode_response(response: KvResponse) -> bytes | None:
    if response.__class__ is not Get or not isinstance(response.key, bytes):
        return None
    return b'{"Get":%b}' % bytes_text(response.key)


def _decode_response(raw: bytes) -> KvResponse | None:
    found = _GET.fullmatch(raw)
    if found is None:
        return None
    try:
        key = read_bytes(parse(found[1]))
    except NotJson:
        return None
    return None if key is None else Get(key)


KV_RESPONSE: Shape[KvResponse] = Shape(KvResponse, fast_encode=_encode_response, fast_decode=_decode_response)


@struct("RocksDBError")
@attrs.frozen
class EarlyEngineError:
    action: str
    error: str


EarlyKvError = CommonEarlyError | KeyNotFound | EarlyEngineError


@attrs.frozen
class EarlyFailure:
    """How E1 and E2 wrap an error."""

    error: EarlyKvError


EARLY_FAILURE: Shape[Err[EarlyFailure]] = Shape(Err[EarlyFailure])
