"""Hypothesis strategies for what a world is made of: nodes, the links between them, and what goes wrong.

Each shrinks to the harmless: one node, links that lose nothing and take no time, no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from math import inf

import attrs
from hypothesis import strategies as st

from runtime.sim.faults import Faults
from runtime.sim.nemeses import KINDS
from runtime.sim.sim_node import App, SimNode
from runtime.sim.storm import Nemesis
from runtime.sim.wires import Exponential, Fixed, Latency, LinkSettings, Uniform
from runtime.sim.world import World

NAMES = ("alice.nec", "bob.nec", "carol.nec", "dave.nec", "erin.nec", "frank.nec", "grace.nec", "heidi.nec")

Kind = Callable[..., Nemesis]


def node_names(least: int = 1, most: int = 5) -> st.SearchStrategy[tuple[str, ...]]:
    """As many different names, always the same ones first."""
    if not 0 <= least <= most <= len(NAMES):
        raise ValueError(f"a world of {least} to {most} nodes: there are {len(NAMES)} names")
    return st.integers(least, most).map(lambda count: NAMES[:count])


# -- links


def _seconds(most: float) -> st.SearchStrategy[float]:
    """In thousandths, which read better than any float."""
    return st.integers(0, round(most * 1000)).map(lambda thousandths: thousandths / 1000)


def latencies(most: float = 1.0) -> st.SearchStrategy[Latency]:
    """Of up to so many seconds, an exponential one of that mean at most."""
    # The same draws for each kind, so that one can shrink to another.
    return st.tuples(st.integers(0, 2), _seconds(most), _seconds(most)).map(_latency)


def _latency(drawn: tuple[int, float, float]) -> Latency:
    kind, one, other = drawn
    match kind:
        case 0:
            return Fixed(one)
        case 1:
            return Uniform(min(one, other), max(one, other))
        case _:
            return Exponential(one)


def link_settings(most_latency: float = 1.0, most_loss: float = 0.1) -> st.SearchStrategy[LinkSettings]:
    """Of one direction of a link."""

    def probabilities(most: float) -> st.SearchStrategy[float]:
        return st.integers(0, 10).map(lambda tenths: most * tenths / 10)

    return st.builds(
        LinkSettings,
        latency=latencies(most_latency),
        loss=probabilities(most_loss),
        dup=probabilities(0.2),
        reorder=probabilities(0.2),
        bandwidth=st.sampled_from((None, 1_000_000.0, 20_000.0)),
        pieces=st.booleans(),
    )


@attrs.frozen
class Topology:
    """Nodes, and of some directions between two of them what the link is like; the others are as in any world."""

    names: tuple[str, ...]
    links: dict[tuple[str, str], LinkSettings] = attrs.Factory(dict)

    async def boot(self, world: World, apps: Sequence[App] = ()) -> list[SimNode]:
        """All nodes, with the same apps, in the order of their names."""
        for (source, target), settings in self.links.items():
            world.net.link(source, target, both=False).settings(settings)
        return [await world.node(name, apps) for name in self.names]


def topologies(
    least: int = 1, most: int = 5, *, links: st.SearchStrategy[LinkSettings] | None = None
) -> st.SearchStrategy[Topology]:
    """Of so many nodes. `links`: what a link may be like, by default `link_settings()`."""
    settings = link_settings() if links is None else links

    def of(names: tuple[str, ...]) -> st.SearchStrategy[Topology]:
        pairs = list(permutations(names, 2))
        if not pairs:
            return st.just(Topology(names))
        drawn = st.dictionaries(st.sampled_from(pairs), settings, max_size=len(pairs))
        return drawn.map(
            lambda found: Topology(names, {pair: found[pair] for pair in pairs if pair in found})
        )

    return node_names(least, most).flatmap(of)


# -- faults


def nemeses(kinds: Sequence[Kind] = KINDS) -> st.SearchStrategy[Nemesis]:
    """One, that strikes every second up to every half minute, and lasts up to a quarter of one."""

    def of(kind: Kind) -> st.SearchStrategy[Nemesis]:
        lasts = st.tuples(st.integers(0, 5), st.integers(0, 10)).map(
            lambda s: (float(s[0]), float(s[0] + s[1]))
        )
        return st.builds(kind, every=st.integers(1, 30).map(float), lasts=lasts)

    return st.sampled_from(kinds).flatmap(of)


def fault_plans(
    kinds: Sequence[Kind] = KINDS, *, most: int = 4, seconds: float = 60.0
) -> st.SearchStrategy[Faults]:
    """Up to so many kinds of faults, each once, for up to so many seconds; `inf` for as long as the test."""
    found = st.lists(nemeses(kinds), max_size=most, unique_by=lambda nemesis: nemesis.kind)
    span = st.just(inf) if seconds == inf else st.integers(1, max(1, round(seconds))).map(float)
    return st.tuples(found, span).map(
        lambda plan: Faults.of(*plan[0], seconds=plan[1]) if plan[0] else Faults.none()
    )
