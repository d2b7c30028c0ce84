"""What this process may do, and what it lets others do (PROTOCOL 4.3, 5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from kernel.address import Address, ProcessId, to_process_id
from kernel.capability import MESSAGING, Capability, SignedCapability
from kernel.errors import BadCapability
from kernel.syscalls import current
from userland.process_lib._aliases import add_aliases
from userland.process_lib._builders import Target, to_address

Process: TypeAlias = ProcessId | str | tuple[str, str, str]
Processes: TypeAlias = Iterable[Process]


def _params(call: str, params: str) -> str:
    if not isinstance(params, str):
        raise TypeError(
            f"{call} takes params as JSON text, got {type(params).__name__}; write json.dumps(value)"
        )
    return params


def _capability(call: str, capability: Capability) -> Capability:
    if not isinstance(capability, Capability):
        raise TypeError(f"{call} takes a Capability, got {capability!r}; write Capability(issuer, params)")
    return capability


def _listed(call: str, capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    if isinstance(capabilities, str | Capability) or not isinstance(capabilities, Iterable):
        raise TypeError(f"{call} takes a list of capabilities, got {capabilities!r}; write {call}([...])")
    return tuple(_capability(call, each) for each in capabilities)


def get_capabilities() -> list[SignedCapability]:
    """All own ones, signed on the fly, in a fixed order."""
    return current().our_capabilities()


def get_capability(issuer: Target, params: str) -> SignedCapability | None:
    """The one that `issuer` gave us with these params (JSON text), if we hold it."""
    return current().get_capability(to_address(issuer), _params("get_capability", params))


def can_message(target: Target) -> bool:
    """Whether a message of ours to that address would pass the capability checks."""
    return current().can_message(to_address(target))


def grant_messaging(our: Address | Processes, processes: Processes | None = None) -> None:
    """Let local processes message us: `grant_messaging(processes)`, or `grant_messaging(our, processes)`.

    Raises `BadCapability` when `our` is somebody else or a process does not exist; the rest is not granted.
    """
    call = current()
    if isinstance(our, Address):
        granted, named = processes, our
    else:
        granted, named = our, call.our
    if granted is None or isinstance(granted, str | ProcessId):
        raise TypeError(
            f"grant_messaging takes a list of process ids, got {granted!r}; write grant_messaging([...])"
        )
    if named != call.our:
        raise BadCapability(
            f"grant_messaging shares the right to message oneself: {named} is not us ({call.our})"
        )
    for process in granted:
        call.create_capability(to_process_id(process), MESSAGING)


def attach_capability(capability: Capability) -> None:
    """Onto this task's next message, whichever it is. One we do not hold is left out when that is sent."""
    current().attach_capability(_capability("attach_capability", capability))


def save_capabilities(capabilities: Iterable[Capability]) -> None:
    """Keep capabilities: own-issued, signed by our node, or received attached from their foreign issuer.

    Raises `BadCapability` for any other; then nothing is stored.
    """
    current().save_capabilities(_listed("save_capabilities", capabilities))


def drop_capabilities(capabilities: Iterable[Capability]) -> None:
    """Give up own ones; those we do not hold are passed over."""
    current().drop_capabilities(_listed("drop_capabilities", capabilities))


def has_capability(params: str) -> bool:
    """Whether the sender of the prompting message holds (us, params). Raises `NoPromptingMessage`."""
    return current().has_capability(_params("has_capability", params))


def create_capability(to: Process, params: str) -> None:
    """Give a local process (us, params). Raises `BadCapability` when it does not exist."""
    current().create_capability(to_process_id(to), _params("create_capability", params))


def share_capability(to: Process, capability: Capability) -> None:
    """Give a local process one that we hold. Raises `BadCapability` when we do not, or it does not exist."""
    current().share_capability(to_process_id(to), _capability("share_capability", capability))


if TYPE_CHECKING:
    our_capabilities = get_capabilities
else:
    add_aliases(globals())
