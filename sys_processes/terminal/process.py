"""The process at which people type (PROTOCOL 7.8). It obeys modules of the node, such as the RPC route, alone: what
other processes send is printed, as something that they say.
"""

from __future__ import annotations

from functools import partial

from kernel import protocol as kernel_protocol
from kernel.address import OUR, Address, ProcessId
from kernel.capability import KERNEL
from kernel.codec import Err, Malformed, Ok
from kernel.debug import AskStepping, SteppingIs
from kernel.debug import SetVerbosity as KernelVerbosity
from kernel.message import Message, Reason, Request, SendError
from kernel.ports import Init, StoreFailed
from kernel.protocol import KERNEL_ANSWER, KERNEL_COMMAND
from kernel.syscalls import current
from sys_processes._columns import columns
from sys_processes._serve import Answer, Later, Outcome, serve
from sys_processes.app_store.protocol import (
    APP_STORE,
    STORE_ANSWER,
    STORE_REQUEST,
    ScriptStarted,
    StartScript,
)
from sys_processes.http_server.protocol import HTTP_SERVER
from sys_processes.net.protocol import (
    DELIVERED,
    NET,
    GetPeer,
    GetStates,
    NetAction,
    NetResponse,
    PeerFound,
    States,
    decode_response,
    encode_action,
)
from sys_processes.terminal import core
from sys_processes.terminal.protocol import KEPT, TERMINAL, TERMINAL_ANSWER, Kept
from sys_processes.vfs.protocol import VFS, VFS_REQUEST, VFS_RESPONSE, Read, VfsRequest

_SECONDS = 10
_KILL_SECONDS = 5
SCRIPT_SECONDS = 10
"""Less than the RPC route waits for us (`http.timeout`)."""
_TRUSTED = (HTTP_SERVER, TERMINAL)


class _Terminal:
    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def decode(self, message: Message) -> str:
        return message.ipc.decode(errors="replace")

    async def handle(self, message: Message, request: str) -> Outcome:
        if message.source.process not in _TRUSTED:
            current().print_to_terminal(0, f"{message.source} says: {request}")
            return _shown("")
        try:
            command = core.parse(request, self._kept)
        except core.BadLine as error:
            return _failed(str(error))
        match command:
            case core.SetApp() | core.SetAlias():
                return await self._keep(command)
            case core.Help(about):
                return self._help(about)
            case core.ShowApp():
                return _shown(self._kept.app or "no process is chosen: `app ADDRESS`")
            case core.ListAliases():
                listed = [f"{name} = {meant}" for name, meant in sorted(self._kept.aliases.items())]
                return _shown("\n".join(listed) or "no aliases: `alias NAME COMMAND`")
            case core.Nothing():
                return _shown("")
            case core.Echo(text):
                return _shown(text)
        return Later(partial(_done, command))

    def _help(self, about: str | None) -> Answer:
        try:
            return _shown(core.help_text(about, self._kept.aliases))
        except core.BadLine as error:
            return _failed(str(error))

    async def _keep(self, command: core.SetApp | core.SetAlias) -> Answer:
        """Kept when it is answered."""
        aliases, app = dict(self._kept.aliases), self._kept.app
        match command:
            case core.SetApp(target):
                app = None if target is None else str(target)
                said = "no process is chosen" if app is None else f"`message BODY` goes to {app}"
            case core.SetAlias(name, None):
                if aliases.pop(name, None) is None:
                    return _failed(f"there is no alias {name!r}: `alias` lists them")
                said = f"forgot {name}"
            case core.SetAlias(name, str(meant)):
                aliases[name] = meant
                said = f"{name} = {meant}"
        kept = Kept(aliases, app)
        await current().set_state(KEPT.encode(kept))
        self._kept = kept
        return _shown(said)

    def malformed(self, error: Malformed) -> bytes:
        return _failed(str(error)).ipc

    def foreign(self) -> bytes:
        return _failed("only this node's own people type here").ipc

    def failed(self, error: Exception) -> bytes:
        return _failed(f"{type(error).__name__}: {error}").ipc


def _shown(text: str) -> Answer:
    return Answer(TERMINAL_ANSWER.encode(Ok(text)))


def _failed(text: str) -> Answer:
    return Answer(TERMINAL_ANSWER.encode(Err(text)))


async def _done(command: core.Command) -> Answer:
    """What takes a while: other processes are asked."""
    try:
        match command:
            case core.Tell():
                return await _tell(command)
            case core.Hi(node, text):
                answer = await _ask(Address(node, NET), text.encode(), core.HI_SECONDS)
                return _shown("delivered" if answer.ipc == DELIVERED else _text(answer.ipc))
            case core.Cat(path):
                return await _cat(path)
            case core.Processes():
                return await _processes()
            case core.Peers():
                return await _peers()
            case core.Peer(name):
                return await _peer(name)
            case core.RunScript(script, arguments):
                return await _run(script, arguments)
            case core.Kill() | core.SetVerbosity() | core.Step():
                return await _by_kernel(command)
    except SendError as error:
        return _failed(f"{error.target} did not answer: {error.detail or error.reason}")
    raise AssertionError(command)


async def _tell(command: core.Tell) -> Answer:
    target = _ours(command.target)
    if command.seconds is None:
        # What is refused comes back as an error, and is printed.
        current().send_request(target, Request(ipc=command.body.encode()))
        return _shown("sent")
    answer = await _ask(target, command.body.encode(), command.seconds)
    payload = answer.payload()
    more = "" if payload is None else f"\n[{payload.mime or 'no mime type'}, {len(payload.bytes)} B]"
    return _shown(_text(answer.ipc) + more)


async def _run(script: ProcessId, arguments: str) -> Answer:
    """Its process ends with the script; one that takes longer goes on without us."""
    store = Address(current().our.node, APP_STORE)
    answer = await _ask(store, STORE_REQUEST.encode(StartScript(script)))
    match STORE_ANSWER.decode(answer.ipc):
        case ScriptStarted(process):
            pass
        case Err(problem):
            return _failed(str(problem))
        case other:
            raise AssertionError(other)
    try:
        said = await _ask(Address(store.node, process), arguments.encode(), SCRIPT_SECONDS)
    except SendError as error:
        if error.reason is Reason.deadline_passed:
            return _failed(f"no answer within {SCRIPT_SECONDS} s; it goes on: `kill {process}` ends it")
        return _failed(f"{script} did not answer: {error.detail or error.reason}")
    return _shown(_text(said.ipc))


async def _cat(path: str) -> Answer:
    answer = await _ask(Address(current().our.node, VFS), VFS_REQUEST.encode(VfsRequest(path, Read())))
    match VFS_RESPONSE.decode(answer.ipc):
        case Read():
            payload = answer.payload()
            return _shown("" if payload is None else _text(payload.bytes).rstrip("\n"))
        case other:
            return _failed(f"{path} cannot be read: {VFS_RESPONSE.encode(other).decode()}")


async def _by_kernel(command: core.Kill | core.SetVerbosity | core.Step) -> Answer:
    match command:
        case core.Kill(process):
            await _ask_kernel(kernel_protocol.KillProcess(process), _KILL_SECONDS)
            return _shown(f"killed {process}")
        case core.SetVerbosity(process_or_all, level):
            await _ask_kernel(kernel_protocol.Debug(KernelVerbosity(process_or_all, level)))
            shown = "muted" if level is None else f"verbosity {level}"
            return _shown(f"{process_or_all or 'the node'}: {shown}")
        case core.Step(on, count):
            return await _step(on, count)


async def _step(on: bool | None, count: int) -> Answer:
    answer = await _ask_kernel(kernel_protocol.Debug(AskStepping(on, count)))
    assert isinstance(answer, kernel_protocol.DebugIs)
    found = answer.answer
    assert isinstance(found, SteppingIs)
    if not found.on and on is None:
        return _failed("nothing is held: `step on` begins it")
    lines = [message.line() for message in found.gone]
    if found.held:
        lines.append(f"{found.held} wait; the next ones:")
        lines += [f"  {message.line()}" for message in found.next]
    elif found.on:
        lines.append("nothing waits; what is sent from now on waits for `step`")
    else:
        lines.append("nothing is held any more")
    return _shown("\n".join(lines))


async def _processes() -> Answer:
    answer = await _ask_kernel(kernel_protocol.Debug(kernel_protocol.AskProcesses()))
    assert isinstance(answer, kernel_protocol.DebugIs)
    assert isinstance(answer.answer, kernel_protocol.ProcessesAre)
    rows = [
        (p.id, p.state.value, p.mailbox, p.bytes, p.received, p.restarts, p.last_error)
        for p in answer.answer.processes
    ]
    return _shown(columns(("ID", "STATE", "MAILBOX", "BYTES", "RECEIVED", "RESTARTS", "LAST ERROR"), rows))


async def _peers() -> Answer:
    match await _ask_net(GetStates()):
        case States(states) if states:
            rows = [(s.name, s.state, s.round_trip_ms, s.in_flight, s.waiting) for s in states]
            return _shown(columns(("NAME", "STATE", "ROUND TRIP MS", "IN FLIGHT", "WAITING"), rows))
    return _shown("no other node is known")


async def _peer(name: str) -> Answer:
    match await _ask_net(GetPeer(name)):
        case PeerFound(peer) if peer is not None:
            return _shown(f"{peer.name}\nkey {peer.networking_key}\n{peer.routing}")
    return _failed(f"no node {name!r} is known: `peers` lists those that are")


# -- asking


async def _ask(target: Address, ipc: bytes, seconds: int = _SECONDS) -> Message:
    """Raises `SendError`."""
    return await current().send_and_await_response(target, Request(expects_response=seconds, ipc=ipc))


async def _ask_kernel(
    command: kernel_protocol.KernelCommand, seconds: int = _SECONDS
) -> kernel_protocol.KernelAnswer:
    answer = await _ask(Address(current().our.node, KERNEL), KERNEL_COMMAND.encode(command), seconds)
    return KERNEL_ANSWER.decode(answer.ipc)


async def _ask_net(action: NetAction) -> NetResponse:
    answer = await _ask(Address(current().our.node, NET), encode_action(action, json=True))
    return decode_response(answer.ipc)


def _ours(target: Address) -> Address:
    return Address(current().our.node, target.process) if target.node == OUR else target


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


async def _remembered() -> Kept:
    """What cannot be read is left where it is, and nothing is remembered."""
    try:
        state = await current().get_state()
        return Kept({}) if state is None else KEPT.decode(state)
    except (Malformed, SendError, StoreFailed) as error:
        current().print_to_terminal(0, f"the aliases cannot be read: {error}")
        return Kept({})


def make() -> Init:
    async def init(our: Address) -> None:
        await serve(_Terminal(await _remembered()))

    return init
