"""The outside world as the system processes see it: Protocols with a real and a simulated implementer each.

The real ones live in `runtime`, the simulated ones in `runtime.sim`; one contract suite tests both. `kernel.ports`
holds those that the kernel itself needs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, Protocol, TypeVar

import attrs

from kernel.address import PackageId, ProcessId
from sys_processes.app_store.protocol import AskedRight
from sys_processes.net.protocol import IdentityRecord

P = ParamSpec("P")
T = TypeVar("T")


class FileType(enum.StrEnum):
    File = "File"
    Directory = "Directory"
    Symlink = "Symlink"
    Other = "Other"


@attrs.frozen
class FileInfo:
    file_type: FileType
    size: int


class Disk(Protocol):
    """Files below one root. Paths are relative, `/`-separated, already normalised: no `..`, no empty part.

    Symlinks are never followed. Raises FileNotFoundError, NotADirectoryError, IsADirectoryError, or another OSError.
    """

    async def read(self, path: str) -> bytes: ...

    async def write(self, path: str, data: bytes) -> None:
        """Replace the whole file, creating it and its folders. Durable only after `sync`."""

    async def list(self, path: str) -> list[tuple[str, FileType]]:
        """Names in a folder, sorted. `""` is the root."""

    async def info(self, path: str) -> FileInfo: ...

    async def make_folder(self, path: str) -> None:
        """With all folders above it; an existing one is no error."""

    async def remove(self, path: str) -> None:
        """A file, or a folder with all that is in it. Missing is no error."""

    async def unlink(self, path: str) -> None:
        """A file, or an empty folder, which must be there."""

    async def touch(self, path: str) -> None:
        """An empty file, with its folders, where there is none; a file that is there stays as it is."""

    async def read_at(self, path: str, offset: int, length: int) -> bytes:
        """What is there of so many bytes: fewer at the end of the file."""

    async def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Into a file that is there, in place: a crash may leave any part of it. A gap before it is zeros."""

    async def set_len(self, path: str, size: int) -> None:
        """Cut it off, or fill it up with zeros."""

    async def copy(self, old: str, new: str) -> None:
        """A file; replaces one at `new`, whole or not at all. The folder of `new` must be there."""

    async def rename(self, old: str, new: str) -> None:
        """Atomic; replaces a file at `new`, and a folder at `new` only if that is empty."""

    async def sync(self, path: str) -> None:
        """Return when the file (or, for a folder, all below it) is durable."""


@attrs.frozen(cache_hash=True)
class DatabaseName:
    """A database of a package: `db` is one safe segment, neither `.` nor `..`."""

    package: PackageId
    db: str

    def __str__(self) -> str:
        return f"{self.db} of {self.package}"


class NoDatabase(Exception):
    """There is no such database; nobody made it, or it was removed."""

    def __init__(self, name: DatabaseName) -> None:
        super().__init__(f"there is no database {name}; Open makes one")
        self.name = name


class EngineFailed(Exception):
    """A database could not be read or written; the text says which and why. `of_disk`: the disk is at fault (full,
    read-only, broken), and not what is in the database.
    """

    def __init__(self, text: str, *, of_disk: bool = False) -> None:
        super().__init__(text)
        self.of_disk = of_disk


class OpenFiles(Protocol):
    """How many files this node may have open, sockets included."""

    def allowed(self) -> int: ...

    def used(self) -> int: ...

    async def wait_look(self, seconds: float) -> None:
        """Return when it is time to look at them again: after so long, or, where it is known when they change, then."""


class KeepsOpen(Protocol):
    """What keeps databases open between their uses."""

    @property
    def closings(self) -> int:
        """How often one was closed because there were too many."""

    async def keep_open(self, most: int) -> None:
        """From now on at most so many that nobody uses, 1 and more: those idle longest are closed."""


KeyWrite = tuple[bytes, bytes | None]
"""A key and its value; None deletes the key."""


class Engine(KeepsOpen, Protocol):
    """Databases of keys and values, any bytes, none included. One that is slow or broken concerns no other.

    A crash keeps every batch whose `write` returned, and each of the others whole or not at all.
    """

    async def make(self, name: DatabaseName) -> None:
        """An empty one; an existing one is no error. Raises `EngineFailed`."""

    async def exists(self, name: DatabaseName) -> bool: ...

    async def names(self, package: PackageId) -> list[DatabaseName]:
        """Those of the package, sorted. Raises `EngineFailed`."""

    async def get(self, name: DatabaseName, key: bytes) -> bytes | None:
        """The value, or None. Raises `NoDatabase`, `EngineFailed`."""

    async def write(self, name: DatabaseName, batch: Sequence[KeyWrite]) -> None:
        """All of it or nothing, in order, durable on return. Raises `NoDatabase`, `EngineFailed`."""

    async def remove(self, name: DatabaseName) -> None:
        """With all that is in it. Raises `NoDatabase`, `EngineFailed`."""


SqlValue = int | float | str | bytes | None
SqlRow = tuple[SqlValue, ...]
Statement = tuple[str, Sequence[SqlValue]]
"""One SQL statement and its parameters."""


class Databases(KeepsOpen, Protocol):
    """SQL databases in SQLite's language. One that is slow or broken concerns no other.

    A statement reaches nothing outside its database, whatever it says, and ends after a limit. A crash keeps every
    `write` that returned, and each of the others whole or not at all. All raise `EngineFailed`.
    """

    async def make(self, name: DatabaseName) -> None:
        """An empty one; an existing one is no error."""

    async def exists(self, name: DatabaseName) -> bool: ...

    async def names(self, package: PackageId) -> list[DatabaseName]:
        """Those of the package, sorted. Raises `EngineFailed`."""

    async def query(
        self,
        name: DatabaseName,
        statement: Statement,
        form: Callable[[Sequence[str], Sequence[SqlRow]], T],
    ) -> T:
        """What `form` makes, away from the event loop, of the names of the columns and of the rows. Changes nothing.

        Raises `NoDatabase`, and what `form` raises.
        """

    async def write(self, name: DatabaseName, statements: Sequence[Statement]) -> None:
        """All of them or none, in order, durable on return. Raises `NoDatabase`."""

    async def remove(self, name: DatabaseName) -> None:
        """With all that is in it. Raises `NoDatabase`."""


class Workers(Protocol):
    """Blocking work away from the event loop."""

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises what `work` raises. Not cancelled half-way: the call returns when the work is done."""


class ByteStream(Protocol):
    """A connection. The methods of `trio.abc.HalfCloseableStream`, with the same exceptions; and who is there."""

    @property
    def peer(self) -> str | None:
        """`ip:port` of the other side (IPv6 in brackets), or None when it has no address."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray: ...

    async def send_all(self, data: bytes | bytearray | memoryview) -> None: ...

    async def wait_send_all_might_not_block(self) -> None: ...

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


class Listener(Protocol):
    """An open door."""

    @property
    def url(self) -> str:
        """`http://host:port`, no trailing slash: how a client of this machine reaches it."""

    async def accept(self) -> ByteStream:
        """Raises `trio.ClosedResourceError` once closed; other errors (too many open files) concern one accept only."""

    async def aclose(self) -> None: ...


class DialFailed(Exception):
    """A server could not be reached; the text says which, and why."""


class Dialer(Protocol):
    """The way to servers of the outside world."""

    async def dial(self, host: str, port: int, *, local: bool) -> ByteStream:
        """Only where it is `local` may the address be one of this machine itself: its loopback and link-local ones, and
        those it is reached by from outside. It is the address that is looked at, not the name. May take for ever: the
        caller sets the time limit. Raises `DialFailed`.
        """

    async def secure(self, stream: ByteStream, host: str) -> ByteStream:
        """TLS on a stream of `dial`, with a server that proves to be that host. Raises `DialFailed`."""


@attrs.frozen
class PackageStanding:
    """A package that is there: its version, as its metadata has it, and its processes, children included."""

    package: PackageId
    version: str | None
    processes: tuple[ProcessId, ...]


class Packages(Protocol):
    """The packages of a node. What changes them happens one after the other, in the order asked, and whole or not at
    all, through crashes too. It is done when the call returns, and durable.

    Raises `PackageError` for what is wrong with a package, `KernelError`, `StoreFailed`, OSError.
    """

    async def put(
        self, package: PackageId, files: Mapping[str, bytes], archive: bytes, *, approve: bool
    ) -> Sequence[str]:
        """Replace its files by these, by their path in its folder, once they are known to load; `archive` is kept
        beside them. What runs goes on. `approve` says that the owner of the node approves the rights it asks for;
        who asks for more than was ever approved is refused without. Returns warnings.
        """

    async def approved(self, package: PackageId) -> tuple[Sequence[AskedRight], bool]:
        """The rights that were, and whether it takes an approval to have more."""

    async def install(self, package: PackageId) -> None:
        """Start what its files say, in place of what runs of it. States are kept."""

    async def start_script(self, script: ProcessId, by: ProcessId) -> ProcessId:
        """A process of a fresh name that runs the script, whose id is made of its own name and of its package, and that
        `by` may message. It has no right that was not approved, and is gone when it has ended.
        """

    async def remove(self, package: PackageId) -> Sequence[ProcessId]:
        """With its processes (which are returned, also those that had ended before), drives, states, and the rights to
        and of its processes.
        """

    async def resume(self) -> Sequence[ProcessId]:
        """Finish what was cut off when its caller ended. Returns the processes of the packages removed."""

    async def standing(self) -> Sequence[PackageStanding]:
        """In the order of their names."""


# -- other nodes


@attrs.frozen
class KeyConflict:
    """Somebody shows a key for a name that is bound to another one; `where` says who or what."""

    name: str
    kept: bytes
    refused: bytes
    where: str


class Registry(Protocol):
    """Who the other nodes are."""

    def find(self, node: str) -> IdentityRecord | None: ...

    def records(self) -> list[IdentityRecord]:
        """All that are known, sorted by name."""

    def conflicts(self) -> list[KeyConflict]:
        """Those that stand, sorted by name."""

    async def wait_change(self) -> None:
        """Return once records or conflicts have changed since the last return, or since the registry was made."""


class LinkFailed(Exception):
    """A node could not be reached; the text says why."""


class Channel(Protocol):
    """An ordered way for bytes between two nodes, in the clear. Once it is cut, calls raise `trio.BrokenResourceError`;
    once closed on our side, `trio.ClosedResourceError`.
    """

    async def send(self, data: bytes) -> None:
        """Waits while the other side does not take it."""

    async def receive(self) -> bytes:
        """Some bytes; none at the end."""

    async def aclose(self) -> None:
        """What was sent still arrives, where the other side takes it before long."""

    async def abort(self) -> None:
        """As if it was cut. Of a closed one: nothing."""


class Link(Protocol):
    """A private, ordered way for bytes between two nodes. Once it is cut, calls raise `trio.BrokenResourceError`; once
    closed on our side, `trio.ClosedResourceError`.
    """

    @property
    def proven_key(self) -> bytes | None:
        """Of who was dialled: the Ed25519 key that the transport has proven. None on the accepting side."""

    async def send(self, data: bytes) -> None:
        """Waits while the other side does not take it."""

    async def receive(self) -> bytes:
        """Some bytes; none at the end."""

    async def aclose(self) -> None:
        """Raises nothing. May take long: the caller sets the time limit."""


class LinkDoor(Protocol):
    """Where http_server brings who comes to `/net`, for `Links` to accept. Only real nodes have one."""

    @property
    def is_full(self) -> bool:
        """Whether too many have come who are not known yet."""

    async def serve(self, stream: ByteStream, early: bytes) -> None:
        """To the end of the link. The upgrade is answered; `early` is what came behind it. Raises for nothing that the
        other side does. The caller closes the stream.
        """


class Links(Protocol):
    """The way to other nodes. What dials may take for ever: the caller sets the time limit.

    A link through a router begins on channels to it: the router passes bytes from one to the other, and its two ends
    make a link of them (`sys_processes.net.ways`).
    """

    async def dial(self, record: IdentityRecord) -> Link:
        """At its address. Raises `LinkFailed`."""

    async def accept(self) -> Link:
        """Raises `trio.ClosedResourceError` once closed; another OSError concerns one accept only."""

    async def reach(self, record: IdentityRecord) -> Channel:
        """To the node's address, for a preface. Nothing is proven. Raises `LinkFailed`."""

    async def accept_plain(self) -> Channel:
        """Somebody who came with a preface, not with a link. Raises as `accept` does."""

    async def secure(self, channel: Channel, *, server: bool) -> Link:
        """Make a link of a channel of these `Links`, which it owns from then on: `server` on the side that is wanted,
        as if it had accepted it, else as if it was dialled. Raises `LinkFailed`, and then the channel is cut.
        """
