"""Three nodes chat, one of which is reached through another one; that one is killed with -9 and booted again: every
message has one outcome, and nothing is heard twice.

python -m tests.support.three_nodes
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from runtime.command_error import CommandError
from runtime.options import example_packages
from tests.support.live_node import LiveNode, Person, wait_until

CHAT = "chat:chat:nectar"
PACKAGE = next(folder for folder in example_packages() if folder.name == "chat")
ALICE, BOB, CAROL = NAMES = ("alice.dev", "bob.dev", "carol.dev")
ROUTING = {ALICE: (), BOB: ("--allow-routing", "4"), CAROL: ("--router", BOB)}
"""Carol has no address of her own: she is reached through bob."""
PAUSE_SECONDS = 0.01
"""Between two messages of one sender, so that all of them are still in the history at the end."""
EACH = 20
"""So many messages of each sender must arrive before the kill, and again after the boot."""
OFFLINE = "is offline"
NO_OUTCOME = "no outcome: "
PERHAPS_HEARD = "may have heard it all the same"


class Wrong(AssertionError):
    """A message that has no outcome, or another one than its sender was told."""


@attrs.frozen
class Sent:
    """What one message came to: its `id` in the chat of `to`, or why it was not taken there."""

    sender: str
    to: str
    text: str
    began: float
    seconds: float
    id: int | None = None
    error: str = ""

    def __str__(self) -> str:
        came_to = f"delivered, its id there is {self.id}" if self.id is not None else self.error
        return f"{self.sender} to {self.to}: {came_to} ({self.seconds * 1000:.0f} ms)"


@attrs.define
class Chatting:
    """The nodes that run, and all that was sent."""

    person: Person
    tell: Callable[[str], None]
    stack: ExitStack
    running: dict[str, LiveNode] = attrs.Factory(dict)
    sent: list[Sent] = attrs.Factory(list)
    _numbers: Iterator[int] = attrs.Factory(itertools.count)

    def boot(self, name: str) -> None:
        arguments = ["dev", PACKAGE, "--name", name, "--home", self.home(name), *ROUTING[name]]
        self.running[name] = self.stack.enter_context(self.person.node(*arguments))
        self.tell(f"{name} is ready at {self.running[name].url}")

    def home(self, name: str) -> Path:
        return self.person.home / name

    def kill(self, name: str) -> None:
        process = self.running.pop(name).process
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.tell(f"kill -9 {name}")

    def send(self, sender: str, to: str) -> Sent:
        """From one chat into another; may be called from any thread."""
        text = f"{sender} to {to}, number {next(self._numbers)}"
        asked = json.dumps({"Send": {"text": text, "to": to}})
        began = time.monotonic()
        try:
            answer = json.loads(self.running[sender].send(CHAT, asked).ipc)
        except CommandError as error:
            answer = {"error": f"{NO_OUTCOME}{error}"}
        took = time.monotonic() - began
        number = answer.get("delivered", {}).get("id")
        sent = Sent(sender, to, text, began, took, number, answer.get("error", ""))
        self.sent.append(sent)
        return sent

    def all_to_all(self) -> None:
        """Until each has reached each other one. Raises `NotSeen`."""
        for sender, to in itertools.permutations(NAMES, 2):
            self._reach(sender, to)

    def _reach(self, sender: str, to: str) -> None:
        wait_until(lambda: self.send(sender, to).id is not None, f"a message of {sender} to {to}")
        self.tell(str(self.sent[-1]))

    def wait_delivered(self, sender: str, to: str, since: float) -> None:
        """`EACH` messages since that time. Raises `NotSeen`."""
        wait_until(lambda: self._delivered(sender, since) >= EACH, f"{EACH} messages of {sender}")
        self.tell(
            f"{sender} to {to}: {self._delivered(sender, since)} messages were delivered, one after the other"
        )

    def _delivered(self, sender: str, since: float) -> int:
        return sum(
            sent.sender == sender and sent.began >= since and sent.id is not None for sent in list(self.sent)
        )

    def wait_offline(self, sender: str, since: float) -> None:
        """Until a message that was under way then, or sent later, found its node offline. Raises `NotSeen`."""

        def heard() -> list[Sent]:
            recent = (sent for sent in list(self.sent) if sent.began + sent.seconds >= since)
            return [sent for sent in recent if sent.sender == sender and OFFLINE in sent.error]

        wait_until(heard, f"{sender} to hear that a node is offline")
        first = heard()[0]
        self.tell(f"{sender} hears it {first.began + first.seconds - since:.2f} s later: {first.error}")

    def history(self, name: str) -> list[Mapping[str, object]]:
        """What is kept in the chat of that node."""
        listed = json.loads(self.running[name].send(CHAT, '"History"').ipc)["messages"]
        assert isinstance(listed, list)
        return listed

    @contextmanager
    def talking_to(self, to: str, *senders: str) -> Iterator[None]:
        """Each of them sends one message after the other, until the block ends."""
        stop = threading.Event()

        def talk(sender: str) -> None:
            while not stop.wait(PAUSE_SECONDS):
                self.send(sender, to)

        talkers = [threading.Thread(target=talk, args=(sender,), name=sender) for sender in senders]
        for talker in talkers:
            talker.start()
        try:
            yield
        finally:
            stop.set()
            for talker in talkers:
                talker.join()


def check(sent: Sequence[Sent], histories: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """Every message is there as often as its sender was told. Raises `Wrong`."""
    for node, history in histories.items():
        ids = [message["id"] for message in history]
        if sorted(set(map(str, ids)), key=int) != [str(each) for each in ids]:
            raise Wrong(f"the ids at {node} do not grow: {ids}")
        times = Counter(message["text"] for message in history)
        places = {message["text"]: message["id"] for message in history}
        for one in (one for one in sent if one.to == node):
            if NO_OUTCOME in one.error:
                raise Wrong(f"nobody told what became of it: {one}")
            least = int(one.id is not None)
            most = int(one.id is not None or PERHAPS_HEARD in one.error)
            if not least <= times[one.text] <= most:
                raise Wrong(f"it is there {times[one.text]} times: {one}")
            if one.id is not None and places[one.text] != one.id:
                raise Wrong(f"it is there with the id {places[one.text]}: {one}")


def three_nodes(folder: Path, tell: Callable[[str], None]) -> Chatting:
    """Raises `Wrong`, `NotSeen`."""
    with ExitStack() as stack:
        chatting = Chatting(Person(folder), tell, stack)
        for name in (BOB, ALICE, CAROL):
            chatting.boot(name)
        shown = chatting.person.nectar("id", "--home", chatting.home(CAROL)).out
        if f'routers = ["{BOB}"]' not in shown or "address" in shown:
            raise Wrong(f"{CAROL} is not reached through {BOB} alone:\n{shown}")
        chatting.all_to_all()
        with chatting.talking_to(BOB, ALICE, CAROL):
            _wait_delivered(chatting)
            killed = time.monotonic()
            chatting.kill(BOB)
            for sender in (ALICE, CAROL):
                chatting.wait_offline(sender, killed)
            for sender, to in ((ALICE, CAROL), (CAROL, ALICE)):
                tell(f"without {BOB}, {chatting.send(sender, to)}")
            chatting.boot(BOB)
            _wait_delivered(chatting)
        chatting.all_to_all()
        check(chatting.sent, {name: chatting.history(name) for name in NAMES})
        _sum_up(chatting)
        for node in chatting.running.values():
            if node.stop() != 0:
                raise Wrong(node.process.story())
        return chatting


def _wait_delivered(chatting: Chatting) -> None:
    now = time.monotonic()
    for sender in (ALICE, CAROL):
        chatting.wait_delivered(sender, BOB, now)


def _sum_up(chatting: Chatting) -> None:
    sent = chatting.sent
    delivered, slowest = [one for one in sent if one.id is not None], max(sent, key=lambda one: one.seconds)
    unsure = sum(PERHAPS_HEARD in one.error for one in sent)
    chatting.tell(f"the slowest outcome: {slowest}")
    chatting.tell(
        f"{len(sent)} messages: {len(delivered)} delivered, each there once; {len(sent) - len(delivered)} came back, "
        f"{unsure} of them perhaps heard; nothing is there twice"
    )


def main() -> int:
    began = time.monotonic()

    def tell(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.2f} s  {text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="nectar-three-nodes-") as folder:
        try:
            three_nodes(Path(folder), tell)
        except AssertionError as wrong:
            tell(f"verdict: {wrong}")
            return 1
    tell("verdict: ok")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
