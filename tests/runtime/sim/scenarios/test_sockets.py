from __future__ import annotations

from kernel.events import EventKind
from tests.support.scenarios import played

PEOPLE = """
[[phase]]
seconds = 3
[[phase.workload]]
kind = "websocket"
title = "people"
node = ["alice.nec", "bob.nec"]
process = "chat:chat:nectar"
clients = 2
text = '{"Send":{"text":"word $n at $from"}}'
answer_has = '"word $n at $from"'
every = 1
count = 3
timeout = 10
"""
ANSWERED = '[[check]]\nkind = "always_answered"\n'


def opened(report) -> int:
    return sum(
        entry.kind is EventKind.APPENDED and b"WebSocketOpen" in entry.event.message.message.ipc
        for entry in report.trace.entries
    )


def test_people_say_something_and_hear_of_it():
    report = played(PEOPLE + ANSWERED)
    assert report.verdict == "ok", report.violation
    assert opened(report) == 4


def test_who_loses_the_socket_opens_another_one():
    crash = '[[phase.fault]]\nkind = "crash"\nnode = "bob.nec"\nat = 0.5\nlasts = 0.5\n'
    report = played(PEOPLE + crash)
    assert report.verdict == "ok", report.violation
    assert opened(report) == 6
    last = '[[phase]]\n[[phase.workload]]\nkind = "messages"\nfrom = "bob.nec"\nto = "chat:chat:nectar"\nat = 0\n'
    kept = '[[check]]\nkind = "acked_not_lost"\nworkload = "people"\nof = "bob.nec@chat:chat:nectar"\n'
    more = "ask = '\"History\"'\nelement = '\"word $n at bob.nec\"'\n"
    assert (
        played(PEOPLE.replace('["alice.nec", "bob.nec"]', '"bob.nec"') + crash + last + kept + more).verdict
        == "ok"
    )


def test_what_is_not_heard_in_time_has_no_answer():
    silent = PEOPLE.replace("answer_has = '\"word", "answer_has = '\"sword")
    report = played(silent + ANSWERED)
    assert report.violation.name == "always_answered"
    assert "heard nothing of it within 10 s" in report.violation.text


def test_without_an_answer_to_wait_for_it_is_enough_to_say_it():
    report = played("\n".join(line for line in PEOPLE.splitlines() if "answer" not in line) + "\n" + ANSWERED)
    assert report.verdict == "ok", report.violation
    assert report.at < 5.0


def test_nobody_serves_the_socket():
    """A process that binds no socket: who wants one tries again, and what was to be said has no answer."""
    report = played(PEOPLE.replace("chat:chat:nectar", "nobody:chat:nectar") + ANSWERED)
    assert report.verdict == "violated"
    assert "heard nothing of it" in report.violation.text
