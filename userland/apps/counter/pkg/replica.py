"""One replica of the counter: keeps what it is told, then answers, and tells the others until they have it too."""

from collections.abc import Iterable

from userland.process_lib import Address, Request, SendError, set_state, sleep, start_soon

from .tally import Tally, Totals
from .wire import KEPT, News

ANSWER_SECONDS = 5
WAITS = (1, 2, 4, 8, 16, 30)
"""Seconds before the next try, after so many in vain."""


class Replica:
    """`tally` is what is on the disk. Nothing else is ever answered or told: a total that was told and then lost with
    the power would be counted on from below, and what was added meanwhile would not show.
    """

    def __init__(self, our: Address, tally: Tally) -> None:
        self.tally = tally
        self._our = our
        self._known: dict[str, Totals | None] = dict.fromkeys(tally.others)
        """What each other node has acknowledged; None for one that has heard nothing from this start of ours."""
        self._heard: dict[str, str] = {}
        """The replica that each other node was when it last told us something."""
        self._telling: dict[str, None] = {}

    async def keep(self, tally: Tally) -> None:
        """Raises `StateError`, `SendError`; then it may be kept or not, and counts as not."""
        if tally != self.tally:
            await set_state(tally.to_bytes())
            self.tally = tally
            self._known = {other: self._known.get(other) for other in tally.others}

    async def add(self, amount: int) -> None:
        """Raises as `keep`, and `Full`."""
        await self.keep(self.tally.added(amount))
        self.tell_all()

    async def share(self, nodes: Iterable[str]) -> None:
        """With these nodes from now on, and no others. Raises as `keep`."""
        others = dict.fromkeys(node for node in nodes if node != self._our.node)
        await self.keep(self.tally.shared(others))
        self.tell_all()

    async def hear(self, node: str, news: News) -> None:
        """Raises as `keep`, and `Full`."""
        await self.keep(self.tally.merged(news.totals))
        known = self._known.get(node)
        if self._heard.get(node) != news.replica:
            # It is new, or has lost what it had.
            self._heard[node] = news.replica
            self._known[node] = None
        elif known is not None:
            self._known[node] = known | news.totals
        self.tell_all()

    # -- to the others

    def tell_all(self) -> None:
        for other in self.tally.others:
            if other not in self._telling:
                self._telling[other] = None
                start_soon(self._tell, other)

    async def _tell(self, other: str) -> None:
        """Until it has all, or is none of ours any more."""
        in_vain = 0
        try:
            while (news := self._news_for(other)) is not None:
                if await self._is_told(other, news):
                    self._known[other] = (self._known.get(other) or {}) | news
                    in_vain = 0
                else:
                    await sleep(WAITS[min(in_vain, len(WAITS) - 1)])
                    in_vain += 1
        finally:
            del self._telling[other]

    def _news_for(self, other: str) -> Totals | None:
        if other not in self.tally.others:
            return None
        known = self._known[other]
        return self.tally.totals if known is None else self.tally.since(known) or None

    async def _is_told(self, other: str, news: Totals) -> bool:
        request = Request().target((other, self._our.process)).ipc(News(self.tally.replica, news).to_bytes())
        try:
            answer = await request.send_and_await_response(ANSWER_SECONDS)
        except SendError:
            return False
        return answer.ipc == KEPT
