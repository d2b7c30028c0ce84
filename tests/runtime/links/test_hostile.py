"""Who comes to `/net` with something else than a link, and what dials find at the wrong door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
import trio.testing

from runtime.links.direct import GREETING_SECONDS, DirectLinks
from runtime.links.frame_stream import FrameStream
from runtime.links.frames import FRAME_LIMIT, FrameWriter
from runtime.links.link import DirectLink, begin
from runtime.links.tls import client_context
from sys_processes.devices import LinkFailed
from sys_processes.http_server.connection import serve_connection
from sys_processes.http_server.limits import Limits
from sys_processes.net.prefaces import MARK
from tests.support.link_host import UPGRADE, LinkHost, OnlyLinks, link_host, make_links
from tests.support.net_world import identity_of, record_of
from tests.support.streams import MemoryStream, connection

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n"


class Bob:
    """His door in memory, on virtual time."""

    def __init__(self, nursery: trio.Nursery, **options: int) -> None:
        self._nursery = nursery
        self.links = make_links("bob.uq", **options)
        self.site = OnlyLinks(self.links)

    def knock(self) -> MemoryStream:
        client, server = connection()
        self._nursery.start_soon(serve_connection, server, self.site, Limits())
        return client

    async def say(self, request: bytes) -> bytes:
        """What is answered to one who then says nothing more."""
        client = self.knock()
        await client.send_all(request)
        return await read_to_end(client)

    async def upgraded(self) -> MemoryStream:
        client = self.knock()
        await client.send_all(UPGRADE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await client.receive_some()
        assert answer.startswith(SWITCHED)
        return client

    async def reached(self) -> DirectLink:
        """As a node does it, but for who is there."""
        return await begin(
            FrameStream(await self.upgraded(), b"", client=True), client_context(), server=False
        )

    async def is_well(self) -> None:
        """Somebody who means it gets a link."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._echo)
            link = await self.reached()
            await link.send(b"hello")
            assert await link.receive() == b"hello"
            nursery.start_soon(link.aclose)
        assert self.site.failures == []
        assert self.links._unfinished == 0

    async def _echo(self) -> None:
        link = await self.links.accept()
        while data := await link.receive():
            await link.send(data)
        await link.aclose()


async def read_to_end(stream: trio.abc.ReceiveStream) -> bytes:
    answer = b""
    try:
        while data := await stream.receive_some():
            answer += data
    except trio.BrokenResourceError:
        pass
    return answer


async def at_bobs(visit: Callable[[Bob], Awaitable[None]], **options: int) -> None:
    async with trio.open_nursery() as nursery:
        bob = Bob(nursery, **options)
        await visit(bob)
        await bob.is_well()
        nursery.cancel_scope.cancel()


# -- at the door


async def test_a_plain_request_to_net_is_answered_as_one_to_any_path_that_is_not_there():
    async def visit(bob: Bob) -> None:
        answer = await bob.say(b"GET /net HTTP/1.1\r\nHost: bob\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 404 ")

    await at_bobs(visit)


@pytest.mark.parametrize("path", [b"/net/", b"/net/x", b"/NET", b"/nets"])
async def test_links_come_in_at_exactly_one_path(path):
    async def visit(bob: Bob) -> None:
        assert (await bob.say(UPGRADE.replace(b"/net", path))).startswith(b"HTTP/1.1 404 ")

    await at_bobs(visit)


async def test_a_page_gets_no_link():
    async def visit(bob: Bob) -> None:
        page = UPGRADE.replace(b"Host: bob\r\n", b"Host: bob\r\nOrigin: http://bob\r\n")
        assert (await bob.say(page)).startswith(b"HTTP/1.1 403 ")

    await at_bobs(visit)


def unmasked(payload: bytes) -> bytes:
    return FrameWriter(masked=False).data(payload)


def masked(payload: bytes) -> bytes:
    return FrameWriter(masked=True).data(payload)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(masked(b"\x00" * 600), id="zeros"),
        pytest.param(masked(b"GET / HTTP/1.1\r\nHost: bob\r\n\r\n"), id="http"),
        pytest.param(masked(b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000), id="a hello without end"),
        pytest.param(masked(b"\x15\x03\x03\x00\x02\x02\x28"), id="an alert"),
        pytest.param(unmasked(b"\x16\x03\x01"), id="unmasked"),
        pytest.param(b"\x81\x85aaaahello", id="text"),
        pytest.param(b"\x82\xff" + (FRAME_LIMIT + 1).to_bytes(8, "big") + b"mask", id="too large a frame"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no frame"),
        pytest.param(FrameWriter(masked=True).close(), id="goodbye"),
    ],
)
@pytest.mark.parametrize("early", [False, True])
async def test_what_is_no_tls_ends_the_connection_at_once(said, early):
    async def visit(bob: Bob) -> None:
        began = trio.current_time()
        if early:
            answer = await bob.say(UPGRADE + said)
            assert answer.startswith(SWITCHED)
        else:
            client = await bob.upgraded()
            await client.send_all(said)
            await read_to_end(client)
        assert trio.current_time() == began

    await at_bobs(visit)


_HELLO = masked(b"\x16\x03\x01\x02\x00" + b"\x01" * 512)


@pytest.mark.parametrize(
    "drips",
    [
        pytest.param([], id="nothing"),
        pytest.param([_HELLO[at : at + 1] for at in range(len(_HELLO))], id="a hello, byte by byte"),
        pytest.param([b"\x89\x80mask"] * 100, id="pings"),
        pytest.param([masked(b"")] * 100, id="empty frames"),
        pytest.param([masked(MARK)], id="a preface that nobody takes"),
        pytest.param([masked(b""), *[b"\x89\x80mask"] * 9, masked(MARK[:1])], id="the first byte of one"),
    ],
)
async def test_who_takes_longer_than_five_seconds_is_cut(drips):
    """A slow loris."""

    async def visit(bob: Bob) -> None:
        client = await bob.upgraded()
        began = trio.current_time()

        async def drip() -> None:
            for piece in drips:
                await client.send_all(piece)
                await trio.sleep(0.1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            await read_to_end(client)
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began == GREETING_SECONDS

    await at_bobs(visit)


async def test_a_link_that_nobody_takes_is_closed_after_five_seconds():
    async def visit(bob: Bob) -> None:
        began = trio.current_time()
        link = await bob.reached()
        with pytest.raises(trio.BrokenResourceError):
            await link.receive()
        assert trio.current_time() - began == GREETING_SECONDS
        await link.aclose()

    await at_bobs(visit)


async def test_only_so_many_may_be_unfinished_and_others_are_told_to_come_later():
    async def visit(bob: Bob) -> None:
        held = [await bob.upgraded() for _ in range(3)]
        assert (await bob.say(UPGRADE)).startswith(b"HTTP/1.1 503 ")
        await held[0].aclose()
        await trio.testing.wait_all_tasks_blocked()
        await bob.upgraded()

        async def wait_for_end(stream: MemoryStream) -> None:
            await read_to_end(stream)

        async with trio.open_nursery() as nursery:
            for stream in held[1:]:
                nursery.start_soon(wait_for_end, stream)

    await at_bobs(visit, most_unfinished=3)


async def test_the_links_end_with_the_web_server_that_brought_them():
    async with trio.open_nursery() as world:
        async with trio.open_nursery() as nursery:
            bob = Bob(nursery)
            taken: list[DirectLink] = []

            async def take() -> None:
                taken.append(await bob.links.accept())

            world.start_soon(take)
            link = await bob.reached()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.BrokenResourceError):
            await link.receive()
        with pytest.raises(trio.ClosedResourceError):
            await taken[0].receive()
        await link.aclose()


# -- at the wrong door


@attrs.frozen
class WrongDoor:
    """Reads what comes and answers so; then it is silent, or closes."""

    answer: bytes
    closes: bool

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await stream.receive_some()
                await stream.send_all(self.answer)
                while not self.closes:
                    if not await stream.receive_some():
                        return
            except trio.BrokenResourceError:
                pass


def switched(request: bytes = b"") -> bytes:
    """An answer to another key than the one that was sent."""
    return SWITCHED + b"Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("answer", "closes", "problem"),
    [
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            False,
            "takes no links: it answered 'HTTP/1.1 404",
        ),
        (b"SSH-2.0-OpenSSH\r\n", True, "does not answer as a node does: 'SSH-2.0-OpenSSH'"),
        (b"", True, "does not answer as a node does: nothing"),
        (b"x" * 9000, False, "does not answer as a node does"),
        (switched(), False, "does not answer the upgrade"),
    ],
)
async def test_a_dial_to_what_is_no_node_fails_and_says_what_is_there(answer, closes, problem):
    links = make_links("alice.uq")
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, WrongDoor(answer, closes).serve, [listener])
        port = listener.socket.getsockname()[1]
        with pytest.raises(LinkFailed, match=problem) as found:
            await links.dial(record_of("bob.uq", address=f"127.0.0.1:{port}"))
        assert str(found.value).startswith(f"127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    links.close()


@pytest.mark.real_clock
async def test_a_dial_to_a_silent_door_waits_until_it_is_given_up_and_leaves_nothing_open():
    links = make_links("alice.uq")
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        with trio.move_on_after(0.2) as waiting:
            await links.dial(record_of("bob.uq", address=f"127.0.0.1:{port}"))
        assert waiting.cancelled_caught
        stream = await listener.accept()
        # The request, and the end.
        assert (await read_to_end(stream)).endswith(b"\r\n\r\n")
        await stream.aclose()
        await listener.aclose()
        nursery.cancel_scope.cancel()
    links.close()


async def test_a_node_without_an_address_is_not_dialled():
    links = make_links("alice.uq")
    record = attrs.evolve(record_of("carol.uq"), address=None, routers=("bob.uq",))
    with pytest.raises(LinkFailed, match=r"carol\.uq has no address"):
        await links.dial(record)
    links.close()


# -- cut on the way


class Cutter:
    """Passes so many bytes to the node and so many back, and then cuts both."""

    def __init__(self, port: int, *, there: float, back: float) -> None:
        self._port = port
        self._there = there
        self._back = back

    async def serve(self, client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self._port)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pass, client, server, self._there, nursery.cancel_scope)
            nursery.start_soon(self._pass, server, client, self._back, nursery.cancel_scope)

    @staticmethod
    async def _pass(
        source: trio.SocketStream, target: trio.SocketStream, budget: float, both: trio.CancelScope
    ) -> None:
        try:
            while budget > 0 and (data := await source.receive_some()):
                passed = data[: int(min(budget, len(data)))]
                budget -= len(data)
                await target.send_all(passed)
        except trio.BrokenResourceError:
            pass
        both.cancel()


async def cut_link(alice: DirectLinks, host: LinkHost, *, there: float = 1e9, back: float = 1e9) -> str:
    """How far a dial and a first message came through such a cut."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        cutter = Cutter(host.listener.port, there=there, back=back)
        nursery.start_soon(trio.serve_listeners, cutter.serve, [listener])
        port = listener.socket.getsockname()[1]
        how = await say_hello(alice, f"127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    return how


async def say_hello(alice: DirectLinks, address: str) -> str:
    try:
        link = await alice.dial(record_of("bob.uq", address=address))
    except LinkFailed:
        return "no link"
    try:
        assert link.proven_key == identity_of("bob.uq").public_key
        await link.send(b"hello")
        return "answered" if await link.receive() == b"hello" else "ended"
    except trio.BrokenResourceError:
        return "cut"
    finally:
        await link.aclose()


async def echo_links(host: LinkHost) -> None:
    async def echo(link: DirectLink) -> None:
        try:
            while data := await link.receive():
                await link.send(data)
        except trio.BrokenResourceError:
            pass
        await link.aclose()

    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(echo, await host.links.accept())


@pytest.mark.real_clock
@pytest.mark.parametrize("direction", ["there", "back"])
async def test_a_link_cut_anywhere_in_its_beginning_ends_on_both_sides_and_costs_nothing_else(direction):
    """Every few bytes of the upgrade, of TLS and of the first message; nobody waits for ever."""
    alice = make_links("alice.uq")
    async with link_host() as host, trio.open_nursery() as nursery:
        nursery.start_soon(echo_links, host)
        seen: list[str] = []
        for size in range(1, 4000, 13):
            how = await cut_link(alice, host, **{direction: size})
            seen.append(how)
            if how == "answered":
                break
        # First no link at all, then one that is cut, then one that works.
        assert seen[-1] == "answered"
        assert seen == sorted(seen, key=["no link", "cut", "answered"].index)
        assert seen.count("no link") > 10
        assert "cut" in seen
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert host.links._unfinished == 0
        nursery.cancel_scope.cancel()
    alice.close()
