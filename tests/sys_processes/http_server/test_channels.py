"""The table of channels: who owns which, what is pushed, how each ends; and the same against a small model."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kernel.address import Address, ProcessId
from kernel.message import Payload
from sys_processes.http_server.channel_ids import ChannelIds
from sys_processes.http_server.channels import (
    CLIENT_LEFT,
    CLOSED_BY_PROCESS,
    OWNER_GONE,
    PROCESS_FULL,
    QUEUE_BYTES,
    QUEUE_FRAMES,
    SHUTDOWN,
    TOO_BIG,
    TOO_MANY,
    TOO_SLOW,
    Channel,
    Channels,
    Ending,
    Seat,
)
from sys_processes.http_server.coding import Frame
from sys_processes.http_server.protocol import (
    CHANNEL_CLOSED,
    CHANNEL_NOT_FOUND,
    CHANNEL_NOT_OWNED,
    CONTROL_TOO_LONG,
    HttpServerError,
    NoPayload,
    WebSocketPush,
    WsMessageType,
)
from sys_processes.http_server.settings import HttpSettings

APP = Address("alice.uq", "p:k:u")
NAMESAKE = Address("bob.uq", "p:k:u")
OTHER = Address("alice.uq", "q:k:u")
TEXT, BINARY, PING = WsMessageType.Text, WsMessageType.Binary, WsMessageType.Ping


@attrs.define
class Node:
    """A table; `told` lists the WebSocketClose that were sent, `woken` how often writers were woken."""

    settings: HttpSettings = attrs.Factory(HttpSettings)
    told: list[tuple[ProcessId, int]] = attrs.Factory(list)
    woken: int = 0
    table: Channels = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        keys = iter((7, 11, 13, 17))
        self.table = Channels("alice.uq", self.settings, lambda _: next(keys), self._tell)

    def _tell(self, owner: ProcessId, channel_id: int) -> None:
        self.told.append((owner, channel_id))

    def wake(self) -> None:
        self.woken += 1

    def seat(self) -> Seat:
        seat = self.table.admit()
        assert seat is not None
        return seat

    def try_open(self, owner: Address = APP, *, announce: bool = False) -> Channel | Ending:
        return self.table.open(self.seat(), owner.process, "/", self.wake, announce=announce)

    def open(self, owner: Address = APP, *, announce: bool = False) -> Channel:
        channel = self.try_open(owner, announce=announce)
        assert isinstance(channel, Channel)
        return channel

    def push(
        self, channel_id: int, data: bytes | None = b"x", kind: WsMessageType = BINARY, source: Address = APP
    ) -> HttpServerError | None:
        payload = None if data is None else Payload(None, data)
        return self.table.push(source, WebSocketPush(channel_id, kind), payload)


def frames(channel: Channel) -> list[Frame]:
    return list(iter(channel.take, None))


# -- opening


def test_a_registered_client_is_sent_its_id_before_anything_else() -> None:
    """C-120."""
    node = Node()
    channel = node.open(announce=True)
    assert node.push(channel.id, b"later") is None
    assert frames(channel) == [Frame(TEXT, b'{"channel_id":%d}' % channel.id), Frame(BINARY, b"later")]


def test_a_client_of_a_bound_path_is_sent_nothing() -> None:
    """C-138."""
    assert frames(Node().open(announce=False)) == []


def test_a_channel_of_which_the_process_could_not_be_told_ends_without_a_word_to_either() -> None:
    """C-122."""
    node = Node()
    channel = node.open(announce=True)
    node.table.refuse(channel)
    node.table.gone(channel)
    assert (channel.ending, frames(channel), node.told) == (PROCESS_FULL, [], [])
    assert PROCESS_FULL.code == 1013


def test_only_so_many_sockets_may_have_no_channel_yet() -> None:
    node = Node(HttpSettings(max_unregistered=2))
    first, _second = node.seat(), node.seat()
    assert node.table.admit() is None
    first.leave()
    first.leave()
    third = node.seat()
    assert node.table.admit() is None
    assert isinstance(node.table.open(third, APP.process, "/", node.wake, announce=False), Channel)
    third.leave()
    node.seat()
    assert node.table.admit() is None


def test_only_so_many_channels_are_open_at_once() -> None:
    node = Node(HttpSettings(max_channels=2))
    channel, _ = node.open(), node.open()
    assert node.try_open() is TOO_MANY
    assert TOO_MANY.code == 1013
    node.table.gone(channel)
    assert isinstance(node.try_open(), Channel)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4))
@settings(max_examples=30)
def test_ids_are_never_zero_and_never_the_same_twice(keys: list[int]) -> None:
    drawn = iter(keys)
    ids = ChannelIds(lambda _: next(drawn))
    found = [ids.next() for _ in range(2000)]
    assert len({*found}) == 2000
    assert all(0 < channel_id < 2**32 for channel_id in found)


def test_different_keys_give_different_ids() -> None:
    first, second = iter((1, 2, 3, 4)), iter((1, 2, 3, 5))
    ours, theirs = ChannelIds(lambda _: next(first)), ChannelIds(lambda _: next(second))
    assert [ours.next() for _ in range(8)] != [theirs.next() for _ in range(8)]


# -- pushing


def test_text_and_binary_reach_the_client_as_they_are() -> None:
    """C-129."""
    node = Node()
    channel = node.open()
    assert node.push(channel.id, "é".encode(), TEXT) is None
    assert node.push(channel.id, b"\xff\x00", BINARY) is None
    assert node.push(channel.id, b"\xffa", TEXT) is None
    assert frames(channel) == [
        Frame(TEXT, "é".encode()),
        Frame(BINARY, b"\xff\x00"),
        Frame(TEXT, "\ufffda".encode()),
    ]


def test_each_push_wakes_the_writer() -> None:
    node = Node()
    channel = node.open()
    node.push(channel.id)
    node.push(channel.id)
    assert node.woken == 2


def test_a_push_by_another_process_is_refused() -> None:
    """C-130."""
    node = Node()
    channel = node.open()
    assert node.push(channel.id, source=OTHER) == CHANNEL_NOT_OWNED
    assert frames(channel) == []


def test_a_push_to_an_unknown_channel_is_refused() -> None:
    """C-131."""
    node = Node()
    assert node.push(1) == CHANNEL_NOT_FOUND
    channel = node.open()
    node.table.gone(channel)
    assert node.push(channel.id) == CHANNEL_NOT_FOUND


@pytest.mark.parametrize("kind", [WsMessageType.Ping, WsMessageType.Pong])
def test_a_control_message_has_at_most_125_bytes(kind: WsMessageType) -> None:
    """C-132."""
    node = Node()
    channel = node.open()
    assert node.push(channel.id, bytes(126), kind) == CONTROL_TOO_LONG
    assert node.push(channel.id, bytes(125), kind) is None
    assert frames(channel) == [Frame(kind, bytes(125))]


def test_a_push_of_type_close_ends_the_channel_after_what_waits() -> None:
    """C-133."""
    node = Node()
    channel = node.open()
    node.push(channel.id, b"last")
    assert node.push(channel.id, b"", WsMessageType.Close) is None
    assert (channel.ending, frames(channel)) == (CLOSED_BY_PROCESS, [Frame(BINARY, b"last")])
    assert (CLOSED_BY_PROCESS.code, CLOSED_BY_PROCESS.flush) == (1000, True)
    assert node.told == [(APP.process, channel.id)]
    assert node.push(channel.id) == CHANNEL_CLOSED


@pytest.mark.parametrize("kind", WsMessageType)
def test_a_push_without_payload_is_refused_before_all_else(kind: WsMessageType) -> None:
    """C-134."""
    node = Node()
    assert node.push(1, None, kind) == NoPayload()
    channel = node.open()
    assert node.push(channel.id, None, kind, OTHER) == NoPayload()
    assert channel.ending is None


def test_the_checks_come_in_order() -> None:
    node = Node()
    assert node.push(1, bytes(126), PING) == CONTROL_TOO_LONG
    channel = node.open()
    node.table.close(APP, channel.id)
    assert node.push(channel.id, source=OTHER) == CHANNEL_NOT_OWNED
    assert node.push(channel.id) == CHANNEL_CLOSED


def test_the_namesake_on_another_node_may_push_and_not_close() -> None:
    """C-136."""
    node = Node()
    channel = node.open()
    assert node.push(channel.id, source=NAMESAKE) is None
    assert frames(channel) == [Frame(BINARY, b"x")]
    assert node.table.close(NAMESAKE, channel.id) == CHANNEL_NOT_FOUND
    assert node.push(channel.id, source=Address("bob.uq", "q:k:u")) == CHANNEL_NOT_OWNED
    assert channel.ending is None


# -- a slow client


def test_a_client_that_does_not_read_is_cut_off_at_1000_frames_and_others_are_not() -> None:
    """C-137."""
    node = Node()
    slow, other = node.open(), node.open()
    for _ in range(QUEUE_FRAMES):
        assert node.push(slow.id) is None
    assert node.push(slow.id) == CHANNEL_CLOSED
    assert (slow.ending, frames(slow)) == (TOO_SLOW, [])
    assert TOO_SLOW.code == 1013
    assert node.told == [(APP.process, slow.id)]
    assert node.push(other.id) is None


def test_a_client_that_does_not_read_is_cut_off_at_16_mebibytes() -> None:
    """C-137."""
    node = Node()
    channel = node.open()
    half = bytes(QUEUE_BYTES // 2)
    assert node.push(channel.id, half) is None
    assert node.push(channel.id, half) is None
    assert node.push(channel.id, b"x") == CHANNEL_CLOSED
    assert channel.ending is TOO_SLOW


def test_what_was_taken_makes_room() -> None:
    node = Node()
    channel = node.open()
    for _ in range(3):
        assert node.push(channel.id, bytes(QUEUE_BYTES)) is None
        assert channel.take() is not None
    for _ in range(3 * QUEUE_FRAMES):
        assert node.push(channel.id) is None
        assert channel.take() is not None


def test_one_frame_of_any_size_fits_an_idle_client() -> None:
    node = Node()
    channel = node.open()
    assert node.push(channel.id, bytes(QUEUE_BYTES + 1)) is None
    assert node.push(channel.id, b"") == CHANNEL_CLOSED


# -- ends


def test_the_owner_closes_its_channel_and_hears_of_it_once() -> None:
    """C-128, C-135."""
    node = Node()
    channel = node.open()
    assert node.table.close(APP, channel.id) is None
    assert channel.ending is CLOSED_BY_PROCESS
    assert node.table.close(APP, channel.id) == CHANNEL_CLOSED
    node.table.gone(channel)
    node.table.gone(channel)
    assert node.table.close(APP, channel.id) == CHANNEL_NOT_FOUND
    assert node.told == [(APP.process, channel.id)]


def test_another_process_closes_nothing() -> None:
    """C-135."""
    node = Node()
    channel = node.open()
    assert node.table.close(OTHER, channel.id) == CHANNEL_NOT_OWNED
    assert (channel.ending, node.told) == (None, [])


def test_the_owner_hears_once_that_the_client_left() -> None:
    """C-128."""
    node = Node()
    channel = node.open()
    node.push(channel.id)
    node.table.gone(channel)
    node.table.gone(channel)
    assert (channel.ending, frames(channel), node.told) == (CLIENT_LEFT, [], [(APP.process, channel.id)])
    assert len(node.table) == 0


def test_the_channels_of_a_process_that_ended_are_closed_and_its_successor_is_told_nothing() -> None:
    """C-146."""
    node = Node()
    ours, theirs = node.open(), node.open(OTHER)
    node.table.orphan(APP.process)
    fresh = node.open()
    assert node.push(ours.id) is None  # sent before the end, heard after it
    node.table.owner_gone(APP.process)
    node.table.owner_gone(ProcessId("never", "seen", "x"))
    assert [one.ending for one in (ours, theirs, fresh)] == [OWNER_GONE, None, None]
    assert (OWNER_GONE.code, len(frames(ours)), node.told) == (1001, 1, [])
    node.table.gone(ours)
    assert node.told == []


def test_a_shutdown_closes_all_and_opens_none() -> None:
    node = Node()
    channel, early = node.open(), node.seat()
    node.table.shut_down()
    assert (channel.ending, node.told) == (SHUTDOWN, [(APP.process, channel.id)])
    assert SHUTDOWN.code == 1001
    assert node.table.open(early, APP.process, "/", node.wake, announce=False) is SHUTDOWN
    assert node.table.admit() is None
    assert len(node.table) == 1
    node.table.gone(channel)
    assert len(node.table) == 0


def test_only_the_first_end_counts() -> None:
    node = Node()
    channel = node.open()
    node.table.end(channel, TOO_BIG)
    node.table.end(channel, SHUTDOWN)
    node.table.orphan(APP.process)
    node.table.owner_gone(APP.process)
    assert (channel.ending, TOO_BIG.code, node.told) == (TOO_BIG, 1009, [(APP.process, channel.id)])


# -- against a model


@attrs.define
class Told:
    """What the model knows of one channel."""

    channel: Channel
    owner: Address
    waiting: list[bytes] = attrs.Factory(list)
    code: int | None = None
    closes: int = 0
    present: bool = True


class ChannelsAgainstModel(RuleBasedStateMachine):
    """Three processes, up to four channels and two seats; every end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.node = Node(HttpSettings(max_channels=4, max_unregistered=2))
        self.known: list[Told] = []
        self.seats: list[Seat] = []
        self.down = False

    def _present(self) -> list[Told]:
        return [one for one in self.known if one.present]

    def _pick(self, data: st.DataObject) -> Told:
        return data.draw(st.sampled_from(self.known))

    @staticmethod
    def _ended(one: Told, code: int, *, told: bool, flush: bool = False) -> None:
        if one.code is None:
            one.code = code
            one.closes += told
            if not flush:
                one.waiting.clear()

    @rule()
    def admit(self) -> None:
        seat = self.node.table.admit()
        assert (seat is None) is (self.down or len(self.seats) == 2)
        if seat is not None:
            self.seats.append(seat)

    @precondition(lambda self: self.seats)
    @rule()
    def leave(self) -> None:
        self.seats.pop().leave()

    @precondition(lambda self: self.seats)
    @rule(owner=st.sampled_from((APP, OTHER)), announce=st.booleans(), heard=st.booleans())
    def open(self, owner: Address, announce: bool, heard: bool) -> None:
        opened = self.node.table.open(self.seats.pop(), owner.process, "/", self.node.wake, announce=announce)
        if self.down or len(self._present()) == 4:
            assert opened is (SHUTDOWN if self.down else TOO_MANY)
            return
        assert isinstance(opened, Channel)
        one = Told(opened, owner, [b'{"channel_id":%d}' % opened.id] if announce else [])
        self.known.append(one)
        if not heard:
            self.node.table.refuse(opened)
            self._ended(one, 1013, told=False)

    @precondition(lambda self: self.known)
    @rule(
        data=st.data(),
        source=st.sampled_from((APP, NAMESAKE, OTHER)),
        kind=st.sampled_from((TEXT, BINARY, WsMessageType.Close)),
        size=st.sampled_from((0, 3, QUEUE_BYTES // 2)),
    )
    def push(self, data: st.DataObject, source: Address, kind: WsMessageType, size: int) -> None:
        one = self._pick(data)
        content = b"a" * size
        found = self.node.push(one.channel.id, content, kind, source)
        if not one.present:
            assert found == CHANNEL_NOT_FOUND
        elif source.process != one.owner.process:
            assert found == CHANNEL_NOT_OWNED
        elif one.code is not None:
            assert found == CHANNEL_CLOSED
        elif kind is WsMessageType.Close:
            assert found is None
            self._ended(one, 1000, told=True, flush=True)
        elif one.waiting and sum(map(len, one.waiting)) + size > QUEUE_BYTES:
            assert found == CHANNEL_CLOSED
            self._ended(one, 1013, told=True)
        else:
            assert found is None
            one.waiting.append(content)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        one = self._pick(data)
        frame = one.channel.take()
        expected = one.waiting.pop(0) if one.waiting else None
        assert (None if frame is None else frame.data) == expected

    @precondition(lambda self: self.known)
    @rule(data=st.data(), source=st.sampled_from((APP, NAMESAKE, OTHER)))
    def close(self, data: st.DataObject, source: Address) -> None:
        one = self._pick(data)
        found = self.node.table.close(source, one.channel.id)
        if not one.present or source.node != "alice.uq":
            assert found == CHANNEL_NOT_FOUND
        elif source != one.owner:
            assert found == CHANNEL_NOT_OWNED
        elif one.code is not None:
            assert found == CHANNEL_CLOSED
        else:
            assert found is None
            self._ended(one, 1000, told=True, flush=True)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def gone(self, data: st.DataObject) -> None:
        one = self._pick(data)
        self.node.table.gone(one.channel)
        self._ended(one, 1000, told=True)
        one.present = False

    @rule(owner=st.sampled_from((APP, OTHER)), early=st.booleans())
    def owner_gone(self, owner: Address, early: bool) -> None:
        """Its end, and before the news of it is heard perhaps that of a channel."""
        self.node.table.orphan(owner.process)
        orphans = [one for one in self._present() if one.owner == owner]
        if orphans and early:
            self.node.table.gone(orphans[0].channel)
            self._ended(orphans[0], 1000, told=False)
            orphans[0].present = False
        self.node.table.owner_gone(owner.process)
        for one in orphans:
            self._ended(one, 1001, told=False, flush=True)

    @rule(really=st.integers(0, 9))
    def shut_down(self, really: int) -> None:
        if really:
            return
        self.node.table.shut_down()
        self.down = True
        for one in self._present():
            self._ended(one, 1001, told=True)

    @invariant()
    def agrees(self) -> None:
        assert len(self.node.table) == len(self._present())
        for one in self.known:
            ending = one.channel.ending
            assert (None if ending is None else ending.code) == one.code
            assert self.node.told.count((one.owner.process, one.channel.id)) == one.closes <= 1
        assert len(self.node.told) == sum(one.closes for one in self.known)

    @invariant()
    def every_channel_that_is_gone_has_ended(self) -> None:
        assert all(one.code is not None for one in self.known if not one.present)


TestChannelsAgainstModel = ChannelsAgainstModel.TestCase
TestChannelsAgainstModel.settings = settings(max_examples=60, stateful_step_count=40)
