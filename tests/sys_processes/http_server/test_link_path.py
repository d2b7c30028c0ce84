"""`/net` of a whole node: without links it is a path like any other."""

from __future__ import annotations

import pytest

from runtime.sim.clients import UpgradeRefused
from tests.support.web_node import web_node


async def test_a_node_without_links_has_no_such_path():
    async with web_node() as web:
        with pytest.raises(UpgradeRefused, match="404"):
            await web.websocket("/net")
        plain, elsewhere = await web.http("GET", "/net"), await web.http("GET", "/nowhere")
        assert plain.status == elsewhere.status
