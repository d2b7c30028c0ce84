"""Channels whose frames are sealed: what is queued, what counts, what is unreadable."""

from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import Payload
from sys_processes.http_server.channels import (
    CLOSED_BY_PROCESS,
    QUEUE_BYTES,
    QUEUE_FRAMES,
    TOO_SLOW,
    Channel,
    Channels,
)
from sys_processes.http_server.coding import Frame, Sealed, Unreadable
from sys_processes.http_server.encryption import OVERHEAD, Cipher
from sys_processes.http_server.protocol import CHANNEL_CLOSED, HttpServerError, WebSocketPush, WsMessageType
from sys_processes.http_server.settings import HttpSettings
from tests.support.sealed_client import Secret

APP = Address("alice.uq", "p:k:u")
SECRET = Secret(bytes(range(32)))
TEXT, BINARY, PING = WsMessageType.Text, WsMessageType.Binary, WsMessageType.Ping
ANSWER = b'{"channel_id":1}'


def sealed() -> Sealed:
    return Sealed(Cipher(SECRET.key, lambda: bytes(12)))


def opened() -> tuple[Channels, Channel]:
    keys = iter((7, 11, 13, 17))
    table = Channels("alice.uq", HttpSettings(), lambda _: next(keys), lambda owner, channel_id: None)
    seat = table.admit()
    assert seat is not None
    channel = table.open(seat, APP.process, "/", lambda: None, announce=False)
    assert isinstance(channel, Channel)
    return table, channel


def push(
    table: Channels, channel: Channel, data: bytes, kind: WsMessageType = BINARY
) -> HttpServerError | None:
    return table.push(APP, WebSocketPush(channel.id, kind), Payload(None, data))


def test_what_was_pushed_before_the_answer_stays_as_it_is_and_what_comes_later_is_sealed() -> None:
    """C-143."""
    table, channel = opened()
    assert push(table, channel, b"before", TEXT) is None
    table.encrypt(channel, sealed(), ANSWER)
    for data, kind in ((b"gr\xc3\xbc\xc3\x9f\xff", TEXT), (b"\0\xff", BINARY), (b"ping", PING)):
        assert push(table, channel, data, kind) is None
    assert channel.take() == Frame(TEXT, b"before")
    assert channel.take() == Frame(TEXT, ANSWER)
    for data in ("gr\u00fc\u00df\ufffd".encode(), b"\0\xff"):
        frame = channel.take()
        assert frame is not None
        assert (frame.kind, frame.overhead, SECRET.open(frame.data)) == (BINARY, OVERHEAD, data)
    assert channel.take() == Frame(PING, b"ping")


def test_the_bytes_that_sealing_adds_do_not_count() -> None:
    table, channel = opened()
    channel.coding = sealed()
    eighth = bytes(QUEUE_BYTES // 8)
    for _ in range(2):
        for _ in range(8):
            assert push(table, channel, eighth) is None
        for _ in range(8):
            assert channel.take() is not None
    for _ in range(8):
        assert push(table, channel, eighth) is None
    assert push(table, channel, b"x") == CHANNEL_CLOSED
    assert channel.ending is TOO_SLOW


def test_a_channel_with_no_room_for_the_answer_is_cut_off() -> None:
    table, channel = opened()
    for _ in range(QUEUE_FRAMES):
        assert push(table, channel, b"x") is None
    table.encrypt(channel, sealed(), ANSWER)
    assert (channel.ending, channel.coding) == (TOO_SLOW, None)


def test_an_ended_channel_gets_no_answer_any_more() -> None:
    table, channel = opened()
    table.end(channel, CLOSED_BY_PROCESS)
    table.encrypt(channel, sealed(), ANSWER)
    assert (channel.take(), channel.coding) == (None, None)


def test_what_a_client_seals_is_binary_and_all_else_is_unreadable() -> None:
    """C-143."""
    assert sealed().incoming(SECRET.seal(b"hello")) == (BINARY, b"hello")
    for message in ("text", SECRET.seal(b"hello").decode("latin-1"), b"", bytes(28)):
        with pytest.raises(Unreadable):
            sealed().incoming(message)
