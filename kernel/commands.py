"""The process `kernel:sys:nectar`: kernel commands as messages (PROTOCOL 4.6). Only local senders are heard."""

from __future__ import annotations

from kernel import protocol
from kernel.address import Address, ProcessId
from kernel.codec import Err, Malformed, Ok
from kernel.errors import ProgramError
from kernel.explain import explain
from kernel.inspection import Inspection
from kernel.kernel import Kernel
from kernel.lifecycle import CannotCreate, NewProcess
from kernel.message import Message, Payload, Response, SendError
from kernel.ports import Init, StoreFailed
from kernel.process import ProcessState
from kernel.protocol import KERNEL_ANSWER, KERNEL_COMMAND, KernelAnswer, KernelCommand
from kernel.syscalls import current

NO_REVOKE = "no-revoke"


class _Commands:
    """One kernel's answers. A command is done, and durable, before it is answered."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._inspection = Inspection(kernel)

    async def answer(
        self, message: Message, payload: Payload | None, command: KernelCommand
    ) -> KernelAnswer | None:
        match command:
            case protocol.InitializeProcess():
                return await self._initialise(message, payload, command)
            case protocol.RunProcess(pid):
                return self._run(pid)
            case protocol.KillProcess(pid):
                await self._kernel.kill(pid, revoke=message.metadata != NO_REVOKE)
                return protocol.KilledProcess(pid)
            case protocol.GrantCapabilities() | protocol.DropCapabilities() | protocol.SetOnExit():
                return self._change(command)
            case protocol.Debug(question):
                return protocol.DebugIs(self._inspection.answer(question))
            case protocol.Booted() | protocol.Shutdown():
                # The node itself boots and stops its kernel; no process may.
                return None

    async def flush(self) -> None:
        """Return when what the commands changed is durable. Raises `StoreFailed`."""
        await self._kernel.records.flush()

    async def _initialise(
        self, message: Message, payload: Payload | None, command: protocol.InitializeProcess
    ) -> KernelAnswer:
        kernel = self._kernel
        path = str(command.wasm_bytes_handle)
        if payload is None:
            self._say(message, f"InitializeProcess of {command.id} has no payload: attach the code's bytes")
            return protocol.InitializeProcessError()
        try:
            program = await kernel.ports.programs.prepare(command.id, path, payload.bytes)
            new = NewProcess(
                command.id,
                program,
                path,
                command.on_exit,
                command.public,
                tuple(command.initial_capabilities),
                source=payload.bytes,
                parent=message.source.process,
            )
            kernel.lifecycle.create(new)
        except (ProgramError, CannotCreate, OSError) as error:
            self._say(message, f"InitializeProcess of {command.id} failed: {explain(error)}")
            return protocol.InitializeProcessError()
        return protocol.InitializedProcess()

    def _run(self, pid: ProcessId) -> KernelAnswer:
        process = self._kernel.router.find(pid)
        if process is None or process.state is not ProcessState.STARTING:
            return protocol.RunProcessError()
        self._kernel.lifecycle.start(process)
        return protocol.StartedProcess()

    def _change(
        self, command: protocol.GrantCapabilities | protocol.DropCapabilities | protocol.SetOnExit
    ) -> KernelAnswer:
        lifecycle, grants = self._kernel.lifecycle, self._kernel.grants
        process = self._kernel.router.find(command.target)
        if process is None:
            return Err(protocol.Refusal.NoSuchProcess)
        match command:
            case protocol.GrantCapabilities():
                for capability in command.capabilities:
                    grants.grant(process, capability)
            case protocol.DropCapabilities():
                for capability in command.capabilities:
                    grants.drop(process, capability)
            case protocol.SetOnExit():
                lifecycle.set_on_exit(process, command.on_exit)
        return Ok(None)

    def _say(self, message: Message, text: str) -> None:
        current().print_to_terminal(0, f"{text} (asked by {message.source.process})")


async def _handle(commands: _Commands, message: Message, payload: Payload | None) -> None:
    """One command, done and durable before it is answered."""
    answer: KernelAnswer | None
    try:
        command = KERNEL_COMMAND.decode(message.ipc)
    except Malformed as error:
        current().print_to_terminal(0, f"malformed command of {message.source.process}: {error}")
        answer = Err(protocol.Refusal.MalformedRequest)
    else:
        try:
            answer = await commands.answer(message, payload, command)
            await commands.flush()
        except StoreFailed as error:
            current().print_to_terminal(0, f"a command of {message.source.process} is not durable: {error}")
            return
    if answer is not None and message.wants_response:
        current().send_response(Response(ipc=KERNEL_ANSWER.encode(answer)))


async def _serve(commands: _Commands) -> None:
    node = current()
    while True:
        try:
            message = await node.receive()
        except SendError as error:
            node.print_to_terminal(2, f"came back: {error}")
            continue
        if not message.is_request() or not message.is_local():
            continue
        if message.ipc.startswith(b'{"KillProcess"'):
            # May take 2 s; the other commands must not wait for that.
            node.start_soon(_handle, commands, message, node.get_payload())
        else:
            await _handle(commands, message, node.get_payload())


def make(kernel: Kernel) -> Init:
    """The `init` of the kernel's own process. No message ends its loop."""

    async def init(our: Address) -> None:
        await _serve(_Commands(kernel))

    return init
