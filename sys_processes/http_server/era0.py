"""A shim for clients of November 2023: channels with names, secrets from a route (PROTOCOL 6.14, 6.15).

They post a key to `/encryptor:sys:nectar`, register on `/` with a frame of their own, and name the process in each
message: the first one settles it. From then on it is a channel like any other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import attrs

from kernel.address import ProcessId
from kernel.codec import Malformed, Shape, struct
from kernel.jsontext import JsonValue, NotJson, dump, parse
from sys_processes.http_server import pages
from sys_processes.http_server.access import Refuse, check_local, check_origin
from sys_processes.http_server.coding import Frame, SealedFrame, Unreadable
from sys_processes.http_server.encryption import (
    BadKey,
    Cipher,
    ClientKey,
    Exchange,
    NotDecrypted,
)
from sys_processes.http_server.http1 import RequestHead
from sys_processes.http_server.origins import Origin
from sys_processes.http_server.protocol import WsMessageType
from sys_processes.http_server.register import RefuseRegister, RegisterRules
from sys_processes.http_server.replies import HttpReply, text_reply
from sys_processes.http_server.tokens import Session

BODY_BYTES = 16 * 1024
"""Of a post of a key."""
SECRETS = 1024
_NAME_CHARACTERS = 256
_REGISTER_BYTES = 16 * 1024
_JSON = [("content-type", "application/json")]


# -- wire shapes; `ws_auth_token` is a second cookie of theirs, which we do not issue


@attrs.frozen
class EncryptorRequest:
    channel_id: str
    public_key_hex: str


@attrs.frozen
class Target:
    node: str
    process: ProcessId


@struct
@attrs.frozen
class WsRegister:
    """The first frame of a socket."""

    auth_token: str
    ws_auth_token: str | None
    channel_id: str


@struct
@attrs.frozen
class WsMessage:
    auth_token: str
    ws_auth_token: str | None
    channel_id: str
    target: Target
    json: JsonValue


@struct
@attrs.frozen
class EncryptedWsMessage:
    """`encrypted` is ciphertext and tag, `nonce` 12 bytes: strings whose code points are the bytes."""

    auth_token: str
    ws_auth_token: str | None
    channel_id: str
    target: Target
    encrypted: str
    nonce: str


@attrs.frozen
class NodeIdentity:
    """What the name indexer tells of a node."""

    name: str
    public_key: str


ENCRYPTOR_REQUEST: Shape[EncryptorRequest] = Shape(EncryptorRequest)
ENCRYPTOR_ANSWER: Shape[Exchange] = Shape(Exchange)
REGISTER: Shape[WsRegister] = Shape(WsRegister)
MESSAGE: Shape[WsMessage | EncryptedWsMessage] = Shape(WsMessage | EncryptedWsMessage)
IDENTITY: Shape[NodeIdentity] = Shape(NodeIdentity)


# -- the routes


class Secrets:
    """The secrets of named channels: each stays while it is among the `SECRETS` used last."""

    def __init__(self, draw: Callable[[], bytes]) -> None:
        self._draw = draw
        self._secrets: OrderedDict[str, bytes] = OrderedDict()

    def of(self, channel: str) -> bytes:
        """Drawn when there is none."""
        found = self.find(channel)
        if found is None:
            found = self._secrets[channel] = self._draw()
            if len(self._secrets) > SECRETS:
                self._secrets.popitem(last=False)
        return found

    def find(self, channel: str) -> bytes | None:
        if channel in self._secrets:
            self._secrets.move_to_end(channel)
        return self._secrets.get(channel)


def check_exchange(head: RequestHead, session: Session, trusted: frozenset[Origin]) -> Refuse | None:
    """Whether a key may be posted; asked before the body is read."""
    if head.method != "POST":
        return Refuse(405, "a key is posted here")
    refused = check_local(head) or check_origin(head, trusted)
    if refused is not None:
        return refused
    return (
        None
        if session is Session.VALID
        else Refuse(401, "the exchange of a secret needs the cookie of a login")
    )


def refusal(head: RequestHead, refused: Refuse) -> HttpReply:
    if refused.status == 405:
        return text_reply(405, refused.reason, [("allow", "POST")])
    return pages.refusal(head, refused.status, refused.reason)


def exchange(body: bytes, secrets: Secrets, sign: Callable[[bytes], bytes]) -> HttpReply:
    """201 with the secret of the channel, sealed with the key that was posted; 400."""
    try:
        request = ENCRYPTOR_REQUEST.decode(body)
        key = ClientKey.parse(request.public_key_hex)
    except (Malformed, BadKey) as problem:
        return text_reply(400, str(problem))
    if len(request.channel_id) > _NAME_CHARACTERS:
        return text_reply(400, f"channel_id is longer than {_NAME_CHARACTERS} characters")
    answer = Exchange.of(key, secrets.of(request.channel_id), sign)
    return HttpReply(201, [*_JSON, ("cache-control", "no-store")], ENCRYPTOR_ANSWER.encode(answer))


def identity(node: str, public_key: bytes) -> HttpReply:
    """By which clients check who signed."""
    return HttpReply(200, list(_JSON), IDENTITY.encode(NodeIdentity(node, f"0x{public_key.hex()}")))


# -- the socket


@attrs.frozen(kw_only=True)
class NamedDoor:
    """What a named channel needs of its node. `nonce` draws a fresh one."""

    rules: RegisterRules
    secrets: Secrets
    nonce: Callable[[], bytes]


class NamedChannel:
    """The `Coding` of one socket that registered so."""

    def __init__(self, door: NamedDoor, name: str) -> None:
        self._door = door
        self._name = name
        self._target: ProcessId | None = None
        self._cipher: Cipher | None = None

    def meet(self, message: bytes | str) -> ProcessId:
        """The process that the first message settles. Raises `Unreadable`. The message is still to be read."""
        target = self._checked(message).target
        rules = self._door.rules
        problem = rules.unreachable(target.process)
        if target.node != rules.node:
            problem = f"a message for {target.process} of {target.node}; only {rules.node} is reached here"
        if problem is not None:
            raise Unreadable(problem)
        self._target = target.process
        return target.process

    def incoming(self, message: bytes | str) -> tuple[WsMessageType, bytes]:
        said = self._checked(message)
        if (said.target.node, said.target.process) != (self._door.rules.node, self._target):
            raise Unreadable(f"a message for {said.target.process} on a channel of {self._target}")
        if isinstance(said, EncryptedWsMessage):
            return WsMessageType.Binary, self._decrypted(said)
        try:
            return WsMessageType.Text, dump(said.json)
        except TypeError as problem:
            raise Unreadable(f"JSON that cannot be passed on: {problem}") from None

    def outgoing(self, data: bytes) -> Frame:
        if self._cipher is None:
            return Frame(WsMessageType.Binary, data)
        return SealedFrame(WsMessageType.Binary, self._cipher.seal(data))

    def _checked(self, message: bytes | str) -> WsMessage | EncryptedWsMessage:
        raw = message.encode() if isinstance(message, str) else message
        try:
            said = MESSAGE.decode(raw)
        except Malformed as malformed:
            raise Unreadable(f"neither a WsMessage nor an EncryptedWsMessage: {malformed}") from None
        if said.channel_id != self._name:
            raise Unreadable("a message of another channel_id than the one that registered")
        if not self._door.rules.token_valid(said.auth_token):
            raise Unreadable(self._door.rules.bad_token())
        return said

    def _decrypted(self, said: EncryptedWsMessage) -> bytes:
        try:
            frame = (said.encrypted + said.nonce).encode("latin-1")
        except UnicodeEncodeError:
            raise Unreadable("'encrypted' or 'nonce' has code points above 255") from None
        cipher = self._cipher or self._secret_cipher()
        try:
            opened = cipher.open(frame)
        except NotDecrypted as problem:
            raise Unreadable(str(problem)) from None
        self._cipher = cipher
        return opened

    def _secret_cipher(self) -> Cipher:
        secret = self._door.secrets.find(self._name)
        if secret is None:
            raise Unreadable("no secret was exchanged for this channel; post a key to /encryptor:sys:nectar")
        return Cipher(secret, self._door.nonce)


def first_frame(message: bytes | str, door: NamedDoor) -> NamedChannel | RefuseRegister | None:
    """What the first frame on `/` means; None when it is none of these clients."""
    raw = message.encode() if isinstance(message, str) else message
    try:
        json = parse(raw) if len(raw) <= _REGISTER_BYTES else None
    except NotJson:
        return None
    if not isinstance(json, dict) or "WsRegister" not in json:
        return None
    try:
        register = REGISTER.load(json)
    except Malformed as malformed:
        return RefuseRegister(f"the first frame is no WsRegister: {malformed}")
    if len(register.channel_id) > _NAME_CHARACTERS:
        return RefuseRegister(f"a channel_id of {len(register.channel_id)} characters")
    if not door.rules.token_valid(register.auth_token):
        return RefuseRegister(door.rules.bad_token())
    return NamedChannel(door, register.channel_id)
