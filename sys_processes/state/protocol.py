"""What `state:sys:nectar` is asked and answers (PROTOCOL 7.6). The state itself travels as payload."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.codec import Err, Shape, newtype, struct, unit

STATE = ProcessId("state", "sys", "nectar")


@newtype
@attrs.frozen
class GetState:
    process: ProcessId


@newtype
@attrs.frozen
class SetState:
    """The payload is the state, empty bytes included."""

    process: ProcessId


@newtype
@attrs.frozen
class DeleteState:
    process: ProcessId


@unit
@attrs.frozen
class Backup:
    """Answered when everything acknowledged so far is durable, which it is anyway."""


StateRequest = GetState | SetState | DeleteState | Backup
STATE_REQUEST: Shape[StateRequest] = Shape(StateRequest)

# The answers that carry nothing but their name.
GOT = b'"GetState"'
SET = b'"SetState"'
DELETED = b'"DeleteState"'
BACKED_UP = b'"Backup"'


@struct
@attrs.frozen
class NotFound:
    process_id: ProcessId


@struct
@attrs.frozen
class BadBytes:
    action: str


@struct
@attrs.frozen
class BadRequest:
    error: str


@struct
@attrs.frozen
class BadJson:
    error: str


@struct("IOError")
@attrs.frozen
class StoreBroken:
    error: str


StateError = NotFound | BadBytes | BadRequest | BadJson | StoreBroken
StateFailure = Err[StateError]
STATE_FAILURE: Shape[StateFailure] = Shape(StateFailure)
