"""What http_client makes of each request, with servers in memory (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import h11
import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.jsontext import JsonValue, dump, parse
from kernel.message import KernelMessage, Payload, Request, Response
from kernel.syscalls import current
from runtime.sim.dialer import SimDialer
from runtime.sim.listener import MemoryListener
from sys_processes.http_client import process as http_client
from sys_processes.http_client.protocol import LOCAL
from tests.support.module_node import NODE, ask, module_node

CHESS = "chess:chess:nectar"
TARGET = Address(NODE, ProcessId("http_client", "sys", "nectar"))
Reply = tuple[int, list[tuple[str, str]], bytes]
Serve = Callable[[h11.Request, bytes], Reply]


class Server:
    """Answers each request by the function, one a connection; notes what it was asked."""

    def __init__(self, serve: Serve) -> None:
        self.listener: Any = MemoryListener("http://server:80")
        self.asked: list[tuple[h11.Request, bytes]] = []
        self._serve = serve

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                nursery.start_soon(self._answer, await self.listener.accept())

    async def _answer(self, stream) -> None:
        try:
            await self._answer_once(stream)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await stream.aclose()

    async def _answer_once(self, stream) -> None:
        connection = h11.Connection(h11.SERVER)
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        assert request is not None
        self.asked.append((request, body))
        status, headers, content = self._serve(request, body)
        events = [
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ]
        with trio.move_on_after(60):
            for each in events:
                if isinstance(each, h11.Data) and request.method == b"HEAD":
                    continue
                try:
                    await stream.send_all(connection.send(each) or b"")
                except trio.BrokenResourceError:
                    return


def hello(request: h11.Request, body: bytes) -> Reply:
    return 200, [("content-type", "text/plain"), ("x-a", "1"), ("x-A", "2")], b"hello " + body


async def run(
    script: Callable[[], Awaitable[None]],
    serve: Serve = hello,
    *,
    capabilities: tuple[Capability, ...] = (),
    most_body: int = 1000,
    reachable: Callable[[str], bool] = lambda name: True,
) -> Server:
    server = Server(serve)

    def connect(name: str):
        if name not in {"server", NODE}:
            raise ConnectionRefusedError(None, f"nobody is called {name}")
        return server.listener.connect("10.0.0.1:5000")

    dialer = SimDialer(NODE, connect, reachable)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        modules = {"http_client": (http_client.make(dialer, most_body), True)}
        async with module_node(modules) as node:
            await node.as_process(CHESS, script, capabilities)
        nursery.cancel_scope.cancel()
    return server


def asking(url: str = "http://server/x", method: str = "GET", **more: JsonValue) -> dict[str, JsonValue]:
    return {"method": method, "version": None, "url": url, "headers": {}, **more}


async def call(
    request: JsonValue, body: bytes | None = None, seconds: int = 20
) -> tuple[JsonValue, Payload | None]:
    answer = await ask("http_client", dump(request), None if body is None else Payload(None, body), seconds)
    return parse(answer.ipc), answer.payload()


async def error(request: JsonValue, seconds: int = 20) -> JsonValue:
    answer, _ = await call({"Http": request}, seconds=seconds)
    assert isinstance(answer, dict), answer
    return answer["Err"]


async def test_the_answer_has_the_form_of_the_request():
    """C-149."""

    async def script() -> None:
        head = {
            "status": 200,
            "headers": {"Content-Type": "text/plain", "X-A": "1, 2", "Transfer-Encoding": "chunked"},
        }
        answer, payload = await call(asking())
        assert (answer, payload) == ({"Ok": head}, Payload(None, b"hello "))
        answer, payload = await call({"Http": asking(method="post")}, b"you")
        assert (answer, payload) == ({"Ok": {"Http": head}}, Payload(None, b"hello you"))

    server = await run(script)
    assert [(request.method, body) for request, body in server.asked] == [(b"GET", b""), (b"POST", b"you")]
    names = dict(server.asked[0][0].headers)
    assert names[b"host"] == b"server"


@pytest.mark.parametrize(
    ("request_", "modern", "early"),
    [
        (asking(method="G T"), {"BadMethod": {"method": "G T"}}, {"BadMethod": {"method": "G T"}}),
        (asking("ftp://server/"), {"BadUrl": {"url": "ftp://server/"}}, {"BadUrl": {"url": "ftp://server/"}}),
        (asking("http:///x"), {"BadUrl": {"url": "http:///x"}}, {"BadUrl": {"url": "http:///x"}}),
        (
            asking("http://s:99999/"),
            {"BadUrl": {"url": "http://s:99999/"}},
            {"BadUrl": {"url": "http://s:99999/"}},
        ),
        (asking("http://a b/"), {"BadUrl": {"url": "http://a b/"}}, {"BadUrl": {"url": "http://a b/"}}),
        (
            asking(version="HTTP/7"),
            {"BadVersion": {"version": "HTTP/7"}},
            {"BadVersion": {"version": "HTTP/7"}},
        ),
        (
            asking(headers={"a b": "x"}),
            {"BuildRequestFailed": "'a b' is no name of a header"},
            {"BadRequest": {"req": "'a b' is no name of a header"}},
        ),
        (
            asking(headers={"a": "x\r\nEvil: 1"}),
            {"BuildRequestFailed": "'x\\r\\nEvil: 1' is no value of a header (a)"},
            {"BadRequest": {"req": "'x\\r\\nEvil: 1' is no value of a header (a)"}},
        ),
        (
            asking("http://nobody/"),
            {"ExecuteRequestFailed": "http://nobody/: nobody:80 cannot be reached: nobody is called nobody"},
            {
                "RequestFailed": {
                    "error": "http://nobody/: nobody:80 cannot be reached: nobody is called nobody"
                }
            },
        ),
        (
            asking("https://server/"),
            {
                "ExecuteRequestFailed": "https://server/: no TLS with server: servers of a simulated world speak "
                "http and ws, without the s"
            },
            None,
        ),
    ],
)
async def test_what_cannot_be_done_is_said_in_the_words_of_its_era(request_, modern, early):
    async def script() -> None:
        assert await error(request_) == modern
        if early is not None:
            assert (await call(request_))[0] == {"Err": early}

    await run(script)


async def test_what_says_how_a_message_is_sent_is_not_for_the_asker():
    async def script() -> None:
        headers: JsonValue = {"Content-Length": "5", "Host": "evil", "Connection": "upgrade", "x-mine": "ü"}
        await call({"Http": asking(headers=headers)})

    ((request, body),) = (await run(script)).asked
    found = dict(request.headers)
    assert (found[b"host"], found.get(b"content-length"), found[b"x-mine"], body) == (
        b"server",
        None,
        b"\xfc",
        b"",
    )


async def test_redirects_are_followed_ten_times():
    def leads(request: h11.Request, _body: bytes) -> Reply:
        number = int(request.target.rpartition(b"/")[2] or b"0")
        if number == 0:
            return 200, [], b"here"
        return 302, [("location", f"/{number - 1}")], b""

    async def script() -> None:
        _, payload = await call({"Http": asking("http://server/10")})
        assert payload == Payload(None, b"here")
        refused = await error(asking("http://server/11"))
        assert refused == {"ExecuteRequestFailed": "http://server/11 leads on and on: more than 10 redirects"}

    await run(script, leads)


async def test_a_body_beyond_the_limit_is_not_taken():
    async def script() -> None:
        refused = await error(asking())
        assert refused == {"ExecuteRequestFailed": "http://server/x: the body is larger than 1000 bytes"}

    await run(script, lambda request, body: (200, [], b"x" * 1001))


async def test_a_server_that_never_answers_holds_up_nobody():
    async def script() -> None:
        for number in range(3):
            context, url = b"%d" % number, "http://far/" if number == 0 else "http://server/"
            ipc = dump({"Http": asking(url)})
            current().send_request(TARGET, Request(False, 10, ipc), context=context)
        began = trio.current_time()
        contexts = [(await current().receive()).context for _ in range(2)]
        assert (sorted(map(str, contexts)), trio.current_time() - began) == (["b'1'", "b'2'"], 0)
        late = await current().receive()
        assert parse(late.ipc) == {
            "Err": {"ExecuteRequestFailed": "http://far/: no whole answer within 10 s"}
        }
        assert trio.current_time() - began == pytest.approx(9.5)

    await run(script, reachable=lambda name: name != "far")


LOCAL_RIGHT = Capability(TARGET, LOCAL)


@pytest.mark.parametrize("host", [NODE, "localhost", "127.0.0.1"])
async def test_this_machine_itself_is_asked_only_with_the_right_to(host):
    """F-83."""
    url = f"http://{host}/"

    async def without() -> None:
        for request in (asking(url), asking(url, local=True)):
            refused = await error(request)
            assert "is this machine" in refused["ExecuteRequestFailed"]

    async def with_it() -> None:
        refused = await error(asking(url))
        assert "is this machine" in refused["ExecuteRequestFailed"]
        answer, _ = await call({"Http": asking(url, local=True)})
        assert answer["Ok"]["Http"]["status"] == 200

    await run(without)
    await run(with_it, capabilities=(LOCAL_RIGHT,))


async def test_no_redirect_leads_to_this_machine():
    async def script() -> None:
        assert "is this machine" in (await error(asking()))["ExecuteRequestFailed"]

    await run(script, lambda request, body: (302, [("location", f"http://{NODE}/")], b""))


async def test_other_nodes_and_responses_and_nonsense_change_nothing():
    """C-150, F-80."""
    server = Server(hello)
    dialer = SimDialer(NODE, lambda name: server.listener.connect(), lambda name: True)

    async def script() -> None:
        for ipc in (b"", b"\xff", b'{"Http":1}', b'{"WebSocketPush":{"channel_id":1}}', b"null"):
            assert (await ask("http_client", ipc)).ipc == b'{"Err":"MalformedRequest"}'
        answer, _ = await call({"Http": asking()})
        assert answer["Ok"]["Http"]["status"] == 200

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        async with module_node({"http_client": (http_client.make(dialer), True)}) as node:
            ipc = dump({"Http": asking()})
            answers = await node.from_another_node("http_client", Request(expects_response=5, ipc=ipc))
            assert answers == [b'{"Err":"MalformedRequest"}']
            assert server.asked == []
            response = KernelMessage(
                78, Address.from_str("bob.uq@evil:evil:bob.uq"), TARGET, None, Response(ipc=b"x")
            )
            node.kernel.router.deliver_remote(response)
            await node.as_process(CHESS, script)
        nursery.cancel_scope.cancel()
