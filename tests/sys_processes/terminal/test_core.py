"""Which command a line is, of either generation (PROTOCOL 7.8)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address, ProcessId
from sys_processes.terminal import core
from sys_processes.terminal.core import BadLine, help_text, parse
from sys_processes.terminal.protocol import Kept

ECHO = Address("our", "echo:echo:nectar")
NONE = Kept({})
CHOSEN = Kept({"e": "m echo:echo:nectar", "loop": "loop", "p": "top"}, str(ECHO))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", core.Nothing()),
        ("  ", core.Nothing()),
        ("/", core.Nothing()),
        ("/hi bob.uq hello  there ", core.Hi("bob.uq", "hello  there")),
        ("hi bob.uq hello", core.Hi("bob.uq", "hello")),
        ("/app echo:echo:nectar", core.SetApp(ECHO)),
        ("/a bob.uq@echo:echo:nectar", core.SetApp(Address("bob.uq", ECHO.process))),
        ("a clear", core.SetApp(None)),
        ("app", core.ShowApp()),
        ('/message our@echo:echo:nectar {"a": 1}', core.Tell(ECHO, '{"a": 1}')),
        ("m echo:echo:nectar hi -a 5", core.Tell(ECHO, "hi", 5)),
        ("m echo:echo:nectar -a 5 hi", core.Tell(ECHO, "hi", 5)),
        ("m echo:echo:nectar hi -a", core.Tell(ECHO, "hi -a")),
        ("alias", core.ListAliases()),
        ("alias e m echo:echo:nectar", core.SetAlias("e", "m echo:echo:nectar")),
        ("alias /e", core.SetAlias("e", None)),
        ("cat /chat:nectar/pkg/a b.txt", core.Cat("/chat:nectar/pkg/a b.txt")),
        ("echo  a  b", core.Echo("a  b")),
        ("top", core.Processes()),
        ("ps", core.Processes()),
        ("top echo:echo:nectar", core.Processes(ECHO.process)),
        ("/top -c", core.Processes(None, capabilities=True)),
        ("top -c echo:echo:nectar", core.Processes(ECHO.process, capabilities=True)),
        ("kfetch", core.Overview()),
        ("net-diagnostics", core.NetDiagnostics()),
        ("kill echo:echo:nectar", core.Kill(ECHO.process)),
        ("peers", core.Peers()),
        ("peer bob.uq", core.Peer("bob.uq")),
        ("verbosity 2", core.SetVerbosity(None, 2)),
        ("hi:chess:nectar", core.RunScript(ProcessId("hi", "chess", "nectar"), "")),
        ("/hi:chess:nectar  a  b ", core.RunScript(ProcessId("hi", "chess", "nectar"), "a  b")),
        ("step", core.Step(count=1)),
        ("step 12", core.Step(count=12)),
        ("step on", core.Step(on=True)),
        ("/step off", core.Step(on=False)),
        ("verbosity echo:echo:nectar mute", core.SetVerbosity(ECHO.process, None)),
        ("help", core.Help()),
        ("? kill", core.Help("kill")),
    ],
)  # fmt: skip
def test_what_a_line_means(line: str, command: core.Command):
    assert parse(line, NONE) == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/m hello there", core.Tell(ECHO, "hello there")),
        ("m -a 3 hello", core.Tell(ECHO, "hello", 3)),
        ("m other:echo:nectar hi", core.Tell(Address("our", "other:echo:nectar"), "hi")),
        ("e hello", core.Tell(ECHO, "hello")),
        ("/p", core.Processes()),
    ],
)
def test_with_a_process_chosen_and_aliases(line: str, command: core.Command):
    assert parse(line, CHOSEN) == command


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("kil x", "there is no command 'kil'; did you mean 'kill'?"),
        ("frobnicate", "`help` lists them"),
        ("loop", "there is no command 'loop'"),
        ("hi bob.uq", "write `hi NODE TEXT`"),
        ("app nowhere", r"write `app \[ADDRESS \| clear\]`"),
        ("m hello there", "'hello' is no process"),
        ("m echo:echo:nectar", r"write `message \[ADDRESS\] BODY \[-a SECONDS\]`"),
        ("m echo:echo:nectar hi -a 0", "'0' is no number of seconds from 1 to 3600"),
        ("m echo:echo:nectar hi -a x", "is no number of seconds"),
        ("alias top ps", "'top' is a command already"),
        ("cat", "write `cat PATH`"),
        ("kill", "write `kill PROCESS`"),
        ("kill a:b", "write `kill PROCESS`"),
        ("peer", "write `peer NODE`"),
        ("peer a b", "write `peer NODE`"),
        ("peers x", "nothing stands behind that command"),
        ("step 0", "no number of messages from 1 to 1000; write `step"),
        ("step x", "'x' is no number of messages"),
        ("step 1001", "no number of messages"),
        ("verbosity", "write `verbosity"),
        ("verbosity 4", "write `verbosity"),
        ("verbosity a:b:c d 1", "write `verbosity"),
        ("verbosity a:b 1", "write `verbosity"),
        ("verbosity mute", "only a process can be muted"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(line: str, why: str):
    with pytest.raises(BadLine, match=why):
        parse(line, Kept({"loop": "loop"}))


def test_aliases_are_bounded():
    full = Kept({f"a{number}": "top" for number in range(core.MOST_ALIASES)})
    with pytest.raises(BadLine, match="1000 aliases already"):
        parse("alias one top", full)
    assert parse("alias a1 ps", full) == core.SetAlias("a1", "ps")


@given(st.text(), st.dictionaries(st.text(), st.text()), st.booleans())
def test_no_line_breaks_it(line: str, aliases: dict[str, str], chosen: bool):
    with suppress(BadLine):
        parse(line, Kept(aliases, str(ECHO) if chosen else None))


@given(st.sampled_from(sorted(core.COMMANDS)), st.text(max_size=40))
def test_no_command_is_broken_by_what_stands_behind_it(word: str, rest: str):
    with suppress(BadLine):
        parse(f"{word} {rest}", NONE)


def test_the_help_names_every_command_and_each_has_its_own():
    text = help_text(None, {})
    for word in core.COMMANDS.values():
        assert word.form in text
        assert word.does in text
    assert "also: m" in help_text("m", {})
    assert help_text("peers", {}) == "peers\n" + core.COMMANDS["peers"].does
    assert help_text("e", {"e": "m echo:echo:nectar"}) == "e = m echo:echo:nectar"
    with pytest.raises(BadLine, match="did you mean"):
        help_text("peerz", {})
