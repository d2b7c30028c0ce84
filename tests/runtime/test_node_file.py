from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from runtime.node_file import NodeFile, read_node_file, read_token, remove_node_file, write_node_file

NODE = NodeFile(os.getpid(), "http://127.0.0.1:8080", "alice.uq")


def test_what_a_node_wrote_is_found_while_it_runs(tmp_path: Path) -> None:
    write_node_file(tmp_path, NODE, "sesame")
    assert read_node_file(tmp_path) == NODE
    assert read_token(tmp_path) == "sesame"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node.json", "rpc.token"]


def test_the_token_is_for_its_owner_alone_also_after_a_second_boot(tmp_path: Path) -> None:
    for token in ("one", "two"):
        write_node_file(tmp_path, NODE, token)
        assert stat.S_IMODE((tmp_path / "rpc.token").stat().st_mode) == 0o600
    assert read_token(tmp_path) == "two"


def test_the_file_of_a_node_that_was_killed_finds_nobody(tmp_path: Path) -> None:
    write_node_file(tmp_path, NodeFile(2**22 + 1, NODE.url, NODE.name), "sesame")
    assert read_node_file(tmp_path) is None


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"\xff", b'{"pid":"1","url":"x","name":"y"}', b'{"pid":0,"url":"","name":""}']
)
def test_a_file_that_says_nothing_finds_nobody(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "node.json").write_bytes(text)
    assert read_node_file(tmp_path) is None


def test_an_empty_home_has_neither(tmp_path: Path) -> None:
    remove_node_file(tmp_path)
    assert read_node_file(tmp_path) is None
    assert read_token(tmp_path) is None


def test_a_node_that_ends_takes_both_away(tmp_path: Path) -> None:
    write_node_file(tmp_path, NODE, "sesame")
    remove_node_file(tmp_path)
    assert list(tmp_path.iterdir()) == []
