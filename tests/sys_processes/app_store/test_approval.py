"""What a package may ask for is what the owner of the node approved: of a whole node, on memory devices."""

from __future__ import annotations

import pytest

from kernel.jsontext import JsonValue
from sys_processes.http_server.settings import HttpSettings
from tests.support.sim_home import SimHome, SimNode, package
from tests.support.store_calls import (
    ACTOR,
    APP,
    FAILURE,
    SUCCESS,
    TWO,
    install,
    names_on,
    post,
    put,
    put_approved,
    put_in,
    uninstall,
)
from tests.support.web_node import web_node

STORE = "main:app_store:nectar"
TIMER, VFS = "timer:sys:nectar", "vfs:sys:nectar"
ROOT = {"process": VFS, "params": {"root": True}}


def asking(*rights: JsonValue, code: str = TWO) -> dict[str, bytes]:
    return package(code, request_capabilities=list(rights))


async def approved(node: SimNode) -> list[str]:
    answer = await post(node, STORE, {"Approved": "app:me"})
    assert answer.body["ApprovedResponse"]["must_ask"] is True
    return [right["process"] for right in answer.body["ApprovedResponse"]["rights"]]


async def test_what_nobody_approved_is_refused_with_all_that_is_asked_for():
    home = SimHome()
    async with home.booted() as node:
        answer = await put(node, asking(TIMER, VFS))
        assert answer.body == {"NewPackageResponse": FAILURE}
        assert f"messages to {TIMER}; messages to {VFS}" in answer.said
        assert "nectar start-package DIR --yes" in answer.said
        assert "app:me" not in await names_on(home)
        assert await approved(node) == []


async def test_who_asks_for_nothing_needs_no_approval():
    async with SimHome().booted() as node:
        assert (await put(node, package(ACTOR))).body == {"NewPackageResponse": SUCCESS}
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "one"


async def test_the_same_or_less_is_approved_already_and_more_is_not():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, asking(TIMER, code=ACTOR))
        assert await approved(node) == [TIMER]
        assert (await put(node, asking("timer:distro:sys"))).body == {"NewPackageResponse": SUCCESS}
        assert (await put(node, package(ACTOR))).body == {"NewPackageResponse": SUCCESS}
        answer = await put(node, asking(TIMER, VFS))
        assert answer.body == {"NewPackageResponse": FAILURE}
        assert VFS in answer.said
        assert TIMER not in answer.said
        assert b'"one"' in await home.disk.read("app:me/pkg/app.py")


async def test_it_is_remembered_through_a_crash_and_forgotten_with_the_package():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, asking(TIMER))
        home = home.crash()
    async with home.booted() as node:
        assert await approved(node) == [TIMER]
        assert (await put(node, asking(TIMER))).body == {"NewPackageResponse": SUCCESS}
        assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        assert await approved(node) == []
        assert (await put(node, asking(TIMER))).body == {"NewPackageResponse": FAILURE}


async def test_naming_a_package_at_a_boot_approves_it():
    async with SimHome().booted(asking(TIMER)) as node:
        assert await approved(node) == [TIMER]
        assert (await put(node, asking(TIMER))).body == {"NewPackageResponse": SUCCESS}


async def test_other_files_than_those_approved_do_not_start():
    """Whoever changed the drive meanwhile."""
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        await home.disk.write("app:me/pkg/manifest.json", asking(TIMER)["pkg/manifest.json"])
        answer = await install(node)
        assert answer.body == {"InstallResponse": FAILURE}
        assert TIMER in answer.said
        assert await node.ask(APP) == "one"


async def test_control_over_the_node_is_given_when_that_is_approved():
    async with SimHome().booted() as node:
        refused = await put(node, asking(ROOT))
        assert "is control over the node" in refused.said
        assert (await put_approved(node, asking(ROOT))).body == {"NewPackageResponse": SUCCESS}
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "two"


@pytest.mark.parametrize(("rights", "outcome"), [((TIMER,), SUCCESS), ((ROOT,), FAILURE)])
async def test_a_node_with_an_open_rpc_route_trusts_its_tools_with_all_but_control(rights, outcome: str):
    async with web_node(HttpSettings(rpc_open=True)) as web:
        node = SimNode(web.node, web.listener, web.console)
        assert (await put(node, asking(*rights))).body == {"NewPackageResponse": outcome}
        answer = await post(node, STORE, {"Approved": "app:me"})
        assert answer.body["ApprovedResponse"]["must_ask"] is False


async def test_what_is_refused_for_another_reason_is_not_approved_by_the_way():
    clash = asking(TIMER) | {"pkg/app.zip/x": b""}
    async with SimHome().booted() as node:
        answer = await put_approved(node, clash)
        assert "keeps the package's zip under that name" in answer.said
        assert await approved(node) == []
