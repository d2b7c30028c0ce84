"""A real node from its options to its exit code: home, keyfile, devices, signals (DESIGN section 4)."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import attrs
import trio

from kernel.address import Address
from kernel.capability import KERNEL
from kernel.kernel import BadNodeName
from kernel.ports import StoreFailed
from runtime.chance import SystemChance
from runtime.command_error import CommandError
from runtime.config import ConfigError, Settings, load_settings
from runtime.console import LogConsole
from runtime.disk import FolderDisk
from runtime.home import Home, HomeError, hold_home, temporary_home
from runtime.keyfile import BadPassword, Identity, Keyfile, KeyfileBroken, WrongPassword
from runtime.keyfile import create as create_keyfile
from runtime.listener import CannotListen, TcpListener
from runtime.node import Devices, Node, NodeSecrets, open_node
from runtime.node_file import NodeFile, remove_node_file, write_node_file
from runtime.options import DEV_NAME, BootOptions
from runtime.packages import read_package
from runtime.reload import watch
from runtime.store import SqliteStore
from runtime.watchdog import Watchdog
from runtime.workers import ThreadWorkers
from sys_processes.app_store.fields import PackageError

LAST_SECONDS = 3.5
"""After the first signal: whoever still holds the event loop then is left behind."""

# Messages are freed by their reference counts; looking for cycles every 700 objects costs a tenth of the time.
COLLECT_EVERY = 20_000


def run_node(options: BootOptions) -> int:
    """Returns when a signal ended the node. Raises `CommandError` when it could not be booted."""
    _raise_file_limit()
    try:
        home = temporary_home() if options.home is None else hold_home(options.home)
        with home as held:
            _run_alone(options, held)
    except (HomeError, CannotListen, StoreFailed, BadNodeName) as error:
        raise CommandError(str(error), "nectar boot HOME --name NAME --port 0") from error
    except (KeyfileBroken, WrongPassword, BadPassword) as error:
        raise CommandError(str(error), "nectar boot HOME, with the password of its first boot") from error
    except ConfigError as error:
        raise CommandError(
            str(error), "nectar boot HOME --set section.key=value, with a setting listed above"
        ) from error
    except PackageError as error:
        raise CommandError(str(error), "correct that file, then the same command again") from error
    return 0


def _run_alone(options: BootOptions, home: Home) -> None:
    """Nurseries wrap what fails into groups; a boot fails for one reason."""
    try:
        trio.run(_run, options, home)
    except BaseExceptionGroup as group:
        raise sole_error(group) from None


def sole_error(error: BaseException) -> BaseException:
    """The one error in nested groups of one, or the group that holds several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _raise_file_limit() -> None:
    """A socket is a file: as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Signals:
    """The first SIGINT or SIGTERM asks the node to stop and starts a clock; a second one ends everything at once."""

    def __init__(self, home: Home, *, temporary: bool) -> None:
        self._home = home
        self._temporary = temporary
        self._token = trio.lowlevel.current_trio_token()
        self.asked = trio.Event()
        self._seen = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        former = {number: signal.signal(number, self._arrived) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._seen:
            self.leave(1)
        self._seen = True
        threading.Thread(target=self._last_call, name="nectar last call", daemon=True).start()
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.asked.set, idempotent=True)

    def _last_call(self) -> None:
        time.sleep(LAST_SECONDS)  # a thread of its own, because the event loop may be held
        self.leave(0)

    def leave(self, code: int) -> None:
        """Without waiting for anything or anybody. What was acknowledged is on the disk."""
        with suppress(OSError):
            remove_node_file(self._home.path)
            self._home.lock.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self._home.path, ignore_errors=True)
        sys.stdout.flush()
        os._exit(code)


@attrs.frozen
class _Opened:
    """What `_run` has open."""

    options: BootOptions
    home: Home
    settings: Settings
    workers: ThreadWorkers
    console: LogConsole
    signals: _Signals


async def _run(options: BootOptions, home: Home) -> None:
    settings = load_settings(home.config, _settings_of(options))
    console = LogConsole(
        verbosity=settings.log.verbosity if options.verbosity is None else options.verbosity,
        log_format=settings.log.format if options.log is None else options.log,
        folder=home.logs,
    )
    signals = _Signals(home, temporary=options.home is None)
    try:
        with signals.caught():
            await _run_opened(_Opened(options, home, settings, ThreadWorkers(), console, signals))
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
    packages = [await workers.run(read_package, folder) for folder in options.packages]
    listener = await TcpListener.open(options.bind, options.port)
    store = await SqliteStore.open(home.store, workers)
    token = chance.secret("rpc token", 32).hex()
    devices = Devices(
        chance, store, await FolderDisk.open(home.drives, workers), listener, opened.console, time.time
    )
    secrets = NodeSecrets(
        identity,
        identity.jwt_secret,
        keyfile.to_bytes(),
        partial(_is_password, keyfile, workers),
        token,
    )
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run, partial(_report, opened, identity.name))
            async with open_node(
                identity.name, devices, secrets, http=opened.settings.http, packages=packages
            ) as node:
                await _serve(opened, node, token, nursery)
            nursery.cancel_scope.cancel()
    finally:
        remove_node_file(home.path)
        await store.aclose()


async def _serve(opened: _Opened, node: Node, token: str, nursery: trio.Nursery) -> None:
    """From ready to stopped."""
    home, report = opened.home, partial(_report, opened, node.name)
    write_node_file(home.path, NodeFile(os.getpid(), node.url, node.name), token)
    nursery.start_soon(Watchdog(report).run)
    if opened.options.dev:
        for folder in opened.options.packages:
            nursery.start_soon(watch, node, folder, opened.workers, report)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
    sys.stdout.write(f"ready: {node.url}\n")
    sys.stdout.flush()
    await opened.signals.asked.wait()
    if await node.stop():
        # An abandoned process may never end, and its task with it: leave without it.
        opened.console.close()
        opened.signals.leave(0)


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
                f"{opened.home.path} has no node yet, and it needs a name", "nectar boot HOME --name NAME"
            )
        password = options.password.read(first_boot=True)
        keyfile = await workers.run(create_keyfile, name, password, chance)
        await workers.run(keyfile.write, path)
        return keyfile, await workers.run(keyfile.unlock, password)
    keyfile = await workers.run(Keyfile.read, path)
    if options.name is not None and options.name != keyfile.name:
        raise CommandError(
            f"the node in {opened.home.path} is called {keyfile.name!r}, not {options.name!r}",
            f"nectar boot {opened.home.path}, without --name",
        )
    return keyfile, await workers.run(keyfile.unlock, options.password.read(first_boot=False))
