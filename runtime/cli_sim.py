"""`nectar sim`: the words of the simulator's commands. What they do is loaded only when one is used."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from runtime.cli_words import NewCommand

ATTEMPTS = 1500
RUN_SECONDS, SHRINK_SECONDS = 10.0, 60.0
"""To shrink in: when a run fails, and when it is asked for."""
_CODES = (
    "Exit codes: 0 ok, 1 violated, 2 vacuous or not understood, 3 nondeterministic, 4 deadlock, 5 livelock."
)


def _run(arguments: argparse.Namespace) -> int:
    # A node, and the commands that look into one, run without the simulator.
    from runtime.sim.commands import command  # noqa: PLC0415

    return command(arguments)


def add_commands(command: NewCommand) -> None:
    parser = command("sim", "Run nodes in a simulated world, and look at what happened there.")
    parser.set_defaults(does=_run)
    parser.epilog = _CODES
    commands = parser.add_subparsers(dest="sim_command", required=True, metavar="COMMAND")

    def sim_command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=does, epilog=_CODES, allow_abbrev=False)

    _add_run(sim_command("run", "Run a test, or a scenario, in a simulated world."))
    _add_replay(
        sim_command(
            "replay",
            "Run once more what a tape holds, choice by choice; or what `nectar boot --record FILE` wrote.",
        )
    )
    shrink = sim_command("shrink", "Find the smallest run that fails as the tape does.")
    shrink.add_argument("tape", metavar="TAPE", type=Path)
    _add_budget(shrink, SHRINK_SECONDS)
    shrink.add_argument("--json", action="store_true")
    shrink.set_defaults(shrink=True)
    diff = sim_command("diff", "Name the first event in which two runs differ.")
    diff.add_argument(
        "runs", metavar="TAPE|LOG", type=Path, nargs="+", help="two of them, or a test with --seed"
    )
    diff.add_argument("--seed", metavar=("A", "B"), type=_number, nargs=2, help="two seeds of one test")
    draw = sim_command("draw", "Draw the sequence diagram of a run.")
    draw.add_argument("run", metavar="TAPE|LOG", type=Path)
    how = draw.add_mutually_exclusive_group()
    how.add_argument("--svg", metavar="FILE", type=Path, help="default: beside the tape or log")
    how.add_argument("--mermaid", action="store_true", help="print it as Mermaid text")
    draw.add_argument(
        "--past", metavar="N", type=_number, help="only what may have led to the entry of that number"
    )
    draw.add_argument("--boot", action="store_true", help="also what happened before all nodes had booted")
    draw.add_argument(
        "--hide",
        metavar="PROCESS",
        action="append",
        default=[],
        help="leave process:package:publisher out, too",
    )
    draw.add_argument(
        "--ending", action="store_true", help="of a long run, the last messages instead of the first"
    )
    export = sim_command("export-pytest", "Write a pytest file that fails as the tape does.")
    export.add_argument("tape", metavar="TAPE", type=Path)
    export.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: print it")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="file.py::test, module:function, or a scenario.toml")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", metavar="N", type=_number, help="default: that of the scenario, or 0")
    which.add_argument("--seeds", metavar="A-B", type=_range, help="each of them, until one fails")
    parser.add_argument("-j", "--jobs", metavar="N", type=_jobs, help="seeds at a time; default: one a core")
    parser.add_argument("--faults", choices=("none", "swarm"), default="", help="default: as the test says")
    parser.add_argument("--until", metavar="SECONDS", type=_seconds, help="virtual seconds the test may take")
    parser.add_argument(
        "--no-shrink", action="store_false", dest="shrink", help="leave a failure as it was found"
    )
    _add_budget(parser, RUN_SECONDS)
    parser.add_argument(
        "--json", action="store_true", help="one object on stdout; the last line goes to stderr"
    )


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tape", metavar="TAPE", type=Path)
    parser.add_argument(
        "--step", metavar="N", type=_number, help="show the entry of that number, and what led to it"
    )
    parser.add_argument(
        "--loose", action="store_true", help="follow an edited tape, or changed code, as far as it fits"
    )
    parser.add_argument(
        "--package",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        dest="packages",
        help="of a record: run this code in the place of what was recorded of the package",
    )


def _add_budget(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument(
        "--attempts",
        metavar="N",
        type=_jobs,
        default=ATTEMPTS,
        help="runs to shrink with; default: %(default)s",
    )
    parser.add_argument(
        "--seconds",
        metavar="SECONDS",
        type=_seconds,
        default=seconds,
        help="real seconds to shrink in; default: %(default)g",
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def _jobs(text: str) -> int:
    number = _number(text)
    if not number:
        raise argparse.ArgumentTypeError("0 is too few: 1 at least")
    return number


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of seeds, such as 1-500")
    found = _number(first), _number(last)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"{text!r} has its larger seed first")
    return found


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
