"""Linearizability: is there an order of the calls, true to which ended before which began, that the model allows?

The search of Wing and Gong, with Lowe's memory of which calls were placed in which state. Calls of different keys are
searched apart, which is as good and far quicker.
"""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from runtime.sim.check.history import VALID, Call, Checked, History, OpKind, all_of, unknown, wrong
from runtime.sim.check.models import IMPOSSIBLE, Model

MOST_STEPS = 1_000_000


def linearizable(history: History, model: Model, *, steps: int = MOST_STEPS) -> Checked:
    """Of all calls but those that certainly did not take place; those of unknown outcome may be left out.

    Unknown when the search took more than `steps` steps for one key.
    """
    keys: dict[Hashable, list[Call]] = {}
    for call in history.calls:
        if call.kind is not OpKind.FAIL:
            keys.setdefault(model.key(call), []).append(call)
    return all_of(*(_Search(calls, model, key, steps).run() for key, calls in keys.items()), VALID)


@attrs.define(eq=False)
class _Node:
    """A place in the list of begins and ends that are not placed yet. `begin` is None in a begin, else its begin."""

    call: Call | None
    begin: _Node | None = None
    end: _Node | None = None
    bit: int = 0
    before: _Node | None = None
    after: _Node | None = None

    def take_out(self) -> None:
        assert self.before is not None
        self.before.after = self.after
        if self.after is not None:
            self.after.before = self.before

    def put_back(self) -> None:
        assert self.before is not None
        self.before.after = self
        if self.after is not None:
            self.after.before = self


class _Search:
    def __init__(self, calls: list[Call], model: Model, key: Hashable, steps: int) -> None:
        self._model = model
        self._key = key
        self._steps = steps
        self._head = _Node(None)
        self._required = sum(call.end is not None for call in calls)
        self._stack: list[tuple[_Node, Hashable]] = []
        self._best: tuple[int, Hashable, Call | None] = (-1, None, None)
        self._link(calls)

    def _link(self, calls: list[Call]) -> None:
        places: list[tuple[int, _Node]] = []
        for number, call in enumerate(calls):
            begin = _Node(call, bit=1 << number)
            places.append((call.start, begin))
            if call.end is not None:
                begin.end = _Node(call, begin)
                places.append((call.end, begin.end))
        last = self._head
        for _, node in sorted(places, key=lambda place: place[0]):
            last.after, node.before = node, last
            last = node

    def run(self) -> Checked:
        state = self._model.initial(self._key)
        placed, missing = 0, self._required
        known: dict[tuple[int, Hashable], None] = {}
        node = self._head.after
        for _ in range(self._steps):
            if not missing:
                return VALID
            assert node is not None, "a call that ended has its end in the list"
            call = node.call
            assert call is not None
            if node.begin is None:
                after = self._model.step(state, call)
                reached = placed | node.bit, after
                if after is not IMPOSSIBLE and reached not in known:
                    known[reached] = None
                    self._stack.append((node, state))
                    placed, state = reached
                    missing -= node.end is not None
                    self._take_out(node)
                    node = self._head.after
                else:
                    node = node.after
                continue
            # This call ended here, so it had to be placed by now.
            self._note(call, state)
            if not self._stack:
                return self._refuted()
            node, state = self._stack.pop()
            placed ^= node.bit
            missing += node.end is not None
            self._put_back(node)
            node = node.after
        return unknown(f"no order was found, nor that there is none, in {self._steps} steps{self._of_key()}")

    @staticmethod
    def _take_out(begin: _Node) -> None:
        begin.take_out()
        if begin.end is not None:
            begin.end.take_out()

    @staticmethod
    def _put_back(begin: _Node) -> None:
        if begin.end is not None:
            begin.end.put_back()
        begin.put_back()

    def _note(self, call: Call, state: Hashable) -> None:
        if len(self._stack) > self._best[0]:
            self._best = len(self._stack), state, call

    def _refuted(self) -> Checked:
        depth, state, call = self._best
        assert call is not None
        text = f"{call} fits nowhere: after the {depth} calls that can be put in order the state is {state!r}"
        return wrong(f"not linearizable{self._of_key()}: {text}", call)

    def _of_key(self) -> str:
        return "" if self._key is None else f", key {self._key!r}"
