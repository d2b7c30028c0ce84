"""The terminal of a whole node, on memory devices: lines through the RPC route, as `nectar terminal` sends them."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kernel.codec import Err, Ok
from kernel.jsontext import dump, parse
from kernel.ports import Put
from runtime.sim.clients import HttpClient
from sys_processes.state.process import TABLE
from sys_processes.terminal.protocol import TERMINAL_ANSWER
from tests.support.sim_home import SimHome, SimNode, package
from tests.support.store_calls import ACTOR, APP
from tests.support.web_node import RPC_TOKEN

TERMINAL = "terminal:terminal:nectar"


async def typed(node: SimNode, line: str) -> Ok[str] | Err[str]:
    client = HttpClient(node.listener.connect())
    try:
        reply = await client.ask(
            "POST",
            "/rpc:sys:nectar/message",
            dump({"process": TERMINAL, "ipc": line, "expects_response": 20}),
            content_type="application/json",
            authorization=f"Bearer {RPC_TOKEN}",
        )
    finally:
        await client.close()
    assert reply.status == 200, reply
    return TERMINAL_ANSWER.decode(bytes(parse(reply.body)["ipc"]))


async def test_messages_go_to_a_process_and_its_answer_is_shown():
    async with SimHome().booted(package(ACTOR)) as node:
        assert await typed(node, f"m {APP} keep me") == Ok("sent")
        assert await typed(node, f"m {APP} kept -a 5") == Ok("me")
        assert await typed(node, f"app {APP}") == Ok(f"`message BODY` goes to our@{APP}")
        assert await typed(node, "/m kept -a 5") == Ok("me")
        assert await typed(node, "app") == Ok(f"our@{APP}")
        assert await typed(node, "app clear") == Ok("no process is chosen")


async def test_messages_are_held_and_go_on_step_by_step():
    async with SimHome().booted(package(ACTOR)) as node:
        assert await typed(node, "step") == Err("nothing is held: `step on` begins it")
        waits = "nothing waits; what is sent from now on waits for `step`"
        assert await typed(node, "step on") == Ok(waits)
        for word in ("one", "two", "three"):
            assert await typed(node, f"m {APP} keep {word}") == Ok("sent")
        said = [f"alice.uq@{TERMINAL} tells alice.uq@{APP}: keep {word}" for word in ("one", "two", "three")]
        assert await typed(node, "step") == Ok(
            "\n".join([said[0], "2 wait; the next ones:", *(f"  {one}" for one in said[1:])])
        )
        assert await typed(node, "step 5") == Ok("\n".join([*said[1:], waits]))
        async with trio.open_nursery() as nursery:
            answers: list[object] = []

            async def ask() -> None:
                answers.append(await typed(node, f"m {APP} kept -a 5"))

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert (await typed(node, "step")) == Ok(
                f"alice.uq@{TERMINAL} asks alice.uq@{APP}: kept\n{waits}"
            )
            await trio.testing.wait_all_tasks_blocked()
            off = await typed(node, "step off")
            assert off == Ok(f"alice.uq@{APP} answers alice.uq@{TERMINAL}: three\nnothing is held any more")
        assert answers == [Ok("three")]


async def test_aliases_and_the_chosen_process_survive_a_crash():
    home = SimHome()
    async with home.booted(package(ACTOR)) as node:
        assert await typed(node, f"alias say m {APP} word -a 5") == Ok(f"say = m {APP} word -a 5")
        assert await typed(node, f"app {APP}") == Ok(f"`message BODY` goes to our@{APP}")
        home = home.crash()
    async with home.booted(package(ACTOR)) as node:
        assert await typed(node, "say") == Ok("one")
        assert await typed(node, "app") == Ok(f"our@{APP}")
        assert await typed(node, "alias") == Ok(f"say = m {APP} word -a 5")
        assert await typed(node, "alias say") == Ok("forgot say")
        assert await typed(node, "alias say") == Err("there is no alias 'say': `alias` lists them")


async def test_aliases_that_cannot_be_read_are_said_and_left_alone():
    home = SimHome()
    async with home.booted() as node:
        await typed(node, "alias list top")
        await node.node.kernel.ports.store.flush()
        home = home.crash()
    (key, _), *_ = [pair for pair in await home.store.scan(TABLE) if pair[0].startswith("terminal:")]
    home.store.apply([Put(TABLE, key, b"{]")])
    async with home.booted() as node:
        assert await typed(node, "alias") == Ok("no aliases: `alias NAME COMMAND`")
        assert "the aliases cannot be read" in node.console.text


async def test_files_are_shown():
    async with SimHome().booted(package(ACTOR)) as node:
        shown = await typed(node, "cat /app:me/pkg/app.py")
        assert isinstance(shown, Ok)
        assert 'WORD = "one"' in shown.value
        missing = await typed(node, "cat /app:me/pkg/none")
        assert isinstance(missing, Err)
        assert missing.error.startswith("/app:me/pkg/none cannot be read")


async def test_processes_are_listed_and_ended():
    async with SimHome().booted(package(ACTOR, on_exit="Restart")) as node:
        listed = await typed(node, "top")
        assert isinstance(listed, Ok)
        assert any(line.split()[:2] == [APP, "running"] for line in listed.value.splitlines())
        assert await typed(node, f"kill {APP}") == Ok(f"killed {APP}")
        assert APP not in await node.ps()


async def test_one_process_is_shown_and_what_it_holds():
    async with SimHome().booted(package(ACTOR, request_capabilities=["http_client:sys:nectar"])) as node:
        one = await typed(node, f"top {APP}")
        assert isinstance(one, Ok)
        assert [line.split()[0] for line in one.value.splitlines()] == ["ID", APP]
        held = await typed(node, f"top {APP} -c")
        assert isinstance(held, Ok)
        assert [line.split() for line in held.value.splitlines()[1:]] == [
            [APP, "everybody", '"messaging"', "http_client:sys:nectar"]
        ]
        everybody = await typed(node, "top -c")
        assert isinstance(everybody, Ok)
        assert held.value.splitlines()[1].split() in [line.split() for line in everybody.value.splitlines()]
        assert await typed(node, "top no:such:process") == Err(
            "there is no process no:such:process: `top` lists them"
        )


async def test_an_overview_counts_what_goes_on():
    async with SimHome().booted(package(ACTOR)) as node:
        await typed(node, f"m {APP} word -a 5")
        shown = await typed(node, "kfetch")
        assert isinstance(shown, Ok)
        lines = dict(line.split(maxsplit=1) for line in shown.value.splitlines())
        assert lines["node"] == "alice.uq"
        count = len(node.node.kernel.standings())
        assert lines["processes"] == f"{count}: {count} running"
        assert lines["restarts"] == "0"
        assert int(lines["received"].split()[0]) >= 2
        assert lines["other"] == "nodes  0 known, 0 linked"


async def test_what_one_process_prints_is_muted():
    noisy = ACTOR.replace(
        "match message.ipc", "println('heard ' + message.ipc.decode())\n            match message.ipc"
    )
    async with SimHome().booted(package(noisy)) as node:
        await typed(node, f"m {APP} word")
        assert await typed(node, f"verbosity {APP} mute") == Ok(f"{APP}: muted")
        await typed(node, f"m {APP} word")
        assert await typed(node, f"m {APP} word -a 5") == Ok("one")
        assert node.console.text.count("heard word") == 1
        assert await typed(node, "verbosity 1") == Ok("the node: verbosity 1")


async def test_what_goes_wrong_is_told():
    async with SimHome().booted() as node:
        gone = await typed(node, "m no:no:no hi -a 5")
        assert isinstance(gone, Err)
        assert "no process no:no:no on alice.uq" in gone.error
        for line, why in (
            ("hi bob.uq hello", "did not answer"),
            ("nope", "there is no command"),
            ("help nope", "no"),
        ):
            answer = await typed(node, line)
            assert isinstance(answer, Err)
            assert why in answer.error


@pytest.mark.parametrize("line", ["peers", "peer bob.uq", "net-diagnostics"])
async def test_of_other_nodes_a_node_without_a_network_says_so(line: str):
    async with SimHome().booted() as node:
        assert isinstance(await typed(node, line), Err)


async def test_plain_words_are_answered():
    async with SimHome().booted() as node:
        assert await typed(node, "") == Ok("")
        assert await typed(node, "echo hi") == Ok("hi")
        text = await typed(node, "help")
        assert isinstance(text, Ok)
        assert "kill PROCESS" in text.value
        assert await typed(node, "help peers") == Ok(
            "peers\nthe other nodes that are known, and how it stands with them"
        )


async def test_other_processes_are_printed_and_never_obeyed():
    """Messaging to it is not control over the node."""
    asks = package(ACTOR, request_capabilities=[TERMINAL])
    async with SimHome().booted(asks, package(ACTOR, name="victim")) as node:
        assert await node.ask(APP, f"ask {TERMINAL} kill victim:victim:me") == '{"Ok":""}'
        assert "victim:victim:me" in await node.ps()
        assert f"{APP} says: kill victim:victim:me" in node.console.text
