"""The process at which people type (PROTOCOL 7.8). It obeys modules of the node, such as the RPC route, alone: what
other processes send is printed, as something that they say.
"""

from __future__ import annotations

from functools import partial

from kernel import protocol as kernel_protocol
from kernel.address import OUR, Address, ProcessId
from kernel.codec import Err, Malformed
from kernel.debug import AskStepping, SteppingIs
from kernel.debug import SetVerbosity as KernelVerbosity
from kernel.message import Message, Reason, Request, SendError
from kernel.ports import Init, StoreFailed
from kernel.syscalls import current
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
)
from sys_processes.terminal import core, views
from sys_processes.terminal.asking import ask, ask_kernel, failed, shown, text_of
from sys_processes.terminal.protocol import KEPT, TERMINAL, Kept
from sys_processes.vfs.protocol import VFS, VFS_REQUEST, VFS_RESPONSE, Read, VfsRequest

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
            return shown("")
        try:
            command = core.parse(request, self._kept)
        except core.BadLine as error:
            return failed(str(error))
        match command:
            case core.SetApp() | core.SetAlias():
                return await self._keep(command)
            case core.Help(about):
                return self._help(about)
            case core.ShowApp():
                return shown(self._kept.app or "no process is chosen: `app ADDRESS`")
            case core.ListAliases():
                listed = [f"{name} = {meant}" for name, meant in sorted(self._kept.aliases.items())]
                return shown("\n".join(listed) or "no aliases: `alias NAME COMMAND`")
            case core.Nothing():
                return shown("")
            case core.Echo(text):
                return shown(text)
        return Later(partial(_done, command))

    def _help(self, about: str | None) -> Answer:
        try:
            return shown(core.help_text(about, self._kept.aliases))
        except core.BadLine as error:
            return failed(str(error))

    async def _keep(self, command: core.SetApp | core.SetAlias) -> Answer:
        """Kept when it is answered."""
        aliases, app = dict(self._kept.aliases), self._kept.app
        match command:
            case core.SetApp(target):
                app = None if target is None else str(target)
                said = "no process is chosen" if app is None else f"`message BODY` goes to {app}"
            case core.SetAlias(name, None):
                if aliases.pop(name, None) is None:
                    return failed(f"there is no alias {name!r}: `alias` lists them")
                said = f"forgot {name}"
            case core.SetAlias(name, str(meant)):
                aliases[name] = meant
                said = f"{name} = {meant}"
        kept = Kept(aliases, app)
        await current().set_state(KEPT.encode(kept))
        self._kept = kept
        return shown(said)

    def malformed(self, error: Malformed) -> bytes:
        return failed(str(error)).ipc

    def foreign(self) -> bytes:
        return failed("only this node's own people type here").ipc

    def failed(self, error: Exception) -> bytes:
        return failed(f"{type(error).__name__}: {error}").ipc


async def _done(command: core.Command) -> Answer:
    """What takes a while: other processes are asked."""
    try:
        match command:
            case core.Tell():
                return await _tell(command)
            case core.Hi(node, text):
                answer = await ask(Address(node, NET), text.encode(), core.HI_SECONDS)
                return shown("delivered" if answer.ipc == DELIVERED else text_of(answer.ipc))
            case core.Cat(path):
                return await _cat(path)
            case core.Processes() | core.Overview():
                return await views.of_this_node(command)
            case core.Peers() | core.Peer() | core.NetDiagnostics():
                return await views.of_other_nodes(command)
            case core.RunScript(script, arguments):
                return await _run(script, arguments)
            case core.Kill() | core.SetVerbosity() | core.Step():
                return await _by_kernel(command)
    except SendError as error:
        return failed(f"{error.target} did not answer: {error.detail or error.reason}")
    raise AssertionError(command)


async def _tell(command: core.Tell) -> Answer:
    target = _ours(command.target)
    if command.seconds is None:
        # What is refused comes back as an error, and is printed.
        current().send_request(target, Request(ipc=command.body.encode()))
        return shown("sent")
    answer = await ask(target, command.body.encode(), command.seconds)
    payload = answer.payload()
    more = "" if payload is None else f"\n[{payload.mime or 'no mime type'}, {len(payload.bytes)} B]"
    return shown(text_of(answer.ipc) + more)


async def _run(script: ProcessId, arguments: str) -> Answer:
    """Its process ends with the script; one that takes longer goes on without us."""
    store = Address(current().our.node, APP_STORE)
    answer = await ask(store, STORE_REQUEST.encode(StartScript(script)))
    match STORE_ANSWER.decode(answer.ipc):
        case ScriptStarted(process):
            pass
        case Err(problem):
            return failed(str(problem))
        case other:
            raise AssertionError(other)
    try:
        said = await ask(Address(store.node, process), arguments.encode(), SCRIPT_SECONDS)
    except SendError as error:
        if error.reason is Reason.deadline_passed:
            return failed(f"no answer within {SCRIPT_SECONDS} s; it goes on: `kill {process}` ends it")
        return failed(f"{script} did not answer: {error.detail or error.reason}")
    return shown(text_of(said.ipc))


async def _cat(path: str) -> Answer:
    answer = await ask(Address(current().our.node, VFS), VFS_REQUEST.encode(VfsRequest(path, Read())))
    match VFS_RESPONSE.decode(answer.ipc):
        case Read():
            payload = answer.payload()
            return shown("" if payload is None else text_of(payload.bytes).rstrip("\n"))
        case other:
            return failed(f"{path} cannot be read: {VFS_RESPONSE.encode(other).decode()}")


async def _by_kernel(command: core.Kill | core.SetVerbosity | core.Step) -> Answer:
    match command:
        case core.Kill(process):
            await ask_kernel(kernel_protocol.KillProcess(process), _KILL_SECONDS)
            return shown(f"killed {process}")
        case core.SetVerbosity(process_or_all, level):
            await ask_kernel(kernel_protocol.Debug(KernelVerbosity(process_or_all, level)))
            how = "muted" if level is None else f"verbosity {level}"
            return shown(f"{process_or_all or 'the node'}: {how}")
        case core.Step(on, count):
            return await _step(on, count)


async def _step(on: bool | None, count: int) -> Answer:
    answer = await ask_kernel(kernel_protocol.Debug(AskStepping(on, count)))
    assert isinstance(answer, kernel_protocol.DebugIs)
    found = answer.answer
    assert isinstance(found, SteppingIs)
    if not found.on and on is None:
        return failed("nothing is held: `step on` begins it")
    lines = [message.line() for message in found.gone]
    if found.held:
        lines.append(f"{found.held} wait; the next ones:")
        lines += [f"  {message.line()}" for message in found.next]
    elif found.on:
        lines.append("nothing waits; what is sent from now on waits for `step`")
    else:
        lines.append("nothing is held any more")
    return shown("\n".join(lines))


def _ours(target: Address) -> Address:
    return Address(current().our.node, target.process) if target.node == OUR else target


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
