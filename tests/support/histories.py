"""Histories of clients that use one object in turn, and what could go wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import permutations

import attrs
from hypothesis import strategies as st

from runtime.sim.check import IMPOSSIBLE, Call, Calling, History, Model, OpKind


@attrs.frozen
class Planned:
    """A call that takes place at `point`, somewhere between its begin and its end, in the order of these numbers."""

    process: int
    f: str
    value: object
    begin: int
    point: int
    end: int
    outcome: OpKind


@st.composite
def planned(
    draw: st.DrawFn, calls: st.SearchStrategy[tuple[str, object]], *, most: int = 8, processes: int = 3
) -> list[Planned]:
    """Each process makes one call after the other; the calls of different ones overlap."""
    length = draw(st.integers(1, most))
    clock = [0] * processes
    plans = []
    for _ in range(length):
        process = draw(st.integers(0, processes - 1))
        f, value = draw(calls)
        begin = clock[process] + draw(st.integers(1, 4))
        point = begin + draw(st.integers(1, 4))
        end = point + draw(st.integers(1, 4))
        clock[process] = end
        outcome = draw(st.sampled_from([OpKind.OK] * 4 + [OpKind.INFO, OpKind.FAIL]))
        plans.append(Planned(process, f, value, begin, point, end, outcome))
    return plans


def played(plans: Sequence[Planned], apply: Callable[[Planned], object]) -> History:
    """The history of these calls. `apply` does one and gives its result; those that fail are not done."""
    now = [0]
    history = History(lambda: float(now[0]))
    steps = []
    for number, plan in enumerate(plans):
        steps += [(plan.begin, 0, number), (plan.point, 1, number), (plan.end, 2, number)]
    running: dict[int, Calling] = {}
    results: dict[int, object] = {}
    for at, what, number in sorted(steps):
        plan, now[0] = plans[number], at
        if what == 0:
            running[number] = history.invoke(plan.process, plan.f, plan.value)
        elif what == 1 and plan.outcome is not OpKind.FAIL:
            results[number] = apply(plan)
        elif what == 2:
            if plan.outcome is OpKind.OK:
                running[number].ok(results[number])
            elif plan.outcome is OpKind.FAIL:
                running[number].fail("refused")
            else:
                running[number].info("timeout")
    return history


def brute_force(history: History, model: Model, key: Hashable = None) -> bool:
    """Linearizable, by trying every order of every choice of calls."""
    calls = [call for call in history.calls if call.kind is not OpKind.FAIL]
    required = [call for call in calls if call.is_ok]
    optional = [call for call in calls if not call.is_ok]
    for chosen in range(2 ** len(optional)):
        taken = required + [call for bit, call in enumerate(optional) if chosen >> bit & 1]
        if any(_allowed(order, model, key) for order in permutations(taken)):
            return True
    return False


def _allowed(order: Sequence[Call], model: Model, key: Hashable) -> bool:
    state = model.initial(key)
    for place, call in enumerate(order):
        if any(later.ended_before(call) for later in order[place + 1 :]):
            return False
        state = model.step(state, call)
        if state is IMPOSSIBLE:
            return False
    return True
