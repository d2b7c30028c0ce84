"""A forgotten await, and other warnings, reach the log."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

from runtime.warned import describe, warnings_reported
from tests.support.live_node import Person, write_package

FORGETS = """
from userland.process_lib import *

async def init(our):
    set_state(b"x")
    while True:
        await await_message()
"""


def test_a_warning_names_its_place() -> None:
    assert describe("old", "UserWarning", "/a/pkg/a.py", 3) == "UserWarning at /a/pkg/a.py:3: old"


def test_a_forgotten_await_names_where_the_call_stands() -> None:
    text = "coroutine 'set_state' was never awaited\nCoroutine created at (most recent call last)\n"
    origin = '  File "/app:me/pkg/app.py", line 5, in init\n    set_state(b"x")\n'
    assert describe(text + origin, "RuntimeWarning", "x.py", 1) == (
        "await is missing at /app:me/pkg/app.py:5: set_state(...) was called and never awaited; "
        "write `await set_state(...)`"
    )
    assert "`nectar dev` tells the line" in describe(text, "RuntimeWarning", "x.py", 1)


def test_everything_is_as_before_when_the_block_ends() -> None:
    former = warnings.showwarning
    said: list[str] = []
    with warnings.catch_warnings(), warnings_reported(said.append, origins=True):
        warnings.simplefilter("always")
        warnings.warn("hello", UserWarning, stacklevel=1)
    assert [text.rpartition(": ")[2] for text in said] == ["hello"]
    assert (warnings.showwarning, sys.get_coroutine_origin_tracking_depth()) == (former, 0)


def test_dev_tells_the_line_of_a_forgotten_await(tmp_path: Path) -> None:
    person = Person(tmp_path)
    with person.dev(write_package(tmp_path / "app", FORGETS)) as node:
        node.wait_logged("await is missing at /app:me/pkg/app.py:5: set_state(...)")
        assert "RuntimeWarning" not in node.process.err


@pytest.mark.parametrize("form", ["text", "json"])
def test_boot_tells_that_an_await_is_missing_in_the_form_of_the_log(form: str, tmp_path: Path) -> None:
    person = Person(tmp_path)
    package = write_package(tmp_path / "app", FORGETS)
    with person.boot(tmp_path / "home", "--package", package, "--log", form) as node:
        node.wait_logged("await is missing: set_state(...)")
        assert node.stop() == 0
        if form == "json":
            assert all(isinstance(json.loads(line), dict) for line in node.process.err.splitlines())
