"""`widget` through all that a package goes through, to the start page of a node."""

from __future__ import annotations

import json

from tests.support.sim_home import SimHome, package

WIDGET = """
from userland.process_lib import widget

init = widget("<p>It is sunny.</p>", "Weather")
"""


async def test_a_widget_of_a_package_stands_on_the_start_page() -> None:
    """PROTOCOL 5.1."""
    async with SimHome().booted(package(WIDGET, name="weather")) as node:
        apps = json.loads(await node.ask("homepage:homepage:nectar", '"GetApps"'))["GetApps"]
    assert [(app["id"], app["label"], app["widget"], app["path"]) for app in apps] == [
        ("weather:weather:me", "Weather", "<p>It is sunny.</p>", None)
    ]
