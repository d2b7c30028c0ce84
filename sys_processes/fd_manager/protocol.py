"""What `fd_manager:sys:nectar` is asked and answers, and what it tells of itself (PROTOCOL 7.9)."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.codec import Err, Shape, newtype, struct, unit

FD_MANAGER = ProcessId("fd_manager", "sys", "nectar")

HIT_SECONDS = 60.0
"""Of the hits of one process in so long, one counts."""


@newtype
@attrs.frozen
class FdsLimit:
    """How many the hearer may keep open from now on: a request of the manager, and its answer to who asks for one."""

    files: int


FDS_LIMIT: Shape[FdsLimit] = Shape(FdsLimit)


@unit
@attrs.frozen
class RequestFdsLimit:
    """Have a share from now on, until the sender ends."""


@unit
@attrs.frozen
class FdsLimitHit:
    """The sender had to close something that it would have kept. It has a share from now on, if it had none. It counts
    once in `HIT_SECONDS`.
    """


@newtype
@attrs.frozen
class UpdateMaxFdsAsFractionOfUlimitPercentage:
    """1 to 100."""

    percentage: int


@newtype
@attrs.frozen
class UpdateUpdateUlimitSecs:
    """1 and more."""

    seconds: int


@newtype
@attrs.frozen
class UpdateCullFractionDenominator:
    """1 and more: while files are scarce, each share is smaller by one part of so many."""

    denominator: int


@unit
@attrs.frozen
class GetState:
    pass


@newtype
@attrs.frozen
class GetProcessFdLimit:
    process: ProcessId


FdManagerUpdate = (
    UpdateMaxFdsAsFractionOfUlimitPercentage | UpdateUpdateUlimitSecs | UpdateCullFractionDenominator
)
FdManagerRequest = RequestFdsLimit | FdsLimitHit | FdManagerUpdate | GetState | GetProcessFdLimit
FD_MANAGER_REQUEST: Shape[FdManagerRequest] = Shape(FdManagerRequest)


@attrs.frozen
class ShareStanding:
    limit: int
    hit_count: int


@newtype("GetState")
@attrs.frozen
class SharesAre:
    of: dict[ProcessId, ShareStanding]


@newtype("GetProcessFdLimit")
@attrs.frozen
class ShareIs:
    limit: int


@unit
@attrs.frozen
class Ok:
    """Of an update, and of a hit."""


@struct
@attrs.frozen
class BadRequest:
    error: str


@unit
@attrs.frozen
class NoCap:
    """For an update: the sender lacks `{"root":true}`."""


@newtype
@attrs.frozen
class NotRegistered:
    """It has no share, for it asked for none, or has ended."""

    process: ProcessId


FdManagerError = BadRequest | NoCap | NotRegistered
FdManagerResponse = SharesAre | ShareIs | FdsLimit | Ok | Err[FdManagerError]
FD_MANAGER_RESPONSE: Shape[FdManagerResponse] = Shape(FdManagerResponse)
