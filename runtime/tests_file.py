"""`tests.toml`: which packages are tested on which fresh nodes (PROTOCOL 8.5). Keys of no use here are warnings."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import attrs

from kernel.address import OUR, is_safe
from kernel.jsontext import JsonValue, dump
from sys_processes.app_store.fields import Fields, PackageError, PackageWarning, Place
from sys_processes.tester.protocol import DEFAULT_SECONDS

_TOP = ("tests",)
_TOP_IGNORED = ("runtime", "runtime_build_release", "persist_home")
_TEST = ("setup_packages", "dependency_package_paths", "test_package_paths", "timeout_secs", "nodes")
_TEST_IGNORED = (
    "setup_scripts",
    "test_scripts",
    "fakechain_router",
    "package_build_verbose",
    "network_router",
)
_NODE = ("fake_node_name", "home", "port", "password", "runtime_verbosity")
_NODE_IGNORED = ("rpc", "is_testnet")
_EXAMPLE = '[[tests]] with test_package_paths = ["tests/my_test"] and [[tests.nodes]] with fake_node_name = "first.dev"'


@attrs.frozen
class FreshNode:
    """`home` None: a folder that is removed. `port` 0: any free one."""

    name: str
    home: Path | None
    port: int
    password: str | None
    verbosity: int | None


@attrs.frozen
class Round:
    """One `[[tests]]`. `packages` are started on every node, in this order; `tests` on the first alone."""

    packages: tuple[Path, ...]
    tests: tuple[Path, ...]
    seconds: int
    nodes: tuple[FreshNode, ...]


def read_tests(path: Path) -> tuple[list[Round], list[PackageWarning]]:
    """Folders are relative to the file. Raises `PackageError`, OSError."""
    warnings: list[PackageWarning] = []
    try:
        content: JsonValue = tomllib.loads(path.read_text())
        dump(content)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise PackageError(
            str(path), "$", f"cannot be read: {error}", "correct the text at that place"
        ) from None
    top = Place(str(path), "$", content, warnings).fields(_EXAMPLE)
    _warn(top, _TOP, _TOP_IGNORED)
    tests = top.need("tests", example=_EXAMPLE).items(_EXAMPLE)
    return [_run(one.fields(_EXAMPLE), path.parent) for one in tests], warnings


def _run(fields: Fields, folder: Path) -> Round:
    _warn(fields, _TEST, _TEST_IGNORED)
    packages = [folder / one for one in _texts(fields, "dependency_package_paths")]
    setup = fields.get("setup_packages")
    for place in [] if setup is None else setup.items('[{path = ".", run = true}]'):
        one = place.fields('{path = ".", run = true}')
        one.warn_unknown(("path", "run"))
        run = one.get("run")
        if run is not None and not run.flag():
            run.warn("is not offered: the package is started all the same")
        packages.append(folder / one.need("path", example='"."').text('"."'))
    tests = [folder / one for one in _texts(fields, "test_package_paths")]
    if not tests:
        raise fields.place.error("names no test package", 'add test_package_paths = ["tests/my_test"]')
    seconds = fields.get("timeout_secs")
    nodes = fields.need("nodes", example='[{fake_node_name = "first.dev"}]').items("[[tests.nodes]]")
    return Round(
        tuple(packages),
        tuple(tests),
        DEFAULT_SECONDS if seconds is None else seconds.count(),
        _different([_node(one.fields("[[tests.nodes]]"), folder) for one in nodes], fields.place),
    )


def _different(nodes: Sequence[FreshNode], place: Place) -> tuple[FreshNode, ...]:
    if not nodes:
        raise place.error("has no node", 'add [[tests.nodes]] with fake_node_name = "first.dev"')
    names = [node.name for node in nodes]
    if len(set(names)) < len(names):
        raise place.error(f"two nodes have one name, in {', '.join(names)}", "give each its own")
    return tuple(nodes)


def _node(fields: Fields, folder: Path) -> FreshNode:
    _warn(fields, _NODE, _NODE_IGNORED)
    name = fields.need("fake_node_name", example='"first.dev"')
    if not is_safe(name.text('"first.dev"')) or name.value == OUR:
        raise name.error("cannot name a node", "use letters, digits, '_', '.', '-'")
    home, port, password = fields.get("home"), fields.get("port"), fields.get("password")
    verbosity = fields.get("runtime_verbosity")
    return FreshNode(
        name.text('"first.dev"'),
        None if home is None else folder / home.text('"home/first"'),
        0 if port is None else _number(port, 2**16 - 1),
        None if password is None else password.text('"secret"'),
        None if verbosity is None else _number(verbosity, 3),
    )


def _number(place: Place, most: int) -> int:
    value = place.value
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise place.mismatch(f"a number from 0 to {most}", "such a number, without quotes")
    return value


def _texts(fields: Fields, name: str) -> list[str]:
    place = fields.get(name)
    return [] if place is None else [one.text('"."') for one in place.items('["."]')]


def _warn(fields: Fields, known: Sequence[str], ignored: Sequence[str]) -> None:
    fields.warn_unknown([*known, *ignored])
    for name in ignored:
        place = fields.get(name)
        if place is not None:
            place.warn("means nothing to this node, and is ignored")
