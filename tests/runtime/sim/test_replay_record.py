"""A replay stops at the first step that is not as recorded, and says what, where, and in which line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trio

from kernel.errors import ProgramError
from runtime.cli import main
from runtime.sim.replay_record import RecordUnreadable, ReplayReport, ReplayVerdict, is_record, replay_record
from sys_processes.app_store.fields import PackageError
from tests.support.recorded import APPS, Recorded, ask, example, package_of, record
from tests.support.recorded_apps import busy
from tests.support.web_app import App
from tests.support.web_node import RPC_TOKEN, WebNode, settle

PLAIN = """
from userland.process_lib import *

async def init(our):
    while True:
        message = await await_message()
        when = now()
        Response().ipc(b"you said " + message.ipc).payload(get_payload()).send()
"""
SENT = '        Response().ipc(b"you said " + message.ipc).payload(get_payload()).send()\n'


async def two_questions(web: WebNode) -> None:
    assert await ask(web, "app:app:me", "one") == "you said one"
    await trio.sleep(1)
    assert await ask(web, "app:app:me", "two") == "you said two"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(tmp_path_factory.mktemp("plain"), [package_of({"app": PLAIN})], two_questions)


def folder_of(tmp_path: Path, code: str, name: str = "app") -> Path:
    """A package of a user, with this code."""
    for path, data in package_of({name: code}, name=name).items():
        file = tmp_path / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path / name


def replayed(plain: Recorded, tmp_path: Path, old: str, new: str) -> ReplayReport:
    """With one line of the app changed."""
    assert PLAIN.count(old) == 1
    return plain.replay(packages=[folder_of(tmp_path, PLAIN.replace(old, new))])


def line_of(report: ReplayReport) -> dict[str, object]:
    """The line of the record at which it stopped."""
    assert report.difference is not None
    text = report.path.read_text().splitlines()[report.difference.line - 1]
    return json.loads(text)


def test_the_same_code_gives_the_same(plain: Recorded):
    report = plain.assert_same()
    assert report.verdict is ReplayVerdict.same
    assert report.text().splitlines() == [
        f"{report.lines} lines, {report.compared} steps of packages as recorded",
        f"digest: {report.digest} seed: - verdict: same",
    ]


def test_the_same_code_from_a_folder_gives_the_same(plain: Recorded, tmp_path: Path):
    assert plain.replay(packages=[folder_of(tmp_path, PLAIN)]).exit_code == 0


def test_a_changed_line_is_named_with_what_it_does_now(plain: Recorded, tmp_path: Path):
    report = replayed(plain, tmp_path, "you said ", "you say ")
    assert report.exit_code == 3
    found = report.difference
    assert found is not None
    assert found.where == "/app:me/pkg/app.py:8"
    assert (found.process.process, found.task) == ("app", "1.0")
    assert "ipc 'you said one'" in (found.recorded or "")
    assert "ipc 'you say one'" in found.happened
    assert "Sent" in line_of(report)
    text = report.text()
    assert f"first difference at {plain.path}:{found.line}, 0.000000 s, app:app:me, task 1.0" in text
    assert f">{found.line:>7}  0.000000 app:app:me 1.0: sends a Response" in text
    assert text.splitlines()[-1].endswith(" seed: - verdict: different")


@pytest.mark.parametrize(
    ("new", "recorded", "happened", "kind"),
    [
        (SENT.replace(".send", '.metadata("m").send'), "Response", "metadata 'm'", "Sent"),
        (
            SENT.replace("get_payload()", 'Payload(None, b"p")'),
            "Response",
            "payload without mime 'p'",
            "Sent",
        ),
        (SENT.replace("b", "bytes(300) + b", 1), "'you said one'", "bytes, ", "Sent"),
        (SENT.replace("Response()", "Request().target(our)"), "Response", "sends a Request", "Sent"),
        ("        pass\n", "sends a Response", "waits: receive", "Sent"),
        (SENT + "        now()\n", "waits: receive", "looks at now()", "Waits"),
        (SENT + "        random()\n", "waits: receive", "asks for random()", "Waits"),
        (SENT + "        await sleep(1)\n", "waits: receive", "waits: sleep 1", "Waits"),
        (SENT + "        await spawn('x', fn=init)\n", "waits: receive", "spawns x:app:me", "Waits"),
        (SENT + "        return\n", "waits: receive", "ends: done", "Waits"),
        (
            SENT + "        raise ValueError('new')\n",
            "waits: receive",
            "ends: crash (ValueError: new at",
            "Waits",
        ),
        (
            SENT + "        while True: await __import__('trio').sleep(9)\n",
            "waits: receive",
            "get there",
            "Waits",
        ),
    ],
)
def test_every_kind_of_difference(
    plain: Recorded, tmp_path: Path, new: str, recorded: str, happened: str, kind: str
):
    report = replayed(plain, tmp_path, SENT, new)
    assert report.difference is not None, report.text()
    assert recorded in (report.difference.recorded or "")
    assert happened in report.difference.happened
    assert kind in line_of(report)


def test_a_task_that_waits_elsewhere_is_named_with_its_wait(plain: Recorded, tmp_path: Path):
    """It waits as recorded, and is not cancelled as recorded."""
    code = PLAIN.replace("message = await", "with trio.move_on_after(1): await").replace(
        "from", "import trio\nfrom", 1
    )
    moved = code.replace("        when = now()\n", "        continue\n")

    async def story(web: WebNode) -> None:
        await trio.sleep(3)

    run = record(tmp_path, [package_of({"app": moved})], story)
    run.assert_same()
    report = run.replay(packages=[folder_of(tmp_path, moved.replace("after(1)", "after(50)"))])
    assert report.difference is not None
    assert report.difference.recorded == "goes on: receive, which raises Cancelled"
    assert report.difference.happened == "still waits: receive"


def test_an_answer_may_have_no_more_than_was_recorded(tmp_path: Path):
    """What a process does beyond the end of a whole record is a difference, of one that was cut off it is none."""
    once = PLAIN.replace("while True", "for _ in range(1)")
    twice = once + "    await sleep(0)\n"

    async def story(web: WebNode) -> None:
        await ask(web, "app:app:me", "one")
        await settle()

    run = record(tmp_path, [package_of({"app": once}, on_exit="None")], story)
    report = run.replay(packages=[folder_of(tmp_path, twice)])
    assert report.difference is not None
    assert report.difference.happened == "waits: sleep 0"
    whole = run.path.read_bytes()
    cut = run.cut(whole.index(b'{"Exited"'))
    assert cut.replay(packages=[tmp_path / "app"]).exit_code == 0


def test_draws_are_held_to_their_labels_and_values(tmp_path: Path):
    dice = PLAIN.replace('b"you said " + message.ipc', "str(random().random()).encode()")

    async def story(web: WebNode) -> None:
        for _ in range(3):
            assert float(await ask(web, "app:app:me")) < 1

    run = record(tmp_path, [package_of({"app": dice})], story)
    run.assert_same()
    seeds = [line for line in run.path.read_text().splitlines() if "Seeded" in line]
    assert len(seeds) == 1


def test_chance_of_elsewhere_is_told_from_a_changed_package(tmp_path: Path):
    wild = PLAIN.replace("from", "import random as real\nfrom", 1).replace(
        "message.ipc)", "b'%f' % real.random())"
    )

    async def story(web: WebNode) -> None:
        await ask(web, "app:app:me")

    report = record(tmp_path, [package_of({"app": wild})], story).replay()
    assert report.verdict is ReplayVerdict.different
    assert "past process_lib (time, random, files, threads)" in report.text()


def test_a_record_may_end_after_any_line(tmp_path: Path):
    """And anywhere in one: nothing of a replay hangs on what was lost."""

    async def story(web: WebNode) -> None:
        await trio.sleep(2)

    run = record(tmp_path, [busy()], story)
    data = run.path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for end in ends[::4]:
        report = run.cut(end).replay()
        assert report.exit_code == 0, report.text()
        assert not report.torn


# -- one step


def test_a_step_is_shown_with_its_neighbours_the_mailboxes_and_who_waits(tmp_path: Path):
    slow = PLAIN.replace("        when = now()\n", "        await sleep(5)\n")

    async def story(web: WebNode) -> None:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ask, web, "app:app:me", f"{number}", 30)

    run = record(tmp_path, [package_of({"app": slow})], story)
    lines = run.path.read_text().splitlines()
    third = [n for n, line in enumerate(lines, 1) if '"Appended"' in line and "app:app:me" in line][2]
    report = run.replay(step=third)
    assert {depth.process: depth.messages for depth in report.depths}["app:app:me"] == 2
    assert report.waits == ("app:app:me  task 1.0: sleep 5",)
    text = report.text()
    assert f">{third:>7}  0.000000 app:app:me: message" in text
    assert "      2  app:app:me" in text
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize("step", [0, -1, 10_000])
def test_a_step_that_is_not_there_is_refused(plain: Recorded, step: int):
    with pytest.raises(RecordUnreadable, match="is no line of the record, which has"):
        plain.replay(step=step)


def test_every_step_can_be_shown(plain: Recorded):
    lines = len(plain.path.read_text().splitlines())
    for step in range(1, lines + 1, 3):
        assert plain.replay(step=step).exit_code == 0


# -- what cannot be replayed


def test_a_process_whose_code_is_in_no_package_is_refused(tmp_path: Path):
    async def story(web: WebNode) -> None:
        await web.started(App())

    run = record(tmp_path, [], story)
    with pytest.raises(RecordUnreadable, match=r"the code of app:app:alice\.uq is in no package"):
        run.replay()


def test_a_package_that_does_not_compile_is_refused(plain: Recorded, tmp_path: Path):
    with pytest.raises(ProgramError):
        plain.replay(packages=[folder_of(tmp_path, "async def init(:\n")])


def test_a_folder_that_is_no_package_is_refused(plain: Recorded, tmp_path: Path):
    with pytest.raises(PackageError):
        plain.replay(packages=[tmp_path / "nothing"])


def test_the_command_replays_a_record_with_other_code(
    plain: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def nectar(*words: str | Path) -> tuple[int, str]:
        code = main(["sim", "replay", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    changed = folder_of(tmp_path, PLAIN.replace("you said", "they said"))
    assert nectar(plain.path)[0] == 0
    code, said = nectar(plain.path, "--package", changed)
    assert (code, "first difference" in said) == (3, True), said
    code, said = nectar(plain.path, "--package", tmp_path / "nothing")
    assert (code, "try: nectar sim replay" in said) == (2, True), said
    tape = tmp_path / "some.tape.json"
    tape.write_text("{}")
    assert nectar(tape, "--package", changed)[0] == 2


def test_a_record_is_known_by_its_beginning(plain: Recorded, tmp_path: Path):
    assert is_record(plain.path)
    assert not is_record(folder_of(tmp_path, PLAIN) / "metadata.json")


# -- what is in it


def test_no_secret_is_in_a_record_and_who_sends_one_back_is_replayed_all_the_same(tmp_path: Path):
    """Tokens of logins, of the RPC route, credentials of requests."""
    echo = """
import json
from userland.process_lib import *
from userland.process_lib import http

async def init(our):
    await http.bind_http_path("/", False, False)
    while True:
        message = await await_message()
        if message.is_request():
            Response().ipc(b'{"status":200,"headers":{}}').payload(Payload(None, message.ipc)).send()
"""
    seen: list[bytes] = []

    async def story(web: WebNode) -> None:
        cookie = await web.login()
        seen.append(cookie.partition("=")[2].encode())
        answer = await web.http(
            "GET", "/app:app:me/", cookie=cookie, authorization="Basic dXNlcjpwYXNzd29yZA=="
        )
        seen.append(answer.body)
        await ask(web, "app:app:me")

    run = record(tmp_path, [package_of({"app": echo})], story)
    assert seen[0] in seen[1]
    assert b"dXNlcjpwYXNzd29yZA" in seen[1]
    written = run.path.read_bytes()
    for secret in (seen[0], b"dXNlcjpwYXNzd29yZA", RPC_TOKEN.encode(), b"hunter2"):
        assert secret not in written
    run.assert_same()


def test_an_example_app_with_one_line_changed(tmp_path: Path):
    async def story(web: WebNode) -> None:
        for number in range(4):
            await ask(web, "fibonacci:fibonacci:nectar", f'{{"Number":{number}}}')

    run = record(tmp_path, example("fibonacci"), story)
    changed = Path(shutil.copytree(APPS / "fibonacci", tmp_path / "fibonacci"))
    module = changed / "pkg" / "sequence.py"
    module.write_text(module.read_text().replace("a * a + b * b", "a * a + b * b + 1"))
    report = replay_record(run.path, packages=[changed])
    assert report.difference is not None
    assert "/fibonacci:nectar/pkg/fibonacci.py:" in (report.difference.where or "")
