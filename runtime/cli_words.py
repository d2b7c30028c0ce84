"""What the words of several commands share: the values they take, how they find a node, how they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from kernel.address import OUR, IdentifierParseError, ProcessId, is_safe
from runtime.options import default_home
from runtime.rpc_client import NodeDoor, find_node
from sys_processes.net.protocol import LONGEST_NAME

NewCommand = Callable[[str, str], argparse.ArgumentParser]
"""The parser of the command of that name, and what it does in one sentence.

`parser.set_defaults(does=...)` says what does it: called with the arguments, it may return an exit code, and
raises `CommandError`. It loads what is heavy only then: a command such as `ps` must not load the whole node.
"""


def add_door(parser: argparse.ArgumentParser) -> None:
    """How `find_door` finds the node, and `--json`."""
    parser.add_argument("--home", type=Path, help="the home of the node to talk to")
    parser.add_argument("--url", help="where the node listens, when its home is not at hand")
    parser.add_argument("--json", action="store_true")


def find_door(arguments: argparse.Namespace) -> NodeDoor:
    """Raises `CommandError`."""
    return find_node(arguments.home, arguments.url, default_home())


def write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def checked(holds: bool, problem: str) -> None:
    if not holds:
        raise argparse.ArgumentTypeError(problem)


def text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is no UTF-8 text") from None
    return text


def node_name(text: str) -> str:
    checked(
        len(text) <= LONGEST_NAME,
        f"{text[:40]!r}... cannot name a node: it has {len(text)} characters, {LONGEST_NAME} at most",
    )
    checked(
        is_safe(text) and text != OUR,
        f"{text!r} cannot name a node: use letters, digits, '_', '.', '-', and not the word 'our'",
    )
    return text


def remote_name(text: str) -> str:
    checked(is_safe(text), f"{text!r} is no name of a node")
    return text


def process_id(text: str) -> ProcessId:
    try:
        return ProcessId.from_str(text)
    except IdentifierParseError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> int:
    checked(
        text.isascii() and text.isdigit() and 0 < int(text) < 2**31,
        f"{text!r} is no number of seconds from 1 on",
    )
    return int(text)
