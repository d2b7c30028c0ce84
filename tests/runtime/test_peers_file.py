"""The peers file: what it may hold, what is wrong with it and how that is said, and rereading."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.files import replace_file
from runtime.peers_file import LARGEST_FILE, PeersFile, PeersFileError, parse_peers, peer_block
from runtime.sim.strategies import safe_segments
from sys_processes.net.protocol import IdentityRecord
from tests.support.docs import blocks
from tests.support.live_process import ROOT
from tests.support.net_world import record_of

FILE = Path("peers.toml")
KEY = "0x" + "ab" * 32


def entry(**fields: object) -> bytes:
    values = {"name": '"bob.uq"', "key": f'"{KEY}"', "address": '"h:1"', **fields}
    lines = [f"{name} = {value}" for name, value in values.items() if value is not None]
    return "\n".join(["[[peer]]", *lines, ""]).encode()


def names() -> st.SearchStrategy[str]:
    return safe_segments().filter(lambda name: name != "our")


def records() -> st.SearchStrategy[IdentityRecord]:
    routers = st.lists(names().map(lambda name: f"r-{name}"), max_size=3).map(tuple)
    addresses = st.sampled_from(["h:1", "[::1]:80", "a.example:65535"])
    key = st.binary(min_size=32, max_size=32)
    return st.one_of(
        st.builds(IdentityRecord, names(), key, addresses, routers),
        st.builds(IdentityRecord, names(), key, st.none(), routers.filter(bool)),
    )


@given(st.lists(records(), max_size=4, unique_by=lambda record: record.name))
def test_blocks_are_read_as_they_were_written(written):
    raw = "\n".join(map(peer_block, written)).encode()
    assert parse_peers(FILE, raw) == {record.name: record for record in written}


def test_a_block_looks_like_this():
    routed = attrs.evolve(record_of("bob.uq"), public_key=b"\xab" * 32, routers=("r.uq", "s.uq"))
    assert peer_block(routed) == (
        f'[[peer]]\nname = "bob.uq"\nkey = "{KEY}"\naddress = "bob.uq:8080"\nrouters = ["r.uq", "s.uq"]\n'
    )


def test_the_example_of_the_page_is_one():
    page = (ROOT / "docs/nodes.md").read_text()
    [example] = [block.text for block in blocks(page) if block.info == "peers.toml"]
    assert list(parse_peers(FILE, example.encode())) == ["bob.uq", "carol.uq"]


@pytest.mark.parametrize(
    ("raw", "where", "problem"),
    [
        (b"[[peer", None, "no TOML"),
        (b"\xff", None, "no TOML"),
        (b"a = " + b"[" * 5000, None, "no TOML"),
        (b"nodes = 1", None, "'nodes' has no place here"),
        (b"[peer]\nname = 'bob.uq'", None, "peer is no list of tables"),
        (b"peer = [1]", None, "peer is no list of tables"),
        (entry(name=None), "peer 1", "name is missing"),
        (entry(name="5"), "peer 1", "name is 5"),
        (entry(name='"our"'), "peer 1 ('our')", "'our' is no name of a node"),
        (entry(key=None), "peer 1 ('bob.uq')", "key is missing"),
        (entry(key='"0xzz"'), "peer 1 ('bob.uq')", "key is '0xzz', expected 0x and 64 hex digits"),
        (entry(key='"' + "ab" * 32 + '"'), "peer 1 ('bob.uq')", "expected 0x and 64 hex digits"),
        (entry(key='"0xab"'), "peer 1 ('bob.uq')", "key has 1 bytes"),
        (entry(address=None), "peer 1 ('bob.uq')", "no way to it"),
        (entry(address="5"), "peer 1 ('bob.uq')", "address is 5"),
        (entry(address='"here"'), "peer 1 ('bob.uq')", "address is 'here', expected 'host:port'"),
        (entry(routers='"r.uq"'), "peer 1 ('bob.uq')", "routers is 'r.uq'"),
        (entry(routers="[5]"), "peer 1 ('bob.uq')", "routers is [5]"),
        (entry(adress='"h:1"'), "peer 1 ('bob.uq')", "'adress' is no field of a peer"),
        (entry() + entry(), "peer 2 ('bob.uq')", "the name is given twice"),
    ],
)
def test_what_is_wrong_is_said_with_file_entry_and_fix(raw, where, problem):
    with pytest.raises(PeersFileError) as caught:
        parse_peers(FILE, raw)
    error = caught.value
    assert (error.file, error.entry) == (FILE, where)
    assert problem in error.problem
    assert error.fix
    assert str(error).startswith("peers.toml: ")


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode(errors="replace")))
def test_no_bytes_raise_anything_else(raw):
    try:
        parse_peers(FILE, raw)
    except PeersFileError as error:
        assert error.problem  # noqa: PT017 - most bytes are no file, some are


def test_what_is_no_file_of_peers_is_refused_by_its_name(tmp_path):
    """A pipe too, as in `--peers <(nectar id)`: it could be read once only, and be empty at that moment."""
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("absent", "it cannot be read: No such file or directory"),
        (".", "it is no file"),
        ("pipe", "it is no file"),
    ):
        with pytest.raises(PeersFileError) as found:
            PeersFile(tmp_path / name, print)
        assert str(found.value).startswith(f"{tmp_path / name}: {problem}; put what `nectar id` prints")


def test_a_huge_file_is_refused(tmp_path):
    (tmp_path / "huge").write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(PeersFileError, match="is it the right file"):
        PeersFile(tmp_path / "huge", print)


async def test_a_version_that_is_broken_changes_nothing_and_is_reported_once(tmp_path):
    path, told = tmp_path / "peers.toml", []
    path.write_bytes(entry())
    peers = PeersFile(path, told.append)
    for wrong in (b"[[peer", None, b"[[peer]"):
        path.unlink() if wrong is None else replace_file(path, wrong)
        with trio.move_on_after(10):
            await peers.wait_change()
    assert [line.split(":")[0] for line in told] == ["the peers stay as they were"] * 3
    assert [record.name for record in peers.records()] == ["bob.uq"]
    replace_file(path, entry() + entry(name='"carol.uq"'))
    await peers.wait_change()
    assert [record.name for record in peers.records()] == ["bob.uq", "carol.uq"]


async def test_a_file_that_is_being_written_in_place_is_read_when_it_is_whole(tmp_path):
    """Empty, or cut at the end of a block, it looks like one that forgets its peers, and their keys."""
    path, told = tmp_path / "peers.toml", []
    before, other_key = entry() + entry(name='"carol.uq"'), entry(key='"0x' + "cd" * 32 + '"')
    path.write_bytes(before)
    peers = PeersFile(path, told.append)
    for cut in (b"", entry(), entry()[:20]):
        with trio.move_on_after(0.1):
            await peers.wait_change()
        path.write_bytes(cut)
        with trio.move_on_after(0.9):
            await peers.wait_change()
        assert [record.name for record in peers.records()] == ["bob.uq", "carol.uq"]
        path.write_bytes(before)
    path.write_bytes(b"")
    with trio.move_on_after(0.5):
        await peers.wait_change()
    path.write_bytes(other_key)
    await peers.wait_change()
    assert [conflict.name for conflict in peers.conflicts()] == ["bob.uq"]
    assert told == []
    path.write_bytes(b"")
    await peers.wait_change()
    assert (peers.records(), peers.conflicts()) == ([], [])


async def test_looks_in_quick_succession_are_not_a_second_apart(tmp_path):
    """A wait among several registries begins anew whenever another one has changed."""
    path = tmp_path / "peers.toml"
    path.write_bytes(entry())
    peers = PeersFile(path, print)
    path.write_bytes(b"")
    for _ in range(9):
        with trio.move_on_after(0.1):
            await peers.wait_change()
        assert peers.find("bob.uq") is not None
    await peers.wait_change()
    assert peers.find("bob.uq") is None
