"""The modules of one start of a process: own objects, private names, imports that the node owns (DESIGN section 3).

Every module set gets a name that no import statement can spell (`<chess:chess:nectar>`). Its modules are in
`sys.modules` under that name, because dataclasses, attrs and typing look a class's module up there; they leave it with
the process.
"""

from __future__ import annotations

import builtins
import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Protocol

from runtime.package_code import PackageCode, linecache_entry
from runtime.printing import console_print


class Guard(Protocol):
    """What the code of a package sees instead of the real thing."""

    @property
    def builtins(self) -> Mapping[str, object]:
        """Replaced builtins by name, such as `open`."""

    def module(self, name: str) -> ModuleType | None:
        """Stands in for the module of that dotted name; None lets the real one through."""


class Unguarded:
    """The real world, but for printing."""

    builtins: Mapping[str, object] = {"print": console_print}

    def module(self, name: str) -> ModuleType | None:
        return None


def owned_builtins(guard: Guard) -> dict[str, object]:
    """The `__builtins__` of a package's modules: imports with a dot stay in the package, the others pass the guard."""
    return {**vars(builtins), **guard.builtins, "__import__": _owned_import(guard)}


def _owned_import(guard: Guard) -> Callable[..., ModuleType]:
    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the signature of builtins.__import__
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        owner = None if globals is None else globals.get("__loader__")
        if level and globals is not None and isinstance(owner, ModuleSet):
            return owner.import_relative(str(globals["__package__"]), name, fromlist or (), level)
        real = builtins.__import__(name, globals, locals, fromlist or (), level)
        stand_in = guard.module(name if fromlist else name.partition(".")[0])
        return real if stand_in is None else stand_in

    return import_


class ModuleSet:
    """Loads the modules of `code` on demand. `close` takes their names back; the modules themselves live on as used."""

    def __init__(self, code: PackageCode, label: str, own_builtins: dict[str, object], entry: str) -> None:
        """`entry` is the module that is loaded first."""
        self._code = code
        self._builtins = own_builtins
        self._modules: dict[str, ModuleType] = {}
        self._closed = False
        self.name = _free_name(label, entry)

    def load(self, name: str) -> ModuleType:
        """The module of that dotted name in the package, run at the first call. Raises what it raises."""
        known = self._modules.get(name)
        if known is not None:
            return known
        source = self._code.modules.get(name)
        if source is None:
            there = ", ".join(sorted(filter(None, self._code.modules))) or "none"
            raise ModuleNotFoundError(
                f"no module {name!r} in {self._code.root}; there are: {there}", name=name
            )
        parent, _, leaf = name.rpartition(".")
        above = self._above(parent) if name else None
        # The package's own code may have imported it just now.
        if name in self._modules:
            return self._modules[name]
        module = self._blank(name, source.file)
        entry = linecache_entry(source)
        if linecache.cache.get(source.file) is not entry:
            linecache.cache[source.file] = entry
        namesake = sys.modules.get(module.__name__)
        self._modules[name] = sys.modules[module.__name__] = module
        try:
            exec(source.code, module.__dict__)  # noqa: S102 - running the package's code is what this is for
        except BaseException:
            del self._modules[name]
            _give_back(module.__name__, namesake)
            raise
        if self._closed:
            # A function that outlived its process imports this: the name may be that of another start by now.
            _give_back(module.__name__, namesake)
        if above is not None:
            setattr(above, leaf, module)
        return module

    def _above(self, parent: str) -> ModuleType | None:
        """The folder that a module lies in; one in which there is nothing to run waits until somebody imports it."""
        source = self._code.modules.get(parent)
        return self._modules.get(parent) if source is not None and source.is_blank else self.load(parent)

    def _blank(self, name: str, file: str) -> ModuleType:
        full = f"{self.name}.{name}" if name else self.name
        is_folder = name in self._code.packages
        module = ModuleType(full)
        module.__dict__.update(
            __file__=file,
            __loader__=self,
            __package__=full if is_folder else full[: -len(name.rpartition(".")[2]) - 1],
            __builtins__=self._builtins,
        )
        if is_folder:
            module.__path__ = []
        return module

    def import_relative(self, package: str, name: str, fromlist: Sequence[str], level: int) -> ModuleType:
        """What `from ..name import fromlist` in `package` means, with as many dots as `level`."""
        folder = package[len(self.name) + 1 :].split(".") if package != self.name else []
        if level - 1 > len(folder):
            raise ImportError("attempted relative import beyond the package's own folder", name=name)
        base = folder[: len(folder) - (level - 1)]
        module = self.load(".".join([*base, *name.split(".")] if name else base))
        if not fromlist:
            return self.load(".".join([*base, name.partition(".")[0]] if name else base))
        inner = module.__name__[len(self.name) + 1 :]
        for item in getattr(module, "__all__", ()) if "*" in fromlist else fromlist:
            nested = f"{inner}.{item}" if inner else item
            if not hasattr(module, item) and nested in self._code.modules:
                self.load(nested)
        return module

    def close(self) -> None:
        self._closed = True
        for module in self._modules.values():
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]


def _give_back(name: str, namesake: ModuleType | None) -> None:
    if namesake is None:
        sys.modules.pop(name, None)
    else:
        sys.modules[name] = namesake


def _free_name(label: str, entry: str) -> str:
    """Several nodes in one interpreter may each run a process of this name."""
    name, n = f"<{label}>", 1
    while name in sys.modules or f"{name}.{entry}" in sys.modules:
        n += 1
        name = f"<{label} {n}>"
    return name
