"""A browser on one node, the process that serves it on another (DESIGN section 6)."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kernel.address import Address
from kernel.capability import Capability
from kernel.message import Payload, Request
from kernel.syscalls import current
from runtime.sim.links import LinkFate, LinkNetwork
from runtime.sim.registry import MemoryRegistry
from sys_processes.http_server.protocol import ACTION, HTTP_SERVER, WebSocketPush, WsMessageType
from sys_processes.net.identity import make_record
from sys_processes.net.process import make
from tests.support.module_node import OneKey
from tests.support.net_world import net_world, record_of
from tests.support.web_app import NODE, App
from tests.support.web_node import APP, web_node

WORKER = "bob.uq"


def gateway_on(network: LinkNetwork):
    """The gateway's carrier, and its record."""
    key, registry = OneKey(), MemoryRegistry()
    registry.put(record_of(WORKER))
    carrier = make(network.node(f"{NODE}:8080", key.public_key), registry, key)
    return carrier, make_record(NODE, key.public_key, key.sign, address=f"{NODE}:8080")


@pytest.mark.parametrize("cut", [False, True])
async def test_a_worker_node_pushes_to_a_browser_that_is_connected_to_a_gateway_node(cut):
    """C-136: the gateway's instance of a package tells its namesake on the worker the channel and the node."""
    async with net_world(WORKER, fate=lambda number: LinkFate(delay=0.01)) as world:
        carrier, record = gateway_on(world.network)
        world.nodes[WORKER].registry.put(record)
        worker = await world.puppet(WORKER, APP)
        async with web_node(carrier=carrier) as web:
            app = App()
            web.start(app, capabilities=[Capability.network(NODE)])
            await trio.testing.wait_all_tasks_blocked()
            socket, channel_id = await web.registered()

            async def tell_worker() -> None:
                current().send_request(Address(WORKER, APP), Request(ipc=b"%d" % channel_id))

            told = worker.begin_receive()
            await app.do(tell_worker)
            message = await told.result()
            assert (message.source.node, message.ipc) == (NODE, b"%d" % channel_id)

            server = Address(message.source.node, HTTP_SERVER)
            for number in range(5):
                if cut and number == 2:
                    world.network.cut_all()
                push = Request(False, 60, ACTION.encode(WebSocketPush(int(message.ipc), WsMessageType.Text)))
                asked = worker.begin(
                    lambda calls, push=push, number=number: calls.send_and_await_response(
                        server, push, Payload(None, b"frame %d" % number)
                    )
                )
                assert (await asked.result()).ipc == b'{"Ok":null}'
            assert [await socket.receive() for _ in range(5)] == [f"frame {number}" for number in range(5)]


async def test_a_push_to_a_gateway_that_is_gone_comes_back_offline():
    async with net_world(WORKER) as world:
        _, record = gateway_on(world.network)
        world.network.node(f"{NODE}:8080", record.public_key).close()
        world.nodes[WORKER].registry.put(record)
        worker = await world.puppet(WORKER, APP)
        push = ACTION.encode(WebSocketPush(7, WsMessageType.Text))
        await worker.send(Address(NODE, HTTP_SERVER), push, payload=Payload(None, b"frame"))
        [error] = await worker.unread()
        assert (error.kind, error.definite, error.payload) == ("Offline", True, Payload(None, b"frame"))
