"""What both forms of vfs ask its disk."""

from __future__ import annotations

from sys_processes.devices import Disk, FileType


async def size_of_file(disk: Disk, path: str) -> int:
    """In bytes. Raises OSError, also for what is no file."""
    info = await disk.info(path)
    if info.file_type is not FileType.File:
        raise IsADirectoryError(None, "Is not a file")
    return info.size
