"""A router at work: it hears who wants whom, has the target come, and passes bytes on that it cannot read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs
import trio

from sys_processes.devices import Channel
from sys_processes.net.core import Core
from sys_processes.net.effects import STRANGERS, Effect, Report
from sys_processes.net.passages import Asker, NoPassage
from sys_processes.net.prefaces import (
    NONCE_BYTES,
    Arrival,
    BadPreface,
    Evidence,
    Here,
    Nonce,
    NotHere,
    Wanted,
    encode_preface,
)
from sys_processes.net.ways import hear_preface

PREFACE_SECONDS = 5.0
"""For somebody to say who he is and whom he wants, and to prove it."""
ARRIVAL_SECONDS = 5.0
"""For the target to come."""
QUIET_SECONDS = 120.0
"""Without a byte either way: both ends of a link say something every 30 s, so at least one of them is gone."""
LOOK_SECONDS = 0.1
"""Between two looks for a target that has just lost its link."""
MOST_PREFACES = 64
"""At a time."""


@attrs.define(eq=False)
class _Waiting:
    """Somebody at the door whose target was told to come."""

    arrived: trio.Event = attrs.Factory(trio.Event)
    target: Channel | None = None


class Router:
    """Each connection is served by a task of its own, which owns it."""

    def __init__(
        self, core: Core, perform: Callable[[list[Effect]], None], secret: Callable[[str, int], bytes]
    ) -> None:
        self._core = core
        self._perform = perform
        self._secret = secret
        self._prefaces = 0
        self._waiting: dict[bytes, _Waiting] = {}
        self._passing: dict[Asker, trio.CancelScope] = {}

    async def serve(self, channel: Channel) -> None:
        """To the end of the connection."""
        if self._prefaces >= MOST_PREFACES:
            await channel.abort()
            return
        try:
            await self._serve(channel)
        except (BadPreface, trio.BrokenResourceError, trio.ClosedResourceError):
            await channel.abort()
        except BaseException:
            with trio.CancelScope(shield=True):
                await channel.abort()
            raise

    async def _serve(self, channel: Channel) -> None:
        said: Arrival | Wanted | None = None
        signature = nonce = b""
        self._prefaces += 1
        try:
            with trio.move_on_after(PREFACE_SECONDS):
                first = await hear_preface(channel)
                if isinstance(first, Wanted):
                    nonce = self._secret("route nonce", NONCE_BYTES)
                    await channel.send(encode_preface(Nonce(nonce)))
                    signature = await _evidence(channel)
                    said = first
                elif isinstance(first, Arrival):
                    said = first
        finally:
            self._prefaces -= 1
        match said:
            case None:
                await channel.abort()
            case Arrival(token):
                await self._arrive(channel, token)
            case Wanted(source, target):
                asker = self._core.passages.prove(source, target, nonce, signature)
                if isinstance(asker, NoPassage):
                    await self._refuse(channel, source, target, asker)
                    return
                granted = await self._ask(asker)
                if isinstance(granted, NoPassage):
                    await self._refuse(channel, source, target, granted)
                else:
                    await self._pass_on_alone(channel, asker, granted)

    async def _arrive(self, channel: Channel, token: bytes) -> None:
        """A target has come. Whoever waits for it owns the channel from now on."""
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            await channel.abort()
            return
        waiting.target = channel
        waiting.arrived.set()

    async def _ask(self, asker: Asker) -> bytes | NoPassage:
        """The token with which the target comes. When a network stumbles, asker and target lose their links together,
        and the target may be back a moment later.
        """
        while True:
            granted, effects = self._core.pass_on(asker, trio.current_time())
            self._perform(effects)
            if not (isinstance(granted, NoPassage) and granted.may_return):
                return granted
            await trio.sleep(LOOK_SECONDS)

    async def _refuse(self, channel: Channel, source: str, target: str, no: NoPassage) -> None:
        self._perform([Report(STRANGERS, 2, f"let {source!r:.80} not through to {target!r:.80}: {no.why}")])
        await _decline(channel, no.why)

    async def _pass_on_alone(self, channel: Channel, asker: Asker, token: bytes) -> None:
        """Whoever asks again has lost what he had, even if nobody has noticed yet."""
        former = self._passing.get(asker)
        if former is not None:
            former.cancel()
        scope = self._passing[asker] = trio.CancelScope()
        try:
            with scope:
                await self._pass_on(channel, asker.target, token)
        finally:
            self._core.passages.over(asker)
            if self._passing.get(asker) is scope:
                del self._passing[asker]
        await channel.abort()

    async def _pass_on(self, channel: Channel, target: str, token: bytes) -> None:
        waiting = self._waiting[token] = _Waiting()
        try:
            with trio.move_on_after(ARRIVAL_SECONDS):
                await waiting.arrived.wait()
            if waiting.target is None:
                await _decline(channel, f"{target} did not come within {ARRIVAL_SECONDS:g} s")
                return
            await channel.send(encode_preface(Here()))
            await splice(channel, waiting.target)
        finally:
            self._waiting.pop(token, None)
            if waiting.target is not None:
                with trio.CancelScope(shield=True):
                    await waiting.target.abort()


async def _evidence(channel: Channel) -> bytes:
    """Raises `BadPreface`, `trio.BrokenResourceError`."""
    said = await hear_preface(channel)
    if isinstance(said, Evidence):
        return said.signature
    raise BadPreface(f"{type(said).__name__} in the place of Evidence")


async def _decline(channel: Channel, why: str) -> None:
    with trio.move_on_after(PREFACE_SECONDS):
        await channel.send(encode_preface(NotHere(why)))
        await channel.aclose()
    await channel.abort()


async def splice(one: Channel, other: Channel) -> None:
    """Pass bytes on in both directions, as fast as they are taken, until either side ends: then both are closed. If
    one was cut, so is the other.
    """
    ended = False
    async with trio.open_nursery() as nursery:
        both = nursery.cancel_scope

        async def pump(source: Channel, sink: Channel) -> None:
            nonlocal ended
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await source.receive():
                    await sink.send(data)
                    both.deadline = trio.current_time() + QUIET_SECONDS
                ended = True
            both.cancel()

        both.deadline = trio.current_time() + QUIET_SECONDS
        nursery.start_soon(pump, one, other)
        nursery.start_soon(pump, other, one)
    async with trio.open_nursery() as nursery:
        for channel in (one, other):
            nursery.start_soon(channel.aclose if ended else channel.abort)
