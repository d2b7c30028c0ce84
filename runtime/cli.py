"""The `nectar` command (DESIGN section 4). Every error ends with the next command to try."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from kernel.address import OUR, IdentifierParseError, ProcessId, is_safe
from kernel.capability import KERNEL
from kernel.codec import Malformed
from kernel.jsontext import dump
from kernel.message import Payload
from kernel.protocol import (
    KERNEL_ANSWER,
    KERNEL_COMMAND,
    AskProcesses,
    Debug,
    DebugIs,
    KernelAnswer,
    KernelCommand,
    KilledProcess,
    KillProcess,
    ProcessesAre,
    ProcessStatus,
)
from runtime.cli_sim import add_commands as add_sim_commands
from runtime.cli_sim import run as run_simulator
from runtime.command_error import FAILED, USAGE, CommandError
from runtime.console import LogFormat
from runtime.options import DEV_NAME, DEV_PASSWORD, LOOPBACK, BootOptions, default_home, example_packages
from runtime.password import AskedPassword, GivenPassword, PasswordVariable
from runtime.rpc_client import ANSWER_SECONDS, NodeDoor, RpcAnswer, call, find_node
from runtime.table import as_table
from sys_processes.net.protocol import LONGEST_NAME

INTERRUPTED = 130
MOST_PASSAGES = 10_000
_COLUMNS = ("id", "state", "mailbox", "restarts", "last_error")

RunNode = Callable[[BootOptions], int]


def _run_node(options: BootOptions) -> int:
    # A command such as `ps` must not load the whole node.
    from runtime.boot import run_node  # noqa: PLC0415

    return run_node(options)


def main(argv: Sequence[str] | None = None, run_node: RunNode = _run_node) -> int:
    """The exit code: 0, 1 refused or failed, 2 usage; of `sim` those of `runtime.cli_sim`."""
    try:
        arguments = _parser().parse_args(argv)
        return _dispatch(arguments, run_node)
    except CommandError as error:
        sys.stderr.write(f"nectar: {error}\n")
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output went away. Without this Python complains once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _dispatch(arguments: argparse.Namespace, run_node: RunNode) -> int:
    match arguments.command:
        case "boot":
            return run_node(_boot_options(arguments))
        case "dev":
            return run_node(_dev_options(arguments))
        case "inject-message":
            _inject_message(arguments)
        case "ps":
            _ps(arguments)
        case "kill":
            _kill(arguments)
        case "start-package" | "remove-package":
            _change_package(arguments)
        case "id" | "peers" | "hi":
            _about_nodes(arguments)
        case "sim":
            return run_simulator(arguments)
    return 0


def _change_package(arguments: argparse.Namespace) -> None:
    # The other commands need not know what a package is.
    from runtime.cli_packages import remove_package, start_package  # noqa: PLC0415

    if arguments.command == "start-package":
        start_package(_door(arguments), arguments.folder, as_json=arguments.json)
    else:
        remove_package(_door(arguments), arguments.package, as_json=arguments.json)


def _about_nodes(arguments: argparse.Namespace) -> None:
    # As above: of other nodes and their keys.
    from runtime.cli_nodes import run  # noqa: PLC0415

    run(arguments)


# -- what can be written


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message, f"{self.prog} --help", USAGE)


def _parser() -> _Parser:
    parser = _Parser(prog="nectar", description="A node of the Nectar OS.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=does, allow_abbrev=False)

    _add_boot(command("boot", "Boot a node whose state lives in HOME."))
    _add_dev(command("dev", "Run packages on a throw-away node that reloads them when they change."))
    _add_inject(command("inject-message", "Send one message to a process and print the answer."))
    _add_door(command("ps", "List the processes of a running node."))
    kill = command("kill", "End a process of a running node.")
    kill.add_argument("process", metavar="PROCESS", type=_process_id)
    _add_door(kill)
    start = command("start-package", "Install a package in a running node, in place of an older version.")
    start.add_argument("folder", metavar="DIR", type=Path, help="the folder that holds pkg/")
    _add_door(start)
    remove = command("remove-package", "Remove a package from a running node, with all that belongs to it.")
    remove.add_argument(
        "package", metavar="ID", type=_text, help="package:publisher, or the package's folder"
    )
    _add_door(remove)
    _add_door(command("id", "Print who a node is, as an entry for the peers file of another one."))
    _add_door(
        command("peers", "List the other nodes that a running node knows, and how it stands with them.")
    )
    hi = command("hi", "Say something to another node, to see whether it can be reached.")
    hi.add_argument("node", metavar="NODE", type=_remote_name)
    hi.add_argument("text", metavar="TEXT", type=_text)
    _add_door(hi)
    add_sim_commands(command("sim", "Run nodes in a simulated world, and look at what happened there."))
    return parser


def _add_boot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("home", metavar="HOME", type=Path, nargs="?", help=f"default: {default_home()}")
    parser.add_argument("--name", type=_node_name, help="needed at the first boot")
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
    parser.add_argument("--name", type=_node_name, help=f"default: {DEV_NAME}")
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
        type=_node_name,
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


def _add_inject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("process", metavar="PROCESS", type=_process_id, help="process:package:publisher")
    parser.add_argument("ipc", metavar="IPC", type=_text)
    parser.add_argument("--node", type=_remote_name, help="default: the node itself")
    parser.add_argument("--payload", metavar="FILE", type=Path)
    parser.add_argument("--mime")
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=ANSWER_SECONDS)
    parser.add_argument("--non-block", action="store_true", help="do not wait for the answer")
    _add_door(parser)


def _add_door(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, help="the home of the node to talk to")
    parser.add_argument("--url", help="where the node listens, when its home is not at hand")
    parser.add_argument("--json", action="store_true")


def _checked(holds: bool, problem: str) -> None:
    if not holds:
        raise argparse.ArgumentTypeError(problem)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("is no UTF-8 text") from None
    return text


def _node_name(text: str) -> str:
    _checked(
        len(text) <= LONGEST_NAME,
        f"{text[:40]!r}... cannot name a node: it has {len(text)} characters, {LONGEST_NAME} at most",
    )
    _checked(
        is_safe(text) and text != OUR,
        f"{text!r} cannot name a node: use letters, digits, '_', '.', '-', and not the word 'our'",
    )
    return text


def _remote_name(text: str) -> str:
    _checked(is_safe(text), f"{text!r} is no name of a node")
    return text


def _process_id(text: str) -> ProcessId:
    try:
        return ProcessId.from_str(text)
    except IdentifierParseError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    _checked(text.isascii() and text.isdigit() and int(text) < 2**16, f"{text!r} is no port: 0 to 65535")
    return int(text)


def _passages(text: str) -> int:
    _checked(
        text.isascii() and text.isdigit() and int(text) <= MOST_PASSAGES,
        f"{text!r} is no number of links: 0 to {MOST_PASSAGES}",
    )
    return int(text)


def _seconds(text: str) -> int:
    _checked(
        text.isascii() and text.isdigit() and 0 < int(text) < 2**31,
        f"{text!r} is no number of seconds from 1 on",
    )
    return int(text)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    section, dot, key = name.partition(".")
    _checked(
        bool(section and dot and key and equals), f"{text!r} is no SECTION.KEY=VALUE, such as http.timeout=30"
    )
    return name, value


# -- boot, dev


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


# -- talking to a running node


def _door(arguments: argparse.Namespace) -> NodeDoor:
    return find_node(arguments.home, arguments.url, default_home())


def _inject_message(arguments: argparse.Namespace) -> None:
    answer = call(
        _door(arguments),
        arguments.process,
        arguments.ipc,
        node=arguments.node,
        payload=_payload(arguments),
        seconds=None if arguments.non_block else arguments.timeout,
    )
    if answer is None:
        return
    sys.stdout.flush()
    sys.stdout.buffer.write((_as_json(answer) if arguments.json else answer.ipc) + b"\n")
    sys.stdout.flush()


def _payload(arguments: argparse.Namespace) -> Payload | None:
    if arguments.payload is None:
        if arguments.mime is not None:
            raise CommandError("--mime says what a payload is, and there is none", "--payload FILE", USAGE)
        return None
    try:
        return Payload(arguments.mime, arguments.payload.read_bytes())
    except OSError as error:
        raise CommandError(f"cannot read {arguments.payload}: {error.strerror}", "--payload FILE") from None


def _as_json(answer: RpcAnswer) -> bytes:
    """The ipc as text, or as base64 where it is none; the payload as base64."""
    shown: dict[str, object]
    try:
        shown = {"ipc": answer.ipc.decode()}
    except UnicodeDecodeError:
        shown = {"ipc_base64": base64.b64encode(answer.ipc).decode()}
    payload = answer.payload
    if payload is not None:
        shown["payload"] = {"mime": payload.mime, "base64": base64.b64encode(payload.bytes).decode()}
    else:
        shown["payload"] = None
    return dump(shown)


def _ask_kernel(door: NodeDoor, command: KernelCommand) -> KernelAnswer:
    answer = call(door, KERNEL, KERNEL_COMMAND.encode(command).decode())
    assert answer is not None
    try:
        return KERNEL_ANSWER.decode(answer.ipc)
    except Malformed as error:
        raise CommandError(
            f"the kernel at {door.url} gave an answer we do not know: {error}", "nectar ps"
        ) from None


def _processes(door: NodeDoor) -> tuple[ProcessStatus, ...]:
    answer = _ask_kernel(door, Debug(AskProcesses()))
    if isinstance(answer, DebugIs) and isinstance(answer.answer, ProcessesAre):
        return answer.answer.processes
    raise CommandError(
        f"the kernel at {door.url} lists no processes: it answered {answer}", "nectar ps --url URL"
    )


def _ps(arguments: argparse.Namespace) -> None:
    processes = _processes(_door(arguments))
    rows = [
        {
            "id": str(process.id),
            "state": process.state.value,
            "mailbox": process.mailbox,
            "restarts": process.restarts,
            "last_error": process.last_error,
        }
        for process in processes
    ]
    _write(dump(rows).decode() if arguments.json else as_table(_COLUMNS, rows))


def _kill(arguments: argparse.Namespace) -> None:
    door = _door(arguments)
    if not any(process.id == arguments.process for process in _processes(door)):
        raise CommandError(f"there is no process {arguments.process}", "nectar ps")
    answer = _ask_kernel(door, KillProcess(arguments.process))
    if not isinstance(answer, KilledProcess):
        raise CommandError(f"the kernel did not kill {arguments.process}: it answered {answer}", "nectar ps")
    shown = {"KilledProcess": str(answer.id)}
    _write(dump(shown).decode() if arguments.json else f"killed {answer.id}")


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
