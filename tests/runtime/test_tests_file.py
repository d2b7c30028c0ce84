"""tests.toml: what is read, and what a mistake in it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.tests_file import FreshNode, Round, read_tests
from sys_processes.app_store.fields import PackageError

WHOLE = """
runtime = { FetchVersion = "0.6.0" }
persist_home = false

[[tests]]
dependency_package_paths = ["../base"]
setup_packages = [{ path = ".", run = true }, { path = "other", run = false }]
test_package_paths = ["tests/a"]
timeout_secs = 5
fakechain_router = 8500
speed = 1

[[tests.nodes]]
fake_node_name = "first.dev"

[[tests.nodes]]
fake_node_name = "second.dev"
port = 9000
home = "home/second"
password = "pw"
rpc = "wss://x"
runtime_verbosity = 2
"""
LEAST = '[[tests]]\ntest_package_paths = ["t"]\n[[tests.nodes]]\nfake_node_name = "a.dev"\n'


def test_everything_that_may_stand_in_it(tmp_path: Path):
    path = tmp_path / "tests.toml"
    path.write_text(WHOLE)
    (run,), warnings = read_tests(path)
    assert run == Round(
        (tmp_path / "../base", tmp_path / ".", tmp_path / "other"),
        (tmp_path / "tests/a",),
        5,
        (
            FreshNode("first.dev", None, 0, None, None),
            FreshNode("second.dev", tmp_path / "home/second", 9000, "pw", 2),
        ),
    )
    assert [warning.path for warning in warnings] == [
        "$.runtime",
        "$.persist_home",
        "$.tests[0]",
        "$.tests[0].fakechain_router",
        "$.tests[0].setup_packages[1].run",
        "$.tests[0].nodes[1].rpc",
    ]


def test_the_least(tmp_path: Path):
    path = tmp_path / "tests.toml"
    path.write_text(LEAST)
    (run,), warnings = read_tests(path)
    assert (run.packages, run.seconds, warnings) == ((), 60, [])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"a.dev"', '"a b"', r"nodes\[0\].fake_node_name: cannot name a node"),
        ('"a.dev"', '"our"', "cannot name a node"),
        ('fake_node_name = "a.dev"', "", "'fake_node_name' is missing"),
        ('["t"]', "[]", "names no test package"),
        ('["t"]', '"t"', r"test_package_paths: expected a list"),
        ('"a.dev"', '"a.dev"\nport = 70000', "expected a number from 0 to 65535, found 70000"),
        ('"a.dev"', '"a.dev"\nport = 2030-01-01', "expected a number from 0 to 65535, found"),
        ('"a.dev"', '"a.dev"\n[[tests.nodes]]\nfake_node_name = "a.dev"', "two nodes have one name"),
        ('["t"]', '["t"]\ntimeout_secs = 0', "expected a whole number from 1 on"),
        ('[[tests.nodes]]\nfake_node_name = "a.dev"', "nodes = []", "has no node"),
        ("[[tests", "[tests", "cannot be read"),
        (LEAST, "", "'tests' is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_write(tmp_path: Path, old: str, new: str, why: str):
    path = tmp_path / "tests.toml"
    path.write_text(LEAST.replace(old, new, 1))
    with pytest.raises(PackageError, match=why):
        read_tests(path)
