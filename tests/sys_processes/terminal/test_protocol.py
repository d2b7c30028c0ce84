"""Answers of the terminal, and what it keeps."""

from __future__ import annotations

import pytest

from kernel.codec import Err, Ok
from sys_processes.terminal.protocol import KEPT, TERMINAL_ANSWER, Kept
from tests.support.golden import golden


@pytest.mark.parametrize(
    ("name", "answer"), [("shown", Ok("hello")), ("failed", Err("there is no command 'helo'"))]
)
def test_answers_look_as_approved(name: str, answer) -> None:
    assert TERMINAL_ANSWER.encode(answer) == golden(f"terminal/{name}")
    assert TERMINAL_ANSWER.decode(golden(f"terminal/{name}")) == answer


def test_what_is_kept_looks_as_approved() -> None:
    kept = Kept({"e": "message echo:echo:nectar"}, "our@echo:echo:nectar")
    assert KEPT.encode(kept) == golden("terminal/kept")
    assert KEPT.decode(golden("terminal/kept")) == kept
