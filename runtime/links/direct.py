"""Links of a real node: it dials others at their address, and http_server brings those who come to `/net`."""

from __future__ import annotations

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kernel.ports import Chance
from runtime.links.channel import PlainChannel, first_byte
from runtime.links.dial import open_frames
from runtime.links.frame_stream import FrameStream
from runtime.links.link import DirectLink, begin
from runtime.links.tls import client_context, server_context
from sys_processes.devices import ByteStream, Channel, LinkFailed
from sys_processes.net.prefaces import MARK
from sys_processes.net.protocol import IdentityRecord

GREETING_SECONDS = 5.0
"""For one who comes to finish TLS, and for us to take the link."""
MOST_UNFINISHED = 64


class DirectLinks:
    """`sys_processes.devices.Links` and `sys_processes.devices.LinkDoor`. `key` is the node's."""

    def __init__(
        self, key: Ed25519PrivateKey, chance: Chance, *, most_unfinished: int = MOST_UNFINISHED
    ) -> None:
        self._server = server_context(key, chance.secret("link key file", 32))
        self._client = client_context()
        self._most_unfinished = most_unfinished
        self._unfinished = 0
        self.accepted = 0
        """How many links were taken since the start."""
        self._offer, self._offered = trio.open_memory_channel[DirectLink](0)
        self._plain_offer, self._plain_offered = trio.open_memory_channel[PlainChannel](0)

    # -- Links

    async def dial(self, record: IdentityRecord) -> DirectLink:
        if record.address is None:
            raise LinkFailed(f"{record.name} has no address")
        frames = await open_frames(record.address)
        try:
            return await begin(frames, self._client, server=False)
        except BaseException as error:
            await trio.aclose_forcefully(frames)
            if isinstance(error, trio.BrokenResourceError):
                raise LinkFailed(f"{record.address}: {error}") from error
            raise

    async def accept(self) -> DirectLink:
        link = await self._offered.receive()
        self.accepted += 1
        return link

    async def reach(self, record: IdentityRecord) -> PlainChannel:
        if record.address is None:
            raise LinkFailed(f"{record.name} has no address")
        return PlainChannel(await open_frames(record.address))

    async def accept_plain(self) -> PlainChannel:
        return await self._plain_offered.receive()

    async def secure(self, channel: Channel, *, server: bool) -> DirectLink:
        assert isinstance(channel, PlainChannel)
        try:
            return await begin(channel.frames, self._server if server else self._client, server=server)
        except BaseException as error:
            with trio.CancelScope(shield=True):
                await channel.abort()
            if isinstance(error, trio.BrokenResourceError):
                raise LinkFailed(str(error)) from error
            raise

    def close(self) -> None:
        """Nobody is accepted any more; links go on."""
        self._offered.close()
        self._plain_offered.close()

    # -- LinkDoor

    @property
    def is_full(self) -> bool:
        return self._unfinished >= self._most_unfinished

    async def serve(self, stream: ByteStream, early: bytes) -> None:
        if self.is_full:
            return
        link: DirectLink | PlainChannel | None = None
        self._unfinished += 1
        try:
            with trio.move_on_after(GREETING_SECONDS):
                link = await self._greet(stream, early)
        finally:
            self._unfinished -= 1
        if link is not None:
            try:
                await link.ended.wait()
            finally:
                await link.aclose()

    async def _greet(self, stream: ByteStream, early: bytes) -> DirectLink | PlainChannel | None:
        """What came, once it is taken; None when it is nothing, or nobody takes anything any more."""
        try:
            first, early = await first_byte(stream, early)
            frames = FrameStream(stream, early, client=False)
            if first == MARK[0]:
                channel = PlainChannel(frames)
                await self._plain_offer.send(channel)
                return channel
            link = await begin(frames, self._server, server=True)
            await self._offer.send(link)
        except trio.BrokenResourceError:
            return None
        return link
