"""A tape names its test, and the test is found by that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.sim.choices import Choices
from runtime.sim.named_tests import NoSuchTest, find_test, name_of
from runtime.sim.scenario import Scenario
from tests.support.scenarios import ASKING, NODES

HERE = Path(__file__)


def test_something():
    """To be found."""


class Cases:
    @staticmethod
    def test_inside():
        """To be found, too."""


@pytest.mark.parametrize("test", [test_something, Cases.test_inside, name_of])
def test_what_has_a_name_is_found_by_it(test):
    assert find_test(name_of(test)) is test


def test_a_name_is_relative_to_where_the_command_is_run():
    assert name_of(test_something, HERE.parent) == f"{HERE.name}::test_something"
    assert find_test(f"{HERE.name}::test_something", HERE.parent) is test_something


def test_a_module_is_found_by_its_name():
    assert find_test("runtime.sim.choices:Choices") is Choices


def test_a_file_that_was_not_imported_is_and_only_once(tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_a(): pass\n")
    found = find_test("test_mine.py::test_a", tmp_path)
    assert find_test("test_mine.py::test_a", tmp_path) is found
    assert find_test(name_of(found, tmp_path), tmp_path) is found


def test_a_closure_has_no_name():
    def closure():
        pass

    assert name_of(closure) is None
    assert name_of(lambda: None) is None


def test_a_file_that_does_not_import_says_so_each_time(tmp_path):
    (tmp_path / "test_bad.py").write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            find_test("test_bad.py::test_a", tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_chat", "write `file.py::test`, `module:function` or `scenario.toml`"),
        ("nowhere.py::test_a", "there is no file"),
        ("runtime.nowhere:test_a", "there is no module 'runtime.nowhere'"),
        (f"{HERE.name}::test_nothing", "it has test_something"),
        ("runtime.sim.choices:test_a", "no function whose name begins with `test`"),
    ],
)
def test_what_is_not_there_is_named(name, words):
    with pytest.raises(NoSuchTest) as missing:
        find_test(name, HERE.parent)
    assert words in str(missing.value)


def test_a_scenario_is_found_by_its_file(tmp_path):
    (tmp_path / "s.toml").write_text(NODES + ASKING)
    found = find_test("s.toml", tmp_path)
    assert isinstance(found, Scenario)
    assert found.name == "s.toml"
    with pytest.raises(NoSuchTest, match="there is no file"):
        find_test("t.toml", tmp_path)
