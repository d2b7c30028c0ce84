"""How a full disk shows."""

from __future__ import annotations

import errno
import sqlite3


def is_full(error: BaseException | None) -> bool:
    """Whether it says that a disk is, or what of it we may use."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
