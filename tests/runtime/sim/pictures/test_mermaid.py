"""Issue 5, point 10: Mermaid text in which nothing that was sent means anything."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from runtime.sim.pictures.compose import picture_of
from runtime.sim.pictures.mermaid import escape, mermaid
from tests.support.pictured import replicated
from tests.support.told_trace import ToldTrace

LINE = re.compile(
    r"---|title: \".*\"|sequenceDiagram|    box transparent \S.*|        participant p\d+ as \S.*|    end"
    r"|    p\d+(->>|-->>|-x|--x)p\d+: \S.*|    Note over p\d+(,p\d+)?: \S.*|    %% \d+\.\d{6} s"
)


def test_nodes_are_boxes_and_messages_arrows():
    text = mermaid(picture_of(replicated().entries(), title='A "lost" value'))
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    for words in (
        'title: "A \\"lost\\" value"',
        "box transparent bob.uq",
        "participant p1 as counter:app:me",
        'p0->>p1: {"Add":1}',
        "p1-->>p0: ",
        'p1-xp3: {"Copy":6}',
        "Note over p4: booted",
        "Note over p0,p4: partitioned alice.uq | bob.uq",
        "Note over p1: deadline_passed: ",
    ):
        assert words in text, words


def test_a_message_between_nodes_stands_where_it_arrives():
    told = ToldTrace()
    message = told.request("alice.a", "bob.b", "slow")
    told.depart(message)
    told.put(told.request("alice.a", "alice.c", "quick"))
    told.put(message)
    text = mermaid(picture_of(told.entries()))
    assert text.index("quick") < text.index("slow")


@given(st.text())
def test_an_escaped_text_is_one_line_without_a_word_or_sign_of_the_language(text):
    shown = escape(text)
    assert shown == shown.strip() != ""
    left = re.sub(r"#\d+;", "", shown)
    assert not re.search(r"[;#<>%$&`\\\x00-\x1f]", left)
    assert not re.search(r"\b(end|wrap|nowrap)\b", shown, re.IGNORECASE)


def test_it_reads_as_it_was():
    assert escape('{"a":[1, "x"]} grüße') == '{"a":[1, "x"]} grüße'
    assert escape("end; <b>") == "#101;nd#59; #60;b#62;"
    assert escape("wrap: x\n") == "#119;rap: x#10;"
