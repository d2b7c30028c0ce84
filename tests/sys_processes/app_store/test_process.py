"""Packages into a whole node through its RPC route, on memory devices, as the original tools do it."""

from __future__ import annotations

import json

import pytest
import trio

from kernel.address import Address, ProcessId
from kernel.jsontext import JsonValue
from kernel.kernel import Kernel
from kernel.message import KernelMessage, Request, Response
from kernel.syscalls import current
from sys_processes.app_store.archive import pack
from tests.support.kit import LATER, SEED, KitAnswer, KitWords
from tests.support.sim_home import SimHome, package
from tests.support.store_calls import (
    ACTOR,
    APP,
    FAILURE,
    SUCCESS,
    TWO,
    apps,
    install,
    names_on,
    post,
    put,
    put_in,
    uninstall,
)
from tests.support.zips import zipped

# -- in


@pytest.mark.parametrize("words", [SEED, LATER], ids=["seed", "later"])
async def test_the_original_tools_install_and_remove_a_package(words: KitWords):
    """C-162."""
    home = SimHome()
    async with home.booted() as node:
        assert await put(node, package(ACTOR), words=words) == KitAnswer(
            200, {"NewPackageResponse": SUCCESS}, ""
        )
        assert await install(node, words=words) == KitAnswer(200, {"InstallResponse": SUCCESS}, "")
        assert await node.ask(APP) == "one"
        assert await uninstall(node, words=words) == KitAnswer(200, {"UninstallResponse": SUCCESS}, "")
        assert await node.ps() == {}
        assert "app:me" not in await names_on(home)


@pytest.mark.parametrize("top", ["pkg/", ""], ids=["the folder", "the content of pkg"])
async def test_a_zip_built_by_hand_installs(top: str):
    files = package(ACTOR)
    inside = {path.removeprefix("pkg/"): data for path, data in files.items()}
    by_hand = {f"{top}{path}" if path != "metadata.json" else path: data for path, data in inside.items()}
    data = zipped(by_hand, folders=("pkg", "pkg/ui") if top else ("ui",))
    async with SimHome().booted() as node:
        assert (await post(node, SEED.process, SEED.new_package("app:me"), data)).body == {
            "NewPackageResponse": SUCCESS
        }
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "one"


async def test_a_zip_without_metadata_is_the_package_of_the_request():
    """As later tools send it: their metadata lies beside what they zip."""
    files = package(ACTOR)
    del files["metadata.json"]
    async with SimHome().booted() as node:
        answer = await put(node, files, words=LATER)
        assert answer.body == {"NewPackageResponse": SUCCESS}
        assert "metadata.json: is missing; the package is app:me" in answer.said
        assert (await install(node, words=LATER)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "one"


async def test_the_zip_is_kept_in_the_drive():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        assert await home.disk.read("app:me/pkg/app.zip") == pack(package(ACTOR))


async def test_an_installed_package_runs_with_exactly_what_it_requests_and_can_get():
    """C-159."""
    asks = ["timer:sys:nectar", {"process": "vfs:sys:nectar", "params": {"x": 1}}]
    async with SimHome().booted() as node:
        await put_in(node, package(ACTOR, request_capabilities=asks, grant_capabilities=["timer:sys:nectar"]))
        processes = node.node.kernel.router.processes
        held = sorted(str(capability) for capability in processes[ProcessId.from_str(APP)].holdings.all())
        assert held == sorted(
            [
                f'alice.uq@{APP}^"messaging"',
                'alice.uq@timer:sys:nectar^"messaging"',
                'alice.uq@vfs:sys:nectar^{"x":1}',
            ]
        )
        timer = processes[ProcessId.from_str("timer:sys:nectar")]
        assert ProcessId.from_str(APP) in timer.holdings.messaging


async def test_new_package_replaces_files_and_install_what_runs():
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        await node.ask(APP, "keep me")
        assert (await put(node, package(TWO))).body == {"NewPackageResponse": SUCCESS}
        assert await node.ask(APP) == "one"
        assert b'"two"' in await home.disk.read("app:me/pkg/app.py")
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "two"
        assert await node.ask(APP, "kept") == "me"
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP, "kept") == "me"


async def test_a_new_version_does_not_take_from_others_what_their_manifests_ask_of_it():
    friend = package(ACTOR, name="friend", request_capabilities=[APP, "second:app:me"])
    stranger = package(ACTOR, name="stranger")
    second = {
        "process_name": "second",
        "process_path": "/app.py",
        "grant_capabilities": ["http_server:sys:nectar"],
    }
    given = package(
        ACTOR, second, public=False, grant_capabilities=["stranger:stranger:me", "http_server:sys:nectar"]
    )
    poorer = package(TWO, public=False, grant_capabilities=["http_server:sys:nectar"])
    async with SimHome().booted(friend, stranger, given) as node:
        for asker in ("friend:friend:me", "stranger:stranger:me"):
            assert await node.ask(asker, f"ask {APP} hello") == "one"
        await put_in(node, poorer)
        assert await node.ask("friend:friend:me", f"ask {APP} hello") == "two"
        assert "capability_missing" in await node.ask("stranger:stranger:me", f"ask {APP} hello")
        held = node.node.kernel.router.processes[ProcessId.from_str("friend:friend:me")].holdings.all()
        assert [str(one.issuer.process) for one in held if one.issuer.process.package == "app"] == [APP]


async def test_a_package_given_to_the_boot_can_be_installed_again_and_removed():
    async with SimHome().booted(package(ACTOR)) as node:
        assert (await install(node)).body == {"InstallResponse": SUCCESS}
        assert await node.ask(APP) == "one"
        assert (await uninstall(node)).body == {"UninstallResponse": SUCCESS}
        assert await node.ps() == {}


# -- what is refused


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "the payload: is missing"),
        (b"", "the payload: is missing"),
        (b"no zip", "the zip: is no zip"),
        (zipped({"pkg/manifest.json": b"[]", "../evil": b"x"}), "'..'"),
        (pack({"manifest.json": b"[{]"}), "manifest.json: is no JSON"),
        (pack(package("async def init(our)")), "pkg/app.py: line 1"),
        (pack(package("raise OSError")), "pkg/app.py: line 1: OSError"),
        (pack(package(TWO, public="yes")), "$[0].public: expected true or false"),
        (
            pack(package(TWO) | {"pkg/app.zip/x": b""}),
            "pkg/app.zip: is a folder, and the node keeps the package's",
        ),
        (pack(package(TWO, name="other")), "is that of other:me, and the request is about app:me"),
    ],
)
async def test_a_bad_package_changes_nothing_and_the_answer_says_why(data: bytes | None, why: str):
    """C-160."""
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        answer = await post(node, SEED.process, SEED.new_package("app:me"), data)
        assert answer.body == {"NewPackageResponse": FAILURE}
        assert why in answer.said
        assert why in node.console.text
        assert await node.ask(APP) == "one"
        assert b'"one"' in await home.disk.read("app:me/pkg/app.py")
        assert (await node.ps())[APP]["restarts"] == 0
        assert "other:me" not in await names_on(home)


async def test_a_version_that_does_not_start_leaves_the_old_one_running():
    """C-160: what the files say may have changed since they were checked."""
    home = SimHome()
    async with home.booted() as node:
        await put_in(node, package(ACTOR))
        await node.ask(APP, "keep me")
        await home.disk.write("app:me/pkg/manifest.json", b"[{}]")
        answer = await install(node)
        assert answer.body == {"InstallResponse": FAILURE}
        assert "'process_name' is missing" in answer.said
        assert await node.ask(APP, "kept") == "me"


FILES_OF_ALL = {"process": "vfs:sys:nectar", "params": {"root": True}}
STATES_OF_ALL = {"process": "state:sys:nectar", "params": {"root": True}}


@pytest.mark.parametrize("publisher", ["me", "nectar"])
@pytest.mark.parametrize(
    "right", ["kernel:sys:nectar", "main:app_store:nectar", "main:app-store:sys", FILES_OF_ALL, STATES_OF_ALL]
)
async def test_control_over_the_node_takes_a_name_on_the_command_line(right: JsonValue, publisher: str):
    metadata = json.dumps({"package": "app", "publisher": publisher}).encode()
    asking = package(ACTOR, request_capabilities=[right]) | {"metadata.json": metadata}
    async with SimHome().booted() as node:
        answer = await put(node, asking, f"app:{publisher}")
        assert answer.body == {"NewPackageResponse": FAILURE}
        assert "is control over the node" in answer.said
        assert "nectar boot --package" in answer.said
        assert await node.ps() == {}


async def test_who_was_approved_may_install_and_others_may_not():
    approved = package(ACTOR, request_capabilities=["main:app_store:nectar"])
    apps = 'ask main:app_store:nectar "Apps"'
    async with SimHome().booted(approved, package(ACTOR, name="other")) as node:
        assert '"app:me"' not in await node.ask("other:other:me", apps)
        assert "capability_missing" in await node.ask("other:other:me", apps)
        assert json.loads(await node.ask(APP, apps))["AppsResponse"][0]["processes"] == [APP]


@pytest.mark.parametrize("name", ["sys:nectar", "app_store:nectar", "homepage:nectar", "app-store:sys"])
async def test_the_packages_of_the_node_are_neither_replaced_nor_removed(name: str):
    files = package(ACTOR)
    del files["metadata.json"]
    async with SimHome().booted() as node:
        for answer in (await put(node, files, name), await install(node, name), await uninstall(node, name)):
            assert list(answer.body.values()) == [FAILURE]
            assert "belongs to the node" in answer.said


async def test_a_package_whose_drive_some_disk_takes_for_that_of_another_is_refused():
    async with SimHome().booted(package(ACTOR)) as node:
        answer = await put(node, package(TWO, name="App"), "App:me")
        assert answer.body == {"NewPackageResponse": FAILURE}
        assert "App:me and app:me, which is on this node, differ in upper and lower case only" in answer.said
        assert await node.ask(APP) == "one"


async def test_a_package_that_is_not_there_is_neither_installed_nor_removed():
    async with SimHome().booted() as node:
        for answer in (await install(node, "no:me"), await uninstall(node, "no:me")):
            assert list(answer.body.values()) == [FAILURE]
            assert "there is no such package" in answer.said


async def test_downloads_are_not_offered():
    request = {
        "Download": {
            "package": {"package_name": "chess", "publisher_node": "nectar"},
            "install_from": "bob.uq",
        }
    }
    async with SimHome().booted() as node:
        answer = await post(node, SEED.process, request)
        assert answer.body == {"DownloadResponse": FAILURE}
        assert "send it with NewPackage" in answer.said


async def test_a_request_that_means_nothing_is_told_so_and_the_store_goes_on():
    async with SimHome().booted() as node:
        for request in ("Nonsense", {"Install": 5}, {"NewPackage": {}}):
            assert "Err" in (await post(node, SEED.process, request)).body
        assert (await post(node, SEED.process, "Apps")).body == {"AppsResponse": []}


async def test_other_nodes_are_refused():
    """C-158 for the store."""
    async with SimHome().booted(package(ACTOR)) as node:
        kernel = node.node.kernel
        answers = net_of(kernel)
        request = Request(expects_response=5, ipc=json.dumps(SEED.uninstall("app:me")).encode())
        source = Address.from_str("bob.uq@main:app_store:nectar")
        target = Address(kernel.node, ProcessId.from_str("main:app_store:nectar"))
        assert kernel.router.deliver_remote(KernelMessage(77, source, target, None, request)) is None
        await trio.sleep(1)
        assert [answer.ipc for answer in answers] == [b'"DownloadDenied"']
        assert await node.ask(APP) == "one"


def net_of(kernel: Kernel) -> list[Response]:
    """What is sent to other nodes from now on."""
    sent: list[Response] = []

    async def net(our: Address) -> None:
        while True:
            message = (await current().receive()).envelope().message
            assert isinstance(message, Response)
            sent.append(message)

    kernel.add_module(ProcessId("net", "sys", "nectar"), net, public=False)
    return sent


# -- what there is


async def test_the_packages_that_are_there_are_listed():
    entry = {"process_name": "second", "process_path": "/app.py", "public": True}
    versioned = package(ACTOR, entry) | {
        "metadata.json": b'{"package":"app","publisher":"me","version":[1,2,3]}'
    }
    async with SimHome().booted(package(ACTOR, name="other")) as node:
        assert (await put(node, versioned)).body == {"NewPackageResponse": SUCCESS}
        assert await apps(node) == {"app:me": ("1.2.3", []), "other:me": (None, ["other:other:me"])}
        await install(node)
        assert (await apps(node))["app:me"] == ("1.2.3", [APP, "second:app:me"])
