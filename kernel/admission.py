"""Who may message whom inside a node (PROTOCOL 4.2), and what a refusal says."""

from __future__ import annotations

from kernel.address import ProcessId
from kernel.capability import KERNEL
from kernel.process import Process

STATE = ProcessId("state", "sys", "nectar")
VFS = ProcessId("vfs", "sys", "nectar")
NET = ProcessId("net", "sys", "nectar")

_UNCHECKED = (KERNEL, STATE, VFS)


def may_message(sender: Process, receiver: Process) -> bool:
    """Both local. Compares full ids: a process merely called `kernel` has no rights (F-30)."""
    return (
        receiver.public
        or receiver.pid in sender.holdings.messaging
        or (sender.system and (receiver.system or sender.pid in _UNCHECKED))
    )


def rule(sender: Process, receiver: Process) -> str:
    """By which rule it may, or what is missing."""
    if not may_message(sender, receiver):
        return lacks_messaging(sender, receiver)
    if receiver is sender:
        return "a process may message itself"
    if receiver.public:
        return f"{receiver.pid} is public: every process of the node may message it"
    if receiver.pid in sender.holdings.messaging:
        return f"{sender.pid} holds the messaging capability of {receiver.pid}"
    return f"{sender.pid} is a module of the node"


def lacks_messaging(sender: Process, receiver: Process) -> str:
    """Names both ids, the capability, and the manifest line that would grant it."""
    return (
        f"{sender.pid} lacks the messaging capability of {receiver.pid}; "
        f'add "{receiver.pid}" to "request_capabilities" of {sender.pid} in its manifest.json, '
        f'or "{sender.pid}" to "grant_capabilities" of {receiver.pid}'
    )


def lacks_network(process: ProcessId) -> str:
    return (
        f'{process} lacks the network capability; set "request_networking": true for it in its manifest.json'
    )
