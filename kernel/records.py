"""The process table on disk: which processes run again at the next boot, with what rights (C-081)."""

from __future__ import annotations

import attrs

from kernel.address import IdentifierParseError, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.codec import Malformed, Shape
from kernel.mailbox import Limits
from kernel.message import OnExit
from kernel.ports import Delete, Put, Store
from kernel.process import Process

TABLE = "processes"
GRANTED = "granted"


@attrs.frozen
class ProcessRecord:
    """What is needed to run a process again. `source` is code that came in a message and lies in no file; `parent` is
    what it ends with.
    """

    id: ProcessId
    path: str
    on_exit: OnExit
    public: bool
    capabilities: list[Capability | SignedCapability]
    mailbox_messages: int
    mailbox_bytes: int
    source: bytes | None = None
    parent: ProcessId | None = attrs.field(default=None, metadata={"omit_default": True})

    @property
    def limits(self) -> Limits:
        return Limits(self.mailbox_messages, self.mailbox_bytes)


_RECORD: Shape[ProcessRecord] = Shape(ProcessRecord)


@attrs.frozen
class _Granted:
    capabilities: list[Capability | SignedCapability]


_GRANTED: Shape[_Granted] = Shape(_Granted)


class ProcessRecords:
    """Writes through to a Store. On-exit None is never written, of the runtime's modules only what they hold."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[ProcessId, None] = {}
        self._knows_granted = False

    def save(self, process: Process) -> None:
        """Queue the record; durable after `flush`. Raises ValueError when it cannot be written."""
        if process.system:
            # Before the former ones are known this would forget them.
            if self._knows_granted:
                granted = _GRANTED.encode(_Granted(_held_by(process)))
                self._store.apply([Put(GRANTED, str(process.pid), granted)])
            return
        if process.on_exit.is_none():
            self.delete(process)
            return
        limits = process.mailbox.limits
        record = ProcessRecord(
            process.pid,
            process.path,
            process.on_exit,
            process.public,
            _held_by(process),
            limits.messages,
            limits.bytes,
            process.source,
            process.parent,
        )
        try:
            value = _RECORD.encode(record)
        except TypeError as error:
            raise ValueError(f"the path or on_exit of {process.pid} cannot be written: {error}") from None
        self._written[process.pid] = None
        self._store.apply([Put(TABLE, str(process.pid), value)])

    def delete(self, process: Process) -> None:
        if process.pid in self._written:
            del self._written[process.pid]
            self._store.apply([Delete(TABLE, str(process.pid))])

    async def load(self) -> tuple[list[ProcessRecord], list[str]]:
        """The records in order of id, and what is wrong with those that cannot be read (they stay on disk)."""
        records: list[ProcessRecord] = []
        problems: list[str] = []
        for key, value in await self._store.scan(TABLE):
            try:
                record = _RECORD.decode(value)
            except Malformed as error:
                problems.append(f"the saved process {key} cannot be read and was left as it is: {error}")
                continue
            self._written[record.id] = None
            records.append(record)
        return records, problems

    async def load_granted(self) -> list[tuple[ProcessId, list[Capability | SignedCapability]]]:
        """What the runtime's modules held when it was last saved; from now on it is saved again."""
        self._knows_granted = True
        loaded = []
        for key, value in await self._store.scan(GRANTED):
            try:
                loaded.append((ProcessId.from_str(key), _GRANTED.decode(value).capabilities))
            except (Malformed, IdentifierParseError):
                continue
        return loaded

    async def flush(self) -> None:
        """Return when all that was saved is durable. Raises `StoreFailed`."""
        await self._store.flush()


def _held_by(process: Process) -> list[Capability | SignedCapability]:
    held = process.holdings
    return [
        capability
        if (signature := held.signature(capability)) is None
        else SignedCapability(capability.issuer, capability.params, signature)
        for capability in held.all()
    ]
