"""Test one process in a plain test function: a real kernel, virtual time, scripted neighbours, no node.

    >>> from userland.process_lib import Response, await_message, get_payload
    >>> async def init(our):
    ...     while True:
    ...         message = await await_message()
    ...         Response().ipc(message.ipc.upper()).payload(get_payload()).send()

    >>> with ActorTest(init, our="echo:echo:nectar") as actor:
    ...     answer = actor.send("hello", expects_response=5)
    >>> answer.ipc
    b'HELLO'

Usually the first argument is the path of the actor's file, relative to the file of the test.

- `actor.send(ipc, payload, expects_response=5)` sends a Request and gives the answer; `source=` says who it is from.
- `actor.push_http("POST", "/games", body=b"..")`, `actor.open_channel()`, `.push_frame(id, "text")`,
  `.close_channel(id)` do what browsers do, and end where the actor's bindings send them; `actor.frames(id)` is what
  the actor pushed to one.
- `actor.on("our@chess:chess:nectar", answer)` scripts another process, also of another node; those that the actor
  asks as it starts are given as `ActorTest(..., on={"our@chess:chess:nectar": answer})`.
- `actor.serve("https://api.example.org/", answer)` scripts a server that the actor asks through http_client, and
  `actor.serve("wss://..", answer)` one for sockets; `actor.server_frames(id)` is what the actor sent there,
  `actor.push_server_frame(id, "text")` and `.close_server_channel(id)` are what it hears. Those that it
  asks as it starts are given as `ActorTest(..., servers={url: answer})`.
- `actor.advance(60)` lets a minute pass, at once.
- `actor.sent`, `.printed`, `.state`, `.bound`, `.on_homepage`, `.last_error` tell what it did. A crash fails the test
  at its end, unless the test looked at `last_error`.

http_client, http_server, homepage, kv, sqlite, timer, state and vfs are there and behave; the drive `pkg` is the folder
of the actor's file.
A test that runs on trio itself writes `async with ActorTest(...) as actor` and awaits the same calls.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType

from kernel.address import Address, ProcessId
from kernel.capability import Capability
from kernel.message import OnExit
from kernel.ports import Init
from userland.process_lib._builders import Target
from userland.process_lib.testing._actor import ActorCrashed, AsyncActor, Setup
from userland.process_lib.testing._ports import Printed
from userland.process_lib.testing._programs import FileProgram, Folder, FunctionProgram
from userland.process_lib.testing._record import HttpAnswer, Sent
from userland.process_lib.testing._scripted import Answer, Reply
from userland.process_lib.testing._servers import HttpCall, Server
from userland.process_lib.testing._sync import Actor
from userland.process_lib.testing._thread import ActorStuck, TrioThread
from userland.process_lib.testing._web import Frame

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorStuck",
    "ActorTest",
    "AsyncActor",
    "Frame",
    "HttpAnswer",
    "HttpCall",
    "Printed",
    "Sent",
]

NODE = "fake.dev"
OUR = "actor:test:fake.dev"


class ActorTest:
    """Runs one actor for the time of a `with` block (which gives an `Actor`) or `async with` (an `AsyncActor`).

    `program` is the path of a file with `async def init(our)`, relative to the calling file, or such a function.
    `our` is a process id or a whole address. `state` is what `get_state` finds; `seed` decides all that is random.
    `on` scripts other processes before the actor starts, as `Actor.on` does later: `{target: answer}`; so does
    `servers`, as `Actor.serve`.
    The actor may message everybody; other capabilities are given as `capabilities`. A file that is missing, does not
    import or has no `init` raises `ProgramError`.
    """

    def __init__(
        self,
        program: str | Path | Init,
        *,
        our: str = OUR,
        on_exit: OnExit | None = None,
        capabilities: Iterable[Capability] = (),
        state: bytes | None = None,
        seed: int = 0,
        on: Mapping[Target, Answer | Reply] | None = None,
        servers: Mapping[str, Server | Reply] | None = None,
    ) -> None:
        self._address = Address.from_str(our) if "@" in our else Address(NODE, ProcessId.from_str(our))
        if isinstance(program, str | Path):
            path = _caller_folder() / program
            self._folder = Folder(path.parent)
            found: FileProgram | FunctionProgram = self._folder.program(path)
        else:
            self._folder = Folder(None)
            found = FunctionProgram(program)
        self._setup = Setup(
            found,
            self._folder,
            self._address,
            OnExit.none() if on_exit is None else on_exit,
            tuple(capabilities),
            state,
            seed,
            dict(on or {}),
            dict(servers or {}),
        )
        self._thread: TrioThread[AsyncActor] | None = None
        self._open: AbstractAsyncContextManager[AsyncActor] | None = None

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[AsyncActor]:
        actor = AsyncActor(self._setup)
        try:
            async with actor.run():
                yield actor
        finally:
            self._folder.forget()

    def __enter__(self) -> Actor:
        self._thread = TrioThread(self._run)
        return Actor(self._thread.start(), self._thread)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None
        try:
            self._thread.stop()
        except ActorCrashed:
            # What the test itself raised says more.
            if error is None:
                raise

    async def __aenter__(self) -> AsyncActor:
        self._open = self._run()
        return await self._open.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._open is not None
        await self._open.__aexit__(kind, error, trace)


def _caller_folder() -> Path:
    """Of the file that makes the `ActorTest`; the current folder when that is no file."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = None if frame is None else frame.f_back
    file = None if frame is None else frame.f_globals.get("__file__")
    return Path(file).resolve().parent if isinstance(file, str) else Path.cwd()
