"""Whatever happens to links, dials, nodes and time: one outcome per message, in order, at most once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sys_processes.net.streams import FlowLimits
from sys_processes.net.table import NetLimits
from tests.sys_processes.net.between_cores import FULL, Cores

NAMES = ("alice.uq", "bob.uq", "carol.uq")
TIGHT = NetLimits(flow=FlowLimits(flight_messages=2, line_messages=6))


def act(cores: Cores, action: str, first: int, second: int, size: int) -> None:
    """One thing happens; the numbers say where."""
    ends = cores.open_ends()
    match action:
        case "send":
            source = NAMES[first % 3]
            cores.send(source, NAMES[(first + 1 + second % 2) % 3], bytes([size % 251]) * (size % 300))
        case "dial ends" if cores.dials:
            cores.dials.rotate(first)
            if second:
                cores.connect()
            else:
                cores.refuse_dial()
        case "move" if ends:
            cores.move(ends[first % len(ends)], size + 1)
        case "cut" if ends:
            cores.cut(ends[first % len(ends)])
        case "restart":
            cores.restart(NAMES[first % 3])
        case "time":
            cores.pass_time((0.1, 0.5, 2.0, 0.1, 0.5, 2.0, 5.0, 40.0)[second])


WEIGHTED = ["send"] * 5 + ["dial ends"] * 6 + ["move"] * 12 + ["cut", "time", "restart"]
steps = st.tuples(st.sampled_from(WEIGHTED), st.integers(0, 11), st.integers(0, 7), st.integers(0, 400))


def reluctant(envelope) -> object:
    return FULL if envelope.id % 5 == 0 else None


@settings(max_examples=150)
@given(st.lists(steps, max_size=120))
def test_every_message_has_one_outcome_and_what_is_definite_is_true(plan):
    cores = Cores(*NAMES, limits=TIGHT, takes=reluctant)
    for step in plan:
        act(cores, *step)
        cores.check_laws()
    for _ in range(8):
        cores.settle()
        cores.pass_time(40)
    cores.settle()
    cores.check_laws()
    cores.check_all_settled()
    for state in (peer for core in cores.cores.values() for peer in core.peers(cores.now)):
        assert (state.in_flight, state.waiting) == (0, 0)
