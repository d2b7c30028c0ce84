"""Whatever is sent to any of a node's own processes, all of them answer afterwards (PROTOCOL 10)."""

from __future__ import annotations

import enum
from itertools import chain

import attrs
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.jsontext import dump, parse
from kernel.message import KernelMessage, Payload, Request, Response
from kernel.syscalls import current
from runtime.sim.strategies import mutated
from sys_processes.http_server.protocol import Bind
from tests.support.golden import golden_file
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, WebNode, web_node

MODULES = {
    name: Address(NODE, ProcessId.from_str(name))
    for name in (
        "kernel:sys:nectar",
        "state:sys:nectar",
        "vfs:sys:nectar",
        "kv:sys:nectar",
        "sqlite:sys:nectar",
        "http_client:sys:nectar",
        "fd_manager:sys:nectar",
        "timer:sys:nectar",
        "eth:sys:nectar",
        "terminal:terminal:nectar",
        "http_server:sys:nectar",
        "homepage:homepage:nectar",
        "main:app_store:nectar",
    )
}
AREAS = (
    "kernel", "state", "vfs", "vfs_early", "kv", "sqlite", "http_client", "fd_manager", "homepage", "app_store",
    "http_server", "terminal", "tester",
)  # fmt: skip
SHAPES = [*chain.from_iterable(golden_file(area).values() for area in AREAS), b'{"SetTimer":300}']
ELSEWHERE = Address.from_str(f"bob.uq@{APP}")


class By(enum.Enum):
    PROCESS = "a process of this node, with every right"
    OTHER_NODE = "its namesake on another node"
    ANSWER = "that namesake, as an answer that nobody asked for"


@attrs.frozen
class Sent:
    """What every module is sent."""

    ipc: bytes
    by: By
    metadata: str | None
    payload: Payload | None
    expects: int | None

    def request(self) -> Request:
        return Request(False, self.expects, self.ipc, self.metadata)

    async def send(self, web: WebNode, app: App) -> None:
        if self.by is By.PROCESS:
            await app.do(self.send_as_process)
            return
        for module in MODULES.values():
            request, response = self.request(), Response(False, self.ipc, self.metadata)
            message = response if self.by is By.ANSWER else request
            envelope = KernelMessage(4711, ELSEWHERE, module, None, message, self.payload)
            web.node.kernel.router.deliver_remote(envelope)

    async def send_as_process(self) -> None:
        for module in MODULES.values():
            current().send_request(module, self.request(), None, self.payload)


def ipcs() -> st.SearchStrategy[bytes]:
    """A shape of any module with one place broken, or bytes that are none, or much too many."""
    text = st.sampled_from(SHAPES)
    return st.one_of(
        text.flatmap(lambda known: mutated(parse(known))).map(dump),
        st.tuples(text, st.integers(0, 40)).map(lambda cut: cut[0][: cut[1]]),
        st.binary(max_size=40),
        st.sampled_from([b"[" * 3000, b'{"Add":' * 500, b'"' + b"x" * 3000 + b'"', b"9" * 3000]),
    )


def messages() -> st.SearchStrategy[Sent]:
    return st.builds(
        Sent,
        ipcs(),
        st.sampled_from([By.PROCESS, By.PROCESS, *By]),
        st.sampled_from([None, None, "http", "ws", "\0"]),
        st.none() | st.builds(Payload, st.none() | st.just("a/b"), st.binary(max_size=30)),
        st.sampled_from([None, 0, 5, 2**64 - 1]),
    )


STORED = b'{"package_id":{"package_name":"app","publisher_node":"alice.uq"},"db":"kept","action":%s}'


async def ask(app: App, module: str, ipc: bytes) -> bytes:
    async def job() -> bytes:
        return (await current().send_and_await_response(MODULES[module], Request(False, 5, ipc))).ipc

    return await app.do(job)


async def check_all_answer(web: WebNode, app: App) -> None:
    """Each of them does what it is for."""
    listed = parse(await ask(app, "kernel:sys:nectar", b'{"Debug":"Processes"}'))["Debug"]["Processes"]
    restarts = {line["id"]: (line["restarts"], line["last_error"]) for line in listed}
    assert {name: restarts[name] for name in MODULES} == dict.fromkeys(MODULES, (0, None))
    assert await ask(app, "state:sys:nectar", b'{"GetState":"%s"}' % APP.encode()) == b'"GetState"'
    assert b"IOError" in await ask(app, "vfs:sys:nectar", b'{"path":"/app:alice.uq/pkg/f","action":"Read"}')
    for module in ("kv:sys:nectar", "sqlite:sys:nectar"):
        for action in (b'"Open"', b'"BeginTx"', b'"RemoveDb"'):
            assert b"Err" not in await ask(app, module, STORED % action)
    asked = b'{"Http":{"method":"GET","url":"http://bob.uq/"}}'
    assert b'{"Err":{"ExecuteRequestFailed"' in await ask(app, "http_client:sys:nectar", asked)
    assert b'"kv:sys:nectar"' in await ask(app, "fd_manager:sys:nectar", b'"GetState"')
    assert await ask(app, "timer:sys:nectar", (10).to_bytes(8, "little")) == b""
    assert b"NoRpcForChain" in await ask(app, "eth:sys:nectar", b'{"Request":{}}')
    assert await ask(app, "terminal:terminal:nectar", b"top") == b'{"Ok":""}'
    assert await app.ask(Bind("/asked", False, False, False)) is None
    assert (await web.http("GET", f"/{APP}/asked")).body == b"ok"
    assert b'"GetApps"' in await ask(app, "homepage:homepage:nectar", b'"GetApps"')
    assert (await web.http("GET", "/", cookie=web.cookie())).status == 200
    assert b'"AppsResponse"' in await ask(app, "main:app_store:nectar", b'"Apps"')


@settings(max_examples=30)
@given(st.lists(messages(), min_size=5, max_size=30))
async def test_after_any_malformed_messages_every_module_does_its_work(sent: list[Sent]) -> None:
    """C-172."""
    async with web_node(whole=True) as web:
        app = App()
        web.start(app, capabilities=[Capability.messaging(address) for address in MODULES.values()])
        await trio.testing.wait_all_tasks_blocked()
        await app.do(lambda: current().set_state(b"kept"))
        for message in sent:
            await message.send(web, app)
        await trio.sleep(6)
        await check_all_answer(web, app)
        # Each found it malformed itself: nothing came as far as the barrier that keeps a module alive.
        assert "failed to handle" not in web.logged()
