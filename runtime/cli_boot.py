"""`nectar boot` and `dev`: the words, and the options they make (DESIGN section 4)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from runtime.cli_words import NewCommand, checked, node_name
from runtime.command_error import USAGE, CommandError
from runtime.console import LogFormat
from runtime.options import DEV_NAME, DEV_PASSWORD, LOOPBACK, BootOptions, default_home, example_packages
from runtime.password import AskedPassword, GivenPassword, PasswordVariable

MOST_PASSAGES = 10_000

RunNode = Callable[[BootOptions], int]


def add_commands(command: NewCommand, run_node: RunNode) -> None:
    boot = command("boot", "Boot a node whose state lives in HOME.")
    _add_boot(boot)
    boot.set_defaults(does=lambda arguments: run_node(_boot_options(arguments)))
    dev = command("dev", "Run packages on a throw-away node that reloads them when they change.")
    _add_dev(dev)
    dev.set_defaults(does=lambda arguments: run_node(_dev_options(arguments)))


def _add_boot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("home", metavar="HOME", type=Path, nargs="?", help=f"default: {default_home()}")
    parser.add_argument("--name", type=node_name, help="needed at the first boot")
    parser.add_argument("--port", type=_port, help="default: 8080 or the next free one; 0: any free one")
    parser.add_argument("--bind", default=LOOPBACK, metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--package", metavar="DIR", type=Path, action="append", default=[], dest="packages")
    parser.add_argument(
        "--password-env", metavar="VAR", help="the environment variable that holds the password"
    )
    parser.add_argument("--verbosity", type=int, choices=range(4), help="0 to 3; default: log.verbosity")
    parser.add_argument("--log", choices=[form.value for form in LogFormat], help="default: log.format")
    _add_settings(parser)


def _add_dev(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("packages", metavar="DIR", type=Path, nargs="*", help="default: the example apps")
    parser.add_argument("--name", type=node_name, help=f"default: {DEV_NAME}")
    parser.add_argument("--port", type=_port, help="default: 8080 or the next free one; 0: any free one")
    parser.add_argument("--home", type=Path, help="keep the state here; default: a folder that is removed")
    parser.add_argument("--password", default=DEV_PASSWORD, help="default: %(default)s")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peers", metavar="FILE", type=Path, help="other nodes with their keys, as `nectar id` prints them"
    )
    parser.add_argument(
        "--router",
        metavar="NAME",
        type=node_name,
        nargs="+",
        action="extend",
        default=[],
        dest="routers",
        help="nodes through which this one is reached, best first: it has no address of its own then",
    )
    parser.add_argument(
        "--allow-routing",
        metavar="N",
        type=_passages,
        default=0,
        dest="passages",
        help="let so many links of nodes that name this one as their router through; default: 0",
    )
    parser.add_argument(
        "--record", metavar="FILE", type=Path, help="write the run down, for `nectar sim replay FILE`"
    )
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", type=_setting, action="append", default=[], dest="settings"
    )


def _port(text: str) -> int:
    checked(text.isascii() and text.isdigit() and int(text) < 2**16, f"{text!r} is no port: 0 to 65535")
    return int(text)


def _passages(text: str) -> int:
    checked(
        text.isascii() and text.isdigit() and int(text) <= MOST_PASSAGES,
        f"{text!r} is no number of links: 0 to {MOST_PASSAGES}",
    )
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    section, dot, key = name.partition(".")
    checked(
        bool(section and dot and key and equals), f"{text!r} is no SECTION.KEY=VALUE, such as http.timeout=30"
    )
    return name, value


def _routers(arguments: argparse.Namespace) -> tuple[str, ...]:
    if arguments.routers and arguments.passages:
        raise CommandError(
            "--router and --allow-routing exclude each other: who is reached through routers has no address, "
            "and a router needs one",
            f"nectar {arguments.command} --help",
            USAGE,
        )
    return tuple(dict.fromkeys(arguments.routers))


def _boot_options(arguments: argparse.Namespace) -> BootOptions:
    variable = arguments.password_env
    return BootOptions(
        home=arguments.home or default_home(),
        name=arguments.name,
        port=arguments.port,
        bind=arguments.bind,
        packages=tuple(arguments.packages),
        password=AskedPassword() if variable is None else PasswordVariable(variable),
        verbosity=arguments.verbosity,
        log=None if arguments.log is None else LogFormat(arguments.log),
        settings=tuple(arguments.settings),
        peers=arguments.peers,
        routers=_routers(arguments),
        passages=arguments.passages,
        record=arguments.record,
    )


def _dev_options(arguments: argparse.Namespace) -> BootOptions:
    return BootOptions(
        home=arguments.home,
        name=arguments.name,
        port=arguments.port,
        packages=tuple(arguments.packages) or example_packages(),
        password=GivenPassword(arguments.password),
        settings=tuple(arguments.settings),
        peers=arguments.peers,
        routers=_routers(arguments),
        passages=arguments.passages,
        record=arguments.record,
        dev=True,
    )
