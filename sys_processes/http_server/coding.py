"""What travels on a channel whose frames are not simply what its process pushes (PROTOCOL 6.15). Without IO."""

from __future__ import annotations

from typing import ClassVar, Protocol

import attrs

from sys_processes.http_server.encryption import OVERHEAD, Cipher, NotDecrypted
from sys_processes.http_server.protocol import WsMessageType


@attrs.frozen
class Frame:
    """A message for the client. Text is valid UTF-8."""

    kind: WsMessageType
    data: bytes
    overhead: ClassVar[int] = 0
    """Bytes of `data` that are not the process's, and do not count."""


@attrs.frozen
class SealedFrame(Frame):
    """As `Cipher.seal` makes it."""

    overhead: ClassVar[int] = OVERHEAD


class Unreadable(ValueError):
    """A message that the client may not send on this channel; the text is for the log."""


class Coding(Protocol):
    """How the messages of one channel look on its socket. Control frames are not concerned."""

    def outgoing(self, data: bytes) -> Frame:
        """What is sent for a text or a binary push."""

    def incoming(self, message: bytes | str) -> tuple[WsMessageType, bytes]:
        """What the process is told. Raises `Unreadable`, which ends the channel."""


class Sealed:
    """Both ways under one secret, in binary frames."""

    __slots__ = ("_cipher",)

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def outgoing(self, data: bytes) -> Frame:
        return SealedFrame(WsMessageType.Binary, self._cipher.seal(data))

    def incoming(self, message: bytes | str) -> tuple[WsMessageType, bytes]:
        if isinstance(message, str):
            raise Unreadable("a text frame on an encrypted channel")
        try:
            return WsMessageType.Binary, self._cipher.open(message)
        except NotDecrypted as problem:
            raise Unreadable(str(problem)) from None
