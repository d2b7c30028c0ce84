"""What a booted node serves that is no Python."""

from __future__ import annotations

from runtime.assets import CLIENT
from tests.support.live_node import Person


def test_a_node_serves_the_browser_client(person: Person):
    with person.dev() as node:
        reply = node.http("GET", "/client.js")
    assert reply.status == 200
    assert reply.header("content-type") == "application/javascript"
    assert reply.body == CLIENT.read_bytes()
    assert b"export default NectarEncryptorApi" in reply.body
