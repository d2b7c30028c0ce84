"""Unmasking equals wsproto's own, whatever the pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import wsproto.frame_protocol
from hypothesis import given
from hypothesis import strategies as st

from sys_processes.http_server import masking

KEYS = st.binary(min_size=4, max_size=4)


def plain(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


BOTH = pytest.mark.parametrize("unmask", [masking.unmask, masking.unmask_in_python])


@BOTH
@given(data=st.binary(max_size=3000), key=KEYS)
def test_unmasking_is_the_exclusive_or_with_the_repeated_key(
    unmask: Callable[[bytes, bytes], bytes], data: bytes, key: bytes
) -> None:
    assert unmask(data, key) == plain(data, key)


@BOTH
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_unmasked(
    unmask: Callable[[object, bytes], bytes], kind: Callable[[bytes], object]
) -> None:
    assert unmask(kind(b"abcde"), b"\x01\x00\x01\x00") == b"`bbdd"


@BOTH
@pytest.mark.parametrize("size", [masking.LONG_BYTES - 1, masking.LONG_BYTES, masking.LONG_BYTES + 3, 65536])
def test_short_and_long_payloads_agree_at_the_seam(
    unmask: Callable[[bytes, bytes], bytes], size: int
) -> None:
    data = bytes(index * 7 % 256 for index in range(size))
    assert unmask(data, b"\x01\x80\xff\x3c") == plain(data, b"\x01\x80\xff\x3c")


@given(pieces=st.lists(st.one_of(st.binary(max_size=9), st.binary(min_size=1024, max_size=1100))), key=KEYS)
def test_a_payload_in_pieces_is_unmasked_as_wsproto_does(pieces: list[bytes], key: bytes) -> None:
    ours = masking.FastMasker(key)
    whole = b"".join(bytes(ours.process(bytearray(piece))) for piece in pieces)
    assert whole == plain(b"".join(pieces), key)


def test_wsproto_unmasks_with_ours() -> None:
    masking.install()
    decoder = wsproto.frame_protocol.FrameDecoder(client=False)
    decoder.receive_bytes(b"\x82\x81\x00\x00\x00\x00a")
    assert decoder.parse_header()
    assert isinstance(decoder.masker, masking.FastMasker)


def test_a_wsproto_that_changed_inside_is_refused_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherDecoder(wsproto.frame_protocol.FrameDecoder):
        def parse_header(self) -> bool:
            parsed = super().parse_header()
            self.masker = wsproto.frame_protocol.XorMaskerNull()
            return parsed

    monkeypatch.setattr(wsproto.frame_protocol, "FrameDecoder", OtherDecoder)
    with pytest.raises(RuntimeError, match=r"adapt masking\.py"):
        masking.install()
