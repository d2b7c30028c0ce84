"""What the first frame of a socket means (PROTOCOL 6.12, 6.14)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kernel.address import Address, PackageId, ProcessId
from kernel.codec import Malformed
from sys_processes.http_server.protocol import REGISTER, REGISTER_ON_BOUND

RegisterFrame = bytes | str

_SYSTEM = PackageId("sys", "nectar")
_REGISTER_BYTES = 16 * 1024
_NOT_ENCRYPTED = "encrypted channels are not offered; send encrypted: false or set ws.encrypted_plain_ok"


@attrs.frozen
class Registered:
    """Open a channel of `target`."""

    target: ProcessId


@attrs.frozen
class RefuseRegister:
    """Close with `channels.NOT_REGISTERED`; `problem` is for the log, the client is told no more."""

    problem: str


@attrs.frozen
class Deliver:
    """The frame is an ordinary push."""


@attrs.frozen
class Swallow:
    """The frame was a register of an older client: nobody needs it."""


@attrs.frozen(kw_only=True)
class RegisterRules:
    """`token_valid` judges a token now, for a process of that package.

    `can_message` and `is_running` are as in `bindings.PathTable`.
    """

    node: str
    token_valid: Callable[[str, PackageId], bool]
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
        if register.encrypted and not self.encrypted_plain_ok:
            return RefuseRegister(_NOT_ENCRYPTED)
        if not self.token_valid(register.auth_token, target.package_id):
            return RefuseRegister(f"the token is expired, or not one of {self.node}")
        problem = self._unreachable(target)
        return Registered(target) if problem is None else RefuseRegister(problem)

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
        if register.encrypted and not self.encrypted_plain_ok:
            return RefuseRegister(_NOT_ENCRYPTED)
        if register.auth_token is not None and not self.token_valid(register.auth_token, bound.package_id):
            return RefuseRegister(f"the token is expired, or not one of {self.node}")
        return Swallow()

    def _unreachable(self, target: ProcessId) -> str | None:
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
