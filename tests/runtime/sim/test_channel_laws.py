"""Channels: what http_server tells is held against the law, and each way to break it is found (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kernel.address import Address, ProcessId
from kernel.events import Event, EventKind
from kernel.message import KernelMessage, Request
from runtime.sim.channel_laws import LAW, ChannelLaws
from runtime.sim.trace import Trace, WorldKind
from sys_processes.http_server.protocol import (
    HTTP_SERVER,
    METADATA_HTTP,
    METADATA_WS,
    REQUEST,
    HttpServerRequest,
    WebSocketClose,
    WebSocketOpen,
    WebSocketPush,
    WsMessageType,
)

NODE, OTHER = "alice.uq", "bob.uq"
APP, CHAT = ProcessId("app", "app", "me"), ProcessId("chat", "chat", "me")
OPEN, PUSH, CLOSE = WebSocketOpen("/", 7), WebSocketPush(7, WsMessageType.Text), WebSocketClose(7)


class Told:
    def __init__(self) -> None:
        self.heard = []
        self.trace = Trace()
        self.laws = ChannelLaws(self.heard.append)
        self.trace.monitors.append(self.laws.check)

    def says(
        self,
        said: HttpServerRequest | bytes,
        to: ProcessId = APP,
        *,
        of: str = NODE,
        metadata: str = METADATA_WS,
    ) -> None:
        ipc = said if isinstance(said, bytes) else REQUEST.encode(said)
        request = Request(ipc=ipc, metadata=metadata)
        message = KernelMessage(1, Address(of, HTTP_SERVER), Address(NODE, to), None, request)
        self.trace.observer(NODE)(Event(EventKind.APPENDED, 1.0, to, message, ""))

    def exits(self, process: ProcessId) -> None:
        self.trace.observer(NODE)(Event(EventKind.EXITED, 1.0, process, None, "DONE"))


def told(*said: HttpServerRequest) -> Told:
    made = Told()
    for one in said:
        made.says(one)
    return made


@pytest.mark.parametrize("said", [[OPEN, PUSH, PUSH, CLOSE], [OPEN, CLOSE, OPEN, PUSH], [OPEN]])
def test_opened_used_and_closed_once_is_lawful(said: Sequence[HttpServerRequest]):
    assert told(*said).laws.broken is None


@pytest.mark.parametrize(
    ("said", "text", "entries"),
    [
        ([OPEN, OPEN], "twice of the opening", (0, 1)),
        ([PUSH], "a message of channel 7", (0,)),
        ([CLOSE], "the closing of channel 7", (0,)),
        ([OPEN, CLOSE, CLOSE], "not open (any more)", (2,)),
        ([OPEN, CLOSE, PUSH, PUSH], "not open (any more)", (2,)),
    ],
)
def test_what_is_twice_too_early_or_too_late_is_found(said, text: str, entries: tuple[int, ...]):
    found = told(*said)
    broken = found.laws.broken
    assert broken is not None
    assert (broken.name, broken.entries) == (LAW, entries)
    assert text in broken.text
    assert found.heard == [broken]


def test_channels_of_other_processes_and_servers_are_others():
    found = told(OPEN)
    found.says(OPEN, CHAT)
    found.says(OPEN, of=OTHER)
    found.says(CLOSE)
    found.says(PUSH, CHAT)
    assert found.laws.broken is None
    found.says(PUSH)
    assert found.laws.broken is not None


@pytest.mark.parametrize("who", [APP, HTTP_SERVER])
def test_with_the_process_or_the_server_go_their_channels(who: ProcessId):
    found = told(OPEN)
    found.exits(who)
    found.says(OPEN)
    assert found.laws.broken is None


@pytest.mark.parametrize("kind", [WorldKind.CRASHED, WorldKind.STOPPED])
def test_with_a_node_go_its_channels(kind: WorldKind):
    found = told(OPEN)
    found.says(OPEN, of=OTHER)
    found.trace.add(2.0, OTHER, kind)
    found.says(OPEN, of=OTHER)
    found.trace.add(2.0, NODE, kind)
    found.says(OPEN)
    assert found.laws.broken is None


def test_what_cannot_be_read_is_a_breach_and_http_calls_are_not_looked_at():
    found = Told()
    found.says(b"no json", metadata=METADATA_HTTP)
    assert found.laws.broken is None
    found.says(b"no json")
    assert "cannot be read" in found.heard[0].text
