"""Tests of a simulated world by name, so that a tape, another process or a command can find them: `module:function`,
`file.py::test` or `scenario.toml`, the file relative to where the command is run.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from runtime.sim.scenario import read_scenario

AnyTest = Callable[..., object]
SCENARIO = ".toml"


class NoSuchTest(LookupError):
    """There is no test of that name; the text says how far it got and what is there."""


def find_test(name: str, root: Path | None = None) -> AnyTest:
    """`root` is where a file's path begins, by default the current directory. Raises `NoSuchTest`, and whatever the
    module raises as it is imported; for a scenario `BadScenario`.
    """
    if name.endswith(SCENARIO):
        path = (root or Path.cwd()) / name
        if not path.is_file():
            raise NoSuchTest(f"{name!r}: there is no file {path.resolve()}")
        return read_scenario(path, name)
    file, colons, function = name.rpartition("::")
    if colons:
        module, where = _from_file((root or Path.cwd()) / file, name), file
    else:
        where, colon, function = name.rpartition(":")
        if not colon:
            raise NoSuchTest(
                f"{name!r} names no test: write `file.py::test`, `module:function` or `scenario.toml`"
            )
        module = _from_module(where, name)
    found: object = module
    for part in function.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if key.startswith("test") and callable(value)]
        there = f"it has {', '.join(names)}" if names else "it has no function whose name begins with `test`"
        raise NoSuchTest(f"{where} has no {function!r}; {there}")
    return found


def _from_module(module: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise NoSuchTest(f"{name!r}: there is no module {error.name!r}") from None
        raise


def _from_file(path: Path, name: str) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise NoSuchTest(f"{name!r}: there is no file {path}")
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(path):
            return module
    private = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise NoSuchTest(f"{name!r}: {path} is no Python file")
    module = sys.modules[private] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def name_of(test: AnyTest, root: Path | None = None) -> str | None:
    """A name by which `find_test` finds this very function, or None for a closure, a lambda and the like."""
    function, module = getattr(test, "__qualname__", ""), getattr(test, "__module__", None)
    loaded = sys.modules.get(module) if isinstance(module, str) else None
    if loaded is None or not function or "<" in function:
        return None
    file = getattr(loaded, "__file__", None)
    if file is not None:
        base = (root or Path.cwd()).resolve()
        path = Path(file).resolve()
        shown = path.relative_to(base) if path.is_relative_to(base) else path
        name = f"{shown.as_posix()}::{function}"
    else:
        name = f"{module}:{function}"
    found: object = loaded
    for part in function.split("."):
        found = getattr(found, part, None)
    return name if found is test else None
