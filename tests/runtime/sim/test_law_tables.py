"""Rights and open requests, rebuilt from events."""

from __future__ import annotations

import pytest

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.message import KernelMessage, Request, Response
from runtime.sim.law_tables import LawNode
from sys_processes.timer.protocol import TIMER, encode_timer

NODE = "alice.uq"
A, B = ProcessId("a", "a", "me"), ProcessId("b", "b", "me")


def node(*, a: str = "", b: str = "") -> LawNode:
    made = LawNode(NODE, 0)
    made.create(A, a)
    made.create(B, b)
    return made


def may(made: LawNode) -> bool:
    return made.may_message(made.processes[A], made.processes[B])


def test_who_may_message_whom():
    """C-057, C-058."""
    assert not may(node())
    assert may(node(b="public"))
    assert may(node(a="system", b="system"))
    assert not may(node(a="system"))
    held = node()
    held.processes[A].held[str(Capability.messaging(Address(NODE, B)))] = None
    assert may(held)


@pytest.mark.parametrize("note", [str(Capability.messaging(Address(NODE, B))), f"all issued by {B}"])
def test_a_right_ends_alone_or_with_all_of_its_issuer(note: str):
    """C-080."""
    made = node()
    process = made.processes[A]
    for params in ('"messaging"', '"x"'):
        process.held[str(Capability(Address(NODE, B), params))] = None
    process.held[str(Capability(Address(NODE, A), '"y"'))] = None
    made.revoke(process, note)
    assert not may(made)
    assert len(process.held) == (2 if "^" in note else 1)


def test_the_network_capability_is_of_this_node():
    made = node()
    process = made.processes[A]
    process.held[str(Capability.network("bob.uq"))] = None
    assert not made.has_network(process)
    process.held[str(Capability.network(NODE))] = None
    assert made.has_network(process)


def envelope(request: Request | Response, target: ProcessId = B) -> KernelMessage:
    return KernelMessage(1, Address(NODE, A), Address(NODE, target), None, request)


def test_only_requests_that_expect_an_answer_are_open():
    made = node()
    assert made.opened(envelope(Response()), 0, 1.0, awaited=False) is None
    assert made.opened(envelope(Request()), 0, 1.0, awaited=False) is None
    opened = made.opened(envelope(Request(expects_response=5)), 0, 1.0, awaited=True)
    assert opened is not None
    assert (opened.deadline, opened.rings) == (6.0, None)


@pytest.mark.parametrize(
    ("ipc", "rings"),
    [
        (encode_timer(1500), 2.5),
        (b'{"SetTimer":0}', 1.0),
        (encode_timer(9000), None),
        (b"debug", None),
        (b"?", None),
    ],
)
def test_a_timer_rings_if_it_asks_for_less_than_it_waits(ipc: bytes, rings: float | None):
    opened = node().opened(envelope(Request(expects_response=5, ipc=ipc), TIMER), 0, 1.0, awaited=True)
    assert opened is not None
    assert opened.rings == rings


def test_errors_are_counted_by_id():
    process = node().processes[A]
    process.errors = {1: 2}
    assert [process.drop_error(1), process.drop_error(1), process.drop_error(1)] == [True, True, False]
    assert process.errors == {}
