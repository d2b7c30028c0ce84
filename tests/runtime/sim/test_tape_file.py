"""DESIGN 7: a run is repeated from a file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.choices import Choice, Choices, SeedChoices
from runtime.sim.tape_file import BadTape, Tape, parse_tape, read_tape, tape_text, write_tape

NAME = "tests/test_chat.py::test_converges"

choices = st.builds(
    lambda label, n, part: Choice(label, n, int(part * (n - 1))),
    st.sampled_from(["loss", "order", 'of "a", b']),
    st.integers(2, 1001),
    st.floats(0, 1),
)


@given(st.lists(choices, max_size=50), st.text(), st.integers(-(2**63), 2**64 - 1))
def test_a_tape_reads_as_it_was_written(made, said, seed):
    tape = Tape(NAME, seed, tuple(made), "violated", said.encode("utf-8", "replace").decode(), "00ff")
    assert parse_tape(tape_text(tape)) == tape


def test_a_tape_is_a_file_that_says_what_it_was_made_with(tmp_path):
    tape = Tape(NAME, 17, (Choice("loss", 1001, 1000),), "violated", "balance: 3 != 4")
    write_tape(tmp_path / "fail.tape.json", tape)
    assert read_tape(tmp_path / "fail.tape.json") == tape
    assert tape.versions_differ() == []
    assert Tape(NAME, 17, (), python="3.9.1").versions_differ()[0].startswith("Python 3.9.1, now 3.")


def test_ten_thousand_choices_take_some_ten_kilobytes():
    source = Choices(SeedChoices(1))
    for number in range(3334):
        source.choose("order", 2 + number % 3)
        source.happens("loss", 0.01)
        source.choose("batch", 2)
    calm = Tape(NAME, 1, tuple(c if c.label != "loss" else Choice("loss", 1001, 0) for c in source.tape))
    assert len(calm.choices) == 10_002
    assert len(tape_text(calm)) < 20_000


def edited(**changes):
    tape = Tape(NAME, 1, (Choice("loss", 10, 9), Choice("order", 2, 0), Choice("loss", 10, 0)))
    return json.dumps({**json.loads(tape_text(tape)), **changes})


def labels(values, n=10):
    return [{"label": "loss", "n": n, "values": values}, {"label": "order", "n": 2, "values": "0"}]


def test_the_values_of_a_tape_may_be_edited():
    assert [c.value for c in parse_tape(edited(labels=labels("0*2"))).choices] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a tape"),
        ("{", "not JSON"),
        ('{"nectar_log":1,"test":"a"}\n{}', "a log, not a tape"),
        (edited(nectar_tape=2), "format 2, this Nectar reads 1"),
        (edited(seed="one"), "$.seed"),
        (edited(labels=labels("9")), "keeps the number of values"),
        (
            edited(labels=[*labels("9"), {"label": "lag", "n": 2, "values": "0"}]),
            "label 0, which has no value",
        ),
        (edited(labels=labels("9 ten")), "got 'ten'"),
        (edited(labels=labels("9 -1")), "got '-1'"),
        (edited(labels=labels("9 10")), "10 is not below its bound 10"),
        (edited(labels=labels("0*99999999")), "more than 10000000"),
        (edited(order="~~~~~~"), "does not unpack"),
        (edited(order=""), "not that of its 3 values"),
    ],
)
def test_what_is_no_tape_is_refused_by_name_and_reason(tmp_path, text, words):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadTape) as refused:
        read_tape(tmp_path / "a.json")
    assert words in str(refused.value)
    assert "a.json" in str(refused.value)


def test_what_was_asked_of_the_run_is_on_its_tape_and_may_be_missing():
    asked = Tape(NAME, 1, (), faults="swarm", until=2.5)
    assert parse_tape(tape_text(asked)) == asked
    plain = Tape(NAME, 1, ())
    assert "faults" not in tape_text(plain)
    assert parse_tape(tape_text(plain)) == plain
