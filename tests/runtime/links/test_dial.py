"""Why a node cannot be dialled, in words that somebody can use."""

from __future__ import annotations

import socket

import pytest

from runtime.links.dial import open_frames
from sys_processes.devices import LinkFailed


@pytest.mark.real_clock
async def test_a_dial_that_fails_says_what_the_system_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LinkFailed) as found:
            await open_frames(address)
    assert str(found.value) == f"nobody answers at {address}: Connection refused"


@pytest.mark.real_clock
async def test_a_host_without_an_address_is_said_to_be_that():
    with pytest.raises(LinkFailed, match=r"^nobody answers at a\.\.b:1: \D+$"):
        await open_frames("a..b:1")
