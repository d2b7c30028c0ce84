"""The calls of a process (PROTOCOL 5.1): messages, payloads, state, children, printing, time, chance."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, TypeAlias, TypeVar, TypeVarTuple, overload

from kernel.address import Address, ProcessId, to_process_id
from kernel.capability import Capability
from kernel.errors import StateError
from kernel.jsontext import dump
from kernel.message import Message, Payload
from kernel.message import OnExit as RawOnExit
from kernel.ports import Init
from kernel.syscalls import current
from userland.process_lib._aliases import add_aliases
from userland.process_lib._builders import Request, Target
from userland.process_lib._capabilities import Process
from userland.process_lib._on_exit import raw_on_exit
from userland.process_lib._outgoing import AnyRequest, AnyResponse, answer, outgoing
from userland.process_lib._payloads import check_payload

if TYPE_CHECKING:
    import random as random_module

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Capabilities: TypeAlias = str | Iterable[Capability | Process] | None
OneRequest: TypeAlias = Request | tuple[Target, AnyRequest, bytes | None, Payload | None]
Grants: TypeAlias = Iterable[Process | tuple[ProcessId | str, str]]


def our() -> Address:
    return current().our


# -- messages


async def receive() -> tuple[Address, Message]:
    """The next message with its source, as the component interface gives it. Raises as `await_message`."""
    message = await current().receive()
    return message.source, message


def await_message() -> Coroutine[object, object, Message]:
    """Awaited: the next message in arrival order. Raises `SendError` for one that came back, `ReceiveConflict`."""
    # The kernel's own coroutine: one around it would cost every message.
    return current().receive()


async def await_next_message_body() -> bytes:
    """The ipc of the next message. Raises as `await_message`."""
    return (await current().receive()).ipc


def send_request(
    target: Target, request: AnyRequest, context: bytes | None = None, payload: Payload | None = None
) -> None:
    """Send a builder or a `wit.Request`; a context or payload given here wins over the builder's.

    What cannot be delivered comes back through `await_message`. Raises `BuildError`.
    """
    current().send_request(*outgoing("send_request", target, request, context, payload))


def send_requests(requests: Iterable[OneRequest]) -> None:
    """`send_request` for each `(target, request, context, payload)` or builder with a target, in order.

    Raises `BuildError`; then none was sent.
    """
    current().send_requests(
        [each.build() if isinstance(each, Request) else outgoing("send_requests", *each) for each in requests]
    )


def send_response(response: AnyResponse, payload: Payload | None = None) -> None:
    """Answer the prompting message with a builder or a `wit.Response`; a payload given here wins.

    Raises `BuildError`, `NoPromptingMessage`, `AlreadyResponded`.
    """
    current().send_response(*answer("send_response", response, payload))


async def send_and_await_response(
    target: Target, request: AnyRequest, payload: Payload | None = None
) -> tuple[Address, Message]:
    """Send a builder or a `wit.Request` that has `expects_response`; gives the answer with its source.

    Raises ValueError without `expects_response`, `SendError`, `SelfRequest` for oneself, `BuildError`.
    """
    address, raw, context, payload = outgoing("send_and_await_response", target, request, None, payload)
    message = await current().send_and_await_response(address, raw, payload, context=context)
    return message.source, message


# -- payloads


def get_payload() -> Payload | None:
    """Of the message delivered last to this task; None after one without payload and after a `SendError`."""
    return current().get_payload()


def has_payload() -> bool:
    return current().get_payload() is not None


def last_payload() -> Payload | None:
    """The latest payload ever delivered to this task."""
    return current().last_payload()


def make_payload(value: T, serializer: Callable[[T], bytes | str] = dump) -> Payload:
    """Without mime type; the serializer makes JSON unless another is given. Text that it makes is sent as UTF-8."""
    made = serializer(value)
    payload = Payload(None, made.encode() if isinstance(made, str) else made)
    check_payload("make_payload", payload)
    return payload


def get_typed_payload(deserializer: Callable[[bytes], T]) -> T | None:
    """What the deserializer makes of the last message's payload; None without one and when it raises."""
    payload = current().get_payload()
    if payload is None:
        return None
    try:
        return deserializer(payload.bytes)
    except Exception:  # noqa: BLE001 - whatever a user's parser raises means: not that type
        return None


# -- state


async def get_state() -> bytes | None:
    """None when there is none; empty bytes are a state. Raises `StateError`, `SendError` after 5 s."""
    return await current().get_state()


async def set_state(state: bytes) -> None:
    """Replace the state; returns when it is durable. Raises as `get_state`."""
    if not isinstance(state, bytes):
        raise TypeError(
            f"set_state takes bytes, got {type(state).__name__}; write json.dumps(value).encode()"
        )
    await current().set_state(state)


async def clear_state() -> None:
    """Returns when that is durable. Raises as `get_state`."""
    await current().clear_state()


async def get_typed_state(deserializer: Callable[[bytes], T]) -> T | None:
    """What the deserializer makes of the state; None when there is none.

    A state that it cannot read raises `StateError`: taken for none, it would soon be overwritten.
    """
    state = await current().get_state()
    if state is None:
        return None
    try:
        return deserializer(state)
    except Exception as error:
        raise StateError(
            "get_typed_state", f"the {len(state)} bytes of state do not parse: {error!r}"
        ) from error


# -- children


def _requested(capabilities: Capabilities) -> list[Capability]:
    call = current()
    if capabilities is None or capabilities == "None":
        return []
    if capabilities == "All":
        return list(call.our_capabilities())
    if isinstance(capabilities, str | Capability | ProcessId):
        raise TypeError(
            'request_capabilities is a list of capabilities or process ids, "All", or None; '
            f"got {capabilities!r}"
        )
    return [
        each
        if isinstance(each, Capability)
        else Capability.messaging(Address(call.our.node, to_process_id(each)))
        for each in capabilities
    ]


def _granted(entry: Process | tuple[ProcessId | str, str]) -> ProcessId | tuple[ProcessId, str]:
    if isinstance(entry, tuple) and len(entry) == 2:
        return to_process_id(entry[0]), entry[1]
    return to_process_id(entry)


@overload
async def spawn(
    name: str | None,
    path: str,
    on_exit: RawOnExit | str,
    request_capabilities: Capabilities = (),
    grant_capabilities: Grants | bool = (),
    public: bool = False,
    *,
    detached: bool = False,
) -> ProcessId: ...


@overload
async def spawn(
    name: str | None = None,
    *,
    fn: Init,
    on_exit: RawOnExit | str | None = None,
    request_capabilities: Capabilities = (),
    grant_capabilities: Grants | bool = (),
    public: bool = False,
    detached: bool = False,
) -> ProcessId: ...


async def spawn(
    name: str | None = None,
    path: str | None = None,
    on_exit: RawOnExit | str | None = None,
    request_capabilities: Capabilities = (),
    grant_capabilities: Grants | bool = (),
    public: bool = False,
    *,
    fn: Init | None = None,
    detached: bool = False,
) -> ProcessId:
    """Start a child of this package (PROTOCOL 4.4, 4.5); a name of None becomes a fresh one.

    It ends when we end, however that is, and before we start anew; a `detached` one goes on.

    `request_capabilities`, of ours, for the child: each a `Capability`, or a process id for messaging to it;
    or "All", or None. `grant_capabilities`, issued by the child: a process id for messaging, or
    `(id, params)`.
    The seed's five arguments `(name, path, on_exit, capabilities, public)` are understood, too.
    Instead of a path, `fn` is an async function of ours that becomes the child's `init`. It shares our variables, and
    its on_exit is None: after a restart of the node nobody could find it.
    Raises `SpawnError`, and TypeError for a policy that is none.
    """
    if isinstance(grant_capabilities, bool):
        public, grant_capabilities = grant_capabilities, []
    grants = [_granted(each) for each in grant_capabilities]
    code = _code(path, fn)
    return await current().spawn(
        name,
        code,
        RawOnExit.none() if code is fn and on_exit is None else raw_on_exit(on_exit),
        _requested(request_capabilities),
        grants,
        public,
        detached=detached,
    )


def _code(path: str | None, fn: Init | None) -> str | Init:
    if fn is None and isinstance(path, str):
        return path
    if path is None and inspect.iscoroutinefunction(fn):
        return fn
    raise TypeError(
        f"spawn takes the path of a file or fn=, an async function, got path={path!r} and fn={fn!r}; "
        'write spawn(name, "child.py", OnExit.none()), or async def child(our) and spawn(name, fn=child)'
    )


def watch(process: Process) -> bool:
    """Be told when this run of a local process ends: by one message, which `ProcessExited.from_message` knows, behind
    all that the process had sent us.

    False when there is no such process: then no message comes. Raises `BadCapability` when we may not message it, and
    ValueError for ourselves.
    """
    return current().watch(to_process_id(process))


def unwatch(process: Process) -> None:
    """Not be told any more; a message that lies in our mailbox already still comes."""
    current().unwatch(to_process_id(process))


# -- printing


def print_to_terminal(verbosity: int, text: str) -> None:
    """0 always shows, 1 verbose, 2 very verbose, 3 everything."""
    current().print_to_terminal(verbosity, text)


def _joined(args: tuple[object, ...]) -> str:
    return " ".join(map(str, args))


def println(*args: object) -> None:
    """Always shown; arguments are joined as `print` does."""
    current().print_to_terminal(0, _joined(args))


def kiprintln(*args: object) -> None:
    """`println`, prefixed with our package id."""
    call = current()
    call.print_to_terminal(0, f"{call.our.package_id}: {_joined(args)}")


def process_println(*args: object) -> None:
    """`println`, prefixed with our process id."""
    call = current()
    call.print_to_terminal(0, f"{call.our.process}: {_joined(args)}")


# -- tasks, time, chance


def start_soon(task: Callable[[*Ts], Awaitable[object]], *args: *Ts) -> None:
    """Start a child task, which begins with this task's prompting message and last payload.

    It ends with the process, and its crash is a crash of the process. Raises TypeError unless `task` is async.
    """
    call = current()
    if inspect.iscoroutinefunction(task):
        call.start_soon(task, *args)
        return
    if inspect.iscoroutine(task):
        task.close()
        raise TypeError(
            f"start_soon takes the function, not what calling it gives; write start_soon({task.__name__}, *args)"
        )
    if not callable(task):
        raise TypeError(f"start_soon takes an async function, got {task!r}; write start_soon(fn, *args)")
    # One that is not async itself may still give something to await: only calling it tells.
    awaitable = task(*args)
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"start_soon takes an async function, and {task!r} gave {awaitable!r}; "
            "write async def fn(...) and start_soon(fn, *args)"
        )
    call.start_soon(_awaited, awaitable)


async def _awaited(awaitable: Awaitable[object]) -> None:
    await awaitable


def now() -> float:
    """Seconds since the epoch, on the node's clock."""
    return current().now()


async def sleep(seconds: float) -> None:
    """Raises TypeError for what is no number, ValueError for a negative one."""
    if not isinstance(seconds, int | float):
        raise TypeError(f"sleep takes a number of seconds, got {seconds!r}")
    await current().sleep(seconds)


def random() -> random_module.Random:
    """The process's own generator."""
    return current().random()


if TYPE_CHECKING:
    get_blob = get_payload
    has_blob = has_payload
    last_blob = last_payload
    make_blob = make_payload
    get_typed_blob = get_typed_payload
else:
    add_aliases(globals())
