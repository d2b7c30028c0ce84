"""What the first frame of a socket means (PROTOCOL 6.12-6.15)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kernel.address import Address, PackageId, ProcessId
from kernel.codec import Malformed
from sys_processes.http_server.encryption import BadKey, ClientKey
from sys_processes.http_server.protocol import REGISTER, REGISTER_ON_BOUND, WsRegister, WsRegisterOnBound

RegisterFrame = bytes | str

_SYSTEM = PackageId("sys", "nectar")
_REGISTER_BYTES = 16 * 1024
_NO_KEY = (
    "encrypted: true without public_key_hex; send one, or encrypted: false, or set ws.encrypted_plain_ok"
)


@attrs.frozen
class Registered:
    """Open a channel of `target`; encrypted, if there is a key to tell its secret with."""

    target: ProcessId
    key: ClientKey | None = None


@attrs.frozen
class RefuseRegister:
    """Close with `channels.NOT_REGISTERED`; `problem` is for the log, the client is told no more."""

    problem: str


@attrs.frozen
class Deliver:
    """The frame is an ordinary push."""


@attrs.frozen
class Swallow:
    """The frame was a register: an older client's, which nobody needs, or with the key of one that wants encryption."""

    key: ClientKey | None = None


@attrs.frozen(kw_only=True)
class RegisterRules:
    """`token_valid` judges a token now, for a process of that package; with None, whether it is one of the main login.

    `can_message` and `is_running` are as in `bindings.PathTable`.
    """

    node: str
    token_valid: Callable[[str, PackageId | None], bool]
    can_message: Callable[[Address], bool]
    is_running: Callable[[ProcessId], bool]
    encrypted_plain_ok: bool = False

    def first_frame(self, frame: RegisterFrame, only: ProcessId | None) -> Registered | RefuseRegister:
        """On a socket that has to register: at `/` for any process, over the bridge for `only` that one."""
        raw = _raw(frame)
        if len(raw) > _REGISTER_BYTES:
            return RefuseRegister(f"the first frame has {len(raw)} bytes, which no register has")
        try:
            register = REGISTER.decode(raw)
        except Malformed as malformed:
            return RefuseRegister(f"the first frame is no WsRegister: {malformed}")
        target = register.target_process
        if only is not None and target != only:
            return RefuseRegister(f"registers for {target} on a path of {only}")
        if not self.token_valid(register.auth_token, target.package_id):
            return RefuseRegister(self.bad_token())
        problem = self.unreachable(target)
        if problem is not None:
            return RefuseRegister(problem)
        key = self._key(register)
        return key if isinstance(key, RefuseRegister) else Registered(target, key)

    def first_bound_frame(self, frame: RegisterFrame, bound: ProcessId) -> Deliver | Swallow | RefuseRegister:
        """On a bound socket, whose channel is open already."""
        raw = _raw(frame)
        if len(raw) > _REGISTER_BYTES or not raw.lstrip().startswith(b"{"):
            return Deliver()
        try:
            register = REGISTER_ON_BOUND.decode(raw)
        except Malformed:
            return Deliver()
        if register.target_process != bound:
            return Deliver()
        if register.auth_token is not None and not self.token_valid(register.auth_token, bound.package_id):
            return RefuseRegister(self.bad_token())
        key = self._key(register)
        return key if isinstance(key, RefuseRegister) else Swallow(key)

    def first_encrypted_frame(self, frame: RegisterFrame, bound: ProcessId) -> Registered | RefuseRegister:
        """On a socket whose binding wants encryption; the upgrade was checked, so that no token is needed."""
        match self.first_bound_frame(frame, bound):
            case Swallow(key) if key is not None:
                # It may have ended since the upgrade.
                return (
                    Registered(bound, key)
                    if self.is_running(bound)
                    else RefuseRegister(f"{bound} does not run")
                )
            case RefuseRegister() as refused:
                return refused
            case _:
                return RefuseRegister(
                    f"the path is bound by {bound} with encrypted: true, and wants a register with a key"
                )

    def _key(self, register: WsRegister | WsRegisterOnBound) -> ClientKey | RefuseRegister | None:
        """None where none is wanted, or where the owner of the node allows to do without."""
        if not register.encrypted:
            return None
        if register.public_key_hex is None:
            return None if self.encrypted_plain_ok else RefuseRegister(_NO_KEY)
        try:
            return ClientKey.parse(register.public_key_hex, sign_secret=register.sign_secret)
        except BadKey as problem:
            return RefuseRegister(str(problem))

    def bad_token(self) -> str:
        """The problem with a token that is not valid."""
        return f"the token is expired, or not one of {self.node}"

    def unreachable(self, target: ProcessId) -> str | None:
        """Why no client gets a channel of that process; None when it may."""
        if target.package_id == _SYSTEM:
            return f"{target} belongs to the node; clients register for processes of packages"
        if not self.is_running(target):
            return f"{target} does not run"
        if not self.can_message(Address(self.node, target)):
            return (
                f"http_server may not message {target}: add "
                '"grant_capabilities": ["http_server:sys:nectar"] to its entry in manifest.json, or make it public'
            )
        return None


def _raw(frame: RegisterFrame) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame
