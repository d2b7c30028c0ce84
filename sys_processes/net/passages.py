"""Whom a router lets through (PROTOCOL 9.3, 9.4): the decision, and no byte of what passes."""

from __future__ import annotations

import attrs

from sys_processes.net.frames import Relay, encode
from sys_processes.net.identity import is_signed
from sys_processes.net.prefaces import TOKEN_BYTES
from sys_processes.net.routing import RouteStatement
from sys_processes.net.table import Table


@attrs.frozen
class NoPassage:
    """The dialler is told why."""

    why: str


class Passages:
    """Each one counts from when it was granted to `over`. A node has one at most to each target: a new one takes the
    place of what is left of the one before, which may be of a connection that is no more.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._under_way: dict[tuple[str, str], int] = {}

    def grant(self, source: str, target: str, nonce: bytes, signature: bytes) -> bytes | NoPassage:
        """The token with which the target will come, once it was told. Nobody learns who is known here, and who is
        connected, before he has proven who he is.
        """
        granted = self._grant(source, target, nonce, signature)
        if isinstance(granted, NoPassage):
            self._table.report(2, f"let {source!r:.80} not through to {target!r:.80}: {granted.why}")
        return granted

    def _grant(self, source: str, target: str, nonce: bytes, signature: bytes) -> bytes | NoPassage:
        table, routing = self._table, self._table.routing
        statement = RouteStatement(source, target, routing.node, nonce)
        known = table.around.find(source)
        if known is None or not is_signed(known.public_key, statement.signed_bytes(), signature):
            return NoPassage(f"{routing.node} does not know {source!r:.80} by the key that signed")
        record = table.around.find(target)
        if not routing.passages:
            return NoPassage(f"{routing.node} relays for nobody")
        if record is None or not routing.serves(record):
            return NoPassage(f"{target!r:.80} is not reached through {routing.node}")
        peer = table.peers.get(target)
        if peer is None or peer.link is None or not peer.is_up:
            return NoPassage(f"{target} is not connected to {routing.node}")
        pair = (source, target)
        if len(self._under_way) >= routing.passages and pair not in self._under_way:
            return NoPassage(f"{routing.node} has no room: {routing.passages} at a time go through it")
        self._under_way[pair] = self._under_way.get(pair, 0) + 1
        token = table.around.secret("relay token", TOKEN_BYTES)
        table.say(peer.link, encode(Relay(token)))
        return token

    def over(self, source: str, target: str) -> None:
        """To be said of each that was granted, once."""
        pair = (source, target)
        self._under_way[pair] -= 1
        if not self._under_way[pair]:
            del self._under_way[pair]
