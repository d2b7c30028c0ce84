"""What the original tools post to the RPC route of a node when they install and remove packages (PROTOCOL 8.5)."""

from __future__ import annotations

import base64
import json

import attrs

from kernel.jsontext import JsonValue


@attrs.frozen
class KitWords:
    """The spelling of one era."""

    process: str
    key: str | None

    def about(self, package: str) -> JsonValue:
        name, _, publisher = package.partition(":")
        parts: JsonValue = {"package_name": name, "publisher_node": publisher}
        return parts if self.key is None else {self.key: parts, "version_hash": "abcd", "metadata": None}

    def new_package(self, package: str) -> JsonValue:
        name, _, publisher = package.partition(":")
        parts: JsonValue = {"package_name": name, "publisher_node": publisher}
        return {"NewPackage": {self.key or "package": parts, "mirror": True}}

    def install(self, package: str) -> JsonValue:
        return {"Install": self.about(package)}

    def uninstall(self, package: str) -> JsonValue:
        return {"Uninstall": self.about(package)}


SEED = KitWords("main:app_store:nectar", None)
LATER = KitWords("main:app-store:sys", "package_id")


@attrs.frozen
class KitAnswer:
    """`said` is the text of the payload: why something failed, or warnings."""

    status: int
    body: JsonValue
    said: str


def kit_call(process: str, request: JsonValue, data: bytes | None = None) -> bytes:
    """The body of one POST."""
    call: dict[str, JsonValue] = {
        "node": None,
        "process": process,
        "inherit": False,
        "expects_response": 15,
        "body": json.dumps(request),
        "metadata": None,
        "context": None,
        "mime": "application/octet-stream",
        "data": None if data is None else base64.b64encode(data).decode(),
    }
    return json.dumps(call).encode()


def kit_answer(status: int, body: bytes) -> KitAnswer:
    """As those tools read it: `body` is an array of bytes, `lazy_load_blob` null or an object with one."""
    answer = json.loads(body)
    if status != 200:
        return KitAnswer(status, answer, answer["error"])
    blob = answer["lazy_load_blob"]
    said = "" if blob is None else base64.b64decode(bytes(blob["bytes"])).decode()
    return KitAnswer(status, json.loads(bytes(answer["body"])), said)
