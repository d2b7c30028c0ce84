from __future__ import annotations

from itertools import pairwise

import pytest

from kernel.events import EventKind
from runtime.sim.report import Report
from runtime.sim.scenario import BadScenario
from tests.support.scenarios import ASKING, NODES, played, scenario

PHASE = "[[phase]]\n[[phase.workload]]\n"
ECHOES = PHASE + 'kind = "messages"\nfrom = "alice.nec"\nto = "echo:echo:nectar"\n'


def asked(report: Report, node: str = "alice.nec") -> list[tuple[float, str]]:
    """When the test of that node sent what."""
    return [
        (round(entry.at, 3), entry.event.message.message.ipc.decode())
        for entry in report.trace.entries
        if entry.kind is EventKind.SENT
        and entry.node == node
        and str(entry.event.subject) == "test:world:sim"
    ]


def since_first(report: Report) -> list[float]:
    times = [at for at, _ in asked(report)]
    return [round(at - times[0], 3) for at in times]


def test_messages_are_numbered_filled_in_and_answered():
    text = 'ipc = "$n: $from to $to by $workload for $$1"\ntitle = "w"\nanswer = "$n: alice.nec to $to by w for $$1"'
    report = played(ECHOES + text + "\nrate = 10\ncount = 2")
    assert report.verdict == "ok", report.violation
    assert [said for _, said in asked(report)] == [
        "1: alice.nec to alice.nec by w for $1",
        "2: alice.nec to alice.nec by w for $1",
    ]


def test_they_come_at_a_rate_or_with_so_many_seconds_between_or_at_exact_times():
    assert since_first(played(ECHOES + "rate = 4\ncount = 3")) == [0.0, 0.25, 0.5]
    assert since_first(played(ECHOES + "every = 2\nstart = 1\ncount = 3")) == [0.0, 2.0, 4.0]
    assert since_first(played(ECHOES + "at = [1, 1.5, 7]")) == [0.0, 0.5, 6.0]


def test_the_pauses_between_may_be_drawn():
    first, second = (since_first(played(ECHOES + "every = [1, 2]\ncount = 5", seed=seed)) for seed in (1, 2))
    assert first != second
    assert all(1.0 <= b - a <= 2.0 for times in (first, second) for a, b in pairwise(times))


def test_each_source_asks_each_target():
    text = 'from = ["alice.nec", "bob.nec"]\nto = ["alice.nec@chat:chat:nectar", "bob.nec@chat:chat:nectar"]'
    report = played(PHASE + f'kind = "messages"\n{text}\nipc = \'{{"Send":{{"text":"$n"}}}}\'\nat = 0')
    assert len(asked(report)) == len(asked(report, "bob.nec")) == 2


def test_a_source_that_waits_has_one_request_open_at_a_time():
    slow = "[[link]]\nlatency = 0.3\n"
    eager = played(slow + ASKING)
    patient = played(slow + ASKING + "wait = true")
    assert since_first(eager) == [0.0, 0.5, 1.0, 1.5]
    assert all(b - a >= 1.0 for a, b in pairwise(since_first(patient)))


def test_without_a_timeout_nobody_waits_for_an_answer():
    report = played(ECHOES + "at = [0, 1]\ntimeout = 0\npayload = 'p $n'\nmime = 'text/plain'")
    assert report.verdict == "ok"
    payloads = [
        entry.event.message.payload
        for entry in report.trace.entries
        if entry.kind is EventKind.SENT and str(entry.event.subject) == "test:world:sim"
    ]
    assert [(payload.mime, payload.bytes) for payload in payloads] == [
        ("text/plain", b"p 1"),
        ("text/plain", b"p 2"),
    ]


def test_an_answer_that_is_another_is_a_violation_by_the_name_of_the_workload():
    wrong = played(ECHOES + 'title = "w"\nipc = "$n"\nanswer = "no $n"\nat = 0')
    assert (wrong.verdict, wrong.violation.name) == ("violated", "w")
    assert "expected 'no 1', got '1'" in wrong.violation.text
    part = played(ECHOES + 'title = "w"\nipc = "$n"\nanswer_has = "2"\nat = 0')
    assert "'2' is not in '1'" in part.violation.text


def test_a_source_that_is_down_asks_nothing_and_the_run_goes_on():
    fault = '[[phase.fault]]\nkind = "crash"\nnode = "alice.nec"\nat = 0.2\nlasts = 1\n'
    report = played(ASKING + fault)
    assert report.verdict == "ok", report.violation
    assert len(asked(report)) < 4


def test_people_browse():
    """A logged-in owner and a stranger, by the status that each is to get."""
    browse = PHASE + 'kind = "http"\nnode = "alice.nec"\npath = "/chat:chat:nectar/messages"\nat = [0, 1]\n'
    assert played(browse + "answer_has = '\"messages\"'").verdict == "ok"
    post = browse + 'method = "POST"\nbody = \'{"text":"$n"}\'\ncontent_type = "application/json"\n'
    assert played(post + "status = 201").verdict == "ok"
    stranger = played(browse + 'title = "w"\nstranger = true')
    assert stranger.violation.name == "w"
    assert "expected 200, got " in stranger.violation.text


def test_nobody_is_there_to_browse():
    """No answer is no violation: a check says which requests must be answered."""
    crash = '[[phase.fault]]\nkind = "crash"\nnode = "alice.nec"\nat = 0\nlasts = 5\n'
    browse = PHASE + 'kind = "http"\nnode = "alice.nec"\npath = "/"\nat = 1\n'
    check = '[[check]]\nkind = "always_answered"\n'
    message = '[[phase.workload]]\nkind = "messages"\nfrom = "bob.nec"\nto = "echo:echo:nectar"\nat = 7\n'
    assert played(browse + message + crash).verdict == "ok"
    assert played(browse + message + crash + check).violation.name == "always_answered"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected one of at, every and rate"),
        ("every = 1\nrate = 1\ncount = 1", "expected one of at, every and rate"),
        ("every = 1", "workload[0].count: missing"),
        ("at = [2, 1]", "the times are not in order"),
        ("at = 1\nipc = '$m'", "$m stands for nothing"),
        ("at = 1\nanswer = '1'\ntimeout = 0", "no answer is expected"),
        ("at = 1\ncount = 2", "workload[0].count: means nothing here"),
    ],
)
def test_a_workload_that_cannot_be_is_refused(text, said):
    with pytest.raises(BadScenario) as caught:
        scenario(ECHOES + text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "message"', "'message' is not known; write \"messages\""),
        (
            'kind = "messages"\nfrom = "x"\nto = "a:b:c"\nat = 0',
            "'x' is no node; there are alice.nec, bob.nec",
        ),
        ('kind = "messages"\nfrom = []\nto = "a:b:c"\nat = 0', "names no node"),
        ('kind = "messages"\nfrom = "bob.nec"\nto = "a:b"\nat = 0', 'write "node@process:package:publisher"'),
        ('kind = "messages"\nfrom = "bob.nec"\nto = "x@a:b:c"\nat = 0', "'x' is no node"),
        ('kind = "http"\nnode = "bob.nec"\npath = "/"\nat = 0\nstatus = 99', "expected HTTP statuses"),
        ('kind = "http"\nnode = "bob.nec"\npath = "/"\nat = 0\nmethod = "SEND"', "'SEND' is not known"),
        ('kind = "websocket"\nnode = "bob.nec"\nprocess = "x@a:b:c"\ntext = ""\nat = 0', "no node"),
        ('kind = "websocket"\nnode = "bob.nec"\nprocess = ["a:b:c", "d:e:f"]', "expected one process id"),
    ],
)
def test_whom_a_workload_cannot_reach_is_named(text, said):
    with pytest.raises(BadScenario) as caught:
        scenario(PHASE + text, nodes=NODES)
    assert said in str(caught.value)
