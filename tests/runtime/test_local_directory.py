"""The folder in which the nodes of one machine find each other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import pytest
import trio

from kernel.codec import Shape
from runtime.local_directory import MOST_ENTRIES, SUFFIX, LocalDirectory, default_folder
from sys_processes.net.protocol import IdentityRecord
from tests.support.net_world import record_of

ROOT = Path(__file__).parents[2]
ALICE, BOB = record_of("alice.uq"), record_of("bob.uq")


def directory(folder: Path) -> tuple[LocalDirectory, list[str]]:
    told: list[str] = []
    return LocalDirectory(folder, told.append), told


def test_the_variable_moves_it_and_else_it_is_of_this_user_and_this_run(tmp_path):
    runtime = str(tmp_path)
    assert default_folder({"NECTAR_LOCAL_DIRECTORY": "/x", "XDG_RUNTIME_DIR": runtime}) == Path("/x")
    assert default_folder({"XDG_RUNTIME_DIR": runtime}) == tmp_path / "nectar"
    assert default_folder({}) == Path(f"/tmp/nectar-{os.getuid()}")


def test_who_became_another_user_leaves_nothing_in_the_folder_of_the_first(tmp_path, monkeypatch):
    """As root with the environment of somebody else: they could not use what root made there."""
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert default_folder({"XDG_RUNTIME_DIR": str(tmp_path / "gone")}) == Path(f"/tmp/nectar-{os.getuid()}")
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    assert default_folder(runtime) == Path(f"/tmp/nectar-{other}")


def test_where_no_temporary_file_can_be_made_the_folder_has_a_name_all_the_same(monkeypatch):
    """`tempfile` looks for a folder in which it can write, and raises when there is none."""
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert default_folder({"TMPDIR": "/nowhere"}) == Path(f"/nowhere/nectar-{os.getuid()}")


async def test_nodes_find_each_other_and_not_themselves(tmp_path):
    folder = tmp_path / "deep" / "nodes"
    (alice, told), (bob, _) = directory(folder), directory(folder)
    await alice.publish(ALICE)
    assert alice.find("bob.uq") is None
    await bob.publish(BOB)
    await trio.sleep(1)
    assert (alice.find("bob.uq"), bob.find("alice.uq")) == (BOB, ALICE)
    assert alice.records() == [BOB]
    assert told == []
    assert folder.stat().st_mode & 0o777 == 0o700
    bob.close()
    bob.close()
    await alice.wait_change()
    assert list(folder.iterdir()) == [folder / f"alice.uq{SUFFIX}"]
    alice.close()


async def test_a_node_that_is_booted_again_at_once_at_its_address_is_news(tmp_path):
    """Between two looks at the folder: only the serial tells."""
    again = record_of("bob.uq", serial=1)
    alice, _ = directory(tmp_path)
    bob, _ = directory(tmp_path)
    await bob.publish(BOB)
    await alice.wait_change()
    bob.close()
    bob, _ = directory(tmp_path)
    await bob.publish(again)
    assert alice.find("bob.uq") == BOB
    with trio.fail_after(2):
        await alice.wait_change()
    assert alice.find("bob.uq") == again
    bob.close()


PUBLISHER = """
import sys, trio, pathlib
from runtime.local_directory import LocalDirectory
from tests.support.net_world import record_of

async def main():
    await LocalDirectory(pathlib.Path(sys.argv[1]), print).publish(record_of("bob.uq"))
    print("published", flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


def start_publisher(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.real_clock
async def test_the_entry_of_a_node_that_was_killed_does_not_count_and_its_name_is_free(tmp_path):
    node = start_publisher(tmp_path / "nodes")
    assert node.stdout is not None
    try:
        assert node.stdout.readline() == "published\n"
        alice, _ = directory(tmp_path / "nodes")
        assert alice.find("bob.uq") == BOB
    finally:
        node.send_signal(signal.SIGKILL)
        node.wait()
        node.stdout.close()
    assert list((tmp_path / "nodes").iterdir())
    await alice.wait_change()
    assert alice.records() == []
    bob, told = directory(tmp_path / "nodes")
    newer = record_of("bob.uq", key_of="another.uq")
    await bob.publish(newer)
    assert (told, bob.conflicts()) == ([], [])
    await trio.sleep(0.2)
    assert alice.find("bob.uq") == newer
    bob.close()


async def test_two_nodes_of_one_name_both_run_and_the_first_is_found(tmp_path):
    """A conflict never stops a boot."""
    (first, _), (second, _), (other, _) = [directory(tmp_path / "nodes") for _ in range(3)]
    await first.publish(BOB)
    late = record_of("bob.uq", key_of="late.uq")
    await second.publish(late)
    assert other.find("bob.uq") == BOB
    [conflict] = second.conflicts()
    assert (conflict.name, conflict.kept, conflict.refused) == ("bob.uq", BOB.public_key, late.public_key)
    assert first.conflicts() == []
    second.close()
    assert [path.name for path in (tmp_path / "nodes").iterdir()] == [f"bob.uq{SUFFIX}"]
    first.close()


@pytest.mark.parametrize("what", ["open to others", "a file", "a link"])
async def test_a_folder_that_cannot_be_trusted_is_not_used_and_stops_nothing(what, tmp_path):
    folder = tmp_path / "nodes"
    if what == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif what == "a file":
        folder.write_text("")
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    alice, told = directory(folder)
    await alice.publish(ALICE)
    for _ in range(3):
        assert alice.find("bob.uq") is None
        await trio.sleep(1)
    assert 1 <= len(told) <= 2
    assert "alice.uq" in told[0]
    alice.close()


async def test_a_node_whose_entry_cannot_be_written_says_so_once_and_tries_until_it_can(tmp_path):
    folder = tmp_path / "nodes"
    folder.write_text("")
    (alice, told), (bob, _) = directory(folder), directory(folder)
    await alice.publish(ALICE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alice.wait_change)
        await trio.sleep(5)
        why = f"{folder} is no folder: remove it, or set NECTAR_LOCAL_DIRECTORY to another place"
        assert told == [
            f"other nodes of this machine do not find alice.uq by its name: {why}",
            f"other nodes of this machine are not found by their names: {why}",
        ]
        folder.unlink()
        await trio.sleep(2)
        assert told[2:] == ["other nodes of this machine find alice.uq by its name now"]
        assert bob.find("alice.uq") == ALICE
        nursery.cancel_scope.cancel()
    alice.close()


async def test_an_error_of_the_system_is_told_with_its_place_and_what_to_do(tmp_path):
    above = tmp_path / "above"
    above.write_text("")
    alice, told = directory(above / "nodes")
    await alice.publish(ALICE)
    alice.close()
    place = f"{above / 'nodes'}: Not a directory: mend that, or set NECTAR_LOCAL_DIRECTORY to another place"
    assert told[0] == f"other nodes of this machine do not find alice.uq by its name: {place}"


async def test_a_name_is_taken_over_when_its_node_ends_and_an_entry_that_was_removed_comes_back(tmp_path):
    """Temporary folders are tidied up by some machines while a node runs."""
    (first, _), (second, told), (other, _) = [directory(tmp_path / "nodes") for _ in range(3)]
    await first.publish(BOB)
    late = record_of("bob.uq", key_of="late.uq")
    await second.publish(late)
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while True:
                await second.wait_change()

        nursery.start_soon(watch)
        await trio.sleep(3)
        assert other.find("bob.uq") == BOB
        first.close()
        await trio.sleep(2)
        await other.wait_change()
        assert (other.find("bob.uq"), second.conflicts()) == (late, [])
        shutil.rmtree(tmp_path / "nodes")
        await trio.sleep(2)
        assert directory(tmp_path / "nodes")[0].find("bob.uq") == late
        nursery.cancel_scope.cancel()
    second.close()
    assert told == ["other nodes of this machine find bob.uq by its name now"]
    assert list((tmp_path / "nodes").iterdir()) == []


def leave_behind(folder: Path, record: IdentityRecord) -> Path:
    """The entry of a node that was killed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{record.name}{SUFFIX}"
    path.write_bytes(Shape(IdentityRecord).encode(record))
    return path


async def test_a_node_that_boots_removes_what_killed_ones_left_and_nothing_else(tmp_path):
    folder = tmp_path / "nodes"
    (alice, told), (bob, _) = directory(folder), directory(folder)
    await bob.publish(BOB)
    left = [leave_behind(folder, record_of(f"n{number}.uq")) for number in range(3)]
    left.append(folder / f"killed-before-it-wrote{SUFFIX}")
    left[-1].touch()
    library = folder / f"binding{SUFFIX}"
    library.write_bytes(b"\x7fELF")
    renamed = leave_behind(folder, record_of("eve.uq")).rename(folder / f"mallory{SUFFIX}")
    (folder / f"folder{SUFFIX}").mkdir()
    await alice.publish(ALICE)
    assert not [path for path in left if path.exists()]
    assert library.exists()
    assert renamed.exists()
    assert (alice.records(), told) == ([BOB], [])
    alice.close()
    bob.close()


async def test_many_that_were_left_behind_hide_none_that_runs(tmp_path):
    folder = tmp_path / "nodes"
    (alice, _), (zoe, _) = directory(folder), directory(folder)
    await alice.publish(ALICE)
    last = record_of("zoe.uq")
    await zoe.publish(last)
    record = record_of("n.uq")
    for number in range(MOST_ENTRIES + 1):
        leave_behind(folder, attrs.evolve(record, name=f"n{number}.uq"))
    await trio.sleep(1)
    assert alice.find("zoe.uq") == last
    assert len(list(folder.iterdir())) == 2
    zoe.close()
    alice.close()


async def test_entries_that_are_not_what_they_say_do_not_count_also_where_good_ones_were(tmp_path):
    folder = tmp_path / "nodes"
    held = []
    alice, _ = directory(folder)
    for name in ("bob.uq", "carol.uq", "dave.uq", "eve.uq"):
        node, _ = directory(folder)
        await node.publish(record_of(name))
        held.append(node)
    await alice.wait_change()
    assert len(alice.records()) == len(held)
    (folder / f"bob.uq{SUFFIX}").write_bytes(b"{")
    carol = folder / f"carol.uq{SUFFIX}"
    carol.write_bytes(carol.read_bytes().replace(b"carol.uq:8080", b"carol.uq:8081"))
    dave = folder / f"dave.uq{SUFFIX}"
    dave.write_bytes((folder / f"eve.uq{SUFFIX}").read_bytes())
    (folder / f"pipe{SUFFIX}").symlink_to("/dev/null")
    os.mkfifo(folder / f"fifo{SUFFIX}")
    (folder / f"folder{SUFFIX}").mkdir()
    (folder / "readme").write_text("")
    await alice.wait_change()
    assert [record.name for record in alice.records()] == ["eve.uq"]
    for node in held:
        node.close()


async def test_who_only_looks_does_not_keep_a_node_from_its_name(tmp_path):
    bob, told = directory(tmp_path / "nodes")
    looker, _ = directory(tmp_path / "nodes")
    async with trio.open_nursery() as nursery:

        async def look() -> None:
            while True:
                looker.records()
                looker.find("nobody.uq")
                await trio.sleep(0.003)

        nursery.start_soon(look)
        await bob.publish(BOB)
        nursery.cancel_scope.cancel()
    assert (told, bob.conflicts()) == ([], [])
    bob.close()
