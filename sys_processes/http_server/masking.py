"""Client frames unmasked faster than wsproto does it.

wsproto looks its masker up by name for each frame; `install` puts ours there: a function written in C, where there is
a build of it for the machine. In Python short payloads are one exclusive-or of two integers; from about a kibibyte on,
four strided table look-ups win, because converting long integers costs more.
"""

from __future__ import annotations

from collections.abc import Callable

import wsproto.frame_protocol

LONG_BYTES = 1024

_XOR_TABLES = [bytes(byte ^ key for byte in range(256)) for key in range(256)]
_MASKER = "XorMaskerSimple"


def unmask_in_python(data: bytes | bytearray | memoryview, key: bytes | bytearray) -> bytes:
    """The bytes exclusive-or the four key bytes, repeated. Its own inverse."""
    size = len(data)
    if size < LONG_BYTES:
        mask = bytes(key) * (size // 4 + 1)
        return (int.from_bytes(data, "little") ^ int.from_bytes(mask[:size], "little")).to_bytes(
            size, "little"
        )
    unmasked = bytearray(data)
    for offset in range(4):
        unmasked[offset::4] = unmasked[offset::4].translate(_XOR_TABLES[key[offset]])
    return bytes(unmasked)


unmask: Callable[[bytes | bytearray | memoryview, bytes | bytearray], bytes]
try:
    from websockets.speedups import apply_mask
except ImportError:
    unmask = unmask_in_python
else:
    unmask = apply_mask


class FastMasker:
    """In place of wsproto's `XorMaskerSimple`: the payload of one frame, in pieces of any size."""

    def __init__(self, masking_key: bytes | bytearray) -> None:
        self._key = bytes(masking_key)

    def process(self, data: bytes | bytearray) -> bytearray:
        rotation = len(data) & 3
        unmasked = bytearray(unmask(data, self._key))
        if rotation:
            self._key = self._key[rotation:] + self._key[:rotation]
        return unmasked


def install() -> None:
    """Make wsproto use `FastMasker`, for the whole interpreter. Repeatable.

    Raises RuntimeError when a frame sent through wsproto does not meet it: wsproto has changed inside.
    """
    setattr(wsproto.frame_protocol, _MASKER, FastMasker)
    decoder = wsproto.frame_protocol.FrameDecoder(client=False)
    decoder.receive_bytes(b"\x82\x83\x01\x02\x03\x04" + bytes((0x61 ^ 1, 0x62 ^ 2, 0x63 ^ 3)))
    frame = None
    used = False
    if decoder.parse_header():
        used = isinstance(decoder.masker, FastMasker)
        frame = decoder.process_buffer()
    if not used or frame is None or frame.payload != b"abc":
        raise RuntimeError(
            f"wsproto {wsproto.__version__} no longer unmasks through frame_protocol.{_MASKER}; adapt masking.py to it"
        )
