"""A real node from its options to its exit code: home, keyfile, devices, signals (DESIGN section 4)."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, nullcontext, suppress
from functools import partial

import attrs
import trio

from kernel.address import Address, PackageId
from kernel.capability import KERNEL
from kernel.kernel import BadNodeName
from kernel.ports import StoreFailed
from runtime import advice
from runtime.assets import browser_client
from runtime.chance import SystemChance
from runtime.command_error import CommandError
from runtime.config import ConfigError, Settings, load_settings
from runtime.console import LogConsole
from runtime.databases import SqliteDatabases
from runtime.dialer import TcpDialer
from runtime.disk import FolderDisk
from runtime.engine import RocksEngine
from runtime.files import replace_file
from runtime.full_disk import is_full
from runtime.home import Home, HomeError, hold_home, temporary_home
from runtime.keyfile import BadPassword, Identity, Keyfile, KeyfileBroken, WrongPassword
from runtime.keyfile import create as create_keyfile
from runtime.links.direct import DirectLinks
from runtime.listener import CannotListen, TcpListener
from runtime.network import BadRouter, open_network, own_record
from runtime.node import (
    Devices,
    Network,
    Node,
    NodeSecrets,
    PackageFiles,
    PackageRefused,
    open_node,
    sole_error,
)
from runtime.node_file import PEER_FILE, NodeFile, remove_node_file, write_node_file
from runtime.open_files import SystemOpenFiles
from runtime.options import DEV_NAME, BootOptions
from runtime.packages import read_package
from runtime.password import has_terminal
from runtime.peers_file import PeersFileError, peer_block
from runtime.record.recording import Recording
from runtime.record.turn_order import first_come_first_run
from runtime.reload import footprint, watch
from runtime.signals import Signals
from runtime.store import SqliteStore
from runtime.warned import warnings_reported
from runtime.watchdog import Watchdog
from runtime.workers import ThreadWorkers
from sys_processes.app_store.fields import PackageError

# Messages are freed by their reference counts; looking for cycles every 700 objects costs a tenth of the time.
COLLECT_EVERY = 20_000


def run_node(options: BootOptions) -> int:
    """Returns when a signal ended the node. Raises `CommandError` when it could not be booted."""
    _hold_standard_files()
    _raise_file_limit()
    try:
        _run_at_home(options)
    except CannotListen as error:
        raise CommandError(str(error), advice.on_a_free_port(options)) from error
    except (HomeError, StoreFailed, BadNodeName, KeyfileBroken) as error:
        then = advice.command if is_full(error.__cause__) else advice.elsewhere
        raise CommandError(str(error), then(options)) from error
    except (WrongPassword, BadPassword) as error:
        raise CommandError(str(error), advice.asking(options)) from error
    except ConfigError as error:
        raise CommandError(str(error), advice.without_setting(options, error.key)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        # Of a rename the second name is the one that somebody knows.
        path = error.filename2 or error.filename
        where = "" if path is None else f"{path}: "
        problem = f"{where}{error.strerror or error}"
        if is_full(error):
            raise CommandError(f"{problem}; free some space on its disk", advice.command(options)) from error
        raise CommandError(problem, advice.elsewhere(options)) from error
    return 0


def _run_at_home(options: BootOptions) -> None:
    signals = Signals()
    with (
        signals.caught(),
        temporary_home() if options.home is None else hold_home(options.home) as home,
    ):
        signals.tidy = partial(_tidy, home, temporary=options.home is None)
        # Nurseries wrap what fails into groups; a boot fails for one reason.
        order = nullcontext() if options.record is None else first_come_first_run()
        try:
            with order:
                trio.run(_run, options, home, signals)
        except BaseExceptionGroup as group:
            raise sole_error(group) from None


def _tidy(home: Home, *, temporary: bool) -> None:
    _remove_node_file(home)
    with suppress(OSError):
        home.lock.unlink(missing_ok=True)
    if temporary:
        shutil.rmtree(home.path, ignore_errors=True)


def _hold_standard_files() -> None:
    """Where one of them is closed, the next file we open would take its place, and what is printed would land in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _raise_file_limit() -> None:
    """A socket is a file: as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@attrs.frozen
class _Opened:
    """What `_run` has open."""

    options: BootOptions
    home: Home
    settings: Settings
    workers: ThreadWorkers
    console: LogConsole
    signals: Signals
    nursery: trio.Nursery


async def _run(options: BootOptions, home: Home, signals: Signals) -> None:
    settings = load_settings(home.config, _settings_of(options))
    console = LogConsole(
        verbosity=settings.log.verbosity if options.verbosity is None else options.verbosity,
        log_format=settings.log.format if options.log is None else options.log,
        folder=home.logs,
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(signals.stop_booting, nursery.cancel_scope)
            await _run_opened(_Opened(options, home, settings, ThreadWorkers(), console, signals, nursery))
            nursery.cancel_scope.cancel()
    finally:
        console.close()


def _settings_of(options: BootOptions) -> list[tuple[str, str]]:
    """`nectar dev` opens the RPC route to this machine, unless told otherwise."""
    opened = [("rpc.open", "true")] if options.dev else []
    return [*opened, *options.settings]


async def _run_opened(opened: _Opened) -> None:
    options, home, workers = opened.options, opened.home, opened.workers
    chance = SystemChance()
    keyfile, identity = await _identity(opened, chance)
    # Looked at before they are read: what changes meanwhile is read again.
    seen = [await workers.run(footprint, folder) for folder in options.packages]
    folders = await _read_all(options, workers)
    client = await workers.run(browser_client)
    token = chance.secret("rpc token", 32).hex()
    secrets = NodeSecrets(
        identity,
        identity.jwt_secret,
        keyfile.to_bytes(),
        partial(_is_password, keyfile, workers),
        token,
    )
    report = partial(_report, opened, identity.name)
    async with AsyncExitStack() as stack:
        stack.enter_context(warnings_reported(report, origins=options.dev))
        store = await SqliteStore.open(home.store, workers)
        stack.push_async_callback(store.aclose)
        opened.nursery.start_soon(store.run, report)
        devices = await _open_devices(opened, chance, store, stack)
        network = await _open_network(opened, identity, devices, report, stack)
        opened.nursery.start_soon(Watchdog(report).run)
        kept = await _open_record(opened, (token.encode(), identity.jwt_secret), report, stack)
        readable = [files for files in folders if not isinstance(files, PackageError)]
        opening = open_node(
            identity.name,
            devices,
            secrets,
            http=opened.settings.http,
            client=client,
            packages=readable,
            network=network,
            recorder=None if kept is None else kept.recorder,
            start=False,
        )
        try:
            node = await stack.enter_async_context(opening)
        except PackageRefused as refused:
            raise _none_installed(options, _outcomes(folders, refused.errors)) from refused
        for folder, outcome, then in zip(options.packages, _outcomes(folders, node.given), seen, strict=True):
            package = None if isinstance(outcome, PackageError) else outcome
            if package is None:
                report(f"{folder} was not installed: {outcome}")
            if options.dev:
                opened.nursery.start_soon(watch, node, folder, package, then, workers, report)
        stack.callback(_remove_node_file, home)
        await _serve(opened, node, token, store, kept)


_Read = PackageFiles | PackageError
_Outcome = PackageId | PackageError


async def _read_all(options: BootOptions, workers: ThreadWorkers) -> list[_Read]:
    """Each given folder's files, or what speaks against it. Raises `CommandError` when no folder can be read."""
    found: list[_Read] = []
    for folder in options.packages:
        try:
            found.append(await workers.run(read_package, folder))
        except PackageError as error:
            found.append(error)
    errors = [files for files in found if isinstance(files, PackageError)]
    if errors and len(errors) == len(found):
        raise _none_installed(options, errors)
    return found


def _outcomes(folders: Sequence[_Read], readable: Sequence[_Outcome]) -> list[_Outcome]:
    """Of each given folder; `readable` are those of the folders that could be read, in order."""
    rest = iter(readable)
    return [files if isinstance(files, PackageError) else next(rest) for files in folders]


def _none_installed(options: BootOptions, errors: Sequence[_Outcome]) -> CommandError:
    problems = [f"{folder}: {error}" for folder, error in zip(options.packages, errors, strict=True)]
    return CommandError("\n".join(problems), "correct that file, then the same command again")


async def _open_devices(
    opened: _Opened, chance: SystemChance, store: SqliteStore, stack: AsyncExitStack
) -> Devices:
    """What is opened is closed with the stack."""
    disk = await FolderDisk.open(opened.home.drives, opened.workers)
    listener = await TcpListener.open(opened.options.bind, opened.options.port)
    stack.push_async_callback(listener.aclose)
    # Threads of their own: databases that are slow, however many, keep nobody else waiting, nor each other's kind.
    engine = await RocksEngine.open(opened.home.kv, ThreadWorkers())
    stack.push_async_callback(engine.aclose)
    databases = await SqliteDatabases.open(opened.home.sqlite, ThreadWorkers())
    stack.push_async_callback(databases.aclose)
    return Devices(
        chance,
        store,
        disk,
        opened.workers,
        listener,
        opened.console,
        time.time,
        dialer=TcpDialer(),
        most_fetched=opened.settings.http_client.max_body,
        engine=engine,
        databases=databases,
        open_files=SystemOpenFiles(),
    )


async def _open_network(
    opened: _Opened,
    identity: Identity,
    devices: Devices,
    report: Callable[[str], None],
    stack: AsyncExitStack,
) -> Network:
    """As above. From now on the others of this machine find the node."""
    options = opened.options
    links = DirectLinks(identity.network_key, devices.chance)
    try:
        own = own_record(identity, devices.listener.url, options.routers)
        opening = open_network(own, links, options.peers, report, passages=options.passages)
        network = await stack.enter_async_context(opening)
    except BadRouter as error:
        then = advice.with_other_routers(options, error.router, is_unknown=error.is_unknown)
        raise CommandError(str(error), then) from None
    except PeersFileError as error:
        raise CommandError(str(error), advice.command(attrs.evolve(options, peers=None))) from None
    replace_file(opened.home.path / PEER_FILE, peer_block(own).encode(), mode=0o644)
    return network


def _remove_node_file(home: Home) -> None:
    with suppress(OSError):
        remove_node_file(home.path)


async def _open_record(
    opened: _Opened, secrets: Sequence[bytes], report: Callable[[str], None], stack: AsyncExitStack
) -> Recording | None:
    """What `--record` asks for, if it does."""
    path = opened.options.record
    if path is None:
        return None
    try:
        kept = Recording(path, opened.workers, secrets, report)
    except OSError as error:
        problem = f"the run cannot be recorded in {path}: {error.strerror}"
        raise CommandError(problem, advice.recording_elsewhere(opened.options)) from None
    stack.push_async_callback(kept.writer.aclose)
    opened.nursery.start_soon(kept.writer.run)
    return kept


async def _serve(opened: _Opened, node: Node, token: str, store: SqliteStore, kept: Recording | None) -> None:
    """From the start of its processes to stopped."""
    # From here on a signal ends the node in order.
    opened.signals.ready = True
    if await _started(opened, node):
        _announce(opened, node, token)
        await opened.signals.asked()
    if await node.stop():
        # An abandoned process may never end, and its task with it: leave without it.
        with suppress(StoreFailed):
            await store.aclose()
        if kept is not None:
            await kept.writer.aclose()
        opened.console.close()
        opened.signals.leave(0)


async def _started(opened: _Opened, node: Node) -> bool:
    """False when a signal came first."""
    ready = False
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            await opened.signals.asked()
            nursery.cancel_scope.cancel()

        nursery.start_soon(hurry)
        await node.start()
        ready = True
        nursery.cancel_scope.cancel()
    return ready


def _announce(opened: _Opened, node: Node, token: str) -> None:
    write_node_file(opened.home.path, NodeFile(os.getpid(), node.url, node.name), token)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    if sys.stdout is not None:
        sys.stdout.write(f"ready: {node.url}\n")
        sys.stdout.flush()


def _report(opened: _Opened, name: str, text: str) -> None:
    opened.console.print(0, Address(name, KERNEL), text)


async def _is_password(keyfile: Keyfile, workers: ThreadWorkers, password: str) -> bool:
    try:
        await workers.run(keyfile.unlock, password)
    except WrongPassword:
        return False
    return True


async def _identity(opened: _Opened, chance: SystemChance) -> tuple[Keyfile, Identity]:
    """Unlocks the home's keyfile, or makes it at the first boot."""
    options, path, workers = opened.options, opened.home.keyfile, opened.workers
    if not await workers.run(path.exists):
        name = options.name or (DEV_NAME if options.dev else None)
        if name is None:
            raise CommandError(
                f"{opened.home.path} has no node yet, and it needs a name",
                advice.command(attrs.evolve(options, name=advice.EXAMPLE_NAME)),
            )
        password = _password(opened, first_boot=True)
        keyfile = await workers.run(create_keyfile, name, password, chance)
        await workers.run(keyfile.write, path)
        return keyfile, await workers.run(keyfile.unlock, password)
    keyfile = await workers.run(Keyfile.read, path)
    if options.name is not None and options.name != keyfile.name:
        raise CommandError(
            f"the node in {opened.home.path} is called {keyfile.name!r}, not {options.name!r}",
            advice.command(attrs.evolve(options, name=None)),
        )
    password = _password(opened, first_boot=False)
    return keyfile, await workers.run(keyfile.unlock, password)


def _password(opened: _Opened, *, first_boot: bool) -> str:
    options = opened.options
    try:
        with opened.signals.raised():
            return options.password.read(first_boot=first_boot)
    except CommandError as error:
        raise CommandError(error.problem, advice.with_password(options, terminal=has_terminal())) from None
