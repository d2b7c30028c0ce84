"""`nectar inject-message`, `ps` and `kill`: talking to the processes of a running node (DESIGN section 4)."""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path

from kernel.jsontext import dump
from kernel.message import Payload
from kernel.protocol import (
    KilledProcess,
    KillProcess,
)
from runtime.cli_words import NewCommand, add_door, find_door, process_id, remote_name, seconds, text, write
from runtime.command_error import USAGE, CommandError
from runtime.kernel_call import ask_kernel, processes_of
from runtime.rpc_client import ANSWER_SECONDS, RpcAnswer, call
from runtime.table import as_table

_PROMISED = ("id", "state", "mailbox", "restarts", "last_error")
_COLUMNS = ("id", "state", "mailbox", "bytes", "received", "restarts", "last_error")


def add_commands(command: NewCommand) -> None:
    _add_inject(command("inject-message", "Send one message to a process and print the answer."))
    ps = command("ps", "List the processes of a running node.")
    add_door(ps)
    ps.set_defaults(does=_ps)
    kill = command("kill", "End a process of a running node.")
    kill.add_argument("process", metavar="PROCESS", type=process_id)
    add_door(kill)
    kill.set_defaults(does=_kill)


def _add_inject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("process", metavar="PROCESS", type=process_id, help="process:package:publisher")
    parser.add_argument("ipc", metavar="IPC", type=text)
    parser.add_argument("--node", type=remote_name, help="default: the node itself")
    parser.add_argument("--payload", metavar="FILE", type=Path)
    parser.add_argument("--mime")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=ANSWER_SECONDS)
    parser.add_argument("--non-block", action="store_true", help="do not wait for the answer")
    add_door(parser)
    parser.set_defaults(does=_inject_message)


def _inject_message(arguments: argparse.Namespace) -> None:
    answer = call(
        find_door(arguments),
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


def _ps(arguments: argparse.Namespace) -> None:
    processes = processes_of(find_door(arguments))
    rows = [
        {
            "id": str(process.id),
            "state": process.state.value,
            "mailbox": process.mailbox,
            "restarts": process.restarts,
            "last_error": process.last_error,
            "bytes": process.bytes,
            "received": process.received,
        }
        for process in processes
    ]
    if arguments.json:
        # What programs read has these keys and no others; `nectar top --json` tells more.
        write(dump([{key: row[key] for key in _PROMISED} for row in rows]).decode())
    else:
        write(as_table(_COLUMNS, rows))


def _kill(arguments: argparse.Namespace) -> None:
    door = find_door(arguments)
    if not any(process.id == arguments.process for process in processes_of(door)):
        raise CommandError(f"there is no process {arguments.process}", "nectar ps")
    answer = ask_kernel(door, KillProcess(arguments.process))
    if not isinstance(answer, KilledProcess):
        raise CommandError(f"the kernel did not kill {arguments.process}: it answered {answer}", "nectar ps")
    shown = {"KilledProcess": str(answer.id)}
    write(dump(shown).decode() if arguments.json else f"killed {answer.id}")
