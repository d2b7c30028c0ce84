"""DESIGN 7: what a run leaves to compare and to draw."""

from __future__ import annotations

import hashlib

import pytest

from kernel.address import Address, ProcessId
from kernel.debug import readable
from kernel.events import Event, EventKind
from kernel.message import KernelMessage, Payload, Request, Response
from runtime.sim.log_file import BadLog, Log, LogHeader, log_of, read_log, write_log
from runtime.sim.trace import Trace, WorldKind

A, B = Address("alice.uq", "a:a:me"), Address("bob.uq", "b:b:me")


def told() -> Trace:
    trace = Trace()
    observe = trace.observer("alice.uq")
    trace.add(0.0, "alice.uq", WorldKind.BOOTED)
    asked = KernelMessage(7, A, B, A, Request(False, 5, b'{"Put":1}'), Payload("text/plain", b"hi"))
    observe(Event(EventKind.APPENDED, 0.25, ProcessId("net", "sys", "nectar"), asked, ""))
    observe(
        Event(EventKind.ANSWERED, 1 / 3, A.process, KernelMessage(7, B, A, None, Response(ipc=b"\xff")), "")
    )
    trace.observer("bob.uq")(Event(EventKind.DREW, 1.0, None, None, "message ids 12"))
    trace.add(2.0, "alice.uq", WorldKind.PARTITIONED, other="bob.uq", note="both ways \ud800")
    return trace


def test_a_log_says_all_that_a_diagram_needs():
    booted, asked, answered, drew, cut = log_of(told())
    message = asked.message
    assert (message.source, message.target, message.rsvp) == (str(A), str(B), str(A))
    assert (message.id, message.request, message.expects, message.ipc) == (7, True, 5, '{"Put":1}')
    assert (message.payload, message.size) == ("text/plain, 2 B", 11)
    assert (answered.message.request, answered.message.ipc) == (False, "\\xff")
    assert (booted.message, drew.subject, drew.note) == (None, "", "message ids 12")
    assert (cut.kind, cut.node, cut.other) == ("partitioned", "alice.uq", "bob.uq")


def test_the_lines_of_a_log_are_those_of_the_digest():
    trace = told()
    del trace.entries[-1]
    lines = "".join(entry.line + "\n" for entry in log_of(trace)).encode()
    again = Trace()
    for entry in trace.entries:
        again.add(entry.at, entry.node, entry.kind, entry.event, entry.note, entry.other)
    assert hashlib.sha256(lines).hexdigest() == again.digest


def test_a_log_reads_as_it_was_written(tmp_path):
    log = Log(LogHeader(test="a.py::test", seed=3, digest="00", verdict="ok"), log_of(told()))
    write_log(tmp_path / "run.jsonl", log)
    assert read_log(tmp_path / "run.jsonl") == log


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.jsonl:1: not the head of a log"),
        ('{"nectar_log":9,"test":"","seed":0,"digest":"","verdict":""}\n', "format 9, this Nectar reads 1"),
        ('{"nectar_log":1,"test":"","seed":0,"digest":"","verdict":""}\n{}\n', "a.jsonl:2: not an entry"),
    ],
)
def test_what_is_no_log_is_refused_by_line(tmp_path, text, words):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(BadLog) as refused:
        read_log(tmp_path / "a.jsonl")
    assert words in str(refused.value)


def test_an_ipc_is_shown_in_one_line_of_bounded_length():
    assert readable(b"a\nb\x00") == "a\\nb\\x00"
    assert readable("grüße".encode()) == "grüße"
    assert len(readable(b"x" * 10_000)) == 400
