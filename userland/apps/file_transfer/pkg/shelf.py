"""The files of this node: whole ones are under `files`, those that are just coming under `parts`: none is listed."""

from userland.process_lib import Address, vfs

from .names import free
from .wire import Refused

LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes that are handed to a browser at once."""


class Shelf:
    def __init__(self, drive: str) -> None:
        self._drive = drive

    @classmethod
    async def open(cls, our: Address) -> "Shelf":
        """What was half there when the process ended is thrown away. Raises `VfsError`, `SendError`."""
        drive = await vfs.create_drive(our.package_id, "data")
        await vfs.create_dir_all(f"{drive}/files")
        await vfs.create_dir_all(f"{drive}/parts")
        await vfs.remove_dir_all(f"{drive}/parts")
        await vfs.create_dir_all(f"{drive}/parts")
        return cls(drive)

    def path(self, name: str) -> str:
        return f"{self._drive}/files/{name}"

    def part(self, number: int) -> str:
        return f"{self._drive}/parts/{number}"

    async def names(self) -> list[str]:
        folder = await vfs.open_dir(f"{self._drive}/files")
        return sorted(entry.path.rpartition("/")[2] for entry in await folder.read())

    async def listed(self) -> list[dict[str, object]]:
        return [
            {"name": name, "size": (await vfs.metadata(self.path(name))).len} for name in await self.names()
        ]

    async def size(self, name: str) -> int:
        """Raises `Refused` when there is none."""
        if name not in await self.names():
            raise Refused(f"there is no file {name!r} here", 404)
        return (await vfs.metadata(self.path(name))).len

    async def sha256(self, name: str) -> str:
        async with vfs.open_file(self.path(name)) as file:
            return (await file.hash()).hex()

    async def read(self, name: str, offset: int, length: int) -> bytes:
        async with vfs.open_file(self.path(name)) as file:
            await file.seek(offset)
            left = max(0, await file.len() - offset)
            return await file.read_exact(min(length, left)) if left else b""

    async def put(self, name: str, data: bytes) -> None:
        """In the place of one that is there; durable when it returns."""
        async with vfs.open_file(self.path(name), create=True) as file:
            await file.write(data)
            await file.sync_all()

    async def remove(self, name: str) -> None:
        await self.size(name)
        await vfs.remove_file(self.path(name))

    async def take_in(self, number: int, wanted: str) -> str:
        """A part that is whole becomes a file, under a name that is free. Which one."""
        name = free(wanted, await self.names())
        await vfs.rename(self.part(number), self.path(name))
        async with vfs.open_file(self.path(name)) as file:
            await file.sync_all()
        return name
