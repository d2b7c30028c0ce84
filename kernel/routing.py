"""The routing decision for an outgoing Request (PROTOCOL 3.1), as a table."""

from __future__ import annotations

import enum

import attrs


class Rsvp(enum.Enum):
    NONE = "none"
    OURS = "our real address"
    INHERITED = "the prompting message's"


@attrs.frozen
class Decision:
    """`fresh`: draw an id, else take the prompting message's. `opens`: an answer is awaited under that id.
    `snapshot`: the prompting message comes back into force with the answer.
    """

    fresh: bool
    rsvp: Rsvp
    opens: bool
    snapshot: bool
    ours: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "ours", self.rsvp is Rsvp.OURS)


_PLAIN = Decision(fresh=True, rsvp=Rsvp.NONE, opens=False, snapshot=False)
_ASK = Decision(fresh=True, rsvp=Rsvp.OURS, opens=True, snapshot=True)
_RELAY = Decision(fresh=False, rsvp=Rsvp.INHERITED, opens=False, snapshot=False)
_ASK_UNPROMPTED = Decision(fresh=True, rsvp=Rsvp.OURS, opens=True, snapshot=False)

# Index: inherit * 4 + expects a response * 2 + prompting message present. The row numbers are PROTOCOL's.
DECISIONS = (
    _PLAIN,  # 1
    _PLAIN,  # 1
    _ASK,  # 2
    _ASK,  # 2
    _PLAIN,  # 3
    _RELAY,  # 4, 5
    _ASK_UNPROMPTED,  # 6
    _ASK,  # 7
)
