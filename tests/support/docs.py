"""Runs what the pages show. A fence's info string says what its block is:

- `python hello/pkg/hello.py` (any language and a path): the block is that file;
- `console`: each line after `$ ` is a command, the lines below it are what it prints, with `...` for anything;
- `console keeps running`: the same, and the last command goes on until the next such block or the end of the page;
- `json module:NAME`: each line is a value of that Shape;
- `text`: nothing to run.

All blocks of a page run in order in one folder. `nectar dev` gets a free port there, and 8080 stands for it.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from kernel.codec import Shape
from kernel.jsontext import JsonValue, parse
from tests.support.live_process import ROOT, SECONDS, LiveProcess, NotSeen

PAGES = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"```(\w*) ?(.*)")
READY = re.compile(r"^ready: http://127\.0\.0\.1:(\d+)$", re.MULTILINE)
PORT_IN_PAGES = "8080"
COMMAND_SECONDS = 5 * SECONDS
"""Some pages explore worlds, which takes all the cores there are."""


class PageWrong(AssertionError):
    """A page shows what does not happen; says where, what it shows, and what happened."""


@attrs.frozen
class Block:
    line: int
    language: str
    info: str
    text: str


@attrs.frozen
class Command:
    line: str
    prints: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page's text."""
    lines = iter(enumerate(page.splitlines(), 1))
    for number, line in lines:
        fence = FENCE.fullmatch(line)
        if fence is None:
            continue
        held = []
        for _, inner in lines:
            if inner == "```":
                break
            held.append(inner + "\n")
        yield Block(number, fence[1], fence[2], "".join(held))


def commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif found:
            found[-1] = attrs.evolve(found[-1], prints=found[-1].prints + line + "\n")
        else:
            raise PageWrong(f"a console block begins with {line!r} and not with a command")
    return found


def shows(expected: str, printed: str) -> bool:
    """Whether the output is as a page shows it: `...` is anything, on a line of its own any lines."""
    lines = expected.rstrip("\n").split("\n")
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else _line_pattern(line) for line in lines)
    return re.fullmatch(pattern, printed.replace("\r", "").rstrip("\n") + "\n") is not None


def _line_pattern(line: str) -> str:
    return re.escape(line).replace(r"\.\.\.", ".*") + r"\n"


def holds(shown: JsonValue, written: JsonValue) -> bool:
    """Whether all that is shown is in what the codec writes; defaults may be left out of a page."""
    if isinstance(shown, dict) and isinstance(written, dict):
        return all(key in written and holds(value, written[key]) for key, value in shown.items())
    return shown == written


class Running(LiveProcess):
    """A command that goes on."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(
            ["bash", "-c", f"exec {command}"], folder=folder, environment=environment, merged=True
        )
        self.line = command

    def wait_ready(self) -> str:
        """The port of its node. Raises `PageWrong` when it ends or says nothing for too long."""
        try:
            self.wait_said(lambda: READY.search(self.out))
        except NotSeen:
            self.close()
            raise PageWrong(f"$ {self.line}\nprinted no ready line but:\n{self.out}") from None
        found = READY.search(self.out)
        assert found is not None
        return found[1]


class Page:
    """A page being run in a folder of its own. Close it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = PORT_IN_PAGES
        self._running: Running | None = None
        self._environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
        self._environment["PATH"] = f"{folder}/.venv/bin:{self._environment['PATH']}"
        self._environment["PYTHONPATH"] = str(ROOT)
        self._environment["NECTAR_LOCAL_DIRECTORY"] = str(folder / "local")
        self._lay_tools()

    @property
    def port(self) -> str:
        """Of the node that keeps running."""
        return self._port

    def _lay_tools(self) -> None:
        """A clone as a newcomer has it, in which a new node takes a free port and commands find it."""
        python = shlex.quote(sys.executable)
        node = f"exec {shlex.quote(str(Path(sys.executable).with_name('nectar')))}"
        tools = {
            ".venv/bin/activate": "",
            ".venv/bin/python": f'exec {python} "$@"\n',
            ".venv/bin/nectar": f'case $1 in dev|boot) {node} "$@" --port 0;; sim|new|run-tests) {node} "$@";; esac\n'
            f'{node} "$@" --url http://127.0.0.1:$(cat {shlex.quote(str(self._folder / "port"))})\n',
            "scripts/boot": 'exec nectar dev "$@"\n',
        }
        for path, text in tools.items():
            tool = self._folder / path
            tool.parent.mkdir(parents=True, exist_ok=True)
            tool.write_text("#!/usr/bin/env bash\n" + text)
            tool.chmod(0o755)

    def run(self, block: Block) -> None:
        """Raises `PageWrong`."""
        text = block.text.replace(PORT_IN_PAGES, self._port)
        match block.language, block.info:
            case "text", "":
                pass
            case "console", "":
                for command in commands(text):
                    self._run_command(command)
            case "console", "keeps running":
                *first, last = commands(block.text)
                for command in first:
                    self._run_command(command)
                self._start(last)
            case "json", info if ":" in info:
                self._check_shapes(info, text)
            case _, path if re.fullmatch(r"[\w./-]+\.\w+", path):
                file = self._folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            case _:
                raise PageWrong(f"nothing runs a block marked {block.language!r} {block.info!r}")

    def _run_command(self, command: Command) -> None:
        try:
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True,
                check=False, text=True, timeout=COMMAND_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise PageWrong(f"$ {command.line}\ndid not end within {COMMAND_SECONDS} s") from None
        if done.returncode != 0 or not shows(command.prints, done.stdout):
            raise PageWrong(
                f"$ {command.line}\nshould print:\n{command.prints}\nprinted:\n{done.stdout}\n{done.stderr}\n"
                f"and ended with {done.returncode}; the node says:\n{self._running and self._running.out}"
            )

    def _start(self, command: Command) -> None:
        self.close()
        running = Running(command.line, self._folder, self._environment)
        self._port = running.wait_ready()
        self._running = running
        (self._folder / "port").write_text(self._port)
        until_ready = running.out.partition(f":{self._port}\n")[0] + f":{self._port}\n"
        if not shows(command.prints.replace(PORT_IN_PAGES, self._port), until_ready):
            raise PageWrong(f"$ {command.line}\nshould print:\n{command.prints}\nprinted:\n{until_ready}")

    def _check_shapes(self, name: str, text: str) -> None:
        module, _, attribute = name.partition(":")
        shape = getattr(importlib.import_module(module), attribute)
        assert isinstance(shape, Shape)
        for line in text.splitlines():
            written = parse(shape.encode(shape.decode(line.encode())))
            if not holds(parse(line), written):
                raise PageWrong(f"{name} writes {written}, not {line}")

    def close(self) -> None:
        """Stop what keeps running. Raises `PageWrong` when it does not end well."""
        running, self._running = self._running, None
        if running is None:
            return
        try:
            code = running.stop()
        except NotSeen as error:
            raise PageWrong(str(error)) from None
        finally:
            running.close()
        if code != 0:
            raise PageWrong(f"$ {running.line}\ndid not stop well; it printed:\n{running.out}")
