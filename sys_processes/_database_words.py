"""What kv and sqlite are asked and answer in the same words (PROTOCOL 7.4, 7.5)."""

from __future__ import annotations

import attrs

from kernel.address import PackageId
from kernel.codec import U64, newtype, struct, tuple_variant, unit

# -- actions


@unit
@attrs.frozen
class Open:
    """Makes the database if there is none, and gives the asker the rights to read and to write it."""


@unit
@attrs.frozen
class New:
    """`Open` in E1 and E2."""


@unit
@attrs.frozen
class RemoveDb:
    pass


@unit
@attrs.frozen
class BeginTx:
    pass


@struct
@attrs.frozen
class Commit:
    tx_id: U64


@unit
@attrs.frozen
class Backup:
    """E1 and E2. Answered when everything acknowledged so far is durable, which it is anyway."""


# -- answers


@unit
@attrs.frozen
class Ok:
    pass


@struct("BeginTx")
@attrs.frozen
class BeganTx:
    tx_id: U64


# -- errors


@tuple_variant
@attrs.frozen
class NoDb:
    package_id: PackageId
    db: str


@newtype
@attrs.frozen
class NoTx:
    tx_id: U64


@unit
@attrs.frozen
class NoWriteCap:
    pass


@unit
@attrs.frozen
class NoReadCap:
    pass


@unit
@attrs.frozen
class MismatchingPackageId:
    """Only processes of the package itself make and remove its databases."""


@unit
@attrs.frozen
class AddCapFailed:
    pass


@unit
@attrs.frozen
class MalformedRequest:
    pass


@newtype("IOError")
@attrs.frozen
class DiskError:
    """Of the disk, or a limit that was passed."""

    error: str


CommonError = (
    NoDb | NoTx | NoWriteCap | NoReadCap | MismatchingPackageId | AddCapFailed | MalformedRequest | DiskError
)

# -- errors of E1 and E2, which stand in {"error": ..}


@unit("NoDb")
@attrs.frozen
class EarlyNoDb:
    pass


@unit("NoTx")
@attrs.frozen
class EarlyNoTx:
    pass


@struct("NoCap")
@attrs.frozen
class EarlyNoCap:
    error: str


@struct("InputError")
@attrs.frozen
class EarlyInputError:
    error: str


@struct("IOError")
@attrs.frozen
class EarlyDiskError:
    error: str


CommonEarlyError = EarlyNoDb | EarlyNoTx | EarlyNoCap | EarlyInputError | EarlyDiskError


def in_early_words(error: CommonError) -> CommonEarlyError:
    match error:
        case NoDb():
            return EarlyNoDb()
        case NoTx():
            return EarlyNoTx()
        case NoWriteCap():
            return EarlyNoCap("the capability to write this database is missing")
        case NoReadCap():
            return EarlyNoCap("the capability to read this database is missing")
        case MismatchingPackageId():
            return EarlyNoCap("only processes of the package itself make and remove its databases")
        case AddCapFailed():
            return EarlyNoCap("the capabilities could not be given")
        case MalformedRequest():
            return EarlyInputError("the request or its payload is not as it should be")
        case DiskError(text):
            return EarlyDiskError(text)
