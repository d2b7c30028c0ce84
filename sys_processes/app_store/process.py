"""Takes packages in, starts and removes them for those who may message it, which is control over the node (PROTOCOL
8.2). One request after the other, in order of arrival.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kernel.address import Address, PackageId, ProcessId
from kernel.codec import Err, Malformed
from kernel.errors import KernelError
from kernel.mailbox import Limits
from kernel.message import Message, Payload, Request
from kernel.ports import Init, StoreFailed
from kernel.syscalls import current
from sys_processes._serve import Answer, Outcome, serve
from sys_processes.app_store.archive import unpack
from sys_processes.app_store.core import check_name
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.protocol import (
    DENIED,
    STORE_ANSWER,
    STORE_REQUEST,
    App,
    Approved,
    ApprovedResponse,
    Apps,
    AppsResponse,
    Download,
    DownloadResponse,
    Install,
    InstallResponse,
    NewPackage,
    NewPackageResponse,
    ScriptStarted,
    StartScript,
    StoreRequest,
    Uninstall,
    UninstallResponse,
)
from sys_processes.app_store.protocol import Outcome as Done
from sys_processes.devices import Packages, Workers
from sys_processes.homepage.protocol import HOMEPAGE, HOMEPAGE_REQUEST, RemoveOther

LIMITS = Limits(messages=1000, bytes=128 * 1024 * 1024)
"""Of its mailbox: the largest body of an RPC call fits."""

_CHANGED = NewPackageResponse | InstallResponse | UninstallResponse | DownloadResponse
_NO_DOWNLOAD = "this node gets no packages from other nodes: get the zip yourself and send it with NewPackage"


class _AppStore:
    def __init__(self, packages: Packages, workers: Workers) -> None:
        self._packages = packages
        self._workers = workers

    def decode(self, message: Message) -> StoreRequest:
        return STORE_REQUEST.decode(message.ipc)

    async def handle(self, message: Message, request: StoreRequest) -> Outcome:
        match request:
            case NewPackage(package):
                payload = message.payload()
                return await _tried(NewPackageResponse, package, lambda: self._put(request, payload))
            case Install():
                return await _tried(InstallResponse, request.package, lambda: self._install(request.package))
            case Uninstall():
                return await _tried(UninstallResponse, request.package, lambda: self._remove(request.package))
            case Download():
                return _answer(DownloadResponse(Done.Failure), _NO_DOWNLOAD)
            case Approved(package):
                rights, must_ask = await self._packages.approved(package)
                return Answer(STORE_ANSWER.encode(ApprovedResponse(tuple(rights), must_ask)))
            case StartScript(script):
                return await self._start_script(script, message.source.process)
            case Apps():
                there = [
                    App(one.package, one.version, one.processes) for one in await self._packages.standing()
                ]
                return Answer(STORE_ANSWER.encode(AppsResponse(tuple(there))))

    async def _put(self, new: NewPackage, payload: Payload | None) -> str:
        if payload is None or not payload.bytes:
            raise PackageError("the payload", "$", "is missing", "send the zip of the package in it")
        files = await self._workers.run(unpack, payload.bytes)
        put = self._packages.put(new.package, files, payload.bytes, approve=new.approve)
        return "\n".join(await put)

    async def _start_script(self, script: ProcessId, by: ProcessId) -> Answer:
        try:
            started = await self._packages.start_script(script, by)
        except (PackageError, KernelError, StoreFailed, OSError) as error:
            return Answer(STORE_ANSWER.encode(Err(str(error))))
        return Answer(STORE_ANSWER.encode(ScriptStarted(started)))

    async def _install(self, package: PackageId) -> str:
        await self._packages.install(package)
        return ""

    async def _remove(self, package: PackageId) -> str:
        _off_the_start_page(await self._packages.remove(package))
        return ""

    async def resume(self) -> None:
        """A former run of this process may have been killed in the middle."""
        try:
            _off_the_start_page(await self._packages.resume())
        except (KernelError, StoreFailed, OSError) as error:
            current().print_to_terminal(0, f"what was cut off is left to the next boot: {error}")

    def malformed(self, error: Malformed) -> bytes:
        return STORE_ANSWER.encode(Err(str(error)))

    def foreign(self) -> bytes:
        return DENIED

    def failed(self, error: Exception) -> bytes:
        return STORE_ANSWER.encode(Err(f"{type(error).__name__}: {error}"))


def _off_the_start_page(processes: Sequence[ProcessId]) -> None:
    for process in processes:
        forget = HOMEPAGE_REQUEST.encode(RemoveOther(process))
        current().send_request(Address(current().our.node, HOMEPAGE), Request(ipc=forget))


async def _tried(
    response: Callable[[Done], _CHANGED], package: PackageId, work: Callable[[], Awaitable[str]]
) -> Answer:
    """Success with warnings, or Failure with the reason."""
    try:
        check_name(package)
        return _answer(response(Done.Success), await work())
    except (PackageError, KernelError, StoreFailed, OSError) as error:
        current().print_to_terminal(0, f"{response.__name__} of {package}: {error}")
        return _answer(response(Done.Failure), str(error))


def _answer(response: _CHANGED, text: str) -> Answer:
    said = Payload("text/plain; charset=utf-8", text.encode(errors="backslashreplace")) if text else None
    return Answer(STORE_ANSWER.encode(response), said)


def make(packages: Packages, workers: Workers) -> Init:
    async def init(our: Address) -> None:
        store = _AppStore(packages, workers)
        await store.resume()
        await serve(store)

    return init
