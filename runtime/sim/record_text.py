"""Lines of a record in words."""

from __future__ import annotations

from kernel.address import ProcessId
from runtime.record import lines
from runtime.record.lines import Digest, Line, Said

_SHOWN = 120


def described(line: Line) -> str:  # noqa: C901 - one case for each kind of line
    """What the task of a package does in this step."""
    match line:
        case lines.Began():
            return "begins"
        case lines.Waits(why=why):
            return f"waits: {why}"
        case lines.GoesOn(why=why, failure=failure):
            return f"goes on: {why}" + (f", which raises {failure.name}" if failure is not None else "")
        case lines.Took(id=number):
            return f"takes the message {number}"
        case lines.Sent(said=said):
            return said_text(said)
        case lines.Now(value=value):
            return f"looks at now(): {value!r}"
        case lines.Drew(label=label, bits=bits):
            return f"draws {bits} bits: {label}"
        case lines.Seeded():
            return "asks for random()"
        case lines.Secret(label=label, size=size):
            return f"draws {size} secret bytes: {label}"
        case lines.Created(process=process):
            return f"spawns {process}"
        case lines.Exited(cause=cause):
            return f"ends: {cause.lower()}"
        case _:
            return type(line).__name__


def said_text(said: Said) -> str:
    """A message that was sent."""
    parts = [f"sends a {'Request' if said.is_request else 'Response'} to {said.to}"]
    if said.expects is not None:
        parts.append(f"waits {said.expects} s")
    if said.inherit:
        parts.append("inherits")
    parts.append(f"ipc {_bytes(said.ipc)}")
    if said.metadata is not None:
        parts.append(f"metadata {said.metadata!r:.60}")
    if said.payload is not None:
        parts.append(f"payload {said.payload.mime or 'without mime'} {_bytes(said.payload.content)}")
    parts += [f"capability {name}" for name in said.capabilities]
    return ", ".join(parts)


def _bytes(digest: Digest) -> str:
    shown = digest.head if len(digest.head) <= _SHOWN else digest.head[:_SHOWN] + "..."
    whole = len(digest.head.encode()) == digest.size
    return (
        f"{shown!r}"
        if whole and shown == digest.head
        else f"{shown!r} ({digest.size} bytes, {digest.sha256[:12]})"
    )


def line_text(line: Line, begin: float) -> str:
    """Any line in one line of text: when (in seconds since trio's time `begin`), who, what."""
    at = getattr(line, "at", None)
    time = "" if at is None else f"{at - begin:.6f} "
    process = getattr(line, "process", None)
    task = getattr(line, "task", "")
    who = f"{process} {task}".strip() + ": " if isinstance(process, ProcessId) else ""
    return f"{time}{who}{_deed(line)}"


def _deed(line: Line) -> str:  # noqa: C901, PLR0912 - one case for each kind of line
    match line:
        case lines.Code(root=root, files=files):
            return f"code of {root}: {', '.join(sorted(files))}"
        case lines.Created(by=None):
            return "is created"
        case lines.Started():
            return "is started"
        case lines.Ending(cause=cause):
            return f"is asked to end: {cause.lower()}"
        case lines.Granted(capability=capability):
            return f"is granted {capability}"
        case lines.Revoked(capability=capability):
            return f"loses {capability}"
        case lines.Appended(id=number, whole=whole):
            return f"message {number} arrives" + (_from(whole) if whole is not None else "")
        case lines.Answered(id=number, whole=whole):
            return f"the answer to {number} arrives" + (_from(whole) if whole is not None else "")
        case lines.Returned(id=number, reason=reason):
            return f"message {number} comes back: {reason}"
        case lines.Fired(id=number):
            return f"the time of {number} is over"
        case lines.Forgotten(id=number):
            return f"waits for {number} no more"
        case lines.Signed():
            return "a capability is signed"
        case lines.Verified(node=node, genuine=genuine):
            return f"a signature of {node} is {'genuine' if genuine else 'forged'}"
        case lines.Ended():
            return "the node stops"
        case _:
            return described(line)


def _from(whole: lines.Whole) -> str:
    text = whole.ipc.data[:_SHOWN].decode(errors="replace")
    payload = "" if whole.payload is None else f", payload of {len(whole.payload.content.data)} bytes"
    return f" from {whole.source}: {text!r}{payload}"
