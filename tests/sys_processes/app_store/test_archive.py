"""What a zip may hold: everything else is refused before a byte of it is kept (C-152)."""

from __future__ import annotations

import stat
import struct
import tracemalloc
from contextlib import suppress
from zipfile import ZIP_BZIP2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sys_processes import _zip
from sys_processes._zip import MAX_ENTRIES
from sys_processes.app_store.archive import pack, unpack
from sys_processes.app_store.fields import PackageError
from tests.support.zips import EMPTY_PACKAGE, end_says, entry_of_kind, patched, renamed, zipped

NAMES = st.from_regex(r"[a-z0-9_-]{1,8}(\.[a-z]{1,3})?", fullmatch=True).filter(
    lambda name: name not in ("manifest.json", "pkg")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def clash(paths: list[str]) -> bool:
    return any(other.startswith(f"{path}/") for path in paths for other in paths)


TREES = st.dictionaries(PATHS, st.binary(max_size=300), max_size=6).filter(
    lambda files: not clash(list(files))
)


def refusal(data: bytes) -> str:
    with pytest.raises(PackageError) as caught:
        unpack(data)
    assert caught.value.fix
    # A reason is not wrapped into another one.
    assert str(caught.value).count("the zip: ") <= 1
    return str(caught.value)


# -- the layouts


@given(TREES)
def test_the_content_of_pkg_comes_back_as_it_was_packed(files: dict[str, bytes]) -> None:
    whole = files | EMPTY_PACKAGE
    assert unpack(pack(whole)) == {f"pkg/{path}": data for path, data in whole.items()}


@given(TREES)
def test_the_same_package_is_the_same_zip(files: dict[str, bytes]) -> None:
    backwards = dict(reversed(files.items()))
    assert pack(files) == pack(backwards)


def test_of_a_folder_what_belongs_to_a_package_is_taken() -> None:
    package = {"metadata.json": b"{}", "pkg/manifest.json": b"[]", "pkg/a.py": b"1", "pkg/ui/a.html": b"2"}
    others = {"README.md": b"", "tests/test_a.py": b"", "pkg/.env": b"secret", "pkg/__pycache__/a.pyc": b""}
    mac = {"__MACOSX/pkg/._a.py": b"", ".DS_Store": b""}
    assert unpack(zipped(package | others | mac, folders=("pkg", "pkg/ui", "tests"))) == package


def test_of_a_folder_one_level_too_high_the_place_is_named() -> None:
    assert "there is chess/pkg/manifest.json" in refusal(zipped({"chess/pkg/manifest.json": b"[]"}))


def test_a_zip_without_a_manifest_is_refused() -> None:
    assert "has no manifest.json" in refusal(zipped({"chess.py": b""}))


def test_a_name_in_utf_8_that_does_not_say_so_is_read_as_what_it_is() -> None:
    plain = zipped(EMPTY_PACKAGE | {"gr__n.txt": b"x"})
    assert "pkg/grün.txt" in unpack(renamed(plain, b"gr__n.txt", "grün.txt".encode()))
    assert "pkg/grⁿ┤n.txt" in unpack(renamed(plain, b"gr__n.txt", b"gr\xfc\xb4n.txt"))


# -- names


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "a/../../evil", "a/..", "/etc/passwd", "//host/x", "C:/evil", "c:evil", "a\\b", "..\\evil", "./a",
        "a//b", "a/./b", "a\nb", "a\x7fb", "x" * 256, "é" * 128, "/".join("a" * 65), "/",
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    """C-152."""
    assert "the zip" in refusal(zipped(EMPTY_PACKAGE | {name: b"x"}))


def test_a_name_with_a_nul_is_refused() -> None:
    """The standard library would cut it there."""
    hidden = renamed(zipped(EMPTY_PACKAGE | {"good.py_evil": b"x"}), b"good.py_evil", b"good.py\0evil")
    assert "control character" in refusal(hidden)


def test_a_folder_outside_is_refused_too() -> None:
    assert "'..'" in refusal(zipped(EMPTY_PACKAGE, folders=("..",)))


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12), unique=True
    )
)
def test_whatever_the_names_what_is_taken_stays_inside(names: list[str]) -> None:
    try:
        taken = unpack(zipped(dict.fromkeys(names, b"x") | EMPTY_PACKAGE))
    except PackageError:
        return
    for path in taken:
        parts = path.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert "\\" not in path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.py", "A.PY"),
        ("é.txt", "e\N{COMBINING ACUTE ACCENT}.txt"),
        ("straße", "STRASSE"),
        ("ui/x", "UI/X"),
        ("a", "a/b"),
        ("A", "a/b"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_two_names_that_some_disk_takes_for_one_are_refused(one: str, other: str, order: int) -> None:
    names = [one, other][::order]
    assert "keep one" in refusal(zipped(EMPTY_PACKAGE | dict.fromkeys(names, b"x")))


def test_the_same_name_twice_is_refused() -> None:
    twice = renamed(zipped(EMPTY_PACKAGE | {"a.py": b"1", "b.py": b"2"}), b"b.py", b"a.py")
    assert "keep one" in refusal(twice)


def test_a_folder_may_be_listed_twice() -> None:
    twice = renamed(zipped(EMPTY_PACKAGE, folders=("ui", "uj")), b"uj/", b"ui/")
    assert list(unpack(twice)) == ["pkg/manifest.json"]


# -- kinds


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_a_link_or_a_device_is_refused(mode: int) -> None:
    assert "neither a file nor a folder" in refusal(entry_of_kind(mode))


def test_a_file_of_unix_is_taken() -> None:
    assert "pkg/odd" in unpack(entry_of_kind(stat.S_IFREG | 0o600))


def test_an_encrypted_entry_is_refused() -> None:
    flags = b"\x01\x00"
    assert "is encrypted" in refusal(patched(zipped(EMPTY_PACKAGE), (8, flags), (6, flags)))


def test_an_unusual_compression_is_refused() -> None:
    assert "method 12" in refusal(zipped(EMPTY_PACKAGE, method=ZIP_BZIP2))


# -- sizes


def test_too_many_entries_are_refused() -> None:
    many = zipped({f"{n}": b"" for n in range(MAX_ENTRIES)} | EMPTY_PACKAGE)
    assert f"{MAX_ENTRIES + 1} entries" in refusal(many)


def test_more_than_fits_is_refused_before_any_of_it_is_inflated() -> None:
    says_3_gib = patched(zipped(EMPTY_PACKAGE), (24, struct.pack("<L", 3 * 1024**3)))
    assert "more than 1024 MiB" in refusal(says_3_gib)


def test_all_entries_together_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zip, "MAX_BYTES", 100)
    assert len(unpack(zipped(EMPTY_PACKAGE | {"a": bytes(49), "b": bytes(49)}))) == 3
    refusal(zipped(EMPTY_PACKAGE | {"a": bytes(49), "b": bytes(50)}))


def test_an_entry_that_holds_more_than_it_says_is_not_inflated_any_further() -> None:
    size = struct.pack("<L", 10)
    bomb = patched(zipped(EMPTY_PACKAGE | {"bomb": bytes(50_000_000)}), (24, size), (22, size))
    tracemalloc.start()
    try:
        assert "is broken" in refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_entry_that_holds_less_than_it_says_is_refused() -> None:
    size = struct.pack("<L", 1000)
    assert "is broken" in refusal(patched(zipped(EMPTY_PACKAGE | {"a": b"short"}), (24, size), (22, size)))


# -- what is no zip


def test_a_directory_that_lists_more_than_it_says_is_refused_unread() -> None:
    many = zipped({f"{n}": b"" for n in range(50)})
    assert "another length" in refusal(end_says(many, count=3))
    assert "does not hold together" in refusal(end_says(many, count=51))
    assert "does not hold together" in refusal(end_says(many, size=2**31))


def test_zip64_is_refused() -> None:
    plain = zipped(EMPTY_PACKAGE)
    end = plain.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + bytes(16)
    assert "zip64" in refusal(plain[:end] + locator + plain[end:])


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06", b"no zip" * 100, bytes(22)])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    assert "is no zip" in refusal(data)


def test_an_empty_zip_has_no_manifest() -> None:
    assert "has no manifest.json" in refusal(zipped({}))


def test_a_comment_at_the_end_is_no_harm() -> None:
    plain = zipped(EMPTY_PACKAGE)
    commented = plain[:-2] + struct.pack("<H", 5) + b"hello"
    assert unpack(commented) == {"pkg/manifest.json": b"[]"}


@given(st.data())
def test_a_broken_zip_is_an_error_of_ours(data: st.DataObject) -> None:
    plain = bytearray(zipped(EMPTY_PACKAGE | {"a.py": b"x" * 200, "ui/b": b"y"}, folders=("ui",)))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(plain)))
    for broken in (bytes(plain), bytes(plain[:cut]), bytes(plain[cut:])):
        with suppress(PackageError):
            unpack(broken)
