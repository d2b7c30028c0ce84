"""The client of a node's RPC route, the only door that commands use (PROTOCOL 6.10, C-162)."""

from __future__ import annotations

import base64
import binascii
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import attrs

from kernel.address import ProcessId
from kernel.codec import Malformed
from kernel.jsontext import NotJson, parse
from kernel.message import Payload
from runtime.command_error import USAGE, CommandError
from runtime.node_file import read_node_file, read_token
from sys_processes.http_server.protocol import RPC_ANSWER, RPC_REQUEST, RpcRequest

LAST_RESORT = "http://localhost:8080"
ROUTE = "/rpc:sys:nectar/message"
ANSWER_SECONDS = 15
# What the node may take longer than it was told to wait.
GRACE_SECONDS = 5.0


@attrs.frozen
class NodeDoor:
    """Where a node listens, and what lets us in (None: nothing, which an open node accepts from this machine)."""

    host: str
    port: int
    token: str | None = attrs.field(default=None, repr=False)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def find_node(home: Path | None, url: str | None, default_home: Path) -> NodeDoor:
    """By `home`, by `url` (with the token of `home`, or of the default home if its node is the one), else the node of
    the default home, else the one at http://localhost:8080. Raises `CommandError`.
    """
    if home is not None:
        node = read_node_file(home)
        if url is None and node is None:
            raise CommandError(f"no node runs from {home}", f"nectar boot {home}")
        where = url if url is not None else node.url if node is not None else LAST_RESORT
        return _door(where, read_token(home))
    node = read_node_file(default_home)
    if node is not None and (url is None or url.rstrip("/") == node.url):
        return _door(node.url, read_token(default_home))
    return _door(url or LAST_RESORT, None)


def _door(url: str, token: str | None) -> NodeDoor:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme != "http" or not host or parts.path not in ("", "/") or parts.query:
        raise CommandError(f"{url!r} is no URL of a node", "--url http://localhost:8080", USAGE)
    return NodeDoor(host, 80 if port is None else port, token)


@attrs.frozen
class RpcAnswer:
    ipc: bytes
    payload: Payload | None


def call(
    door: NodeDoor,
    process: ProcessId,
    ipc: str,
    *,
    node: str | None = None,
    payload: Payload | None = None,
    seconds: int | None = ANSWER_SECONDS,
) -> RpcAnswer | None:
    """Send one Request and wait `seconds` for its answer; None: do not wait, and return None. Raises `CommandError`."""
    request = RpcRequest(
        process=str(process),
        node=node,
        expects_response=seconds,
        ipc=ipc,
        mime=None if payload is None else payload.mime,
        data=None if payload is None else base64.b64encode(payload.bytes).decode(),
    )
    status, body = _post(door, RPC_REQUEST.encode(request), (seconds or 0) + GRACE_SECONDS)
    if status != 200:
        raise _refusal(door, _Called(process, node), status, body)
    return None if seconds is None else _answer(door, body)


def _post(door: NodeDoor, body: bytes, limit: float) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    if door.token is not None:
        headers["Authorization"] = f"Bearer {door.token}"
    connection = HTTPConnection(door.host, door.port, timeout=limit)
    try:
        connection.request("POST", ROUTE, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError:
        raise CommandError(f"the node at {door.url} did not answer within {limit:g} s", "nectar ps") from None
    except ConnectionRefusedError:
        raise CommandError(f"no node listens at {door.url}", "nectar boot") from None
    except (OSError, HTTPException, ValueError) as error:
        problem = f"{door.url} does not answer as a node does: {str(error) or type(error).__name__}"
        raise CommandError(problem, "nectar ps --url URL") from None
    finally:
        connection.close()


def _answer(door: NodeDoor, body: bytes) -> RpcAnswer:
    try:
        answer = RPC_ANSWER.decode(body)
        payload = answer.payload
        if payload is not None:
            payload = attrs.evolve(payload, bytes=base64.b64decode(payload.bytes, validate=True))
    except (Malformed, binascii.Error) as error:
        raise CommandError(
            f"{door.url} does not answer as a node does: {error}", "nectar ps --url URL"
        ) from None
    return RpcAnswer(answer.ipc, payload)


@attrs.frozen
class _Called:
    process: ProcessId
    node: str | None

    @property
    def look(self) -> str:
        """The command that shows more of what cannot be reached."""
        return "nectar ps" if self.node is None else "nectar peers"

    def __str__(self) -> str:
        return str(self.process) if self.node is None else f"{self.node}@{self.process}"


def _refusal(door: NodeDoor, called: _Called, status: int, body: bytes) -> CommandError:
    text = _said(body)
    said = f": {text}" if text and not text.startswith("<") else ""
    match status:
        case 401:
            return CommandError(f"the node at {door.url} does not let us in{said}", "nectar ps --home HOME")
        case 404:
            return CommandError(f"{door.url} is no node: it has no RPC route", "nectar ps --url URL")
        case 408:
            return CommandError(f"{called} did not answer{said}", called.look)
        case 503:
            return CommandError(f"{called} cannot be reached{said}", called.look)
        case _:
            return CommandError(
                f"the node at {door.url} refused with {status}{said}", "nectar inject-message --help"
            )


def _said(body: bytes) -> str:
    """The error in the route's answer, or else the first line of whatever it is."""
    try:
        answer = parse(body)
    except NotJson:
        return body.decode(errors="replace").strip().partition("\n")[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) else ""
