"""The Python code of one package drive, compiled and checked; no module runs here.

File names are vfs paths (`/chess:nectar/pkg/chess.py`), which is what tracebacks show.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import decode_source
from types import CodeType

import attrs

from kernel.errors import NoSuchFile, ProgramError

_COMPONENT = b"\0asm"


@attrs.frozen
class ModuleSource:
    """One file. `absolute` are the first parts of the names it imports without a dot, with their lines."""

    file: str
    code: CodeType
    lines: tuple[str, ...]
    absolute: tuple[tuple[str, int], ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether running it does nothing: a folder without an `__init__.py`."""
        return not self.lines


LinecacheEntry = tuple[int, None, list[str], str]


@lru_cache(maxsize=1024)
def linecache_entry(source: ModuleSource) -> LinecacheEntry:
    """What `linecache` keeps of a file, so that a traceback can show its lines."""
    return sum(map(len, source.lines)), None, list(source.lines), source.file


@lru_cache(maxsize=1024)
def compile_module(file: str, data: bytes) -> ModuleSource:
    """Raises `ProgramError` for what is no Python."""
    try:
        tree = ast.parse(data, file)
        code = compile(tree, file, "exec", dont_inherit=True)
        lines = tuple(decode_source(data).splitlines(keepends=True))
    except SyntaxError as error:
        text = f": {error.text.strip()!r}" if error.text else ""
        raise ProgramError(file, f"line {error.lineno}: {error.msg}{text}", "correct that line") from None
    except (MemoryError, RecursionError):
        raise ProgramError(file, "is nested too deeply for Python", "split its longest expression") from None
    except ValueError as error:
        raise ProgramError(file, f"is no Python source: {error}", "write Python as UTF-8 text") from None
    return ModuleSource(file, code, lines, tuple(_absolute_imports(tree)))


def _absolute_imports(tree: ast.AST) -> Iterable[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.partition(".")[0], node.lineno


def holds_code(path: str) -> bool:
    """Whether the file at this path below the drive's folder is one of its modules.

    Hidden and cache folders are none of the program, and what lies in `ui/` is for browsers.
    """
    folders = path.split("/")[:-1]
    return (
        path.endswith(".py")
        and folders[:1] != ["ui"]
        and not any(name.startswith(".") or name == "__pycache__" for name in folders)
        and not posixpath.basename(path).startswith(".")
    )


def can_be_module(path: str) -> bool:
    """Whether a module, or a component beside one, may lie at this path below the drive's folder."""
    stem, extension = posixpath.splitext(path)
    return extension in (".py", ".wasm") and holds_code(f"{stem}.py") and "." not in stem


def module_name(path: str) -> str:
    """`rules/moves.py` is `rules.moves`, `rules/__init__.py` is `rules`, and `__init__.py` the package itself, `""`."""
    name = path.removesuffix(".py").replace("/", ".")
    return "" if name == "__init__" else name.removesuffix(".__init__")


@attrs.frozen
class PackageCode:
    """The modules of a drive by their dotted names, folders without an `__init__.py` included.

    `root` is the drive's folder as a vfs path (`/chess:nectar/pkg`); `packages` names the modules that are folders.
    """

    root: str
    modules: Mapping[str, ModuleSource]
    packages: frozenset[str]
    others: frozenset[str]

    def entry(self, path: str) -> str:
        """The module to start for a path below `root`; a component stands for the Python module beside it.

        Raises `NoSuchFile`, and `ProgramError` for what is there and cannot be started.
        """
        stem, extension = posixpath.splitext(path)
        file = f"{self.root}/{path}"
        if extension not in (".py", ".wasm"):
            raise ProgramError(file, "is no Python module", "name a file that ends in .py")
        name = module_name(f"{stem}.py")
        if name in self.modules and self.modules[name].file == f"{self.root}/{stem}.py":
            return name
        if path in self.others and extension == ".wasm":
            raise ProgramError(
                file, "is a compiled component, which this node cannot run", f"add {stem}.py beside it"
            )
        if f"{stem}.py" in self.others:
            raise ProgramError(
                file, "cannot be imported under this name", "use letters, digits and '_' in its name"
            )
        there = sorted(source.file for source in self.modules.values() if source.lines)
        raise NoSuchFile(
            file, "no such file", f"there are {', '.join(there)}" if there else "the drive has no code"
        )


def compile_package(root: str, files: Mapping[str, bytes]) -> PackageCode:
    """All of a drive's code from its files, by their paths below `root`. Raises `ProgramError`."""
    modules: dict[str, ModuleSource] = {}
    folders: dict[str, str] = {"": "__init__.py"}
    others = []
    for path in sorted(files):
        parts = path.removesuffix(".py").split("/")
        if not holds_code(path) or any("." in part for part in parts):
            others.append(path)
            continue
        modules[module_name(path)] = compile_module(f"{root}/{path}", files[path])
        for depth in range(1, len(parts)):
            folders[".".join(parts[:depth])] = "/".join([*parts[:depth], "__init__.py"])
    for name, path in folders.items():
        if name not in modules or not modules[name].file.endswith("/__init__.py"):
            # A file beside a folder of its name is hidden by the folder, as Python has it.
            modules[name] = compile_module(f"{root}/{path}", b"")
    _check_imports(modules, folders)
    return PackageCode(root, modules, frozenset(folders), frozenset(others))


def _check_imports(modules: Mapping[str, ModuleSource], folders: Mapping[str, str]) -> None:
    """A module of the package is reached with a dot only: without one Python would look for it elsewhere."""
    for name, source in modules.items():
        folder = name if name in folders else name.rpartition(".")[0]
        for imported, line in source.absolute:
            sibling = f"{folder}.{imported}" if folder else imported
            if sibling in modules:
                raise ProgramError(
                    source.file,
                    f"line {line}: {imported!r} is a module of this package, imported without a dot",
                    f"write `from . import {imported}` or `from .{imported} import ...`; "
                    f"if you mean another {imported!r}, rename yours",
                )


def is_component(data: bytes) -> bool:
    return data.startswith(_COMPONENT)
