"""A line at the terminal: which command it is, and what its help says (PROTOCOL 7.8). No IO."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import attrs

from kernel.address import OUR, Address, IdentifierParseError, ProcessId
from sys_processes.terminal.protocol import Kept

HI_SECONDS = 10
MOST_SECONDS = 3600
MOST_ALIASES = 1000
MOST_STEPS = 1000


class BadLine(ValueError):
    """The text says what was wrong, and what to type instead."""


@attrs.frozen
class Nothing:
    """An empty line."""


@attrs.frozen
class Help:
    about: str | None = None


@attrs.frozen
class Hi:
    node: str
    text: str


@attrs.frozen
class SetApp:
    """None: no process."""

    target: Address | None


@attrs.frozen
class ShowApp:
    pass


@attrs.frozen
class Tell:
    """A message. `seconds` None: no answer is waited for."""

    target: Address
    body: str
    seconds: int | None = None


@attrs.frozen
class SetAlias:
    """`command` None: forget it."""

    name: str
    command: str | None


@attrs.frozen
class ListAliases:
    pass


@attrs.frozen
class Cat:
    path: str


@attrs.frozen
class Echo:
    text: str


@attrs.frozen
class Processes:
    """`process` None: all. With `capabilities`, what they hold instead of how they are."""

    process: ProcessId | None = None
    capabilities: bool = False


@attrs.frozen
class Overview:
    """What node it is, and how much goes on there."""


@attrs.frozen
class Kill:
    process: ProcessId


@attrs.frozen
class Peers:
    pass


@attrs.frozen
class Peer:
    name: str


@attrs.frozen
class NetDiagnostics:
    pass


@attrs.frozen
class RunScript:
    script: ProcessId
    arguments: str


@attrs.frozen
class SetVerbosity:
    """`process` None: of the whole node. `level` None: nothing of it is shown."""

    process: ProcessId | None
    level: int | None


@attrs.frozen
class Step:
    """`on` None: only let `count` messages go on."""

    on: bool | None = None
    count: int = 0


Command = (
    Nothing
    | Help
    | Hi
    | SetApp
    | ShowApp
    | Tell
    | SetAlias
    | ListAliases
    | Cat
    | Echo
    | Processes
    | Overview
    | Kill
    | Peers
    | Peer
    | NetDiagnostics
    | SetVerbosity
    | Step
    | RunScript
)
Reader = Callable[[str, Kept], Command]


@attrs.frozen
class Word:
    """A command's name, what is typed behind it, and what it does."""

    form: str
    does: str
    read: Reader


def parse(line: str, kept: Kept) -> Command:
    """With or without a slash before it; an alias stands for its command, once; the id of a script runs it. Raises
    `BadLine`.
    """
    name, rest = _split(line)
    if name in kept.aliases and name not in COMMANDS:
        name, rest = _split(f"{kept.aliases[name]} {rest}")
    if not name:
        return Nothing()
    word = COMMANDS.get(SHORT.get(name, name))
    if word is not None:
        return word.read(rest, kept)
    if name.count(":") == 2:
        return RunScript(_process(name, "SCRIPT"), rest)
    raise BadLine(_unknown(name, kept.aliases))


def _split(line: str) -> tuple[str, str]:
    name, _, rest = line.strip().partition(" ")
    return name.removeprefix("/"), rest.strip()


def _unknown(name: str, aliases: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, [*COMMANDS, *SHORT, *aliases], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`help` lists them"
    return f"there is no command {name[:40]!r}; {hint}"


# -- what stands behind each


def _help(rest: str, _kept: Kept) -> Command:
    return Help(rest.removeprefix("/") or None)


def _hi(rest: str, _kept: Kept) -> Command:
    node, _, text = rest.partition(" ")
    if not node or not text.strip():
        raise _misused("hi")
    return Hi(node, text.strip())


def _app(rest: str, _kept: Kept) -> Command:
    if not rest:
        return ShowApp()
    return SetApp(None if rest == "clear" else _address(rest, "app"))


def _message(rest: str, kept: Kept) -> Command:
    rest, seconds = _without_seconds(rest)
    first, _, body = rest.partition(" ")
    if _looks_like_target(first):
        target = _address(first, "message")
    elif kept.app is not None:
        target, body = Address.from_str(kept.app), rest
    else:
        raise BadLine(
            f"{first[:60]!r} is no process; {_form('message')}, or choose one with `app ADDRESS` first"
        )
    if not body.strip():
        raise _misused("message")
    return Tell(target, body.strip(), seconds)


def _without_seconds(rest: str) -> tuple[str, int | None]:
    """`-a SECONDS` at the end, or right behind the target."""
    words = rest.split(" ")
    for place in (len(words) - 2, 1, 0):
        if 0 <= place < len(words) - 1 and words[place] == "-a":
            text = words[place + 1]
            if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_SECONDS):
                raise BadLine(
                    f"{text[:20]!r} is no number of seconds from 1 to {MOST_SECONDS}; {_form('message')}"
                )
            return " ".join(words[:place] + words[place + 2 :]), int(text)
    return rest, None


def _looks_like_target(text: str) -> bool:
    try:
        _parsed(text)
    except IdentifierParseError:
        return False
    return True


def _parsed(text: str) -> Address:
    """`node@process:package:publisher`, or without a node one of this. Raises `IdentifierParseError`."""
    return Address.from_str(text) if "@" in text else Address(OUR, ProcessId.from_str(text))


def _address(text: str, word: str) -> Address:
    try:
        return _parsed(text)
    except IdentifierParseError as error:
        raise BadLine(f"{error}; {_form(word)}") from None


def _alias(rest: str, kept: Kept) -> Command:
    name, _, command = rest.partition(" ")
    name, command = name.removeprefix("/"), command.strip()
    if not name:
        return ListAliases()
    if name in COMMANDS or name in SHORT:
        raise BadLine(f"{name!r} is a command already; choose another name")
    if command and name not in kept.aliases and len(kept.aliases) >= MOST_ALIASES:
        raise BadLine(f"there are {MOST_ALIASES} aliases already; forget one: `alias NAME`")
    return SetAlias(name, command or None)


def _cat(rest: str, _kept: Kept) -> Command:
    if not rest:
        raise _misused("cat")
    return Cat(rest)


def _echo(rest: str, _kept: Kept) -> Command:
    return Echo(rest)


def _top(rest: str, _kept: Kept) -> Command:
    words = rest.split()
    process = [word for word in words if word != "-c"]
    if len(process) > 1:
        raise _misused("top")
    return Processes(_process(process[0], "top") if process else None, "-c" in words)


def _kill(rest: str, _kept: Kept) -> Command:
    return Kill(_process(rest, "kill"))


def _peer(rest: str, _kept: Kept) -> Command:
    if not rest or " " in rest:
        raise _misused("peer")
    return Peer(rest)


def _verbosity(rest: str, _kept: Kept) -> Command:
    *process, level = rest.split() or [""]
    if level not in ("0", "1", "2", "3", "mute") or len(process) > 1:
        raise _misused("verbosity")
    of = _process(process[0], "verbosity") if process else None
    if of is None and level == "mute":
        raise BadLine(f"only a process can be muted; {_form('verbosity')}")
    return SetVerbosity(of, None if level == "mute" else int(level))


def _step(rest: str, _kept: Kept) -> Command:
    if rest in ("on", "off"):
        return Step(rest == "on")
    if rest == "":
        return Step(count=1)
    if not (rest.isascii() and rest.isdigit() and 0 < int(rest) <= MOST_STEPS):
        raise BadLine(f"{rest[:20]!r} is no number of messages from 1 to {MOST_STEPS}; {_form('step')}")
    return Step(count=int(rest))


def _process(text: str, word: str) -> ProcessId:
    try:
        return ProcessId.from_str(text)
    except IdentifierParseError as error:
        raise BadLine(f"{error}; {_form(word)}") from None


def _plain(command: Command) -> Reader:
    def read(rest: str, _kept: Kept) -> Command:
        if rest:
            raise BadLine(f"nothing stands behind that command, and there is {rest[:40]!r}")
        return command

    return read


COMMANDS: Mapping[str, Word] = {
    "help": Word("help [COMMAND]", "what can be typed", _help),
    "message": Word(
        "message [ADDRESS] BODY [-a SECONDS]", "send a Request to a process; -a: show its answer", _message
    ),
    "app": Word("app [ADDRESS | clear]", "the process that `message` means when it names none", _app),
    "hi": Word("hi NODE TEXT", "say something to another node, to see whether it can be reached", _hi),
    "top": Word(
        "top [PROCESS] [-c]", "the processes of this node, or one; -c: the capabilities they hold", _top
    ),
    "kfetch": Word("kfetch", "which node this is, and how much goes on there", _plain(Overview())),
    "kill": Word("kill PROCESS", "end a process", _kill),
    "peers": Word("peers", "the other nodes that are known, and how it stands with them", _plain(Peers())),
    "peer": Word("peer NODE", "who another node is", _peer),
    "net-diagnostics": Word(
        "net-diagnostics", "what the carrier knows of its links", _plain(NetDiagnostics())
    ),
    "cat": Word("cat PATH", "show a file: cat /chat:nectar/pkg/manifest.json", _cat),
    "echo": Word("echo TEXT", "show the text", _echo),
    "alias": Word(
        "alias [NAME [COMMAND]]", "another name for a command; without one, forget the name", _alias
    ),
    "verbosity": Word(
        "verbosity [PROCESS] 0-3 | PROCESS mute", "how much the node, or one process, prints", _verbosity
    ),
    "step": Word(
        "step [N | on | off]",
        "on: hold what processes are sent and answer; let the next N messages go on",
        _step,
    ),
}
SCRIPT = "SCRIPT:PACKAGE:PUBLISHER [ARGUMENTS]"
SHORT: Mapping[str, str] = {"m": "message", "a": "app", "ps": "top", "?": "help"}


def _form(word: str) -> str:
    return f"write `{COMMANDS[word].form if word in COMMANDS else SCRIPT}`"


def _misused(word: str) -> BadLine:
    return BadLine(_form(word))


def help_text(about: str | None, aliases: Mapping[str, str]) -> str:
    """Of one command, or of all. Raises `BadLine`."""
    if about is not None:
        word = COMMANDS.get(SHORT.get(about, about))
        if word is None and about in aliases:
            return f"{about} = {aliases[about]}"
        if word is None:
            raise BadLine(_unknown(about, aliases))
        short = [name for name, meant in SHORT.items() if meant == SHORT.get(about, about)]
        also = f"\nalso: {', '.join(short)}" if short else ""
        return f"{word.form}\n{word.does}{also}"
    forms = [(word.form, word.does) for word in COMMANDS.values()]
    forms.append((SCRIPT, "run a script of a package, and show its answer"))
    width = max(len(form) for form, _ in forms)
    lines = [f"{form.ljust(width)}  {does}" for form, does in forms]
    shorter = ", ".join(f"{name} for {meant}" for name, meant in SHORT.items())
    return "\n".join([*lines, "", f"A slash before a command changes nothing. Short: {shorter}."])
