"""What may go wrong in a run: a plain description, of which nothing happens by itself (`runtime.sim.storm` brings it).

First the phase in which anything may go wrong and nothing wrong may happen; then everything is healed, and gets on.
"""

from __future__ import annotations

from math import inf
from typing import Self

import attrs

from runtime.sim.choices import Choices
from runtime.sim.nemeses import every_kind
from runtime.sim.storm import Nemesis


@attrs.frozen
class Faults:
    """What may go wrong in a run, for so many `seconds`; then everything is healed. Of a `swarm` each run draws which
    kinds are live in it, and how strong: a little of everything finds less than much of something.
    """

    nemeses: tuple[Nemesis, ...] = ()
    seconds: float = inf
    is_swarm: bool = False

    @classmethod
    def none(cls) -> Self:
        return cls()

    @classmethod
    def of(cls, *nemeses: Nemesis, seconds: float = inf) -> Self:
        """All of these, in every run."""
        return cls(nemeses, seconds)

    @classmethod
    def swarm(cls, *nemeses: Nemesis, seconds: float = 60.0) -> Self:
        """Some of these; of every kind there is, if none are named."""
        return cls(nemeses or every_kind(), seconds, is_swarm=True)

    @classmethod
    def given(cls, faults: object) -> Faults:
        """What a test was decorated with, `swarm` where nothing was said. Raises `TypeError`."""
        if faults is None:
            return cls.swarm()
        if not isinstance(faults, Faults):
            raise TypeError(
                f"faults={faults!r:.60} says not what may go wrong: write faults=Faults.none(), Faults.swarm(), or "
                "such as Faults.of(Loss(), Crash()), with the kinds of runtime.sim.nemeses"
            )
        return faults

    def drawn(self, choices: Choices) -> tuple[Nemesis, ...]:
        """Those of one run."""
        if not self.is_swarm:
            return self.nemeses
        live = [nemesis for nemesis in self.nemeses if choices.choose(f"swarm {nemesis.kind}", 2)]
        return tuple(
            nemesis.stronger(choices.choose(f"swarm {nemesis.kind} strength", 3)) for nemesis in live
        )
