"""`nectar terminal`: the words. What it does is in `runtime.terminal_command`."""

from __future__ import annotations

import argparse

from runtime.cli_words import NewCommand, add_door, find_door
from runtime.options import default_home


def add_commands(command: NewCommand) -> None:
    terminal = command(
        "terminal", "Type commands to a running node; `help` lists them. Reads lines from a pipe, too."
    )
    add_door(terminal)
    terminal.set_defaults(does=_terminal)


def _terminal(arguments: argparse.Namespace) -> int:
    from runtime.terminal_command import converse  # noqa: PLC0415

    return converse(find_door(arguments), arguments.home or default_home(), as_json=arguments.json)
