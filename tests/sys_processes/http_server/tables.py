"""A table of paths, and whom its node lets it reach."""

from __future__ import annotations

import attrs

from kernel.address import Address, ProcessId
from sys_processes.http_server.bindings import HOMEPAGE, HttpBinding, PathTable
from sys_processes.http_server.protocol import Bind, PathBindError, WebSocketBind

APP = Address("alice.uq", "p:k:u")
OTHER = Address("alice.uq", "q:k:u")
HOME = Address("alice.uq", HOMEPAGE)
REMOTE = Address("bob.uq", "p:k:u")


@attrs.define
class Node:
    """A table, and whom its node lets us reach."""

    silent: list[ProcessId] = attrs.Factory(list)
    stopped: list[ProcessId] = attrs.Factory(list)
    encrypted_plain_ok: bool = False
    paths: PathTable = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.paths = PathTable(
            "alice.uq",
            can_message=lambda address: address.process not in self.silent,
            is_running=lambda process: process not in self.stopped,
            encrypted_plain_ok=self.encrypted_plain_ok,
        )

    def bind(
        self, path: str, source: Address = APP, *, authenticated: bool = False, local_only: bool = False
    ) -> None:
        assert self.paths.bind(source, Bind(path, authenticated, local_only, cache=False), None) is None

    def bind_socket(self, path: str, source: Address = APP) -> None:
        assert self.paths.bind_socket(source, WebSocketBind(path, authenticated=True)) is None

    def owner(self, path: str) -> ProcessId | None:
        route = self.paths.route(path)
        return route.process if isinstance(route, HttpBinding) else None


def refusal(error: object) -> str:
    assert isinstance(error, PathBindError)
    return error.error
