"""The folder in which the nodes of one machine find each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trio

from runtime.local_directory import SUFFIX, LocalDirectory, default_folder
from tests.support.net_world import record_of

ROOT = Path(__file__).parents[2]
ALICE, BOB = record_of("alice.uq"), record_of("bob.uq")


def directory(folder: Path) -> tuple[LocalDirectory, list[str]]:
    told: list[str] = []
    return LocalDirectory(folder, told.append), told


def test_the_variable_moves_it_and_else_it_is_of_this_user_and_this_run():
    assert default_folder({"NECTAR_LOCAL_DIRECTORY": "/x", "XDG_RUNTIME_DIR": "/r"}) == Path("/x")
    assert default_folder({"XDG_RUNTIME_DIR": "/r"}) == Path("/r/nectar")
    assert default_folder({}) == Path(f"/tmp/nectar-{os.getuid()}")


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


async def test_entries_that_are_not_what_they_say_do_not_count(tmp_path):
    folder = tmp_path / "nodes"
    held = []
    alice, _ = directory(folder)
    for name in ("bob.uq", "carol.uq", "dave.uq", "eve.uq"):
        node, _ = directory(folder)
        await node.publish(record_of(name))
        held.append(node)
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
