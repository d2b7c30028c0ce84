"""One value per golden line of the kernel: what `tests/golden/kernel.jsonl` says, in Python."""

from __future__ import annotations

from typing import Protocol

import attrs

from kernel import debug
from kernel import protocol as wire
from kernel.address import Address, PackageId, ProcessId
from kernel.capability import MESSAGING, NETWORK, Capability, SignedCapability
from kernel.codec import Err, Ok, Shape
from kernel.jsontext import JsonValue
from kernel.message import KernelMessage, OnExit, Payload, Request, Response, SendErrorKind


class AnyShape(Protocol):
    def decode(self, raw: bytes) -> object: ...
    def encode(self, value: object) -> bytes: ...
    def load(self, json: JsonValue) -> object: ...


CHESS = ProcessId("chess", "chess", "nectar")
CHAT = ProcessId("chat", "chat", "alice.uq")
ALICE, BOB = Address("alice.uq", CHAT), Address("bob.uq", CHAT)
VFS = Address("alice.uq", "vfs:sys:nectar")
TERMINAL = Address("our", "terminal:terminal:nectar")
ABC = Address("alice.uq", "a:b:c")
OUR_ABC = Address("our", "a:b:c")
NETWORKING = Capability.network("alice.uq")
SIGNED = SignedCapability(ABC, MESSAGING, b"\1\2\3")
HI = Request(expects_response=5, ipc=b"hi")
SEEN = debug.logged(
    KernelMessage(
        7,
        Address("alice.uq", CHESS),
        Address("alice.uq", "timer:sys:nectar"),
        None,
        Request(expects_response=5, ipc=b"move"),
        Payload("text/plain", b"hi"),
    )
)

GOLDEN: dict[str, tuple[Shape[object], object]] = {}


def shapes(shape: object, **values: object) -> None:
    for name, value in values.items():
        GOLDEN[name] = shape, value  # type: ignore[assignment]


shapes(Shape[ProcessId](ProcessId), process_id=ProcessId("http_server", "sys", "nectar"))
shapes(Shape[Address](Address), address=Address("alice.uq", CHESS))
shapes(Shape[PackageId](PackageId), package_id=PackageId("chess", "nectar"))
shapes(wire.PAYLOAD, payload=Payload("text/html", b"<p>"), payload_empty=Payload())
shapes(
    wire.REQUEST,
    request=Request(expects_response=15, ipc=b"{}"),
    request_with_capabilities=Request(
        inherit=True, metadata="http", capabilities=(SIGNED, Capability(ABC, MESSAGING))
    ),
)
shapes(
    wire.RESPONSE,
    response=Response(ipc=b'"ok"'),
    response_with_capabilities=Response(ipc=b'"ok"', capabilities=(SIGNED,)),
)
shapes(
    wire.MESSAGE,
    message_request=wire.RequestMessage(Request()),
    message_response=wire.ResponseMessage(Response(), None),
    message_response_with_context=wire.ResponseMessage(Response(), b"\1\2\3"),
)
shapes(
    wire.KERNEL_MESSAGE,
    kernel_message_request=KernelMessage(9007199254740993, ALICE, BOB, None, HI),
    kernel_message_response=KernelMessage(
        7,
        Address("our", "vfs:sys:nectar"),
        Address("our", CHAT),
        None,
        Response(ipc=b'"Ok"'),
        Payload("application/octet-stream", b"\1"),
    ),
)
shapes(
    wire.SEND_ERROR_KIND, send_error_offline=SendErrorKind.Offline, send_error_timeout=SendErrorKind.Timeout
)
shapes(
    wire.FAILED_SEND, failed_send=wire.FailedSend(SendErrorKind.Offline, BOB, wire.RequestMessage(HI), None)
)
shapes(
    wire.WRAPPED_SEND_ERROR,
    wrapped_send_error=wire.WrappedSendError(
        7,
        ALICE,
        wire.FailedSend(SendErrorKind.Timeout, BOB, wire.RequestMessage(Request(expects_response=5)), None),
    ),
)
shapes(
    wire.CAPABILITY,
    capability_messaging=Capability(Address("alice.uq", CHESS), MESSAGING),
    capability_network=Capability(Address("alice.uq", "kernel:sys:nectar"), NETWORK),
    capability_vfs=Capability(VFS, '{"kind": "read", "drive": "/chess:nectar/pkg"}'),
)
shapes(
    wire.SIGNED_CAPABILITY,
    signed_capability=SignedCapability(Address("alice.uq", CHESS), MESSAGING, b"\1\2\3"),
)
shapes(
    wire.ON_EXIT,
    on_exit_none=OnExit.none(),
    on_exit_restart=OnExit.restart(),
    on_exit_requests=OnExit.requests([(TERMINAL, Request(ipc=b"bye"), None)]),
    on_exit_requests_with_payload=OnExit.requests([(TERMINAL, Request(), Payload(bytes=b"\1"))]),
)
shapes(
    wire.SEEN_MESSAGE,
    seen_request=wire.SeenRequest(OUR_ABC, None, b"", None),
    seen_response=wire.SeenResponse(OUR_ABC, b"", None, None),
)
shapes(
    wire.DEBUG_COMMAND,
    debug_toggle=wire.Toggle(),
    debug_step=wire.Step(),
    debug_toggle_stepthrough=wire.ToggleStepthrough(),
    debug_toggle_event_loop=wire.ToggleEventLoop(),
    debug_toggle_event_loop_for_process=wire.ToggleEventLoopForProcess(CHESS),
)
shapes(wire.PROCESS_VERBOSITY, verbosity_level=wire.Verbosity(2), verbosity_muted=wire.Muted())
shapes(
    wire.KERNEL_COMMAND,
    booted=wire.Booted(),
    shutdown=wire.Shutdown(),
    initialize_process=wire.InitializeProcess(
        CHESS,
        "/chess:nectar/pkg/chess.wasm",
        None,
        OnExit.restart(),
        (Capability.messaging(Address("alice.uq", "http_server:sys:nectar")),),
        public=False,
    ),
    initialize_process_numbered=wire.InitializeProcess(CHESS, 123456, 1, OnExit.none(), (), public=True),
    grant_capabilities=wire.GrantCapabilities(CHESS, (NETWORKING,)),
    drop_capabilities=wire.DropCapabilities(CHESS, ()),
    set_on_exit=wire.SetOnExit(CHESS, OnExit.none()),
    run_process=wire.RunProcess(CHESS),
    kill_process=wire.KillProcess(CHESS),
    ask_process_map=wire.Debug(wire.AskProcessMap()),
    ask_process=wire.Debug(wire.AskProcess(CHESS)),
    ask_has_cap=wire.Debug(wire.AskHasCap(CHESS, Capability.messaging(VFS))),
    ask_processes=wire.Debug(wire.AskProcesses()),
    ask_may_message=wire.Debug(debug.AskMayMessage(CHESS, ProcessId("timer", "sys", "nectar"))),
    ask_trace=wire.Debug(debug.AskTrace(1000)),
    ask_dead_letters=wire.Debug(debug.AskDeadLetters()),
    ask_time_used=wire.Debug(debug.AskTimeUsed(6)),
    set_verbosity=wire.Debug(debug.SetVerbosity(CHESS, 2)),
    set_verbosity_of_all=wire.Debug(debug.SetVerbosity(None, None)),
    ask_log=wire.Debug(debug.AskLog(CHESS, 1, 41, 50)),
    ask_stepping=wire.Debug(debug.AskStepping(on=True, step=3)),
)
shapes(
    wire.KERNEL_ANSWER,
    initialized_process=wire.InitializedProcess(),
    initialize_process_error=wire.InitializeProcessError(),
    started_process=wire.StartedProcess(),
    run_process_error=wire.RunProcessError(),
    killed_process=wire.KilledProcess(CHESS),
    process_map=wire.DebugIs(
        wire.ProcessMapIs({CHESS: wire.ProcessRecord("", None, OnExit.none(), (), public=True)})
    ),
    process=wire.DebugIs(
        wire.ProcessIs(
            wire.ProcessRecord(
                "/chess:nectar/pkg/chess.py", None, OnExit.restart(), (NETWORKING,), public=False
            )
        )
    ),
    process_absent=wire.DebugIs(wire.ProcessIs(None)),
    has_cap=wire.DebugIs(wire.HasCapIs(True)),
    has_cap_absent=wire.DebugIs(wire.HasCapIs(None)),
    processes=wire.DebugIs(
        wire.ProcessesAre(
            (
                wire.ProcessStatus(
                    CHESS, wire.ProcessState.waiting, 2, 1, "ValueError: no such move", 300, 17
                ),
                wire.ProcessStatus(
                    ProcessId("timer", "sys", "nectar"), wire.ProcessState.running, 0, 0, None
                ),
            )
        )
    ),
    may_message=wire.DebugIs(debug.MayMessageIs(True, "timer:sys:nectar is public")),
    trace=wire.DebugIs(
        debug.TraceIs(1000, (debug.TracedEvent(1700000000.5, "sent", str(CHESS), "awaited", SEEN),))
    ),
    dead_letters=wire.DebugIs(
        debug.DeadLettersAre(2, (debug.BuriedMessage(1700000000.5, CHESS, "who asked has ended", SEEN),))
    ),
    time_used=wire.DebugIs(debug.TimeUsedIs(12.5, {CHESS: 0.25})),
    verbosity_set=wire.DebugIs(debug.VerbositySet()),
    stepping=wire.DebugIs(debug.SteppingIs(True, (SEEN,), 1, (SEEN,))),
    log=wire.DebugIs(
        debug.LogIs((debug.LoggedLine(1700000000.5, "alice.uq@chess:chess:nectar", 1, "mate\n"),), 42, 3)
    ),
    done=Ok(None),
    no_such_process=Err(wire.Refusal.NoSuchProcess),
    malformed_request=Err(wire.Refusal.MalformedRequest),
)


def comparable(value: object) -> object:
    """An envelope is equal to itself only; its fields can be compared."""
    return attrs.astuple(value, recurse=False) if isinstance(value, KernelMessage) else value
