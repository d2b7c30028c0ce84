"""A package in many versions, and a node's app store as the original tools use it."""

from __future__ import annotations

from collections.abc import Mapping

from kernel.jsontext import JsonValue
from runtime.sim.clients import HttpClient
from sys_processes.app_store.archive import pack
from tests.support.kit import SEED, KitAnswer, KitWords, kit_answer, kit_call
from tests.support.sim_home import SimHome, SimNode
from tests.support.web_node import RPC_TOKEN

ACTOR = """
from userland.process_lib import *

WORD = "one"

async def init(our):
    await http.bind_http_path("/", authenticated=False)
    while True:
        try:
            message = await await_message()
            match message.ipc.decode().split(" ", 2):
                case ["keep", text]:
                    await set_state(text.encode())
                case ["ask", to, ipc]:
                    answer = await Request().target(our.node + "@" + to).ipc(ipc.encode()).send_and_await_response(5)
                    Response().ipc(answer.ipc).send()
                    continue
                case ["kept"]:
                    Response().ipc(await get_state() or b"nothing").send()
                    continue
                case _ if message.ipc.startswith(b'{"Http"'):
                    http.send_response(200, {}, b"here")
                    continue
            Response().ipc(WORD.encode()).send()
        except SendError as error:
            Response().ipc(f"refused: {error.reason}".encode()).send()
"""
TWO = ACTOR.replace('"one"', '"two"')
APP = "app:app:me"
SUCCESS, FAILURE = "Success", "Failure"


async def post(node: SimNode, process: str, request: JsonValue, data: bytes | None = None) -> KitAnswer:
    client = HttpClient(node.listener.connect())
    try:
        reply = await client.ask(
            "POST",
            "/rpc:sys:nectar/message",
            kit_call(process, request, data),
            content_type="application/json",
            authorization=f"Bearer {RPC_TOKEN}",
        )
    finally:
        await client.close()
    return kit_answer(reply.status, reply.body)


async def put(
    node: SimNode, files: Mapping[str, bytes], package_id: str = "app:me", words: KitWords = SEED
) -> KitAnswer:
    return await post(node, words.process, words.new_package(package_id), pack(files))


async def put_approved(node: SimNode, files: Mapping[str, bytes], package_id: str = "app:me") -> KitAnswer:
    return await post(
        node, SEED.process, {"NewPackage": {"package": package_id, "approve": True}}, pack(files)
    )


async def install(node: SimNode, package_id: str = "app:me", words: KitWords = SEED) -> KitAnswer:
    return await post(node, words.process, words.install(package_id))


async def uninstall(node: SimNode, package_id: str = "app:me", words: KitWords = SEED) -> KitAnswer:
    return await post(node, words.process, words.uninstall(package_id))


async def put_in(node: SimNode, files: Mapping[str, bytes], package_id: str = "app:me") -> None:
    """Both calls, which succeed, with whatever it asks for approved."""
    assert (await put_approved(node, files, package_id)).body == {"NewPackageResponse": SUCCESS}
    assert (await install(node, package_id)).body == {"InstallResponse": SUCCESS}


async def names_on(home: SimHome, folder: str = "") -> list[str]:
    return [name for name, _ in await home.disk.list(folder)]


async def apps(node: SimNode) -> dict[str, tuple[JsonValue, JsonValue]]:
    answer = await post(node, SEED.process, {"Apps": None})
    listed = answer.body["AppsResponse"]
    ids = [app["package_id"] for app in listed]
    return {
        f"{one['package_name']}:{one['publisher_node']}": (app["version"], app["processes"])
        for one, app in zip(ids, listed, strict=True)
    }
