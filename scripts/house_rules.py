"""The rules of the house that no linter knows: names, sizes, words, and what an example app may import.

`python scripts/house_rules.py` prints what breaks them and exits 1 if anything does.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

FILE_LINES, FUNCTION_LINES = 450, 60
# path, or path:function, of what is longer, and why it has to be
LONG = {
    "kernel/host.py": "every syscall of a process, in the order of the Protocol it implements",
    "tests/sys_processes/http_server/test_channels.py": "the rules of one table, and the model it is held against",
    "tests/sys_processes/http_server/test_connection.py": "one behaviour of one connection after the other",
    "tests/sys_processes/http_server/test_websocket.py": "one behaviour of one socket after the other",
}

SOURCE = ("kernel", "runtime", "sys_processes", "userland")
VAGUE_FILES = {"base", "common", "helper", "helpers", "lib", "manager", "misc", "service", "util", "utils"}
VAGUE_CLASS = re.compile(r"\w+(Manager|Handler|Helper|Service|Base|Utils?)$")
UNFINISHED = re.compile(r"\b([T]ODO|[F]IXME|[X]XX|[H]ACK)\b")
OF_ONE_MACHINE = re.compile(r"(?<![\w.$}])/(work|root|home|opt|Users)/\w")
REGISTRY = re.compile(r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|/simple[/\"']")
HISTORY = re.compile(r"[#] .*\b(previously|formerly|used to be|was once)\b", re.IGNORECASE)
TYPED_AGAIN = re.compile(r"^\s*(:param |:returns?:|Args:$|Returns:$)", re.MULTILINE)
NOT_IN_APPS = {"asyncio", "os", "random", "secrets", "socket", "threading", "time", "trio", "uuid"}


class SourceFile:
    def __init__(self, root: Path, path: str) -> None:
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_source(self) -> bool:
        return self.is_python and self.path.startswith(SOURCE)


def tracked(root: Path) -> list[str]:
    """All files that are, or would be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return sorted(path for path in listed.stdout.split("\0") if path and (root / path).is_file())


def sizes(file: SourceFile) -> Iterator[str]:
    if not file.is_python:
        return
    lines = file.text.count("\n")
    if lines > FILE_LINES and file.path not in LONG:
        yield f"{file.path} has {lines} lines, {FILE_LINES} at most: split it, or give LONG the reason"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES and f"{file.path}:{node.name}" not in LONG:
                yield f"{file.path}:{node.lineno} {node.name} has {length} lines, {FUNCTION_LINES} at most"


def names(file: SourceFile) -> Iterator[str]:
    if not file.is_source:
        return
    for part in PurePosixPath(file.path.removesuffix(".py")).parts:
        if part.strip("_") in VAGUE_FILES:
            yield f"{file.path}: {part!r} says nothing; name it after what it holds"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ClassDef) and VAGUE_CLASS.match(node.name):
            yield f"{file.path}:{node.lineno} class {node.name}: name it after what it is, not that it does things"


def words(file: SourceFile) -> Iterator[str]:
    for number, line in enumerate(file.text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{file.path}:{number} is unfinished: {line.strip()!r}"
        if OF_ONE_MACHINE.search(line):
            yield f"{file.path}:{number} names a path of one machine: {line.strip()!r}"
        if REGISTRY.search(line):
            yield f"{file.path}:{number} names a package registry: {line.strip()!r}"
        if file.is_python and HISTORY.search(line):
            yield f"{file.path}:{number} tells history, which belongs in the commit: {line.strip()!r}"


def docstrings(file: SourceFile) -> Iterator[str]:
    if file.is_source and TYPED_AGAIN.search(file.text):
        yield f"{file.path}: a docstring repeats the signature (:param, Args:)"


def cores(file: SourceFile) -> Iterator[str]:
    if file.is_source and file.path.endswith("/core.py") and re.search(r"\basync\b|\bawait\b", file.text):
        yield f"{file.path}: a core decides and never waits"


def set_order(file: SourceFile) -> Iterator[str]:
    """The order of a set differs from run to run, so nothing that a node does may follow it."""
    if not file.path.startswith(("kernel/", "sys_processes/")) or not file.is_python:
        return
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            continue
        over = node.iter
        called = over.func.id if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) else ""
        if isinstance(over, ast.Set | ast.SetComp) or called in {"set", "frozenset"}:
            yield f"{file.path}:{over.lineno} iterates a set; keep a dict or sort it"


def apps(file: SourceFile) -> Iterator[str]:
    """An example is shaped like a user's package: process_lib, its own files, harmless standard modules."""
    parts = PurePosixPath(file.path).parts
    if parts[:2] != ("userland", "apps") or not file.is_python or parts[-1].startswith("test_"):
        return
    for node in ast.walk(file.tree):
        found = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            found = [node.module or ""]
        for name in found:
            top = name.partition(".")[0]
            library = name == "userland.process_lib" or name.startswith("userland.process_lib.")
            if top in NOT_IN_APPS or (top in SOURCE and not library):
                yield f"{file.path} imports {name}; an app has userland.process_lib for that"


RULES = (sizes, names, words, docstrings, cores, set_order, apps)


def violations(root: Path) -> list[str]:
    files = [SourceFile(root, path) for path in tracked(root)]
    return [line for file in files for rule in RULES for line in rule(file)]


if __name__ == "__main__":
    broken = violations(Path(__file__).parent.parent)
    print(*broken, sep="\n", end="\n" if broken else "")
    sys.exit(bool(broken))
