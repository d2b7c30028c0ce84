"""The checker of capabilities: what a process may do, and when it was given that or had it taken."""

from __future__ import annotations

from collections.abc import Hashable
from typing import cast

from runtime.sim.check.history import VALID, Call, Checked, History, OpKind, Unfit, wrong

_Right = tuple[Hashable, Hashable]


def caps_respected(
    history: History, *, grant: str = "grant", revoke: str = "revoke", use: str = "use"
) -> Checked:
    """A `grant` or `revoke` of anybody has the value `(holder, capability)`, a `use` the capability. Wrong are uses
    that took place though the process surely held nothing, and those refused though it surely held the capability.
    """
    grants, revokes = _by_right(history, grant), _by_right(history, revoke)
    for call in history.of(use, OpKind.OK, OpKind.FAIL):
        right: _Right = call.process, call.value
        given, taken = grants.get(right, []), revokes.get(right, [])
        if call.is_ok and not any(_may_count(one, taken, call) for one in given):
            return wrong(f"{call} took place without the capability", call)
        if not call.is_ok and any(_surely_counts(one, taken, call) for one in given):
            return wrong(f"{call} was refused although the process held the capability", call)
    return VALID


def _by_right(history: History, f: str) -> dict[_Right, list[Call]]:
    found: dict[_Right, list[Call]] = {}
    for call in history.of(f, OpKind.OK, OpKind.INFO):
        if not isinstance(call.value, tuple) or len(call.value) != 2:
            raise Unfit(f"{call}: expected (holder, capability)")
        found.setdefault(cast("_Right", call.value), []).append(call)
    return found


def _may_count(grant: Call, revokes: list[Call], use: Call) -> bool:
    """At some time during the use."""
    if use.ended_before(grant):
        return False
    return not any(grant.ended_before(one) and one.ended_before(use) for one in revokes)


def _surely_counts(grant: Call, revokes: list[Call], use: Call) -> bool:
    """During all of the use."""
    if not grant.is_ok or not grant.ended_before(use):
        return False
    return all(one.ended_before(grant) or use.ended_before(one) for one in revokes)
