"""The code under test: a Python file with its siblings, or an `init` function."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from contextvars import Context
from itertools import count
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

import attrs

from kernel.address import Address, ProcessId
from kernel.errors import NoSuchFile, ProgramError
from kernel.ports import Init

INIT_FORM = "async def init(our: Address) -> None"

_numbers = count(1)


def _checked(init: object, file: str) -> Init:
    if init is None:
        raise ProgramError(file, "has no `init`", f"write `{INIT_FORM}`")
    if not callable(init) or not inspect.iscoroutinefunction(init):
        raise ProgramError(file, f"`init` is no async function but {init!r}", f"write `{INIT_FORM}`")
    return init


@attrs.frozen
class FunctionProgram:
    """An `init` that is here already; each start shares its module's globals."""

    init: Init

    def fresh(self) -> Init:
        return _checked(self.init, getattr(self.init, "__module__", "the test"))

    def check(self) -> None:
        """Raises `ProgramError`."""
        self.fresh()


class FileProgram:
    """Each start gets fresh modules, as on a node; siblings are imported with `from . import name`."""

    def __init__(self, path: Path, watch: Callable[[str], None]) -> None:
        self._path = path
        self._watch = watch

    def fresh(self) -> Init:
        """Raises `ProgramError` also for what the module raises, with that as its cause."""
        package = f"_actor_under_test_{next(_numbers)}"
        holder = ModuleType(package)
        holder.__path__ = [str(self._path.parent)]
        sys.modules[package] = holder
        self._watch(package)
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(f"{package}.{self._path.stem}")
        except Exception as error:
            raise self._top_level(error) from error
        return _checked(vars(module).get("init"), str(self._path))

    def check(self) -> None:
        """Start it once, as no process, and throw it away, as a node does. Raises `ProgramError`."""
        Context().run(self.fresh)

    def _top_level(self, error: Exception) -> ProgramError:
        """What left the modules' own code, with the line of the package that it left."""
        file, line = str(self._path), 0
        for frame, number in walk_tb(error.__traceback__):
            if Path(frame.f_code.co_filename).parent == self._path.parent:
                file, line = frame.f_code.co_filename, number
        if isinstance(error, SyntaxError) and error.filename is not None:
            file, line = error.filename, error.lineno or 0
        where = f"line {line}: " if line else ""
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        fix = (
            "correct that line"
            if isinstance(error, SyntaxError | ImportError)
            else "move what can fail into `init`"
        )
        return ProgramError(file, f"{where}{type(error).__name__}: {text}", fix)


class Folder:
    """`Programs` of a test: paths in the drive of the package under test are files beside the tested one."""

    def __init__(self, root: Path | None) -> None:
        self.root = root
        self._packages: list[str] = []

    def program(self, path: Path) -> FileProgram:
        """Raises `NoSuchFile`."""
        if not path.is_file():
            raise NoSuchFile(
                str(path), "there is no such file", "paths in a test start at the test's own file"
            )
        return FileProgram(path, self._packages.append)

    def ready(self, process: ProcessId, path: str) -> FileProgram | None:
        """Never: a child's file is looked for at each spawn."""
        return None

    async def prepare(self, process: ProcessId, path: str, source: bytes | None = None) -> FileProgram:
        if self.root is None:
            raise NoSuchFile(
                path, "the actor under test is a function", "give ActorTest the path of its file"
            )
        inside = path.removeprefix(f"/{process.package_id}/pkg").lstrip("/")
        found = self.root / inside
        program = self.program(found.with_suffix(".py") if found.suffix == ".wasm" else found)
        program.check()
        return program

    def forget(self) -> None:
        """Take the modules of all starts out of the interpreter."""
        for package in self._packages:
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]


@attrs.define
class Watched:
    """A program whose crash is kept with its traceback."""

    program: FunctionProgram | FileProgram
    crash: Exception | None = None

    def fresh(self) -> Init:
        init = self.program.fresh()

        async def watched(our: Address) -> object:
            try:
                return await init(our)
            except Exception as error:
                self.crash = error
                raise

        return watched
