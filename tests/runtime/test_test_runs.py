"""`nectar run-tests`, on nodes that it boots and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.live_node import Person, json_of


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_a_new_package_passes_untouched_on_two_nodes(person: Person):
    """`It must show`: nectar new, then run-tests."""
    assert person.nectar("new", "my_chat", "--template", "chat", "--ui").code == 0
    said = person.nectar("run-tests", "my_chat/tests.toml")
    assert (said.code, said.out) == (0, "pass on_nodes:nectar\n"), said.err


def test_a_failure_names_its_line_and_shows_what_the_node_said(person: Person):
    person.nectar("new", "my_echo", "--template", "echo")
    test = person.home / "my_echo/tests/on_nodes/pkg/on_nodes.py"
    test.write_text(test.read_text().replace('== b"hello"', '== b"bye"'))
    said = person.nectar("run-tests", "my_echo/tests.toml", "--json")
    assert said.code == 1
    answer = json_of(said.out)
    line = next(n for n, text in enumerate(test.read_text().splitlines(), 1) if "bye" in text)
    assert answer["failed"]["line"] == line
    assert (answer["package"], answer["passed"]) == ("on_nodes:nectar", False)
    assert "AssertionError: it answered b'hello'" in said.err


def test_what_does_not_load_is_told_before_a_node_boots(person: Person):
    person.nectar("new", "my_echo", "--template", "echo")
    (person.home / "my_echo/tests/on_nodes/pkg/on_nodes.py").write_text("x =")
    said = person.nectar("run-tests", "my_echo/tests.toml")
    assert said.code == 1
    assert "pkg/on_nodes.py: line 1" in said.err
    assert "try: nectar run-tests my_echo/tests.toml" in said.err


def test_a_package_that_does_not_start_is_told_with_what_its_node_said(person: Person):
    person.nectar("new", "my_echo", "--template", "echo")
    (person.home / "my_echo/pkg/echo.py").write_text("x =")
    said = person.nectar("run-tests", "my_echo/tests.toml")
    assert said.code == 1
    assert "pkg/echo.py: line 1" in said.err


@pytest.mark.parametrize(
    ("text", "why"), [(None, "there is no tests.toml"), ("[[tests]]\n", "names no test package")]
)
def test_a_file_that_cannot_be_read_is_a_usage_error(person: Person, text: str | None, why: str):
    if text is not None:
        (person.home / "tests.toml").write_text(text)
    said = person.nectar("run-tests")
    assert (said.code, why in said.err) == (2, True), said.err
