"""What the core wants done. The process does it, in order and in the same step."""

from __future__ import annotations

import attrs

from kernel.message import KernelMessage
from kernel.refusals import Refusal
from sys_processes.net.protocol import IdentityRecord


@attrs.frozen
class Dial:
    """Then call `opened` or `dial_failed` with that link."""

    link: int
    record: IdentityRecord
    routers: tuple[IdentityRecord, ...] = ()
    """Through which it can be reached, best first; after its own address, if it has one."""


@attrs.frozen
class Come:
    """Go to that router with the token, for somebody who wants a link with us: then read and write as that link. If
    there is no way, call `lost` with it.
    """

    link: int
    router: IdentityRecord
    token: bytes


@attrs.frozen
class Ready:
    """Call `output` until it gives nothing, and write what it gives."""

    link: int


@attrs.frozen
class CloseLink:
    """Once what `output` still gives is written, which must not take long; a dial under way is given up."""

    link: int


@attrs.frozen
class Deliver:
    """To a local process. A refusal goes to `not_taken`, whose effects come after all of the same list: what is
    acknowledged then was delivered, or refused, before.
    """

    peer: str
    seq: int
    envelope: KernelMessage


@attrs.frozen
class GiveBack:
    """To its sender, one of ours. `definite`: it certainly was not handled."""

    envelope: KernelMessage
    refusal: Refusal
    definite: bool


STRANGERS = "strangers"
"""All who have not proven who they are."""


@attrs.frozen
class Report:
    """A line about that node, or about `STRANGERS`."""

    about: str
    verbosity: int
    text: str


Effect = Dial | Come | Ready | CloseLink | Deliver | GiveBack | Report
