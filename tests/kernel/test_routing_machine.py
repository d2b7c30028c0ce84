"""Any history of sends, answers, kills and restarts, against the model (PROTOCOL 3; C-023 to C-056).

A rule changes the model and notes what the kernel must do. At the end of a history the notes are played to a living
kernel, one after the other, and everything it says is compared: so a history is decided by the model alone, replays
exactly, and shrinks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kernel.address import Address
from kernel.capability import Capability
from kernel.mailbox import Limits
from kernel.message import Message, OnExit, Payload, Request, Response, SendError
from tests.conftest import run_on_trio
from tests.kernel.routing_model import ROOM, Answered, Asked, Failed, Mail, Model, Refused
from tests.support.kernel_node import NODE, Doing, KernelNode, Puppet, kernel_node, pid_of

NAMES = ("a", "b", "c", "d")
TARGETS = (*NAMES, "nobody")


class Player:
    """Plays notes to a kernel and compares."""

    def __init__(self, node: KernelNode) -> None:
        self.node = node
        self.asks: dict[int, Doing[Message]] = {}
        self._ids: dict[int, int] = {}

    def puppet(self, name: str) -> Puppet:
        return self.node.known[str(pid_of(name))]

    def check_id(self, token: int, number: int) -> None:
        """C-023 to C-027: the same token, the same id; another token, another id."""
        assert number != 0
        known = self._ids.setdefault(token, number)
        assert known == number
        assert list(self._ids.values()).count(number) == 1

    def check(self, seen: Message | SendError, expected: Mail) -> None:
        if isinstance(expected, Failed):
            assert isinstance(seen, SendError)
            self.check_id(expected.token, seen.message.id)
            assert (seen.reason, seen.definite, seen.context, seen.target, seen.message.ipc) == (
                expected.reason,
                expected.definite,
                expected.context,
                address(expected.target),
                expected.ipc,
            )
            assert seen.payload == payload_of(expected.payload)
            return
        assert isinstance(seen, Message)
        self.check_id(expected.token, seen.id)
        assert (seen.is_request(), seen.source, seen.ipc, seen.payload()) == (
            isinstance(expected, Asked),
            address(expected.source),
            expected.ipc,
            payload_of(expected.payload),
        )
        if isinstance(expected, Asked):
            rsvp = None if expected.rsvp is None else address(expected.rsvp)
            assert (seen.envelope().rsvp, seen.expects_response) == (rsvp, expected.expects)
        else:
            assert seen.context == expected.context


def address(name: str) -> Address:
    return Address(NODE, pid_of(name))


def payload_of(value: bytes | None) -> Payload | None:
    return None if value is None else Payload("t", value)


@attrs.frozen
class Note:
    """What to do, and what is then true: asks that ended, asks that have not, unread messages by process."""

    text: str
    play: Callable[[Player], Awaitable[None]]
    finished: tuple[tuple[int, Answered | Failed], ...]
    asking: tuple[int, ...]
    unread: dict[str, int]
    payloads: dict[str, bytes | None]


async def play(notes: list[Note]) -> None:
    async with kernel_node() as node:
        player = Player(node)
        for note in notes:
            await note.play(player)
            await node.settle()
            for number, expected in note.finished:
                doing = player.asks.pop(number)
                assert doing.done.is_set(), f"{note.text}: ask {number} is open"
                player.check(await outcome(doing), expected)
            for number in note.asking:
                assert not player.asks[number].done.is_set(), f"{note.text}: ask {number} has ended"
            for name, count in note.unread.items():
                assert node.mailbox(pid_of(name)) == count, f"{note.text}: mailbox of {name}"
            for name, value in note.payloads.items():
                assert await player.puppet(name).payload() == payload_of(value), note.text


async def outcome(doing: Doing[Message]) -> Message | SendError:
    try:
        return await doing.result()
    except SendError as error:
        return error


ABLE = st.runner().flatmap(lambda machine: st.sampled_from(machine.able()))
"""A process that can do something now."""

PAYLOADS = st.sampled_from((None, None, b"", b"p", b"q"))


class Messages(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.notes: list[Note] = []
        self._sent = 0

    def _note(self, text: str, step: Callable[[Player], Awaitable[None]]) -> None:
        model = self.model
        model.advance(0)
        idle = {name: run for name, run in model.table.items() if not run.waiting and run.asking is None}
        self.notes.append(
            Note(
                text,
                step,
                tuple(model.finished),
                tuple(run.asking for run in model.table.values() if run.asking is not None),
                {name: len(run.mailbox) for name, run in model.table.items()},
                {name: run.payload for name, run in idle.items()},
            )
        )
        model.finished.clear()

    def _ipc(self) -> bytes:
        self._sent += 1
        return str(self._sent).encode()

    def able(self) -> list[str]:
        table = self.model.table
        return [name for name, run in table.items() if not run.waiting and run.asking is None]

    def readers(self) -> list[str]:
        return [name for name in self.able() if self.model.table[name].mailbox]

    def _create(self, name: str, public: bool, restarts: bool) -> None:
        self.model.create(name, public=public, restarts=restarts)

        async def step(player: Player) -> None:
            on_exit = OnExit.restart() if restarts else OnExit.none()
            await player.node.puppet(name, public=public, on_exit=on_exit, limits=Limits(messages=ROOM))

        self._note(f"create {name}", step)

    @initialize()
    def begin(self) -> None:
        for number, name in enumerate(NAMES[:3]):
            self._create(name, public=number != 2, restarts=number == 1)

    @rule(name=st.sampled_from(NAMES), public=st.booleans(), restarts=st.booleans())
    def create(self, name: str, public: bool, restarts: bool) -> None:
        if name not in self.model.table:
            self._create(name, public, restarts)

    @precondition(able)
    @rule(issuer=ABLE, to=st.sampled_from(NAMES))
    def grant(self, issuer: str, to: str) -> None:
        if to not in self.model.table:
            return
        self.model.grant(issuer, to)

        async def step(player: Player) -> None:
            puppet = player.puppet(issuer)
            await puppet.do(lambda calls: calls.create_capability(pid_of(to), '"messaging"'))

        self._note(f"{issuer} grants messaging to {to}", step)

    @precondition(able)
    @rule(name=ABLE, issuer=st.sampled_from(NAMES))
    def drop(self, name: str, issuer: str) -> None:
        self.model.drop(name, issuer)

        async def step(player: Player) -> None:
            dropped = [Capability.messaging(address(issuer))]
            await player.puppet(name).do(lambda calls: calls.drop_capabilities(dropped))

        self._note(f"{name} drops messaging to {issuer}", step)

    @precondition(able)
    @rule(
        name=ABLE,
        to=st.sampled_from(TARGETS),
        inherit=st.booleans(),
        expects=st.sampled_from((None, None, 0, 1, 3, 50)),
        payload=PAYLOADS,
        context=st.sampled_from((None, b"c")),
    )
    def send(self, name, to, inherit, expects, payload, context) -> None:
        ipc = self._ipc()
        self.model.send(name, to, ipc, inherit=inherit, expects=expects, payload=payload, context=context)
        request = Request(inherit, expects, ipc)

        async def step(player: Player) -> None:
            given = payload_of(payload)
            await player.puppet(name).do(
                lambda calls: calls.send_request(address(to), request, context, given)
            )

        self._note(f"{name} sends {ipc!r} to {to} inherit={inherit} expects={expects}", step)

    @precondition(able)
    @rule(
        name=ABLE,
        to=st.sampled_from(TARGETS),
        inherit=st.booleans(),
        expects=st.sampled_from((0, 1, 3, 50)),
        payload=PAYLOADS,
    )
    def ask(self, name, to, inherit, expects, payload) -> None:
        if name == to:
            return
        ipc = self._ipc()
        number = self.model.send(
            name, to, ipc, inherit=inherit, expects=expects, payload=payload, awaited=True
        )
        if number is None:
            number = self.model.finished[-1][0]

        async def step(player: Player) -> None:
            player.asks[number] = player.puppet(name).begin_ask(
                address(to), ipc, expects=expects, inherit=inherit, payload=payload_of(payload)
            )

        self._note(f"{name} asks {to} {ipc!r} expects={expects}", step)

    @precondition(readers)
    @rule(name=st.runner().flatmap(lambda machine: st.sampled_from(machine.readers())))
    def receive(self, name: str) -> None:
        expected = self.model.receive(name)

        async def step(player: Player) -> None:
            player.check(await outcome(player.puppet(name).begin_receive()), expected)

        self._note(f"{name} receives {expected}", step)

    @precondition(readers)
    @rule(
        name=st.runner().flatmap(lambda machine: st.sampled_from(machine.readers())),
        inherit=st.booleans(),
        payload=PAYLOADS,
    )
    def serve(self, name: str, inherit: bool, payload: bytes | None) -> None:
        self.receive(name)
        self.respond(name, inherit, payload)

    @precondition(able)
    @rule(name=ABLE, inherit=st.booleans(), payload=PAYLOADS)
    def respond(self, name: str, inherit: bool, payload: bytes | None) -> None:
        ipc = self._ipc()
        refused = None
        try:
            self.model.respond(name, ipc, inherit=inherit, payload=payload)
        except Refused as error:
            refused = str(error)

        async def step(player: Player) -> None:
            raised = None
            doing = player.puppet(name).begin(
                lambda calls: calls.send_response(Response(inherit, ipc), payload_of(payload))
            )
            try:
                await doing.result()
            except RuntimeError as error:
                raised = type(error).__name__
            assert raised == refused

        self._note(f"{name} responds {ipc!r}", step)

    @rule(name=st.sampled_from(NAMES), how=st.sampled_from(("kill", "crash", "return")))
    def end(self, name: str, how: str) -> None:
        if name not in (self.model.table if how == "kill" else self.able()):
            return
        self.model.end(name, killed=how == "kill")

        async def step(player: Player) -> None:
            puppet = player.puppet(name)
            if how == "kill":
                await player.node.kill(puppet)
            elif how == "crash":
                await puppet.crash()
            else:
                puppet.finish()

        self._note(f"{name} ends: {how}", step)

    @rule(seconds=st.sampled_from((1, 2, 7)))
    def wait(self, seconds: int) -> None:
        self.model.advance(seconds)

        async def step(player: Player) -> None:
            await trio.sleep(seconds)

        self._note(f"{seconds} s pass", step)

    def teardown(self) -> None:
        """Read all that is unread, then play everything."""
        for name in NAMES:
            while name in self.readers():
                self.receive(name)
        run_on_trio(play, real_clock=False)(self.notes)


TestMessages = Messages.TestCase
TestMessages.settings = settings(max_examples=300, stateful_step_count=50)
