"""Whom a router lets through (PROTOCOL 9.3, 9.4): the decision, and no byte of what passes."""

from __future__ import annotations

import attrs

from sys_processes.net.frames import Relay, encode
from sys_processes.net.identity import is_signed
from sys_processes.net.prefaces import TOKEN_BYTES
from sys_processes.net.routing import RouteStatement
from sys_processes.net.table import Table

RETURN_SECONDS = 3.0
"""In which a target that has just lost its link with us is expected back."""


@attrs.frozen
class NoPassage:
    """The dialler is told why. `may_return`: it is worth to ask again in a moment."""

    why: str
    may_return: bool = False


@attrs.frozen
class Asker:
    """`source` has proven that he wants a way to `target`."""

    source: str
    target: str


class Passages:
    """Each one counts from when it was granted to `over`. A node has one at most to each target: a new one takes the
    place of what is left of the one before, which may be of a connection that is no more.
    """

    def __init__(self, table: Table, key: bytes) -> None:
        """`key` is the router's own."""
        self._table = table
        self._key = key
        self._under_way: dict[Asker, int] = {}

    def prove(self, source: str, target: str, nonce: bytes, signature: bytes) -> Asker | NoPassage:
        """Nobody learns who is known here, and who is connected, before he has proven who he is."""
        table, routing = self._table, self._table.routing
        statement = RouteStatement(source, target, routing.node, nonce)
        known = table.around.find(source)
        # One check for each, so that an unknown name takes as long as a known one.
        key = self._key if known is None else known.public_key
        if not is_signed(key, statement.signed_bytes(), signature) or known is None:
            return NoPassage(f"{routing.node} does not know {source!r:.80} by the key that signed")
        return Asker(source, target)

    def grant(self, asker: Asker, now: float) -> bytes | NoPassage:
        """The token with which the target will come, once it was told."""
        table, routing, target = self._table, self._table.routing, asker.target
        record = table.around.find(target)
        if not routing.passages:
            return NoPassage(f"{routing.node} relays for nobody")
        if record is None or not routing.serves(record):
            return NoPassage(f"{target!r:.80} is not reached through {routing.node}")
        peer = table.peers.get(target)
        if peer is None or peer.link is None or not peer.is_up:
            returns = peer is not None and now - peer.lost_at < RETURN_SECONDS
            return NoPassage(f"{target} is not connected to {routing.node}", may_return=returns)
        if len(self._under_way) >= routing.passages and asker not in self._under_way:
            return NoPassage(f"{routing.node} has no room: {routing.passages} at a time go through it")
        self._under_way[asker] = self._under_way.get(asker, 0) + 1
        token = table.around.secret("relay token", TOKEN_BYTES)
        table.say(peer.link, encode(Relay(token)))
        return token

    def over(self, asker: Asker) -> None:
        """To be said of each that was granted, once."""
        self._under_way[asker] -= 1
        if not self._under_way[asker]:
            del self._under_way[asker]
