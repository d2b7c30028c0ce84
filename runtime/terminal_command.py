"""What `nectar terminal` does: lines go to `terminal:terminal:nectar` of a running node, answers are shown.

At a terminal with history, which is kept in the home, and completion; from a pipe line by line, without a question.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from kernel.codec import Err, Malformed, Ok
from kernel.debug import without_controls
from kernel.jsontext import dump
from runtime.cli_words import write
from runtime.command_error import FAILED, CommandError
from runtime.kernel_call import processes_of
from runtime.rpc_client import NodeDoor, call
from sys_processes.terminal.core import COMMANDS, MOST_SECONDS
from sys_processes.terminal.protocol import TERMINAL, TERMINAL_ANSWER

HISTORY = "terminal_history"
MOST_HISTORY = 10_000
PROMPT = "> "
_LEAVE = ("exit", "quit")
_OF_NODES = ("hi", "peer")


def converse(door: NodeDoor, home: Path, *, as_json: bool) -> int:
    """Until the end of the input. The exit code: 1 when a line of a pipe failed. Raises `CommandError`."""
    _typed(door, "")
    if sys.stdin.isatty():
        _at_terminal(door, home)
        return 0
    failed = 0
    for line in sys.stdin:
        failed += not _show(door, line.rstrip("\n"), as_json=as_json)
    return FAILED if failed else 0


def _typed(door: NodeDoor, line: str) -> Ok[str] | Err[str]:
    """Raises `CommandError`."""
    answer = call(door, TERMINAL, line, seconds=MOST_SECONDS)
    assert answer is not None
    try:
        return TERMINAL_ANSWER.decode(answer.ipc)
    except Malformed as error:
        problem = f"{TERMINAL} at {door.url} gave an answer we do not know: {error}"
        raise CommandError(problem, "nectar ps") from None


def _show(door: NodeDoor, line: str, *, as_json: bool = False) -> bool:
    """Whether it did what it says."""
    try:
        answer = _typed(door, line)
    except CommandError as error:
        answer = Err(error.problem)
    if as_json:
        text = answer.value if isinstance(answer, Ok) else answer.error
        write(dump({"line": line, "ok": isinstance(answer, Ok), "text": text}).decode())
    elif isinstance(answer, Err):
        sys.stderr.write(f"{line.split(' ', maxsplit=1)[0][:40]}: {_shown(answer.error, sys.stderr)}\n")
        sys.stderr.flush()
    elif answer.value:
        write(_shown(answer.value, sys.stdout))
    return isinstance(answer, Ok)


def _shown(text: str, to: TextIO) -> str:
    """What processes answer steers no terminal; a pipe gets it as it is."""
    return "\n".join(map(without_controls, text.split("\n"))) if to.isatty() else text


def _at_terminal(door: NodeDoor, home: Path) -> None:
    write(f"{door.url}: `help` lists the commands, Ctrl-D or `exit` ends this")
    with _line_editor(door, home):
        while True:
            try:
                line = input(PROMPT)
            except EOFError:
                write("")
                return
            except KeyboardInterrupt:
                write("")
                continue
            if line.strip().removeprefix("/") in _LEAVE:
                return
            try:
                _show(door, line)
            except KeyboardInterrupt:
                write("\nno longer waited for")


@contextmanager
def _line_editor(door: NodeDoor, home: Path) -> Iterator[None]:
    """History, and Tab for commands and process ids."""
    try:
        import readline  # noqa: PLC0415 - not on every platform
    except ImportError:
        yield
        return
    history = home / HISTORY
    with suppress(OSError):
        history.touch(mode=0o600)
        readline.read_history_file(history)
    readline.set_history_length(MOST_HISTORY)
    readline.set_completer_delims(" ")
    readline.set_completer(_Completer(door).complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(history)


class _Completer:
    """The first word is a command, the others are ids of processes, or names of nodes behind `hi` and `peer`."""

    def __init__(self, door: NodeDoor) -> None:
        self._door = door
        self._found: list[str] = []

    def complete(self, begun: str, number: int) -> str | None:
        if number == 0:
            import readline  # noqa: PLC0415

            is_first = readline.get_begidx() == 0
            first = readline.get_line_buffer().lstrip().removeprefix("/").partition(" ")[0]
            names = [*COMMANDS] if is_first else self._nodes() if first in _OF_NODES else self._processes()
            slash = "/" if is_first and begun.startswith("/") else ""
            self._found = [f"{slash}{name} " for name in names if f"{slash}{name}".startswith(begun)]
        return self._found[number] if number < len(self._found) else None

    def _nodes(self) -> list[str]:
        try:
            answer = _typed(self._door, "peers")
        except CommandError:
            return []
        lines = answer.value.splitlines()[1:] if isinstance(answer, Ok) else []
        return [line.split()[0] for line in lines]

    def _processes(self) -> list[str]:
        try:
            return [str(process.id) for process in processes_of(self._door)]
        except CommandError:
            return []
