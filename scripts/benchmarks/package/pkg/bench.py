"""Runs one piece of work when asked to and answers with its count and its seconds.

Answers a GET of `/hello`, serves `/static`; whoever says something on a WebSocket of `/idle` has a greeting sent to all
of them. A Request's ipc is `{"work": NAME, "count": N}`. Every worker is a process of its own and every message passes
every check.
"""

import json
from collections.abc import Sequence

from userland.process_lib import (
    Address,
    Message,
    OnExit,
    Payload,
    Request,
    Response,
    SendError,
    await_message,
    http,
    kv,
    now,
    sleep,
    spawn,
    sqlite,
    timer,
    vfs,
)

SENDERS = 100
PATIENCE = 600
HELLO = b"Hello, world!"
HI = Payload(bytes=b"hello")
STATIC = bytes(range(32, 96)) * 64
KEYS = 1000
VALUE = bytes(range(100))
ROWS = "WITH RECURSIVE n(x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT x, hex(x) || 'text' FROM n"


MIB = 1 << 20


def piece(number: int) -> bytes:
    return bytes([number % 256]) * MIB


async def start(our: Address, path: str, *, heard_by: Sequence[Address] = ()) -> Address:
    """A child that only its parent and `heard_by` may message."""
    may = [address.process for address in heard_by]
    return Address(our.node, await spawn(None, path, OnExit.none(), grant_capabilities=may))


async def gather(orders: Sequence[tuple[Address, dict[str, object]]]) -> int:
    """Tell each worker its order, all at once; the sum of the counts they answer with."""
    for worker, order in orders:
        Request.to(worker).try_ipc(order).expects_response(PATIENCE).send()
    return sum([json.loads((await await_message()).ipc) for _ in orders])


class Bench:
    def __init__(self, our: Address) -> None:
        self.our = our
        self.sleepers: list[Address] = []
        self.channels: dict[int, None] = {}

    async def pairs(self, count: int, clients: int) -> dict[str, float]:
        couples: list[tuple[Address, Address]] = []
        for _ in range(clients):
            asker = await start(self.our, "/asker.py")
            couples.append((asker, await start(self.our, "/answerer.py", heard_by=[asker])))
        for share in (count // 10 // clients, count // clients):  # the first one warms up
            begin = now()
            done = await gather([(asker, {"count": share, "peer": str(peer)}) for asker, peer in couples])
            seconds = now() - begin
        await gather([(worker, {"stop": True}) for couple in couples for worker in couple])
        return {"count": done, "seconds": seconds}

    async def fan_in(self, count: int) -> dict[str, float]:
        senders = [await start(self.our, "/sender.py") for _ in range(SENDERS)]
        sink = await start(self.our, "/sink.py", heard_by=senders)
        for share in (count // 10 // SENDERS, count // SENDERS):  # the first one warms up
            begin = now()
            await gather([(sender, {"count": share, "peer": str(sink)}) for sender in senders])
            answer = await Request.to(sink).ipc(b"how many").send_and_await_response(PATIENCE)
            seconds = now() - begin
            arrived, total = json.loads(answer.ipc)
        right = total == SENDERS * share * (share - 1) // 2
        await gather([(worker, {"stop": True}) for worker in senders])
        return {"count": arrived if right else 0, "seconds": seconds}

    async def idle(self, count: int) -> dict[str, float]:
        """Start that many processes and leave them there."""
        begin = now()
        self.sleepers = [await start(self.our, "/sleeper.py") for _ in range(count)]
        return {"count": count, "seconds": now() - begin}

    async def wake(self, count: int) -> dict[str, float]:
        """Each sleeper answers and ends; the proof that each was there."""
        begin = now()
        woken = 0
        for first in range(0, count, 1000):
            woken += await gather([(sleeper, {}) for sleeper in self.sleepers[first : first + 1000]])
        self.sleepers.clear()
        return {"count": woken, "seconds": now() - begin}

    async def sets(self, count: int) -> dict[str, float]:
        db = await kv.open(self.our.package_id, "bench")
        begin = now()
        for number in range(count):
            await db.set(b"%d" % (number % KEYS), VALUE)
        return {"count": count, "seconds": now() - begin}

    async def gets(self, count: int) -> dict[str, float]:
        db = await kv.open(self.our.package_id, "bench")
        tx = await db.begin_tx()
        for number in range(KEYS):
            await db.set(b"%d" % number, VALUE, tx)
        await db.commit_tx(tx)
        begin = now()
        right = 0
        for number in range(count):
            right += await db.get(b"%d" % (number % KEYS)) == VALUE
        return {"count": right, "seconds": now() - begin}

    async def reads(self, count: int) -> dict[str, float]:
        db = await sqlite.open(self.our.package_id, "bench")
        await db.write("CREATE TABLE t (k INTEGER PRIMARY KEY, v)")
        await db.write(f"REPLACE INTO t {ROWS}")
        begin = now()
        right = 0
        for number in range(count):
            found = await db.read("SELECT k, v FROM t WHERE k = ?1", [number % KEYS])
            right += len(found) == 1 and found[0]["k"] == number % KEYS
        return {"count": right, "seconds": now() - begin}

    async def files(self, count: int) -> dict[str, float]:
        """So many MiB, written and read piece by piece; durable in between."""
        path = f"{await vfs.create_drive(self.our.package_id, 'data')}/big"
        begin = now()
        async with vfs.open_file(path, create=True, timeout=PATIENCE) as file:
            for number in range(count):
                await file.write_all(piece(number))
            await file.sync_all()
            await file.seek(0)
            right = 0
            for number in range(count):
                right += await file.read_exact(MIB) == piece(number)
        seconds = now() - begin
        await vfs.remove_file(path)
        return {"count": right, "seconds": seconds}

    async def timers(self, count: int) -> dict[str, float]:
        """So many set at once, due from a second on for three: how late 99 of 100 are at most, in milliseconds."""
        due: list[float] = []
        begin = now()
        for number in range(count):
            # Not at the end of a second: a request for 1,999 ms is given up after 2,000.
            ms = 1000 * (1 + number * 3 // count) + number % 900
            due.append(now() + ms / 1000)
            timer.set_timer(ms, b"%d" % number)
            if number % 4 == 0:
                await sleep(0)
        late: list[float] = []
        for _ in range(count):
            message = await await_message()
            late.append(now() - due[int(message.context or b"")])
        return {
            "count": len(late),
            "seconds": now() - begin,
            "p99_ms": 1000 * sorted(late)[count * 99 // 100],
        }

    def hear(self, request: http.HttpServerRequest) -> None:
        match request:
            case http.WebSocketOpen(_, channel_id):
                self.channels[channel_id] = None
            case http.WebSocketPush():
                for channel_id in self.channels:
                    http.send_ws_push(channel_id, http.WsMessageType.Text, HI)
            case http.WebSocketClose(channel_id):
                del self.channels[channel_id]

    async def run(self, work: str, count: int) -> dict[str, float]:
        kept = {"sets": self.sets, "gets": self.gets, "reads": self.reads, "files": self.files}
        if work in kept:
            return await kept[work](count)
        match work:
            case "pair":
                return await self.pairs(count, 1)
            case "pairs":
                return await self.pairs(count, 64)
            case "fan_in":
                return await self.fan_in(count)
            case "idle":
                return await self.idle(count)
            case "wake":
                return await self.wake(count)
            case "timers":
                return await self.timers(count)
        return {"count": 0, "seconds": 1}


async def serve(bench: Bench, message: Message) -> None:
    if not message.is_request():
        return
    if message.source.process_name == "http_server" and message.metadata == "http":
        http.send_response(200, {"Content-Type": "text/plain"}, HELLO)
        return
    if message.source.process_name == "http_server" and message.metadata == "ws":
        bench.hear(http.HttpServerRequest.from_bytes(message.ipc))
        return
    order = json.loads(message.ipc)
    Response().try_ipc(await bench.run(order["work"], order["count"])).send()


async def init(our: Address) -> None:
    await http.bind_http_path("/hello", False, False)
    await http.bind_http_static_path("/static", False, False, "text/plain", STATIC)
    await http.bind_ws_path("/idle", False)
    bench = Bench(our)
    while True:
        try:
            message = await await_message()
        except SendError:
            continue
        await serve(bench, message)
