"""The `nectar` command (DESIGN section 4). Every error ends with the next command to try."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from runtime import (
    cli_authors,
    cli_boot,
    cli_inspect,
    cli_nodes,
    cli_packages,
    cli_processes,
    cli_sim,
    cli_terminal,
)
from runtime.cli_boot import RunNode
from runtime.command_error import FAILED, USAGE, CommandError
from runtime.options import BootOptions

INTERRUPTED = 130


def _run_node(options: BootOptions) -> int:
    # A command such as `ps` must not load the whole node.
    from runtime.boot import run_node  # noqa: PLC0415

    return run_node(options)


def main(argv: Sequence[str] | None = None, run_node: RunNode = _run_node) -> int:
    """The exit code: 0, 1 refused or failed, 2 usage; of `sim` those of `runtime.cli_sim`."""
    try:
        arguments = _parser(run_node).parse_args(argv)
        return arguments.does(arguments) or 0
    except CommandError as error:
        sys.stderr.write(f"nectar: {error}\n")
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output went away. Without this Python complains once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message, f"{self.prog} --help", USAGE)


def _parser(run_node: RunNode) -> _Parser:
    parser = _Parser(prog="nectar", description="A node of the Nectar OS.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=does, allow_abbrev=False)

    cli_boot.add_commands(command, run_node)
    for group in (cli_authors, cli_processes, cli_inspect, cli_packages, cli_nodes, cli_terminal, cli_sim):
        group.add_commands(command)
    return parser
