"""Small files of the node's own, and what a full disk does to them."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from runtime.files import replace_file
from runtime.full_disk import is_full
from tests.support.in_python import said_by


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "rpc.token"
    replace_file(path, b"one")
    replace_file(path, b"two", mode=0o644)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


NO_ROOM = """
import resource, sys
from pathlib import Path
from runtime.files import replace_file
resource.setrlimit(resource.RLIMIT_FSIZE, (2, 2))
try:
    replace_file(Path(sys.argv[1]), b"long")
except OSError as error:
    # Standard output is no file here.
    print(error.filename)
"""


def test_what_cannot_be_written_names_the_file_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    path = tmp_path / "peer.toml"
    path.write_bytes(b"kept")
    assert said_by(NO_ROOM, path) == str(path)
    assert path.read_bytes() == b"kept"
    assert list(tmp_path.iterdir()) == [path]


def full_database() -> sqlite3.Error:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("CREATE TABLE t AS SELECT zeroblob(100000)")
    connection.close()
    return caught.value


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), True),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), False),
        (full_database(), True),
        (sqlite3.OperationalError("no such table"), False),
        (None, False),
    ],
)
def test_which_errors_say_that_a_disk_is_full(error: Exception | None, full: bool) -> None:
    assert is_full(error) is full
