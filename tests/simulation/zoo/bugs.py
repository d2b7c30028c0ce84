"""All bugs of the zoo."""

from __future__ import annotations

from tests.simulation.zoo.chat import chat
from tests.simulation.zoo.fetch import fetch
from tests.simulation.zoo.fetch_bugs import HTTP_CLIENT
from tests.simulation.zoo.keep import keep
from tests.simulation.zoo.kernel_bugs import KERNEL, STATE, TIMER
from tests.simulation.zoo.kin import kin
from tests.simulation.zoo.lives import lives
from tests.simulation.zoo.net_bugs import NET
from tests.simulation.zoo.plant import Bug, Workload
from tests.simulation.zoo.rights import rights
from tests.simulation.zoo.store_bugs import KV, SQLITE, VFS
from tests.simulation.zoo.stored import stored
from tests.simulation.zoo.talk import talk
from tests.simulation.zoo.tally import tally
from tests.simulation.zoo.web import web
from tests.simulation.zoo.web_bugs import APP, HTTP

WORKLOADS: tuple[Workload, ...] = (talk, lives, kin, keep, stored, fetch, web, rights, tally, chat)
BUGS: tuple[Bug, ...] = tuple(
    bug for part in (KERNEL, TIMER, STATE, KV, SQLITE, VFS, HTTP_CLIENT, NET, HTTP, APP) for bug in part.bugs
)
