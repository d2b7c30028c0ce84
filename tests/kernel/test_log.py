"""The kernel tells what was printed (PROTOCOL 4.6, Debug)."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import ProcessId
from kernel.debug import LONGEST_LINE, MOST_PRINTED, MOST_SHOWN, AskLog
from kernel.log import log_for
from kernel.ports import Line
from tests.kernel.test_inspection import look
from tests.kernel.test_kernel_commands import commanded

WHO = ProcessId.from_str("a:test:test")
OTHER = ProcessId.from_str("aa:test:test")


def kept(*texts: str, first: int = 1) -> list[Line]:
    return [Line(1.5, 0, f"alice.uq@{WHO}", text, number) for number, text in enumerate(texts, first)]


def texts(question: AskLog, lines: list[Line]) -> list[str]:
    return [line.text for line in log_for(question, lines).lines]


async def test_what_processes_printed_is_told_to_whoever_may_ask_the_kernel():
    async with commanded() as (node, operator):
        a = await node.puppet("a")
        await a.do(lambda calls: calls.print_to_terminal(0, "one\ntwo"))
        found = await look(operator, AskLog(a.pid))
        (line,) = found.lines
        assert (line.source, line.verbosity, line.text) == (str(a.address), 0, "one\ntwo")
        assert (await look(operator, AskLog(a.pid, after=found.upto))).lines == ()


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        (AskLog(), ["0", "2", "other", "1"]),
        (AskLog(most=2), ["other", "1"]),
        (AskLog(most=0), []),
        (AskLog(WHO), ["0", "2", "1"]),
        (AskLog(WHO, 1, most=1), ["1"]),
        (AskLog(level=0), ["0", "other"]),
        (AskLog(after=1), ["2", "other", "1"]),
        (AskLog(after=1, most=2), ["2", "other"]),
        (AskLog(OTHER, after=3), []),
        (AskLog(after=4), []),
    ],
)
def test_the_part_that_was_asked_for(question: AskLog, shown: list[str]):
    printed = [(0, WHO, "0"), (2, WHO, "2"), (0, OTHER, "other"), (1, WHO, "1")]
    lines = [Line(0.0, level, f"n@{who}", text, at) for at, (level, who, text) in enumerate(printed, 1)]
    assert texts(question, lines) == shown


def test_lines_that_are_kept_no_more_are_counted():
    found = log_for(AskLog(after=3, most=1), kept("a", "b", first=7))
    assert ([line.text for line in found.lines], found.missed, found.upto) == (["a"], 3, 7)


def test_who_saw_the_lines_of_an_earlier_run_gets_all_of_this_one():
    found = log_for(AskLog(after=100), kept("a", "b"))
    assert ([line.text for line in found.lines], found.missed, found.upto) == (["a", "b"], 0, 2)
    assert log_for(AskLog(after=100), []).upto == 0


def test_an_answer_is_bounded_and_counts_what_had_no_room():
    many = kept(*("x" * LONGEST_LINE for _ in range(12)))
    found = log_for(AskLog(), many)
    assert (len(found.lines), found.missed, found.upto) == (MOST_PRINTED // LONGEST_LINE, 2, 12)
    found = log_for(AskLog(after=0), many)
    assert (len(found.lines), found.missed, found.upto) == (MOST_PRINTED // LONGEST_LINE, 0, 10)
    assert len(log_for(AskLog(most=2**32 - 1), kept(*("x" * (MOST_SHOWN + 1)))).lines) == MOST_SHOWN


def test_a_line_that_is_too_long_is_cut_and_says_so():
    (text,) = texts(AskLog(), kept("x" * (LONGEST_LINE + 7)))
    assert text == "x" * LONGEST_LINE + "… (7 characters more)"


def test_what_does_not_travel_is_spelled_out():
    (line,) = log_for(AskLog(), [attrs.evolve(kept("\udc80")[0], verbosity=-(2**70))]).lines
    assert (line.text, line.verbosity) == ("\\udc80", 0)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 2 * LONGEST_LINE)), max_size=30),
    st.none() | st.just(WHO),
    st.none() | st.integers(0, 3),
    st.integers(1, 5),
)
def test_who_asks_again_and_again_gets_every_line_once_in_order(printed, process, level, most: int):
    lines = [
        Line(0.0, verbosity, f"n@{WHO if ours else OTHER}", "x" * size, number)
        for number, (ours, verbosity, size) in enumerate(printed, 1)
    ]
    wanted = [
        line
        for line in lines
        if (process is None or line.source == f"n@{WHO}") and (level is None or line.verbosity <= level)
    ]
    told, upto = 0, 0
    while (found := log_for(AskLog(process, level, upto, most), lines)).lines:
        assert len(found.lines) <= most
        for line, expected in zip(found.lines, wanted[told:], strict=False):
            assert line.text[:LONGEST_LINE] == expected.text[:LONGEST_LINE]
        told, upto = told + len(found.lines), found.upto
    assert told == len(wanted)
