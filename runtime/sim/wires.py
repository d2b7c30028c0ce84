"""How packets fare from one simulated node to another: time, loss, copies, order, and what can be done to one packet.

Everything is drawn through `Choices`, where 0 is harmless; nothing is asked where nothing can vary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, log
from typing import Protocol

import attrs

from runtime.sim.choices import Choices
from runtime.sim.packets import Packet

STEPS = 1001


class Latency(Protocol):
    """How long a packet travels, in seconds."""

    def draw(self, choices: Choices, label: str) -> float: ...


@attrs.frozen
class Fixed:
    seconds: float = 0.0

    def draw(self, choices: Choices, label: str) -> float:
        del choices, label
        return self.seconds


@attrs.frozen
class Uniform:
    least: float
    most: float

    def draw(self, choices: Choices, label: str) -> float:
        return self.least if self.least == self.most else choices.among(label, self.least, self.most)


@attrs.frozen
class Exponential:
    """`least`, and on top of it `mean` on average: mostly little, now and then seven times as much."""

    mean: float
    least: float = 0.0

    def draw(self, choices: Choices, label: str) -> float:
        if self.mean <= 0.0:
            return self.least
        return self.least - self.mean * log(1.0 - choices.choose(label, STEPS) / STEPS)


NO_TIME = Fixed()


@attrs.frozen
class LinkSettings:
    """Of one direction. `loss`, `dup` and `reorder` are probabilities of each packet; one that is overtaken comes up to
    `late` seconds after its time. `bandwidth` is bytes a second, None for no limit. With `pieces`, bytes are read in
    pieces of any size.
    """

    latency: Latency = NO_TIME
    loss: float = 0.0
    dup: float = 0.0
    reorder: float = 0.0
    late: float = 0.05
    bandwidth: float | None = None
    pieces: bool = False


FAIR = LinkSettings()


class Wire:
    """From one node to another. What faults add is apart from its `settings`, and ends with them."""

    def __init__(self, source: str, target: str, settings: LinkSettings) -> None:
        self.source = source
        self.target = target
        self.partitions = 0
        """How many are open that part the two. While there are any, what is sent is lost."""
        self.holds = 0
        self.is_fair = True
        """A packet arrives as it is sent, and nothing is to be drawn."""
        self.loss = self.dup = self.reorder = self.late = 0.0
        self.pieces = False
        self._settings = settings
        self._worse: list[LinkSettings] = []
        self._latencies: list[Latency] = []
        self._free_at = 0.0
        pair = f"{source} {target}"
        self.label_loss = f"loss {pair}"
        self.label_dup = f"dup {pair}"
        self.label_reorder = f"reorder {pair}"
        self.label_late = f"late {pair}"
        self.label_latency = f"latency {pair}"
        self.label_pieces = f"pieces {pair}"
        self.update()

    @property
    def settings(self) -> LinkSettings:
        return self._settings

    @settings.setter
    def settings(self, settings: LinkSettings) -> None:
        self._settings = settings
        self.update()

    @property
    def is_open(self) -> bool:
        """Whether anything gets through at present."""
        return not (self.partitions or self.holds)

    def worsen(self, settings: LinkSettings) -> None:
        """On top of what is there: times add up, of the rest the worse counts."""
        self._worse.append(settings)
        self.update()

    def ease(self, settings: LinkSettings) -> None:
        """Ends one `worsen` with these; no error when it has ended."""
        place = next((place for place, other in enumerate(self._worse) if other is settings), None)
        if place is not None:
            del self._worse[place]
        self.update()

    def update(self) -> None:
        layers = [self._settings, *self._worse]
        self._latencies = [layer.latency for layer in layers if layer.latency != NO_TIME]
        self.loss = max(layer.loss for layer in layers)
        self.dup = max(layer.dup for layer in layers)
        self.reorder = max(layer.reorder for layer in layers)
        self.late = max(layer.late for layer in layers if layer.reorder == self.reorder)
        self._rate = min(inf if layer.bandwidth is None else layer.bandwidth for layer in layers)
        self.pieces = any(layer.pieces for layer in layers)
        varies = self._latencies or self.loss or self.dup or self.reorder or self._rate < inf
        self.is_fair = self.is_open and not varies

    def latency(self, choices: Choices) -> float:
        return sum(latency.draw(choices, self.label_latency) for latency in self._latencies)

    def leave(self, now: float, size: int) -> float:
        """When a packet that is there at `now` has left: those before it, and its own bytes, take their time."""
        if self._rate == inf:
            return now
        self._free_at = max(now, self._free_at) + size / self._rate
        return self._free_at


@attrs.define(eq=False)
class Defaults:
    """What wires that come later begin with."""

    settings: LinkSettings = FAIR


class LinkControl:
    """Sets some directions at once; each call returns it, for the next one."""

    def __init__(self, wires: Sequence[Wire | Defaults]) -> None:
        self._wires = wires

    def latency(self, least: Latency | float, most: float | None = None) -> LinkControl:
        """A distribution; seconds; or evenly between two numbers of seconds."""
        if isinstance(least, int | float):
            least = Fixed(least) if most is None else Uniform(least, most)
        return self._set(lambda old: attrs.evolve(old, latency=least))

    def loss(self, probability: float) -> LinkControl:
        return self._set(lambda old: attrs.evolve(old, loss=_checked(probability)))

    def dup(self, probability: float) -> LinkControl:
        return self._set(lambda old: attrs.evolve(old, dup=_checked(probability)))

    def reorder(self, probability: float, late: float = 0.05) -> LinkControl:
        return self._set(lambda old: attrs.evolve(old, reorder=_checked(probability), late=late))

    def bandwidth(self, bytes_per_second: float | None) -> LinkControl:
        if bytes_per_second is not None and bytes_per_second <= 0:
            raise ValueError(
                f"a bandwidth is more than 0 bytes a second, got {bytes_per_second}; see partition()"
            )
        return self._set(lambda old: attrs.evolve(old, bandwidth=bytes_per_second))

    def pieces(self, drawn: bool = True) -> LinkControl:
        return self._set(lambda old: attrs.evolve(old, pieces=drawn))

    def settings(self, settings: LinkSettings) -> LinkControl:
        """All at once, in the place of what was set before."""
        return self._set(lambda _old: settings)

    def _set(self, change: Callable[[LinkSettings], LinkSettings]) -> LinkControl:
        for wire in self._wires:
            wire.settings = change(wire.settings)
        return self


def _checked(probability: float) -> float:
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability is between 0 and 1, got {probability}")
    return probability


# -- what a rule says of one packet


@attrs.frozen
class Pass:
    """Nothing: the next rule is asked, in the end the settings of the link."""


@attrs.frozen
class Deliver:
    """After exactly `delay` seconds, whatever the settings are."""

    delay: float = 0.0


@attrs.frozen
class Drop:
    pass


@attrs.frozen
class Dup:
    """Twice, each as the settings say."""


@attrs.frozen
class Cut:
    """The link of this packet, which is lost with all that is under way on it."""


Verdict = Pass | Deliver | Drop | Dup | Cut
Rule = Callable[[Packet], Verdict | None]
"""None is as good as `Pass`. It must not wait, nor draw but through the world's `Choices`."""
