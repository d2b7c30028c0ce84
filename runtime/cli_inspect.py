"""`nectar top`, `caps`, `trace` and `logs`: the words.

What they do is in `runtime.inspect_commands`, `trace_command` and `log_command`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from kernel.address import ProcessId
from kernel.debug import MOST_KEPT
from runtime.cli_words import NewCommand, add_door, checked, find_door, process_id, seconds
from runtime.command_error import USAGE, CommandError
from runtime.options import default_home

KEEP = 1000
LINES = 50


def add_commands(command: NewCommand) -> None:
    top = command("top", "Watch the processes of a running node.")
    top.add_argument("--once", action="store_true", help="one look, as when the output is no terminal")
    top.add_argument("--every", metavar="SECONDS", type=seconds, default=1, help="default: %(default)s")
    add_door(top)
    top.set_defaults(does=_top)
    caps = command(
        "caps",
        "Who holds which capability; or, with `explain A B`, whether A may message B, and by which rule.",
    )
    caps.add_argument("words", metavar="[PROCESS | explain A B]", nargs="*")
    add_door(caps)
    caps.set_defaults(does=_caps)
    _add_trace(command("trace", "What was sent to whom lately, of a running node."))
    _add_logs(command("logs", "The last lines that a node printed."))


def _add_trace(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--svg", metavar="FILE", type=Path, help="draw a sequence diagram")
    how.add_argument("--mermaid", action="store_true", help="print one as Mermaid text")
    how.add_argument("--jsonl", action="store_true", help="one object for each event, a line each")
    how.add_argument("--dropped", action="store_true", help="what could be brought back to nobody, and why")
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument("--keep", metavar="N", type=_events, help=f"from now on keep N events; default: {KEEP}")
    keep.add_argument("--off", action="store_true", help="stop: a trace costs a part of every message")
    parser.add_argument("--all", action="store_true", help="also what modules of the node say to each other")
    add_door(parser)
    parser.set_defaults(does=_trace)


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="show also what comes, until Ctrl-C")
    parser.add_argument(
        "-n", "--lines", metavar="N", type=_events, default=LINES, help="default: %(default)s"
    )
    parser.add_argument("--process", metavar="PROCESS", type=process_id, help="only what this one printed")
    parser.add_argument(
        "--verbosity", metavar="N", type=int, choices=range(4), help="only what is shown at 0, 1, 2 or 3"
    )
    parser.add_argument("--home", type=Path, help=f"the home of the node; default: {default_home()}")
    parser.add_argument("--url", help="ask the node that listens there for the lines it keeps")
    parser.add_argument("--json", action="store_true", help="one object for each line")
    parser.set_defaults(does=_logs)


def _events(text: str) -> int:
    checked(
        text.isascii() and text.isdigit() and 0 < int(text) <= MOST_KEPT,
        f"{text!r} is no number from 1 to {MOST_KEPT}",
    )
    return int(text)


def _top(arguments: argparse.Namespace) -> None:
    from runtime.inspect_commands import top  # noqa: PLC0415

    top(find_door(arguments), every=arguments.every, once=arguments.once, as_json=arguments.json)


def _caps(arguments: argparse.Namespace) -> int:
    from runtime.inspect_commands import explain, show_capabilities  # noqa: PLC0415

    match arguments.words:
        case ["explain", source, target]:
            pair = _process(source), _process(target)
            return explain(find_door(arguments), *pair, as_json=arguments.json)
        case [] | [_]:
            wanted = _process(arguments.words[0]) if arguments.words else None
            show_capabilities(find_door(arguments), wanted, as_json=arguments.json)
            return 0
    raise CommandError("that names too many or too few processes", "nectar caps --help", USAGE)


def _process(text: str) -> ProcessId:
    try:
        return process_id(text)
    except argparse.ArgumentTypeError as error:
        raise CommandError(str(error), "nectar ps", USAGE) from None


def _trace(arguments: argparse.Namespace) -> None:
    from runtime.inspect_commands import show_dropped  # noqa: PLC0415
    from runtime.trace_command import show_trace  # noqa: PLC0415

    door = find_door(arguments)
    if arguments.dropped:
        show_dropped(door, as_json=arguments.json)
    else:
        show_trace(door, arguments)


def _logs(arguments: argparse.Namespace) -> None:
    from runtime.log_command import LogView, has_log, show_kept, show_logs  # noqa: PLC0415

    view = LogView(
        process=arguments.process,
        verbosity=arguments.verbosity,
        lines=arguments.lines,
        follow=arguments.follow,
        as_json=arguments.json,
    )
    if arguments.url is None and (arguments.home is not None or has_log(default_home())):
        show_logs(arguments.home or default_home(), view)
    else:
        show_kept(find_door(arguments), view)
