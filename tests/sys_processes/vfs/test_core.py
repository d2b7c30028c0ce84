from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId, ProcessId
from sys_processes.vfs.core import BadPath, DrivePath, Root, owns, reading, resolve

CHESS = PackageId("chess", "nectar")


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/chess:nectar/pkg", ()),
        ("chess:nectar/pkg/", ()),
        ("//chess:nectar//pkg//a", ("a",)),
        ("/chess:nectar/pkg/./a/../b", ("b",)),
        ("/chess:nectar/pkg/a/b/../..", ()),
        ("/chess:nectar/pkg/..a/b..", ("..a", "b..")),
    ],
)
def test_a_path_is_resolved_inside_its_drive(path: str, rest: tuple[str, ...]) -> None:
    assert resolve(path) == DrivePath(CHESS, "pkg", rest)


@pytest.mark.parametrize("path", ["", "/", "//", "/./"])
def test_nothing_is_the_root(path: str) -> None:
    assert resolve(path) == Root()


@pytest.mark.parametrize(
    "path",
    [
        "/chess:nectar/pkg/..",
        "/chess:nectar/pkg/a/../../data",
        "/chess:nectar/..",
        "/chess:nectar/../other:nectar/pkg",
        "/../etc/passwd",
        "..",
        "/chess:nectar",
        "/chess/pkg",
        "/chess:nectar:x/pkg",
        "/:/pkg",
        "/.staging/chess:nectar/new",
        "/chess:nectar/pkg/a\0b",
    ],
)
def test_a_path_that_leaves_its_drive_or_has_none_is_refused(path: str) -> None:
    """C-152."""
    with pytest.raises(BadPath) as caught:
        resolve(path)
    assert caught.value.path == path


PARTS = st.lists(st.sampled_from(["..", ".", "", "a", "b:c", "pkg", "chess:nectar"]), max_size=8)


@given(PARTS)
def test_whatever_is_asked_the_disk_sees_a_plain_path_below_a_drive(parts: list[str]) -> None:
    """C-152."""
    try:
        place = resolve("/".join(["/chess:nectar/pkg", *parts]))
    except BadPath:
        return
    assert isinstance(place, DrivePath)
    names = place.on_disk.split("/")
    assert names[:2] == ["chess:nectar", "pkg"]
    assert not {"", ".", ".."} & set(names)


def test_a_process_owns_the_drives_of_its_package_only() -> None:
    mine = ProcessId("white", "chess", "nectar")
    assert owns(mine, DrivePath(CHESS, "data"))
    assert not owns(mine, DrivePath(PackageId("chess", "other"), "data"))
    assert not owns(mine, Root())


def test_the_kernel_needs_no_capability_and_a_namesake_does() -> None:
    assert owns(ProcessId("kernel", "sys", "nectar"), Root())
    assert not owns(ProcessId("kernel", "evil", "nectar"), DrivePath(CHESS, "pkg"))


def test_the_right_to_read_names_the_drive() -> None:
    assert reading(DrivePath(CHESS, "pkg", ("a", "b"))) == '{"kind":"read","drive":"/chess:nectar/pkg"}'
