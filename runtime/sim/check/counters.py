"""Checkers of counters that many processes add to and that agree in the end."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.sim.check.history import VALID, Call, Checked, History, OpKind, Unfit, unknown, wrong

MOST_SUMS = 100_000
"""Beyond so many different sums of what may have happened only their range is compared."""


def _number(call: Call, value: object) -> int:
    if not isinstance(value, int):
        raise Unfit(f"{call}: expected a whole number, found {value!r}")
    return value


class _Sums:
    """What a counter may show: all that surely counts, and any part of what perhaps does."""

    def __init__(self, surely: Iterable[int], perhaps: Iterable[int]) -> None:
        least = most = sum(surely)
        exact: dict[int, None] | None = {least: None}
        for delta in perhaps:
            least, most = least + min(delta, 0), most + max(delta, 0)
            if exact is not None:
                exact.update(dict.fromkeys([total + delta for total in exact]))
                exact = exact if len(exact) <= MOST_SUMS else None
        self.least, self.most, self._exact = least, most, exact

    def __contains__(self, total: int) -> bool:
        return total in self._exact if self._exact is not None else self.least <= total <= self.most

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"one of {self.least} to {self.most}"


def pn_counter(history: History, *, add: str = "add", read: str = "read") -> Checked:
    """The last read of each process that began after the last `add` ended shows all that was acknowledged, and any part
    of what has an unknown outcome.
    """
    adds = list(history.of(add, OpKind.OK, OpKind.INFO))
    sure = [call for call in adds if call.is_ok]
    sums = _Sums(
        (_number(call, call.value) for call in sure),
        (_number(call, call.value) for call in adds if not call.is_ok),
    )
    last = {call.process: call for call in history.of(read, OpKind.OK)}
    final = [one for one in last.values() if all(call.ended_before(one) for call in sure)]
    for one in final:
        if _number(one, one.result) not in sums:
            return wrong(f"{one}: expected {sums}", one)
    if not final:
        return unknown(f"nobody read after the last {add!r}: end the run with a {read!r} of each process")
    return VALID


def g_counter(history: History, *, add: str = "add", read: str = "read") -> Checked:
    """As `pn_counter`; besides, no read ever shows more than was added before it ended, or less than nothing."""
    adds = list(history.of(add, OpKind.OK, OpKind.INFO))
    for call in adds:
        if _number(call, call.value) < 0:
            return wrong(f"{call}: a counter that only grows", call)
    for one in history.of(read, OpKind.OK):
        assert one.end is not None
        most = sum(_number(call, call.value) for call in adds if call.start < one.end)
        if not 0 <= _number(one, one.result) <= most:
            return wrong(f"{one}: {most} at most was added by then", one)
    return pn_counter(history, add=add, read=read)
