"""What `scripts/three_nodes` shows, and that it would notice the contrary."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from tests.support.three_nodes import ALICE, BOB, CAROL, Sent, Wrong, check, three_nodes


def test_three_nodes_chat_while_one_is_killed_and_booted_again(tmp_path: Path) -> None:
    """C-168. Who writes to it hears in time that it is offline; then everything flows again, and nothing twice."""
    told: list[str] = []
    chatting = three_nodes(tmp_path, told.append)
    for sender in (ALICE, CAROL):
        [line] = [line for line in told if line.startswith(f"{sender} hears it")]
        assert re.search(r" [0-9.]+ s later: bob.dev is offline: ", line)
    assert told[-1].endswith("nothing is there twice")
    for sender, to in ((ALICE, BOB), (CAROL, BOB), (BOB, ALICE), (ALICE, CAROL)):
        last = [sent for sent in chatting.sent if (sent.sender, sent.to) == (sender, to)][-1]
        assert last.id is not None


def history(*messages: tuple[int, str]) -> dict[str, list[dict[str, object]]]:
    return {BOB: [{"id": number, "text": text} for number, text in messages]}


HEARD = Sent(ALICE, BOB, "hi", 0, 0, id=1)
LOST = attrs.evolve(HEARD, id=None, error="bob.dev is offline: why; try again")
UNSURE = attrs.evolve(LOST, error="bob.dev is offline: why, and may have heard it all the same")
HUNG = attrs.evolve(LOST, error="no outcome: no answer")


@pytest.mark.parametrize(
    ("sent", "there"),
    [
        (HEARD, history((1, "hi"), (3, "another"))),
        (LOST, history((3, "another"))),
        (UNSURE, history()),
        (UNSURE, history((1, "hi"))),
    ],
)
def test_what_is_there_as_it_was_told_is_right(sent: Sent, there: dict[str, list[dict[str, object]]]) -> None:
    check([sent], there)


@pytest.mark.parametrize(
    ("sent", "there", "problem"),
    [
        (HEARD, history(), "it is there 0 times"),
        (HEARD, history((1, "hi"), (2, "hi")), "it is there 2 times"),
        (HEARD, history((2, "hi")), "it is there with the id 2"),
        (LOST, history((1, "hi")), "it is there 1 times"),
        (UNSURE, history((1, "hi"), (2, "hi")), "it is there 2 times"),
        (HUNG, history(), "nobody told what became of it"),
        (HEARD, history((2, "another"), (1, "hi")), "do not grow"),
        (HEARD, history((1, "hi"), (1, "another")), "do not grow"),
    ],
)
def test_what_is_there_otherwise_is_noticed(
    sent: Sent, there: dict[str, list[dict[str, object]]], problem: str
) -> None:
    with pytest.raises(Wrong, match=problem):
        check([sent], there)
