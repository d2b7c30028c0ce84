from __future__ import annotations

import pytest

from runtime.sim.scenario import BadScenario
from runtime.sim.scenarios.checks import KINDS
from tests.support.scenarios import ASKING, played, scenario

BOB = "bob.nec@chat:chat:nectar"
PARTITION = '[[phase.fault]]\nkind = "partition"\nat = 0.2\nlasts = 60\nleft = "alice.nec"\n'
IDLE = '[[phase]]\ntitle = "idle"\n'
LOSES = """
[[phase]]
[[phase.workload]]
kind = "messages"
title = "forgotten"
from = "alice.nec"
to = "echo:echo:nectar"
ipc = "forgotten $n"
at = [0, 1]
"""


def check(kind: str, more: str = "") -> str:
    return f'[[check]]\nkind = "{kind}"\n{more}\n'


GOOD = {
    "always_answered": "within = 1",
    "one_outcome": "",
    "at_most_once": "",
    "fifo_per_pair": "",
    "acked_not_lost": f'of = "{BOB}"\nask = \'"History"\'\nelement = \'"saying $n"\'',
    "converges": f'of = "{BOB}"\nask = \'"History"\'',
    "never": 'match = { kind = "dead-letter" }',
    "eventually": 'match = { kind = "taken", process = "chat:chat:nectar", ipc = "saying 4" }',
    "leads_to": 'cause = { kind = "taken", ipc = "saying 1" }\neffect = { ipc = "saying 2" }\nwithin = 2',
    "covers": 'goals = ["message arrived from another node"]',
}


def test_every_kind_has_an_example():
    assert sorted(GOOD) == sorted(KINDS)


@pytest.mark.parametrize("kind", GOOD)
def test_what_holds_is_ok(kind):
    report = played(ASKING + check(kind, GOOD[kind]))
    assert report.verdict == "ok", (report.violation, report.error)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (ASKING + PARTITION + check("always_answered", 'name = "mine"'), "mine", "request 2 to"),
        (ASKING + check("always_answered", "within = 0.001"), "always_answered", "0.001 at most"),
        (
            LOSES
            + check("acked_not_lost", f'of = "{BOB}"\nask = \'"History"\'\nelement = \'"forgotten $n"\''),
            "acked_not_lost",
            "was acknowledged, and is lost",
        ),
        (
            ASKING + check("converges", 'of = "chat:chat:nectar"\nask = \'"History"\'\nwithin = 2'),
            "converges",
            "no agreement after 2 s",
        ),
        (
            ASKING
            + check("converges", f'of = "{BOB}"\nask = "?"\nwithin = 2').replace(BOB, "bob.nec@no:a:b"),
            "converges",
            "says ? ",
        ),
        (ASKING + check("never", 'match = { ipc = "saying 3" }'), "never", "happened: "),
        (
            ASKING + check("eventually", 'match = { ipc = "zebra" }\nwithin = 1'),
            "eventually",
            "did not come within",
        ),
        (
            ASKING + check("leads_to", 'cause = { ipc = "saying 3" }\neffect = { ipc = "saying 1" }'),
            "leads_to",
            "nothing followed",
        ),
    ],
)
def test_what_does_not_hold_is_a_violation_by_the_name_of_the_check(text, name, said):
    report = played(text)
    assert report.verdict == "violated", report.verdict
    assert report.violation.name == name
    assert said in report.violation.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ASKING + IDLE + check("always_answered", 'phase = "idle"'), "nobody asked anything"),
        (ASKING + check("covers", 'goals = ["dead letter"]'), "never covered: dead letter"),
        (ASKING.replace("$workload $n", "same") + check("fifo_per_pair"), "give each its own value"),
        (ASKING.replace("ipc", "timeout = 0\nipc").replace("answer_has", "payload")
         + check("acked_not_lost", f'of = "{BOB}"\nask = "1"\nelement = "$n"'), "no workload asked"),
    ],
)  # fmt: skip
def test_what_nobody_can_tell_is_vacuous(text, said):
    report = played(text)
    assert report.verdict == "vacuous", (report.verdict, report.violation)
    assert said in str(report.error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            check("always_answered", 'workload = "sayings"'),
            "there is no workload 'sayings'; there are saying",
        ),
        (check("always_answered", 'phase = "x"'), "check[0].phase: there is no phase 'x'; there are asking"),
        (check("always"), "'always' is not known; there are always_answered"),
        (check("never"), "check[0].match: missing, expected a table"),
        (check("never", "match = {}"), "check[0].match: matches everything"),
        (check("never", 'match = { kind = "lost?" }'), "'lost?' is no kind of entry; there are sent"),
        (check("never", 'match = { nod = "x" }'), "matches everything"),
        (check("never", 'match = { kind = "sent", nod = "x" }'), "match.nod: means nothing here; write node"),
        (check("converges", 'of = "a:b:c"'), "check[0].ask: missing"),
        (check("covers", 'goals = "x"'), "'x' is not known; there are partition healed"),
        (check("acked_not_lost", 'of = "a:b:c"\nask = ""\nelement = "$x"'), "$x stands for nothing"),
    ],
)
def test_a_check_that_cannot_be_is_refused(text, said):
    with pytest.raises(BadScenario) as caught:
        scenario(ASKING + text)
    assert said in str(caught.value)


def test_a_process_without_a_node_is_asked_on_all():
    same = LOSES + check("converges", 'of = "echo:echo:nectar"\nask = "the same"')
    assert played(same).verdict == "ok"
