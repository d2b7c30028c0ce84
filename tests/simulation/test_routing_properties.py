"""What routing promises, on one to five nodes and whatever goes wrong, as a user of the simulator would write it down.

The kernel's own laws watch every one of these runs, too; here it is said from the side of those who send and receive.
"""

from __future__ import annotations

import attrs
import trio
from hypothesis import settings
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability
from kernel.message import Payload, Reason
from runtime.sim.check import Calling, History, at_most_once, caps_respected, fifo_per_pair, one_outcome
from runtime.sim.faults import Faults
from runtime.sim.hypothesis_world import given_world
from runtime.sim.mover import NodeDown
from runtime.sim.nemeses import Crash, Cut, Dup, Loss, Partition, Reorder, SlowLinks
from runtime.sim.sim_node import SimNode
from runtime.sim.strategies import payloads
from runtime.sim.world import World
from runtime.sim.world_strategies import Topology, fault_plans, node_names, topologies
from tests.support.worlds import echo, silent
from userland.process_lib import Request, SendError, await_message, get_payload

EXAMPLES = settings(max_examples=25)
UNTIL = 900.0
TOLERANCE = 0.001
OF_THE_NETWORK = (Partition, Cut, SlowLinks, Loss, Dup, Reorder)
WITH_CRASHES = (*OF_THE_NETWORK, Crash)


def pairs(count: int) -> st.SearchStrategy[tuple[int, int]]:
    """From which node to which, counted around."""
    return st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))


async def rest(w: World) -> None:
    """Everything is healed, and comes to rest."""
    await w.heal()
    await w.settle()


# -- in order, and once


@attrs.frozen
class Burst:
    """So many messages from one node to another, and then a pause in seconds."""

    ends: tuple[int, int]
    count: int
    pause: int


BURSTS = st.lists(st.builds(Burst, pairs(5), st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=8)


@EXAMPLES
@given_world(
    topology=topologies(1, 5), bursts=BURSTS, faults=fault_plans(OF_THE_NETWORK, seconds=40), until=UNTIL
)
async def test_what_arrives_is_in_order_and_comes_once_and_on_a_healed_network_all_of_it(
    w: World, topology: Topology, bursts: list[Burst]
) -> None:
    history = History(lambda: w.now)
    sent: dict[bytes, Calling] = {}

    async def hear(our: Address) -> None:
        while True:
            message = await await_message()
            history.done(our.node, "receive", result=(message.source.node, message.ipc))

    async def talk(node: SimNode, bursts: list[tuple[SimNode, Burst]]) -> None:
        for target, burst in bursts:
            for _ in range(burst.count):
                ipc = b"%d" % len(sent)
                sent[ipc] = call = history.invoke(node.name, "send", (target.name, ipc))
                await node.send(target.address("hear"), ipc)
                call.ok()
            await w.sleep(burst.pause)

    nodes = await topology.boot(w, [hear])
    async with trio.open_nursery() as talkers:
        for place, node in enumerate(nodes):
            ours = [
                (nodes[burst.ends[1] % len(nodes)], burst)
                for burst in bursts
                if burst.ends[0] % len(nodes) == place
            ]
            talkers.start_soon(talk, node, ours)
    await rest(w)
    for found in (fifo_per_pair(history), at_most_once(history)):
        assert found.valid, found.text
    received = {call.result[1] for call in history.of("receive")}
    returned = {error.message.ipc for node in nodes for error in node.heard if isinstance(error, SendError)}
    assert received | returned == set(sent)  # nothing is dropped in silence


# -- one outcome


@attrs.frozen
class Ask:
    """`to` is a process that answers, one that does not, or one that is not there."""

    ends: tuple[int, int]
    to: str
    seconds: int
    payload: Payload
    pause: int


ASKS = st.lists(
    st.builds(
        Ask,
        pairs(5),
        st.sampled_from(("echo", "silent", "nobody")),
        st.integers(1, 20),
        payloads(),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=8,
)


@EXAMPLES
@given_world(names=node_names(1, 5), asks=ASKS, faults=fault_plans(WITH_CRASHES, seconds=40), until=UNTIL)
async def test_each_request_of_a_process_that_lives_has_one_outcome(
    w: World, names: tuple[str, ...], asks: list[Ask]
) -> None:
    history = History(lambda: w.now)
    nodes = [await w.node(name, [echo, silent]) for name in names]

    async def ask(number: int, ask: Ask) -> None:
        node, target = (nodes[place % len(nodes)] for place in ask.ends)
        call = history.invoke(number, "ask")
        try:
            answer = await node.ask(target.address(ask.to), b"%d" % number, ask.payload, seconds=ask.seconds)
        except SendError as error:
            (call.fail if error.definite else call.info)(error.reason)
        except NodeDown:
            call.info("the asker's node crashed")
        else:
            call.ok(answer.ipc)
            assert answer.ipc == b"%d" % number

    async with trio.open_nursery() as askers:
        for number, one in enumerate(asks):
            askers.start_soon(ask, number, one)
            await w.sleep(one.pause)
    await rest(w)
    found = one_outcome(history)
    assert found.valid, found.text
    for call, one in zip(history.calls, asks, strict=True):
        assert not call.is_ok or one.to == "echo"
        if one.ends[0] % len(nodes) == one.ends[1] % len(nodes) and one.to == "nobody":
            assert call.result in {Reason.no_such_process, "the asker's node crashed"}


# -- in time


@EXAMPLES
@given_world(
    topology=topologies(1, 3), asks=ASKS, faults=fault_plans(OF_THE_NETWORK, seconds=40), until=UNTIL
)
async def test_a_timeout_comes_at_its_time_and_nothing_after_it(
    w: World, topology: Topology, asks: list[Ask]
) -> None:
    nodes = await topology.boot(w, [echo, silent])

    async def ask(one: Ask) -> None:
        node, target = (nodes[place % len(nodes)] for place in one.ends)
        before, reason = w.now, None
        try:
            await node.ask(target.address(one.to), b"hi", one.payload, seconds=one.seconds)
        except SendError as error:
            reason = error.reason
        took = w.now - before
        assert took <= one.seconds + TOLERANCE, reason
        assert reason is not Reason.deadline_passed or took >= one.seconds - TOLERANCE

    async with trio.open_nursery() as askers:
        for one in asks:
            askers.start_soon(ask, one)
            await w.sleep(one.pause)
    await rest(w)
    assert not any(node.heard for node in nodes)


# -- capabilities


@attrs.frozen
class Step:
    """A right is given, taken away, or used, on one node."""

    do: str
    place: int
    target: int
    pause: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(("use", "grant", "revoke")),
        st.integers(0, 4),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


@EXAMPLES
@given_world(names=node_names(1, 5), steps=STEPS, faults=fault_plans(OF_THE_NETWORK, seconds=20), until=UNTIL)
async def test_nobody_is_messaged_without_the_right_and_nobody_who_has_it_is_refused(
    w: World, names: tuple[str, ...], steps: list[Step]
) -> None:
    """On each node two private processes, and a third that may message them when it was given the right."""
    history = History(lambda: w.now)
    uses: list[tuple[SimNode, Address]] = []
    private = ("one", "two")

    async def user(our: Address) -> None:
        while True:
            order = await await_message()
            target = Address.from_str(order.ipc.decode())
            call = history.invoke(our.node, "use", str(target))
            try:
                await Request().target(target).ipc(b"hi").send_and_await_response(5)
            except SendError as error:
                (call.fail if error.reason is Reason.capability_missing else call.info)(error.reason)
            else:
                call.ok()

    nodes = [await w.node(name, [user]) for name in names]
    for node in nodes:
        for name in private:
            node.start(echo, name, public=False)
    for step in steps:
        node = nodes[step.place % len(nodes)]
        target = node.address(private[step.target])
        right = Capability.messaging(target)
        holder = node.kernel.router.processes[node.pid("user")]
        if step.do == "use":
            uses.append((node, target))
            await node.send("user", str(target).encode())
        elif step.do == "grant":
            node.kernel.grants.grant(holder, right)
            history.done("owner", "grant", (node.name, str(target)))
        else:
            holder.holdings.drop(right)
            history.done("owner", "revoke", (node.name, str(target)))
        await w.sleep(step.pause)
    await rest(w)
    found = caps_respected(history)
    assert found.valid, found.text
    assert len(list(history.of("use"))) == len(uses)


@EXAMPLES
@given_world(
    names=node_names(2, 5), ends=pairs(5), networking=st.booleans(), payload=payloads(), faults=Faults.none()
)
async def test_another_node_is_reached_with_the_network_capability_alone_and_the_payload_is_whole(
    w: World, names: tuple[str, ...], ends: tuple[int, int], networking: bool, payload: Payload
) -> None:
    heard: list[tuple[str, Payload | None]] = []
    came: list[SendError] = []

    async def hear(our: Address) -> None:
        while True:
            message = await await_message()
            heard.append((message.source.node, get_payload()))

    async def say(our: Address) -> None:
        await await_message()
        Request().target(target.address("hear")).ipc(b"hi").payload(payload).send()
        try:
            await await_message()
        except SendError as error:
            came.append(error)

    nodes = [await w.node(name, [hear]) for name in names]
    node, target = nodes[ends[0] % len(nodes)], nodes[ends[1] % len(nodes)]
    node.start(say, network=networking)
    await node.send("say")
    await w.settle()
    if networking or node is target:
        assert (heard, came) == ([(node.name, payload)], [])
    else:
        assert heard == []
        assert [error.reason for error in came] == [Reason.capability_missing]
