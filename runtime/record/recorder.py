"""Listens to a kernel and writes its run down, line by line, so that it can be run again (docs/record.md)."""

from __future__ import annotations

import platform
import random
from collections.abc import Callable, Coroutine
from hashlib import sha256
from importlib.metadata import version
from typing import TypeVar

import attrs
import trio

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import SpawnError
from kernel.events import Event, EventKind
from kernel.kernel import Kernel, Ports
from kernel.message import KernelMessage, Payload, Request
from kernel.ports import Chance, Keys
from kernel.process import Process
from runtime.loader import PythonProgram
from runtime.package_code import PackageCode
from runtime.record import lines
from runtime.record.cleaning import Cleaner
from runtime.record.lines import Blob, Line
from runtime.record.tasks import TaskNames
from sys_processes.http_server.protocol import HTTP_SERVER

T = TypeVar("T")

SEED_BYTES = 32
HEAD = 200


class Recorder:
    """`attach` it to a kernel before that runs. `write` takes the lines. Implements `kernel.turns.Turns`.

    Nothing here raises for what a process does, or waits for anything but what the process waits for.
    """

    def __init__(self, write: Callable[[Line], None], cleaner: Cleaner | None = None) -> None:
        self._write = write
        self._finished = False
        self._cleaner = cleaner or Cleaner()
        self._kernel: Kernel | None = None
        self._names = TaskNames()
        # Held, so that no other code gets the same identity.
        self._known: dict[int, tuple[PackageCode, str]] = {}
        self._written: dict[str, None] = {}

    def attach(self, kernel: Kernel) -> None:
        """From here on everything is written."""
        self._kernel = kernel
        versions = {
            "nectar": version("nectar"),
            "python": platform.python_version(),
            "trio": trio.__version__,
        }
        at, epoch = trio.current_time(), kernel.ports.wall_clock()
        self._put(lines.Record(lines.FORMAT, kernel.node, at, epoch, versions))
        kernel.router.turns = self
        trio.lowlevel.add_instrument(self._names)

    def finish(self) -> None:
        """The node has stopped in order. Processes that it had to leave are no longer written about."""
        trio.lowlevel.remove_instrument(self._names)
        self._put(lines.Ended(trio.current_time()))
        self._finished = True

    def _put(self, line: Line) -> None:
        if not self._finished:
            self._write(line)

    # -- kernel.turns.Turns

    async def begin(self, process: Process, number: int) -> None:
        if process.system:
            return
        name = self._names.begin(process.pid, number)
        self._put(lines.Began(trio.current_time(), process.pid, name))

    async def wait(self, process: Process, why: str, waiting: Coroutine[object, object, T]) -> T:
        if process.system:
            return await waiting
        pid = process.pid
        name = self._names.current(pid)
        self._put(lines.Waits(trio.current_time(), pid, name, why))
        failure: lines.Failure | None = None
        try:
            return await waiting
        except BaseException as error:
            failure = _failure(error)
            raise
        finally:
            self._put(lines.GoesOn(trio.current_time(), pid, name, why, failure))

    # -- kernel.events.Observer

    def observe(self, event: Event) -> None:
        kind, pid = event.kind, event.subject
        if pid is None:
            return
        match kind:
            case EventKind.CREATED:
                self._created(event, pid)
            case (
                EventKind.STARTED
                | EventKind.ENDING
                | EventKind.EXITED
                | EventKind.GRANTED
                | EventKind.REVOKED
            ):
                self._lived(event, pid)
            case EventKind.APPENDED | EventKind.ANSWERED | EventKind.TAKEN:
                self._moved(event, pid)
            case EventKind.SENT | EventKind.RETURNED | EventKind.FIRED | EventKind.FORGOTTEN:
                if pid not in self._names.modules:
                    self._asked(event, pid)

    def _created(self, event: Event, pid: ProcessId) -> None:
        assert self._kernel is not None
        process = self._kernel.router.processes[pid]
        if process.system:
            self._names.modules[pid] = None
        program, code, module = process.program, None, ""
        if isinstance(program, PythonProgram):
            code, module = self._code(program.code), program.module
        actor = self._names.actor()
        limits = process.mailbox.limits
        self._put(
            lines.Created(
                event.at,
                pid,
                actor and actor[0],
                actor[1] if actor else "",
                process.path,
                code,
                module,
                process.on_exit,
                process.public,
                process.system,
                limits.messages,
                limits.bytes,
                _held_by(process),
            )
        )

    def _code(self, code: PackageCode) -> str:
        known = self._known.get(id(code))
        if known is not None:
            return known[1]
        files = {
            source.file.removeprefix(f"{code.root}/"): "".join(source.lines)
            for source in code.modules.values()
            if source.lines
        }
        digest = sha256(repr((code.root, sorted(files.items()))).encode(errors="replace")).hexdigest()
        self._known[id(code)] = code, digest
        if digest not in self._written:
            self._written[digest] = None
            self._put(lines.Code(digest, code.root, files))
        return digest

    def _lived(self, event: Event, pid: ProcessId) -> None:
        actor = self._names.actor()
        by = actor and actor[0]
        match event.kind:
            case EventKind.STARTED:
                self._names.started(pid)
                self._put(lines.Started(event.at, pid, by))
            case EventKind.ENDING:
                cause, _, kept = event.note.partition(" ")
                self._put(lines.Ending(event.at, pid, cause, bool(kept)))
            case EventKind.EXITED:
                name = "" if actor is None else self._names.main(pid)
                self._put(lines.Exited(event.at, pid, name, event.note))
            case EventKind.GRANTED:
                self._put(lines.Granted(event.at, pid, by, event.note))
            case EventKind.REVOKED:
                self._put(lines.Revoked(event.at, pid, by, event.note))

    # -- messages

    def _is_of_package(self, source: Address) -> bool:
        assert self._kernel is not None
        return source.node == self._kernel.node and source.process not in self._names.modules

    def _moved(self, event: Event, pid: ProcessId) -> None:
        envelope = event.message
        assert envelope is not None
        is_module = pid in self._names.modules
        if event.kind is EventKind.TAKEN:
            # An error's envelope bears its target as source.
            if not is_module:
                self._put(lines.Took(event.at, pid, self._names.current(pid), envelope.id))
            elif not event.note and self._is_of_package(envelope.source):
                self._put(lines.Took(event.at, pid, "", envelope.id))
            return
        inside = self._is_of_package(envelope.source)
        if is_module and not inside:
            return
        whole = None if inside else self._whole(envelope)
        if event.kind is EventKind.APPENDED:
            self._put(lines.Appended(event.at, pid, envelope.id, whole))
        elif not is_module:
            self._put(lines.Answered(event.at, pid, envelope.id, whole))

    def _asked(self, event: Event, pid: ProcessId) -> None:
        envelope = event.message
        assert envelope is not None
        match event.kind:
            case EventKind.SENT:
                actor = self._names.actor()
                name = actor[1] if actor is not None and actor[0] == pid else self._names.main(pid)
                self._put(lines.Sent(event.at, pid, name, envelope.id, said(envelope, self._cleaner)))
            case EventKind.RETURNED:
                error = event.error
                assert error is not None
                self._put(
                    lines.Returned(
                        event.at, pid, envelope.id, error.kind, error.reason, error.definite, error.detail
                    )
                )
            case EventKind.FIRED:
                self._put(lines.Fired(event.at, pid, envelope.id))
            case EventKind.FORGOTTEN:
                self._put(lines.Forgotten(event.at, pid, envelope.id))

    def _whole(self, envelope: KernelMessage) -> lines.Whole:
        message, payload = envelope.message, envelope.payload
        asked = isinstance(message, Request)
        from_server = asked and envelope.source.process == HTTP_SERVER
        clean = self._cleaner.clean
        return lines.Whole(
            envelope.source,
            envelope.target,
            envelope.rsvp,
            asked,
            message.inherit,
            message.expects_response if isinstance(message, Request) else None,
            Blob(self._cleaner.clean_request(message.ipc) if from_server else clean(message.ipc)),
            message.metadata,
            list(message.capabilities),
            None if payload is None else lines.WholePayload(payload.mime, Blob(clean(payload.bytes))),
        )

    # -- what packages draw

    def _now(self, value: float) -> float:
        actor = self._names.actor()
        if actor is not None:
            self._put(lines.Now(trio.current_time(), *actor, value))
        return value

    def ports(self, given: Ports) -> Ports:
        """Through which the kernel has to draw, look and sign."""
        return attrs.evolve(
            given,
            chance=_RecordedChance(self._names, given.chance, self._put),
            keys=_RecordedKeys(self._names, given.keys, self._put),
            wall_clock=lambda: self._now(given.wall_clock()),
        )


def said(envelope: KernelMessage, cleaner: Cleaner) -> lines.Said:
    """As it is written, and compared."""
    message = envelope.message
    return lines.Said(
        envelope.target,
        isinstance(message, Request),
        message.inherit,
        message.expects_response if isinstance(message, Request) else None,
        _digest(cleaner.clean(message.ipc)),
        message.metadata,
        [str(capability) for capability in message.capabilities],
        _payload_digest(envelope.payload, cleaner),
    )


def _payload_digest(payload: Payload | None, cleaner: Cleaner) -> lines.PayloadDigest | None:
    if payload is None:
        return None
    return lines.PayloadDigest(payload.mime, _digest(cleaner.clean(payload.bytes)))


def _digest(data: bytes) -> lines.Digest:
    return lines.Digest(len(data), sha256(data).hexdigest(), data[:HEAD].decode(errors="replace"))


def _held_by(process: Process) -> list[Capability]:
    """Those of other nodes with their signatures."""
    held = process.holdings
    signed = [(capability, held.signature(capability)) for capability in held.all()]
    return [
        capability if signature is None else SignedCapability(capability.issuer, capability.params, signature)
        for capability, signature in signed
    ]


def _failure(error: BaseException) -> lines.Failure:
    name = type(error).__name__
    if isinstance(error, SpawnError):
        return lines.Failure(name, error.detail, error.kind)
    return lines.Failure(name, str(error))


class _RecordedChance:
    """`kernel.ports.Chance`: what packages draw is written, but for secrets."""

    def __init__(self, names: TaskNames, given: Chance, put: Callable[[Line], None]) -> None:
        self._names = names
        self._given = given
        self._put = put

    def bits(self, label: str, n: int) -> int:
        value = self._given.bits(label, n)
        # The ids of messages stand in their own lines.
        actor = None if label == "message ids" else self._names.actor()
        if actor is not None:
            self._put(lines.Drew(trio.current_time(), *actor, label, n, f"{value:x}"))
        return value

    def secret(self, label: str, n: int) -> bytes:
        actor = self._names.actor()
        if actor is not None:
            self._put(lines.Secret(trio.current_time(), *actor, label, n))
        return self._given.secret(label, n)

    def generator(self, label: str) -> random.Random:
        actor = self._names.actor()
        if actor is None:
            return self._given.generator(label)
        seed = int.from_bytes(self._given.secret(label, SEED_BYTES), "little")
        self._put(lines.Seeded(trio.current_time(), *actor, label, f"{seed:x}"))
        return random.Random(seed)  # noqa: S311 - what an actor asks of it is no secret


class _RecordedKeys:
    """`kernel.ports.Keys`: what is signed and checked for packages is written."""

    def __init__(self, names: TaskNames, given: Keys, put: Callable[[Line], None]) -> None:
        self._names = names
        self._given = given
        self._put = put

    @property
    def public_key(self) -> bytes:
        return self._given.public_key

    def sign(self, data: bytes) -> bytes:
        signature = self._given.sign(data)
        if self._names.actor() is not None:
            self._put(lines.Signed(trio.current_time(), sha256(data).hexdigest(), signature.hex()))
        return signature

    def verify(self, node: str, data: bytes, signature: bytes) -> bool:
        genuine = self._given.verify(node, data, signature)
        if self._names.actor() is not None:
            digest = sha256(data).hexdigest()
            self._put(lines.Verified(trio.current_time(), node, digest, signature.hex(), genuine))
        return genuine
