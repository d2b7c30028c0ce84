"""Checkers of messages and requests, as processes see them.

A `send` of a process has the value `(target, value)`; a `receive` of a process results in `(source, value)`; values of
one pair differ from each other. An `ask` ends with its outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import cast

from runtime.sim.check.history import VALID, Call, Checked, History, OpKind, Unfit, unknown, wrong

Pair = tuple[Hashable, Hashable]
_Sends = dict[tuple[Pair, Hashable], Call]


def _far_end(call: Call, value: object) -> tuple[Hashable, Hashable]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise Unfit(f"{call}: expected (process, value), found {value!r}")
    return cast("tuple[Hashable, Hashable]", value)


def _sends(history: History, f: str) -> _Sends | Checked:
    sends: _Sends = {}
    for call in history.of(f):
        target, value = _far_end(call, call.value)
        key = (call.process, target), value
        if key in sends:
            return unknown(f"{call}: sent before by call {sends[key].number}; give each its own value")
        sends[key] = call
    return sends


def fifo_per_pair(history: History, *, send: str = "send", receive: str = "receive") -> Checked:
    """What one process received from another is in the order in which it was sent. Some may be missing."""
    sends = _sends(history, send)
    if isinstance(sends, Checked):
        return sends
    latest: dict[Pair, Call] = {}
    for call in history.of(receive, OpKind.OK):
        source, value = _far_end(call, call.result)
        pair = source, call.process
        sent = sends.get((pair, value))
        if sent is None:
            return wrong(f"{call}: nobody sent that", call)
        former = latest.get(pair)
        if former is not None and sent.ended_before(former):
            return wrong(f"{call} came after a later one, {former}", sent, former, call)
        if former is None or sent.start > former.start:
            latest[pair] = sent
    return VALID


def at_most_once(history: History, *, send: str = "send", receive: str = "receive") -> Checked:
    """Nothing was received twice, nor at all when its sender was told that it certainly was not."""
    sends = _sends(history, send)
    if isinstance(sends, Checked):
        return sends
    received: dict[tuple[Pair, Hashable], Call] = {}
    for call in history.of(receive, OpKind.OK):
        source, value = _far_end(call, call.result)
        key = (source, call.process), value
        if key in received:
            return wrong(f"{call}: received before", received[key], call)
        received[key] = call
        sent = sends.get(key)
        if sent is not None and sent.kind is OpKind.FAIL:
            return wrong(f"{call}: its sender was told that it was certainly not handled", sent, call)
    return VALID


def one_outcome(
    history: History, *, ask: str = "ask", lives: Callable[[Hashable], bool] = lambda process: True
) -> Checked:
    """Each request ended once: answered, refused, or timed out. One of a process that does not live may be open."""
    for call in history.of(ask):
        if call.outcomes > 1:
            return wrong(f"{call} had {call.outcomes} outcomes", call)
        if call.outcomes == 0 and lives(call.process):
            return wrong(f"{call}, which began at {call.begun_at:g} s, never ended", call)
    return VALID
