"""The ways on which a node is dialled, its routers among them, and how a routed node comes to who waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import attrs
import trio

from sys_processes.devices import Channel, Link, LinkFailed, Links
from sys_processes.net.effects import Come, Dial
from sys_processes.net.identity import Sign
from sys_processes.net.prefaces import (
    Arrival,
    BadPreface,
    Evidence,
    Here,
    Nonce,
    NotHere,
    Preface,
    PrefaceReader,
    Wanted,
    encode_preface,
)
from sys_processes.net.protocol import IdentityRecord
from sys_processes.net.routing import RouteStatement

PATIENCE = 1.0
"""Seconds after which the next way is tried as well, while the ones before are still under way."""

Try = Callable[[], Awaitable[Link]]


async def hear_preface(channel: Channel) -> Preface:
    """The next thing said in the clear. Raises `BadPreface`, `trio.BrokenResourceError`."""
    reader = PrefaceReader()
    while data := await channel.receive():
        said = reader.feed(data)
        if said is not None:
            return said
    raise trio.BrokenResourceError("it ended before all was said")


@attrs.frozen
class Ways:
    """Of this node to others, over `links`."""

    node: str
    links: Links
    sign: Sign

    async def dial(self, wanted: Dial) -> Link:
        """By the first way that works. Raises `LinkFailed` with what went wrong on each."""
        record = wanted.record
        tries: list[Try] = [] if record.address is None else [partial(self.links.dial, record)]
        tries += [partial(self._dial_through, router, record) for router in wanted.routers]
        return await tries[0]() if len(tries) == 1 else await first_of(tries)

    async def come(self, wanted: Come) -> Link:
        """To who waits at a router; he takes it for a link that he dialled. Raises `LinkFailed`."""
        channel = await self.links.reach(wanted.router)
        try:
            await channel.send(encode_preface(Arrival(wanted.token)))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            await channel.abort()
            raise LinkFailed(f"{wanted.router.name}: {error}") from error
        except BaseException:
            await _abort(channel)
            raise
        return await self.links.secure(channel, server=True)

    async def _dial_through(self, router: IdentityRecord, target: IdentityRecord) -> Link:
        """A router could bring anybody: who is not the target is no way to it."""
        channel = await self.links.reach(router)
        try:
            await self._ask(channel, router, target)
        except (trio.BrokenResourceError, trio.ClosedResourceError, BadPreface) as error:
            await channel.abort()
            raise LinkFailed(f"{router.name} does not answer as a router does: {error}") from error
        except BaseException:
            await _abort(channel)
            raise
        try:
            link = await self.links.secure(channel, server=False)
        except LinkFailed as error:
            raise LinkFailed(f"through {router.name}: {error}") from error
        if link.proven_key != target.public_key:
            await link.aclose()
            raise LinkFailed(f"{router.name} brought somebody without the key of {target.name}")
        return link

    async def _ask(self, channel: Channel, router: IdentityRecord, target: IdentityRecord) -> None:
        """Until the target is there. Raises `LinkFailed`, and what `hear_preface` raises."""
        await channel.send(encode_preface(Wanted(self.node, target.name)))
        challenge = await hear_preface(channel)
        if not isinstance(challenge, Nonce):
            raise BadPreface(f"{type(challenge).__name__} in the place of Nonce")
        statement = RouteStatement(self.node, target.name, router.name, challenge.nonce)
        await channel.send(encode_preface(Evidence(self.sign(statement.signed_bytes()))))
        match await hear_preface(channel):
            case Here():
                return
            case NotHere(why):
                raise LinkFailed(f"{router.name} says: {why}")
            case other:
                raise BadPreface(f"{type(other).__name__} in the place of Here")


async def _abort(channel: Channel) -> None:
    """While being cancelled, too."""
    with trio.CancelScope(shield=True):
        await channel.abort()


async def first_of(tries: Sequence[Try]) -> Link:
    """Each is begun when the one before has failed, or was not done within `PATIENCE`. Raises `LinkFailed`."""
    problems: list[str] = []
    won: list[Link] = []

    async def run(begin: Try, failed: trio.Event, others: trio.CancelScope) -> None:
        try:
            link = await begin()
        except LinkFailed as error:
            problems.append(str(error))
            failed.set()
            return
        won.append(link)
        others.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for begin in tries:
                failed = trio.Event()
                nursery.start_soon(run, begin, failed, nursery.cancel_scope)
                with trio.move_on_after(PATIENCE):
                    await failed.wait()
    except BaseException:
        await _close(won)
        raise
    if not won:
        raise LinkFailed("; ".join(problems))
    await _close(won[1:])
    return won[0]


async def _close(links: Sequence[Link]) -> None:
    """Those that came too late, or for nothing."""
    with trio.CancelScope(shield=True):
        for link in links:
            await link.aclose()
