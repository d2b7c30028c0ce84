"""The package of the recorded runs: processes that use all that a process can."""

from __future__ import annotations

from runtime.node import PackageFiles
from tests.support.recorded import package_of

BUSY = """
import trio
from userland.process_lib import *
from userland.process_lib import timer

def tell(our, text):
    Request().target((our.node, "sink:app:me")).ipc(text.encode()).send()

async def tick(our, name):
    for n in range(5):
        await sleep(0.3)
        tell(our, f"{name} {n} {now()} {random().random()}")

async def woken(event, our, number):
    await event.wait()
    tell(our, f"woken {number}")

async def child(our):
    message = await await_message()
    Response().ipc(b"child says " + message.ipc).send()

async def pet(our):
    await sleep(3600)

async def begin(our):
    state = await get_state()
    await set_state((state or b"") + b"x")
    start_soon(tick, our, "a")
    start_soon(tick, our, "b")
    event = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(woken, event, our, number)
        with trio.move_on_after(0.7):
            while True:
                await await_message()
        await timer.set_and_await_timer(150)
        event.set()

async def children(our):
    pid = await spawn("kid", fn=child)
    answer = await Request().target((our.node, str(pid))).ipc(b"hi").send_and_await_response(5)
    tell(our, answer.ipc.decode())
    other = await spawn(None, "/kid.py", OnExit.none())
    tell(our, f"{watch(other)} {watch('no:such:process')}")
    tell(our, str(watch(await spawn("pet", fn=pet))))
    await spawn(None, "/kid.py", OnExit.restart(), detached=True)
    answer = await Request().target((our.node, str(other))).ipc(b"hi").send_and_await_response(5)
    for attempt in (
        Request().target((our.node, str(other))).ipc(b"no answer"),
        Request().target((our.node, "no:such:process")).ipc(b"?"),
    ):
        try:
            await attempt.send_and_await_response(1)
        except SendError as error:
            tell(our, str(error))
    for name, path in ((None, "/nofile.py"), ("busy", "/kid.py")):
        try:
            await spawn(name, path, OnExit.none())
        except SpawnError as error:
            tell(our, str(error))

def rights(our):
    sink = (our.node, "sink:app:me")
    create_capability("sink:app:me", '"may"')
    Request().target(sink).ipc(b"with rights").attach_messaging().send()
    held = get_capabilities()
    tell(our, " ".join(f"{one} {one.signature.hex()}" for one in held))
    save_capabilities(held[:1])
    drop_capabilities(held[:1])
    tell(our, f"{len(get_capabilities())} {can_message(sink)} {has_capability('1')}")

async def init(our):
    await begin(our)
    await children(our)
    while True:
        try:
            message = await await_message()
        except SendError as error:
            continue
        ended = ProcessExited.from_message(message)
        if ended is not None:
            tell(our, str(ended))
            continue
        match message.ipc:
            case b"crash":
                raise ValueError("as told")
            case b"end":
                set_on_exit(OnExit.requests([((our.node, "sink:app:me"), Request().ipc(b"last words"), None)]))
                return
            case b"rights":
                rights(our)
            case _ if message.is_request():
                Response().ipc(message.ipc[::-1] + str(now()).encode()).send()
"""
SINK = """
from userland.process_lib import *

async def init(our):
    heard = []
    while True:
        message = await await_message()
        heard.append(message.ipc)
        if message.ipc == b"tell":
            Response().ipc(b"|".join(heard)).send()
        if len(heard) % 4 == 0:
            await sleep(0.01)
"""
KID = """
from userland.process_lib import *

async def init(our):
    await await_message()
    Response().ipc(b"kid").send()
    await await_message()
    await sleep(100)
"""


def busy(**changed: str) -> PackageFiles:
    """`busy:app:me` and `sink:app:me`; `changed` is code in the place of a module's."""
    modules = {"busy": BUSY, "sink": SINK, "kid": KID} | changed
    return package_of(modules, "busy", "sink", request_capabilities=["timer:sys:nectar", "state:sys:nectar"])
