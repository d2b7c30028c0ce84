"""`nectar id`, `peers` and `hi`: the words. What they do is in `runtime.node_commands`."""

from __future__ import annotations

import argparse

from runtime.cli_words import NewCommand, add_door, remote_name, text


def add_commands(command: NewCommand) -> None:
    identity = command("id", "Print who a node is, as an entry for the peers file of another one.")
    peers = command("peers", "List the other nodes that a running node knows, and how it stands with them.")
    hi = command("hi", "Say something to another node, to see whether it can be reached.")
    hi.add_argument("node", metavar="NODE", type=remote_name)
    hi.add_argument("text", metavar="TEXT", type=text)
    for parser in (identity, peers, hi):
        add_door(parser)
        parser.set_defaults(does=_run)


def _run(arguments: argparse.Namespace) -> None:
    from runtime.node_commands import run  # noqa: PLC0415

    run(arguments)
