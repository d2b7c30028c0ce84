"""The same work on trio alone, without a kernel or an actor.

`python -m scripts.benchmarks.bare_trio WORK N` prints one JSON line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path

import trio
import trio.testing

BODY = bytes(range(64))
Numbered = tuple[int, bytes]
SENDERS = 100


def resident() -> int:
    """Bytes of memory this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def pairs(count: int, clients: int) -> tuple[int, float]:
    """Request and response over two memory channels a pair."""
    answered = 0

    async def answer(
        requests: trio.MemoryReceiveChannel[Numbered], answers: trio.MemorySendChannel[Numbered]
    ) -> None:
        async for request in requests:
            await answers.send(request)

    async def ask(
        requests: trio.MemorySendChannel[Numbered], answers: trio.MemoryReceiveChannel[Numbered]
    ) -> None:
        nonlocal answered
        async with requests:
            for number in range(count // clients):
                await requests.send((number, BODY))
                if await answers.receive() == (number, BODY):
                    answered += 1

    async with trio.open_nursery() as nursery:
        begin = time.perf_counter()
        for _ in range(clients):
            request_in, request_out = trio.open_memory_channel[Numbered](1)
            answer_in, answer_out = trio.open_memory_channel[Numbered](1)
            nursery.start_soon(answer, request_out, answer_in)
            nursery.start_soon(ask, request_in, answer_out)
    return answered, time.perf_counter() - begin


async def fan_in(count: int) -> tuple[int, float]:
    """One channel with room for 1,024, a hundred senders, one receiver."""
    arrived = total = 0
    into, out = trio.open_memory_channel[Numbered](1024)

    async def send(share: int) -> None:
        for number in range(share):
            await into.send((number, BODY))

    async def receive() -> None:
        nonlocal arrived, total
        async for number, _body in out:
            arrived += 1
            total += number

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        begin = time.perf_counter()
        async with trio.open_nursery() as senders:
            for _ in range(SENDERS):
                senders.start_soon(send, count // SENDERS)
        into.close()
    seconds = time.perf_counter() - begin
    share = count // SENDERS
    if total != SENDERS * share * (share - 1) // 2:
        raise SystemExit(f"the numbers add up to {total}")
    return arrived, seconds


async def idle(count: int) -> tuple[int, float, float]:
    """Tasks of one nursery that sleep; woken at the end, so that each is known to have been there."""
    gc.collect()
    before = resident()
    woken = 0
    bell = trio.Event()

    async def doze() -> None:
        nonlocal woken
        await bell.wait()
        woken += 1

    begin = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(doze)
        await trio.testing.wait_all_tasks_blocked()
        seconds = time.perf_counter() - begin
        each = (resident() - before) / count
        bell.set()
    return woken, seconds, each


async def timers(count: int) -> tuple[int, float, float]:
    """Tasks that sleep until they are due, from a second on for three; how late 99 of 100 are, in milliseconds."""
    late: list[float] = []

    async def wait(seconds: float) -> None:
        due = time.perf_counter() + seconds
        await trio.sleep(seconds)
        late.append(time.perf_counter() - due)

    begin = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(wait, 1 + 3 * number / count)
    return len(late), time.perf_counter() - begin, 1000 * sorted(late)[count * 99 // 100]


async def main(work: str, count: int) -> None:
    notes: dict[str, float] = {}
    match work:
        case "pair":
            await pairs(count // 10, 1)
            done, seconds = await pairs(count, 1)
        case "pairs":
            count -= count % 64
            await pairs(count // 10, 64)
            done, seconds = await pairs(count, 64)
        case "fan_in":
            count -= count % SENDERS
            await fan_in(count // 10 // SENDERS * SENDERS)
            done, seconds = await fan_in(count)
        case "idle":
            done, seconds, notes["bytes"] = await idle(count)
        case "timers":
            done, seconds, notes["p99_ms"] = await timers(count)
        case _:
            raise SystemExit(f"no such work: {work!r}; there are pair, pairs, fan_in, idle, timers")
    if done != count:
        raise SystemExit(f"{done} of {count} came through")
    print(json.dumps({"count": done, "seconds": seconds, "notes": notes}))


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]))
