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
        case "jump":
            # As after a day of sleep; some of what is under way arrives before anybody looks at the clock.
            for end in cores.open_ends()[:second]:
                cores.move(end)
            cores.now += 86_400
            cores.tick()
            cores.settle()


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


CALM = st.tuples(
    st.sampled_from(["send"] * 5 + ["dial ends"] * 3 + ["move"] * 8 + ["jump"]),
    st.integers(0, 11),
    st.integers(1, 7),
    st.integers(0, 400),
)


@settings(max_examples=100)
@given(st.lists(CALM, max_size=80))
def test_where_nothing_is_cut_every_message_has_a_certain_outcome_whoever_refuses_whom(plan):
    """And though the clock jumps a day, time and again."""
    cores = Cores(*NAMES, limits=NetLimits(flow=FlowLimits(flight_messages=2)), takes=reluctant)
    for step in plan:
        act(cores, *step)
    for _ in range(5):
        cores.settle()
        cores.pass_time(30)
    cores.settle()
    cores.check_laws()
    for told in cores.book.values():
        assert (told.delivered, [back.definite for back in told.given_back]) in [(1, []), (0, [True])]
