"""The command line to type next when a node could not be booted: what was typed, with what stood in its way changed."""

from __future__ import annotations

import os
import shlex
from itertools import count
from pathlib import Path

import attrs

from runtime.options import DEV_NAME, LOOPBACK, BootOptions
from runtime.password import AskedPassword, PasswordVariable

EXAMPLE_NAME = "my-node.uq"
EXAMPLE_PEERS = Path("peers.toml")
_VARIABLE = "NECTAR_PASSWORD"


def command(options: BootOptions) -> str:
    """These options as a command line. The password of `nectar dev` is left out: what is advised may be logged."""
    words: list[str] = ["nectar", "dev" if options.dev else "boot"]
    if options.home is not None:
        words += ["--home", str(options.home)] if options.dev else [str(options.home)]
    if options.name is not None:
        words += ["--name", options.name]
    if options.port is not None:
        words += ["--port", str(options.port)]
    if options.bind != LOOPBACK:
        words += ["--bind", options.bind]
    for package in options.packages:
        words += [str(package)] if options.dev else ["--package", str(package)]
    if isinstance(options.password, PasswordVariable):
        words += ["--password-env", options.password.name]
    words += _given("--verbosity", options.verbosity)
    words += _given("--log", options.log)
    words += _given("--peers", options.peers)
    words += _given("--allow-routing", options.passages or None)
    words += _given("--record", options.record)
    for key, value in options.settings:
        words += ["--set", f"{key}={value}"]
    if options.routers:
        # Last: what followed would be taken for one more.
        words += ["--router", *options.routers]
    return shlex.join(words)


def _given(option: str, value: object) -> list[str]:
    return [] if value is None else [option, str(value)]


def elsewhere(options: BootOptions) -> str:
    """In a home that nobody uses yet."""
    if options.home is None:
        return command(options)
    home = Path(os.path.abspath(options.home))  # noqa: PTH100 - as in `hold_home`
    parent = home.parent if os.access(home.parent, os.W_OK | os.X_OK) else Path.cwd()
    free = next(path for number in count(2) if not (path := parent / f"{home.name}-{number}").exists())
    name = options.name or (None if options.dev else EXAMPLE_NAME)
    return command(attrs.evolve(options, home=free, name=name))


def recording_elsewhere(options: BootOptions) -> str:
    """To a file that is not there yet; without, where none can be made."""
    record = options.record
    if record is None or not os.access(record.parent, os.W_OK | os.X_OK):
        return command(attrs.evolve(options, record=None))
    free = (record.with_stem(f"{record.stem}-{number}") for number in count(2))
    return command(attrs.evolve(options, record=next(path for path in free if not path.exists())))


def on_a_free_port(options: BootOptions) -> str:
    """Where every machine can listen."""
    return command(attrs.evolve(options, bind=LOOPBACK, port=0))


def asking(options: BootOptions) -> str:
    """The password is asked for, as `nectar boot` does also in a home that `nectar dev` made."""
    name = None if options.name == DEV_NAME else options.name
    return command(attrs.evolve(options, password=AskedPassword(), dev=False, name=name))


def without_setting(options: BootOptions, key: str) -> str:
    """Without what was said of this setting."""
    left = tuple(pair for pair in options.settings if pair[0].strip() != key)
    return command(attrs.evolve(options, settings=left))


def with_other_routers(options: BootOptions, router: str, *, is_unknown: bool) -> str:
    """Once that one is known, or without it."""
    if is_unknown:
        return command(attrs.evolve(options, peers=options.peers or EXAMPLE_PEERS))
    return command(attrs.evolve(options, routers=tuple(name for name in options.routers if name != router)))


def with_password(options: BootOptions, *, terminal: bool) -> str:
    """With a password that is asked for, or read by the shell where the node has no terminal."""
    if terminal:
        return asking(options)
    source = options.password
    variable = source if isinstance(source, PasswordVariable) else PasswordVariable(_VARIABLE)
    there = command(attrs.evolve(options, password=variable))
    return f"read -rs {variable.name} && export {variable.name} && {there}"
