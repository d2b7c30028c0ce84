"""`kernel.ports.Programs` over a `Disk`: from a path in a package's drive to code that can be started."""

from __future__ import annotations

import inspect
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from functools import lru_cache
from traceback import walk_tb
from types import TracebackType

import attrs

from kernel.address import Address, PackageId, ProcessId, ProcessIdParseError
from kernel.errors import NoSuchFile, ProgramError
from kernel.ports import Init
from runtime.modules import Guard, ModuleSet, Unguarded, owned_builtins
from runtime.package_code import PackageCode, can_be_module, compile_package, holds_code, is_component
from sys_processes.devices import Disk, FileType, Workers

INIT_FORM = "async def init(our: Address) -> None:"

GuardOf = Callable[[PackageId], Guard]


def unguarded(_package: PackageId) -> Guard:
    """Every package sees the real world."""
    return Unguarded()


class Started:
    """The `init` of one start. The modules keep their names as long as this is held."""

    __slots__ = ("_init", "_modules")

    def __init__(self, init: Init, modules: ModuleSet) -> None:
        self._init = init
        self._modules = modules

    def __call__(self, our: Address) -> Awaitable[object]:
        # The actor's own coroutine: one around it would cost every message.
        return self._init(our)

    def __del__(self) -> None:
        self._modules.close()


class PythonProgram:
    """A module of a package, ready to start. `label` is what its modules are called by in tracebacks and reprs."""

    __slots__ = ("_builtins", "_checked_once", "_code", "_label", "_module")

    def __init__(
        self,
        code: PackageCode,
        module: str,
        label: str,
        own_builtins: dict[str, object],
        *,
        checked: bool = False,
    ) -> None:
        self._checked_once = checked
        self._code = code
        self._module = module
        self._label = label
        self._builtins = own_builtins

    @property
    def code(self) -> PackageCode:
        """All of the drive's."""
        return self._code

    @property
    def module(self) -> str:
        """The one that is loaded first, by its dotted name."""
        return self._module

    def fresh(self) -> Init:
        """Raises `ProgramError` also for what the code raises, with that as its cause. KeyboardInterrupt passes."""
        modules = None
        try:
            modules = ModuleSet(self._code, self._label, self._builtins, self._module)
            found = modules.load(self._module).__dict__.get("init")
            if not (self._checked_once and inspect.iscoroutinefunction(found)):
                found = self._checked(found)
                self._checked_once = True
            return Started(found, modules)
        except BaseException as error:
            if modules is not None:
                modules.close()
            if isinstance(error, (ProgramError, KeyboardInterrupt)):
                raise
            raise self._top_level(error) from error

    def check(self) -> None:
        """Start it once, as no process, and throw it away. Raises `ProgramError`."""
        Context().run(self.fresh)

    def _checked(self, init: object) -> Init:
        file = self._code.modules[self._module].file
        if init is None:
            raise ProgramError(file, "has no `init`", f"write `{INIT_FORM}`")
        if not callable(init):
            raise ProgramError(file, f"`init` is no function but {init!r}", f"write `{INIT_FORM}`")
        if inspect.isasyncgenfunction(init):
            raise ProgramError(file, "`init` contains `yield`", "take the `yield` out of it")
        if not inspect.iscoroutinefunction(init) and not inspect.iscoroutinefunction(type(init).__call__):
            raise ProgramError(file, "`init` is not async", f"write `{INIT_FORM}`")
        try:
            inspect.signature(init, follow_wrapped=False).bind(None)
        except TypeError as error:
            problem = f"`init` cannot be called with one argument: {error}"
            raise ProgramError(file, problem, f"write `{INIT_FORM}`") from None
        return init

    def _top_level(self, error: BaseException) -> ProgramError:
        """What left the module's own code, with the line of the package that it left."""
        files = {source.file for source in self._code.modules.values()}
        file, line = self._code.modules[self._module].file, 0
        for frame_file, frame_line in _frames(error.__traceback__):
            if frame_file in files:
                file, line = frame_file, frame_line
        where = f"line {line}: " if line else ""
        return ProgramError(file, f"{where}{type(error).__name__}: {_text(error)}", _advice(error))


def _frames(traceback: TracebackType | None) -> list[tuple[str, int]]:
    return [(frame.f_code.co_filename, line) for frame, line in walk_tb(traceback)]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of the package may fail to print itself
        return "<its text raises>"


def _advice(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        top = error.name.partition(".")[0]
        return f"install {top!r} where the node runs, or put it into pkg/ and import it with a dot"
    if isinstance(error, ImportError):
        return "correct the import"
    if isinstance(error, SystemExit):
        return "do not exit while the module is imported"
    return "move what can fail into `init`"


@attrs.frozen
class CodePath:
    """A vfs path cut into the folder of the drive (`/chess:nectar/pkg`) and what is below it."""

    root: str
    inner: str

    @property
    def package(self) -> PackageId:
        return PackageId.from_str(self.root.split("/")[1])


def locate(process: ProcessId, path: str) -> CodePath:
    """A path whose first part is no package id is relative to the process's own `pkg`. Raises `NoSuchFile`."""
    return _locate(process.package, process.publisher, path)


@lru_cache(maxsize=1024)
def _locate(own_package: str, own_publisher: str, path: str) -> CodePath:
    parts = [part for part in posixpath.normpath(path).split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in path:
        raise NoSuchFile(
            path, "is no path of a file in a drive", 'write one such as "/chess:nectar/pkg/chess.py"'
        )
    if ":" not in parts[0]:
        return CodePath(f"/{own_package}:{own_publisher}/pkg", "/".join(parts))
    try:
        package = PackageId.from_str(parts[0])
    except ProcessIdParseError as error:
        raise NoSuchFile(path, str(error), 'write a path such as "/chess:nectar/pkg/chess.py"') from None
    if len(parts) < 3:
        raise NoSuchFile(
            path, "names no file in a drive", 'write a path such as "/chess:nectar/pkg/chess.py"'
        )
    return CodePath(f"/{package}/{parts[1]}", "/".join(parts[2:]))


def _place_of_source(process: ProcessId, path: str) -> CodePath:
    """Code that came in a message needs no file: where the path is none of a module (in E1 it is a number), the
    code stands for a module of the process's own name.
    """
    try:
        place = locate(process, path)
    except NoSuchFile:
        place = None
    if place is not None and can_be_module(place.inner):
        return place
    # A dot would part the name of a module.
    return locate(process, f"{process.process.replace('.', '_')}.py")


@attrs.frozen
class _Drive:
    code: PackageCode
    builtins: dict[str, object]
    checked: dict[str, None] = attrs.Factory(dict)


class DiskPrograms:
    """The code of a package is read once and kept until `forget`: whoever changes a drive's files calls that."""

    def __init__(self, disk: Disk, workers: Workers, guard: GuardOf = unguarded) -> None:
        self._disk = disk
        self._workers = workers
        self._guard = guard
        self._drives: dict[str, _Drive] = {}
        self._forgotten = 0

    def ready(self, process: ProcessId, path: str) -> PythonProgram | None:
        try:
            place = locate(process, path)
            drive = self._drives.get(place.root)
            module = None if drive is None else drive.code.entry(place.inner)
        except ProgramError:
            return None
        if drive is None or module not in drive.checked:
            return None
        return PythonProgram(drive.code, module, str(process), drive.builtins, checked=True)

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> PythonProgram:
        """Also starts the code once, as no process, so that a module which does not import is refused here."""
        place = locate(process, path) if source is None else _place_of_source(process, path)
        if source is None or is_component(source):
            drive = self._drives.get(place.root) or await self._read(place)
        else:
            drive = await self._overlaid(place, source)
        module = drive.code.entry(place.inner)
        checked = module in drive.checked
        program = PythonProgram(drive.code, module, str(process), drive.builtins, checked=checked)
        if not checked:
            program.check()
            drive.checked[module] = None
        return program

    def check(self, process: ProcessId, path: str, code: PackageCode) -> None:
        """Would `prepare` succeed if this were the code of the drive that `path` names? Raises as it does."""
        place = locate(process, path)
        PythonProgram(code, code.entry(place.inner), str(process), self._builtins(place)).check()

    def forget(self, package: PackageId) -> None:
        """The package's files changed: the next `prepare` reads them. What runs is left alone."""
        self._forgotten += 1
        for root in [root for root in self._drives if root.split("/")[1] == str(package)]:
            del self._drives[root]

    async def _read(self, place: CodePath) -> _Drive:
        forgotten = self._forgotten
        drive = await self._compiled(place, await self._files(place))
        if forgotten == self._forgotten:
            self._drives[place.root] = drive
        return drive

    async def _overlaid(self, place: CodePath, source: bytes) -> _Drive:
        """The drive as it would be with these bytes as the file's; not kept."""
        try:
            files = await self._files(place)
        except NoSuchFile:
            files = {}
        inner = place.inner.removesuffix(".wasm") + ".py" if place.inner.endswith(".wasm") else place.inner
        return await self._compiled(place, {**files, inner: source})

    async def _compiled(self, place: CodePath, files: Mapping[str, bytes]) -> _Drive:
        code = await self._workers.run(compile_package, place.root, files)
        return _Drive(code, self._builtins(place))

    def _builtins(self, place: CodePath) -> dict[str, object]:
        return owned_builtins(self._guard(place.package))

    async def _files(self, place: CodePath) -> dict[str, bytes]:
        """The content of the drive's modules; of other files the names only."""
        files: dict[str, bytes] = {}
        folders = [""]
        try:
            while folders:
                folder = folders.pop()
                for name, kind in await self._disk.list(posixpath.join(place.root[1:], folder).rstrip("/")):
                    path = posixpath.join(folder, name)
                    if kind is FileType.Directory:
                        folders.append(path)
                    elif kind is FileType.File:
                        inside = f"{place.root[1:]}/{path}"
                        files[path] = await self._disk.read(inside) if holds_code(path) else b""
        except FileNotFoundError:
            file = f"{place.root}/{place.inner}"
            raise NoSuchFile(file, f"there is no {place.root}", "install the package first") from None
        except OSError as error:
            raise ProgramError(place.root, f"cannot be read: {error}", "check the node's disk") from error
        return files
