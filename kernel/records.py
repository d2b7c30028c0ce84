"""The process table on disk: which processes run again at the next boot, with what rights (C-081)."""

from __future__ import annotations

import attrs

from kernel.address import ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.codec import Malformed, Shape
from kernel.mailbox import Limits
from kernel.message import OnExit
from kernel.ports import Delete, Put, Store
from kernel.process import Process

TABLE = "processes"


@attrs.frozen
class ProcessRecord:
    """What is needed to run a process again. `source` is code that came in a message and lies in no file."""

    id: ProcessId
    path: str
    on_exit: OnExit
    public: bool
    capabilities: list[Capability | SignedCapability]
    mailbox_messages: int
    mailbox_bytes: int
    source: bytes | None = None

    @property
    def limits(self) -> Limits:
        return Limits(self.mailbox_messages, self.mailbox_bytes)


_RECORD: Shape[ProcessRecord] = Shape(ProcessRecord)


class ProcessRecords:
    """Writes through to a Store; on-exit None and the runtime's own modules are never written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[ProcessId, None] = {}

    def save(self, process: Process) -> None:
        """Queue the record; durable after `flush`."""
        if process.system:
            return
        if process.on_exit.is_none():
            self.delete(process)
            return
        limits = process.mailbox.limits
        held = process.holdings
        capabilities: list[Capability | SignedCapability] = []
        for capability in held.all():
            signature = held.signature(capability)
            capabilities.append(
                capability
                if signature is None
                else SignedCapability(capability.issuer, capability.params, signature)
            )
        record = ProcessRecord(
            process.pid,
            process.path,
            process.on_exit,
            process.public,
            capabilities,
            limits.messages,
            limits.bytes,
            process.source,
        )
        self._written[process.pid] = None
        self._store.apply([Put(TABLE, str(process.pid), _RECORD.encode(record))])

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

    async def flush(self) -> None:
        """Return when all that was saved is durable. Raises `StoreFailed`."""
        await self._store.flush()
