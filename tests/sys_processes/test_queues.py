from __future__ import annotations

import trio

from kernel.address import ProcessId
from sys_processes._queues import MOST_BYTES, MOST_REQUESTS, Queues

WHITE, BLACK = ProcessId("white", "chess", "nectar"), ProcessId("black", "chess", "nectar")


async def nothing() -> None:
    pass


async def test_each_process_is_served_in_order_and_none_waits_for_another() -> None:
    queues: Queues[None] = Queues()
    done: list[tuple[str, int, float]] = []

    async def work(name: str, number: int, seconds: float) -> None:
        await trio.sleep(seconds)
        done.append((name, number, trio.current_time()))

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        turns = []
        for number, seconds in enumerate((3, 1, 2)):
            turns.append(queues.enter(WHITE, 1, lambda n=number, s=seconds: work("white", n, s)))
        turns.append(queues.enter(BLACK, 1, lambda: work("black", 0, 1)))
        for turn in reversed(turns):
            nursery.start_soon(turn)
    at = [(name, number, round(when - start)) for name, number, when in done]
    assert at == [("black", 0, 1), ("white", 0, 3), ("white", 1, 4), ("white", 2, 6)]
    assert queues._queues == {}


async def test_work_that_fails_lets_the_next_one_go_on() -> None:
    queues: Queues[None] = Queues()
    done: list[int] = []

    async def fails() -> None:
        raise ZeroDivisionError

    async def works() -> None:
        done.append(1)

    first, second = queues.enter(WHITE, 1, fails), queues.enter(WHITE, 1, works)

    async def tried() -> None:
        try:
            await first()
        except ZeroDivisionError:
            done.append(0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await trio.sleep(1)
        nursery.start_soon(tried)
    assert done == [0, 1]


async def test_one_whose_caller_is_cancelled_gives_up_its_place() -> None:
    queues: Queues[None] = Queues()
    first, second = queues.enter(WHITE, 1, trio.sleep_forever), queues.enter(WHITE, 1, nothing)
    with trio.move_on_after(1):
        await first()
    await second()
    assert queues._queues == {}


async def test_a_queue_has_room_for_so_many_requests_and_bytes() -> None:
    queues: Queues[None] = Queues()
    assert queues.has_room(WHITE, 10 * MOST_BYTES)
    turns = [queues.enter(WHITE, 0, nothing) for _ in range(MOST_REQUESTS)]
    assert not queues.has_room(WHITE, 0)
    assert queues.has_room(BLACK, 0)
    for turn in turns:
        await turn()
    last = queues.enter(WHITE, MOST_BYTES, nothing)
    assert not queues.has_room(WHITE, 1)
    assert queues.has_room(WHITE, 0)
    await last()
    assert queues.has_room(WHITE, 1)
