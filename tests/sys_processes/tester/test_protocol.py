"""Requests to run tests, and their answers, in the words of each era (PROTOCOL 8.4)."""

from __future__ import annotations

import pytest

from kernel.codec import Err, Ok
from sys_processes.tester.protocol import (
    TESTER_ANSWER,
    TESTER_REQUEST,
    Fail,
    FailedTest,
    Pass,
    Ran,
    Run,
    RunForm,
    TesterAnswer,
    answer_to,
    failure_in,
)
from tests.support.golden import golden

FAILED = FailedTest("chat_test", "lib.rs", 10, 5)
SEED = Run(["first.uq", "second.uq"])
EARLY = Run(RunForm(("first.uq", "second.uq")))
LATER = Run(RunForm(("first.uq",), ("t:template:sys",)))


@pytest.mark.parametrize(("name", "request_"), [("run", SEED), ("run_early", EARLY), ("run_later", LATER)])
def test_a_request_of_any_era_is_understood(name: str, request_: Run) -> None:
    assert TESTER_REQUEST.decode(golden(f"tester/{name}")) == request_
    assert request_.form.input_node_names[0] == "first.uq"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("pass", Pass()),
        ("fail", Fail("chat_test", "lib.rs", 10, 5)),
        ("passed_later", Ran(Ok(None))),
        ("failed_later", Ran(Err(FAILED))),
    ],
)
def test_answers_look_as_approved(name: str, answer: TesterAnswer) -> None:
    assert TESTER_ANSWER.encode(answer) == golden(f"tester/{name}")
    assert TESTER_ANSWER.decode(golden(f"tester/{name}")) == answer


@pytest.mark.parametrize("request_", [SEED, EARLY, LATER])
@pytest.mark.parametrize("failed", [None, FAILED])
def test_who_asks_gets_the_answer_of_the_own_era(request_: Run, failed: FailedTest | None) -> None:
    answer = answer_to(request_, failed)
    assert failure_in(answer) == failed
    assert isinstance(answer, Ran) is (request_ is LATER)
