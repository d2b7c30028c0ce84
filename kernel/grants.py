"""Who holds which capability of whom, and what a grant, a drop and an end change in that (PROTOCOL 4.3, 4.4, C-080)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.address import ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.events import EventKind
from kernel.process import Process

if TYPE_CHECKING:
    from kernel.records import ProcessRecords
    from kernel.router import Router


class Grants:
    """Each method is one kernel step; what it changes is saved with the process's record."""

    def __init__(self, router: Router, records: ProcessRecords) -> None:
        self._router = router
        self._records = records
        # Who was given something by whom; a single holder, which is the most frequent case, without a dict of its own.
        self._issued: dict[ProcessId, ProcessId | dict[ProcessId, None]] = {}

    def add(self, process: Process, capability: Capability, signature: bytes | None = None) -> None:
        """`grant` for a process that is only being made: nobody is told, nothing is saved."""
        capability = self._router.signing.real(capability)
        issuer = capability.issuer
        if isinstance(capability, SignedCapability) and issuer.node != self._router.node:
            signature = capability.signature
        process.holdings.add(capability, signature)
        if issuer.node == self._router.node and issuer.process != process.pid:
            holders = self._issued.get(issuer.process)
            if holders is None:
                self._issued[issuer.process] = process.pid
            elif isinstance(holders, dict):
                holders[process.pid] = None
            elif holders != process.pid:
                self._issued[issuer.process] = {holders: None, process.pid: None}

    def grant(self, process: Process, capability: Capability, signature: bytes | None = None) -> None:
        """Into its table; `our` as issuing node means us. `signature` is that of a foreign issuer."""
        self.add(process, capability, signature)
        if self._router.observer is not None:
            real = self._router.signing.real(capability)
            self._router.notify(EventKind.GRANTED, process.pid, note=str(real))
        self._records.save(process)

    def drop(self, process: Process, capability: Capability) -> None:
        real = self._router.signing.real(capability)
        process.holdings.drop(real)
        self._router.notify(EventKind.REVOKED, process.pid, note=str(real))
        self._records.save(process)

    def forget_holder(self, process: Process) -> None:
        """It holds nothing any more."""
        for capability in process.holdings.all():
            holders = self._issued.get(capability.issuer.process)
            if isinstance(holders, dict):
                holders.pop(process.pid, None)
            elif holders == process.pid:
                del self._issued[capability.issuer.process]

    def revoke_issued(self, issuer: Process) -> None:
        """Take back all that it gave to others."""
        holders = self._issued.pop(issuer.pid, {})
        for pid in holders if isinstance(holders, dict) else (holders,):
            holder = self._router.processes.get(pid)
            if holder is not None and holder.holdings.drop_issued_by(issuer.address):
                self._router.notify(EventKind.REVOKED, pid, note=f"all issued by {issuer.pid}")
                self._records.save(holder)
