"""PROTOCOL 4.7 and C-077 as a formula."""

from __future__ import annotations

CAP = 600.0


def waits(uptimes: list[float]) -> list[float]:
    """How long each restart waits after runs of these lengths, in seconds.

    Base 1 s, doubling per unhealthy exit, at most 600 s, the first at once; an uptime of at least five times the
    current back-off (at least 5 s, at most 3,000 s) resets it.
    """
    found: list[float] = []
    unhealthy = 0  # in a row, since the last reset
    for number, uptime in enumerate(uptimes):
        current = 0.0 if unhealthy == 0 else min(CAP, 2.0 ** (unhealthy - 1))
        if number == 0 or uptime >= min(3000.0, max(5.0, 5.0 * current)):
            unhealthy = 0
            found.append(0.0)
        else:
            unhealthy += 1
            found.append(min(CAP, 2.0 ** (unhealthy - 1)))
    return found
