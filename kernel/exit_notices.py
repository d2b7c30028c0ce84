"""Who is told that a process has ended (docs/processes.md, "Death notices")."""

from __future__ import annotations

from collections.abc import Callable

from kernel.address import ProcessId
from kernel.admission import lacks_messaging, may_message
from kernel.capability import KERNEL
from kernel.errors import BadCapability
from kernel.events import EventKind
from kernel.exits import ExitCause
from kernel.message import KernelMessage, Request
from kernel.process import Process
from kernel.process_exited import PROCESS_EXITED, EndedBy, ProcessExited
from kernel.router import Router


class ExitNotices:
    """Modules may hear of every exit; a process hears of those that it asked for, once each."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._of_all: dict[ProcessId, Callable[[ProcessId], None]] = {}

    def watch_all(self, pid: ProcessId, ended: Callable[[ProcessId], None]) -> None:
        """From now on this system process is told of every exit: at once by `ended`, later by a Request."""
        self._of_all[pid] = ended

    def watch(self, watcher: Process, target: ProcessId) -> bool:
        """False when there is no such process. Raises `BadCapability` for one that the watcher may not message."""
        watched = self._router.find(target)
        if watched is None:
            return False
        if watched is watcher:
            raise ValueError(f"{watcher.pid} would watch itself, and hear of its end when nobody listens")
        if not may_message(watcher, watched):
            raise BadCapability(f"{watcher.pid} may not watch: {lacks_messaging(watcher, watched)}")
        if watched.watchers is None:
            watched.watchers = {}
        watched.watchers[watcher] = None
        if watcher.watches is None:
            watcher.watches = {}
        watcher.watches[watched] = None
        return True

    def unwatch(self, watcher: Process, target: ProcessId) -> None:
        watched = self._router.find(target)
        if watched is not None and watched.watchers is not None and watched.watchers.pop(watcher, 0) is None:
            assert watcher.watches is not None
            del watcher.watches[watched]

    def forget(self, watcher: Process) -> None:
        """It has ended, and hears of nothing any more."""
        for watched in watcher.watches or ():
            assert watched.watchers is not None
            del watched.watchers[watcher]
        watcher.watches = None

    def warn(self, process: Process) -> None:
        """The modules, before those who wait for room in its mailbox go on, and before its next run."""
        for pid, ended in self._of_all.items():
            if pid in self._router.processes:
                ended(process.pid)

    def tell(self, process: Process, *, restarts: bool) -> None:
        """All who watch it, behind everything that it had sent them."""
        watchers, process.watchers = process.watchers or {}, None
        for watcher in watchers:
            assert watcher.watches is not None
            del watcher.watches[process]
        modules = (self._router.processes.get(pid) for pid in self._of_all)
        hearers = dict.fromkeys(each for each in modules if each is not None and each is not process)
        hearers.update(watchers)
        if hearers:
            error = process.last_error if process.cause is ExitCause.CRASH else None
            exited = ProcessExited(process.pid, EndedBy(process.cause.name.capitalize()), error, restarts)
            ipc = PROCESS_EXITED.encode(exited)
            for hearer in hearers:
                self.send(hearer, ipc)

    def send(self, hearer: Process, ipc: bytes) -> None:
        """Also into a full mailbox: there is no more than one for each watch."""
        router = self._router
        notice = KernelMessage(
            router.ids.take(), router.kernel_address, hearer.address, None, Request(ipc=ipc)
        )
        notice.size = len(ipc)
        router.notify(EventKind.SENT, KERNEL, notice)
        router.notify(EventKind.APPENDED, hearer.pid, notice)
        hearer.mailbox.put(notice)
