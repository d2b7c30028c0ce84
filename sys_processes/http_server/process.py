"""The process `http_server:sys:nectar`: owns the listener, the paths and the channels (PROTOCOL 6, DESIGN 5).

Its main task hears what processes ask and who ended; each connection is a child task. Public syscalls only.
"""

from __future__ import annotations

import functools

import trio

from kernel.address import Address, ProcessId
from kernel.capability import KERNEL
from kernel.message import Message, Payload, Reason, Response, SendError
from kernel.ports import Init
from kernel.process_exited import EndedBy, ProcessExited
from kernel.syscalls import current
from sys_processes.devices import ByteStream
from sys_processes.http_server import era0
from sys_processes.http_server.actions import answer, perform
from sys_processes.http_server.bindings import PathTable
from sys_processes.http_server.channels import PROCESS_REFUSES, TOO_BIG, Channels
from sys_processes.http_server.complaints import Complaints, Kind
from sys_processes.http_server.connection import Conversation, serve_connection
from sys_processes.http_server.door import Door
from sys_processes.http_server.encryption import NONCE_BYTES, SECRET_BYTES
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.link_path import LINK_PATH, decide_link
from sys_processes.http_server.protocol import METADATA_WS, REQUEST, WebSocketPush
from sys_processes.http_server.register import RegisterRules
from sys_processes.http_server.replies import HttpReply
from sys_processes.http_server.room import Room
from sys_processes.http_server.roots import asked_roots
from sys_processes.http_server.site import GRACE, Pages
from sys_processes.http_server.sockets import Owed, Sockets
from sys_processes.http_server.upgrade import Accept, HandOver
from sys_processes.http_server.websocket import Socket

ACCEPT_PAUSE = 0.1
"""Seconds to wait when the machine has no more files for connections."""

_UNDELIVERED = {Reason.too_large: TOO_BIG, Reason.capability_missing: PROCESS_REFUSES}


class _Server:
    """All connections' `Site`, and the main task's answers."""

    def __init__(self, door: Door, paths: PathTable, our: Address) -> None:
        node = current()
        self._door = door
        self._paths = paths
        self._closing = False
        self._conversations: dict[Conversation, None] = {}
        self._room = Room()
        self._busy = 0
        """Calls being answered, and sockets."""
        self._owed = owed = Owed()
        self._channels = Channels(
            our.node, door.settings, lambda bits: node.draw("channel id", bits), owed.note
        )
        rules = RegisterRules(
            node=our.node,
            token_valid=lambda token, package: door.tokens.admits_to(token, node.now(), package),
            can_message=node.can_message,
            is_running=node.is_running,
            encrypted_plain_ok=door.settings.encrypted_plain_ok,
        )
        named = era0.NamedDoor(
            rules=rules,
            secrets=era0.Secrets(lambda: node.secret("channel secret", SECRET_BYTES)),
            nonce=functools.partial(node.secret, "channel nonce", NONCE_BYTES),
        )
        self._complaints = Complaints()
        self._pages = Pages(door, paths, our.node, named.secrets, self._complain)
        self._sockets = Sockets(door, paths, self._channels, owed, named, self._complain)

    # -- what processes ask

    def hear(self, message: Message, payload: Payload | None) -> None:
        if not message.is_request():
            return
        if message.is_process(KERNEL) and message.is_local():
            self._hear_kernel(message)
            return
        error = perform(message.ipc, message.source, payload, self._paths, self._channels)
        roots = None if error is None else asked_roots(message, self._paths)
        if roots is not None:
            if message.wants_response:
                current().send_response(Response(ipc=roots))
        elif message.wants_response:
            current().send_response(Response(ipc=answer(error)))
        elif error is not None:
            current().print_to_terminal(2, f"refused {message.source.process}: {error}")

    def _hear_kernel(self, message: Message) -> None:
        exited = ProcessExited.from_message(message)
        if exited is not None:
            self._paths.drop_all(exited.id, killed=exited.cause is EndedBy.Killed)
            self._channels.owner_gone(exited.id)
            self._pages.forget(exited.id)

    def ended(self, process: ProcessId) -> None:
        """In the step in which the process ends; the kernel's message about it comes later."""
        self._owed.forget(process)
        self._channels.orphan(process)

    def came_back(self, error: SendError) -> None:
        """A frame that its process cannot take ends the channel: lost in silence, nobody would know."""
        ending = _UNDELIVERED.get(error.reason)
        if ending is None or error.message.metadata != METADATA_WS:
            current().print_to_terminal(2, f"came back: {error}")
            return
        request = REQUEST.decode(error.message.ipc)
        if isinstance(request, WebSocketPush):
            self._channels.end_by_id(request.channel_id, ending)

    # -- connections

    async def listen(self) -> None:
        """Until the listener is closed; then end the channels."""
        node = current()
        while True:
            try:
                stream = await self._door.listener.accept()
            except trio.ClosedResourceError:
                break
            except OSError as error:
                node.print_to_terminal(0, f"cannot accept a connection: {error}")
                await node.sleep(ACCEPT_PAUSE)
                continue
            node.start_soon(self._serve, stream)
        self._closing = True
        self._pages.shut_down()
        for conversation in self._conversations:
            self._hurry(conversation)
        self._sockets.shut_down()
        self._note_drained()

    async def _serve(self, stream: ByteStream) -> None:
        try:
            await serve_connection(stream, self, self._door.limits, self._conversations, self._room)
        except Exception as error:  # noqa: BLE001 - no client may reach the listener or another client
            current().print_to_terminal(0, f"a connection of {stream.peer} failed: {error!r}")

    def _hurry(self, conversation: Conversation) -> None:
        head = conversation.head
        last_word = None if head is None else self._pages.last_word(head)
        if last_word is not None:
            conversation.hurry(GRACE, last_word)

    def _note_drained(self) -> None:
        if self._closing and not self._busy:
            self._door.drained.set()

    # -- the Site of every connection

    def max_body(self, head: RequestHead) -> int | HttpReply:
        return self._pages.max_body(head)

    async def exchange(self, head: RequestHead, body: bytes) -> HttpReply:
        self._busy += 1
        try:
            return await self._pages.answer(head, body)
        finally:
            self._busy -= 1
            self._note_drained()

    async def upgrade(self, head: RequestHead) -> HttpReply | Accept | HandOver:
        links = self._door.links
        if links is not None and head.path == LINK_PATH:
            return decide_link(head, links)
        return self._sockets.decide(head, self._pages.session(head))

    async def websocket(self, head: RequestHead, socket: Socket) -> None:
        self._busy += 1
        try:
            await self._sockets.run(head, socket)
        finally:
            self._busy -= 1
            self._note_drained()

    def failed(self, head: RequestHead, error: Exception) -> None:
        current().print_to_terminal(0, f"{head.method} {head.path} failed: {error!r}")

    def not_understood(self, peer: str | None, problem: str) -> None:
        self._complain(Kind.REQUEST, f"a bad request of {peer}: {problem}")

    def _complain(self, kind: Kind, text: str) -> None:
        for line in self._complaints.lines(kind, text, trio.current_time()):
            current().print_to_terminal(0, line)


def make(door: Door) -> Init:
    """The `init` of the process. The paths outlive a restart of it, the channels do not."""
    tables: list[PathTable] = []

    async def init(our: Address) -> None:
        node = current()
        if not tables:
            tables.append(
                PathTable(
                    our.node,
                    can_message=lambda address: current().can_message(address),
                    is_running=lambda process: current().is_running(process),
                    encrypted_plain_ok=door.settings.encrypted_plain_ok,
                )
            )
        server = _Server(door, tables[0], our)
        node.watch_exits(server.ended)
        node.start_soon(server.listen)
        while True:
            try:
                message = await node.receive()
            except SendError as error:
                server.came_back(error)
                continue
            server.hear(message, node.get_payload())

    return init
