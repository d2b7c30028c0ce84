"""What libraries draw on their own is drawn from the world, or listed with the reason why it does not matter."""

from __future__ import annotations

import os

import pytest
from wsproto import frame_protocol, utilities

from runtime.sim.entropy import SOURCES, EntropyChanged, seeded_entropy, self_test


def test_this_wsproto_draws_as_expected():
    self_test()


def test_what_is_drawn_is_asked_for_by_label_and_size():
    asked: list[tuple[str, int]] = []

    def draw(label: str, n: int) -> bytes:
        asked.append((label, n))
        return bytes(n)

    with seeded_entropy(draw):
        frame = frame_protocol.FrameProtocol(client=True, extensions=[]).send_data(b"hello", fin=True)
        utilities.generate_nonce()
    assert frame.endswith(b"hello")
    assert asked == [("frame mask", 4), ("websocket key", 16)]


def test_afterwards_the_real_source_is_back_even_after_an_error():
    with pytest.raises(ZeroDivisionError), seeded_entropy(lambda label, n: bytes(n)):
        _ = 1 / 0
    assert vars(frame_protocol)["os"] is os
    assert vars(utilities)["os"] is os
    assert utilities.generate_nonce() != utilities.generate_nonce()


def test_a_library_that_draws_in_another_way_is_noticed(monkeypatch):
    monkeypatch.delattr(frame_protocol, "os")
    with pytest.raises(EntropyChanged, match="frame_protocol"):
        self_test()


def test_every_source_is_listed_with_its_reason():
    assert len({source.where for source in SOURCES}) == len(SOURCES)
    assert all(source.what and source.so for source in SOURCES)
