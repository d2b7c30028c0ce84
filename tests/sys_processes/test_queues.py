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
    assert queues._held == {}


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
    assert queues._held == {}


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


async def test_lanes_of_one_process_go_side_by_side_and_share_its_room() -> None:
    queues: Queues[None] = Queues()
    ended: list[float] = []

    async def work() -> None:
        await trio.sleep(1)
        ended.append(trio.current_time() - start)

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for lane in (1, 1, 2):
            nursery.start_soon(queues.enter(WHITE, MOST_BYTES // 3, work, lane=lane))
        assert not queues.has_room(WHITE, MOST_BYTES // 3)
    assert [round(when) for when in ended] == [1, 1, 2]
    assert queues._held == {}


async def test_who_gives_up_while_it_waits_is_nobody_s_turn() -> None:
    queues: Queues[None] = Queues()
    done: list[int] = []

    async def work(number: int) -> None:
        await trio.sleep(3)
        done.append(number)

    first, second, third = (queues.enter(WHITE, 1, lambda n=number: work(n)) for number in range(3))

    async def impatient() -> None:
        with trio.move_on_after(1):
            await second()

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for turn in (first, impatient, third):
            nursery.start_soon(turn)
    assert done == [0, 2]
    assert round(trio.current_time() - start) == 6
    assert queues._held == {}
