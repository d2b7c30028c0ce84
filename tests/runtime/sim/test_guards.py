"""Packages as users write them, loaded in a world: what is pure works, what escapes is told at its line (DESIGN 7)."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest

from kernel.address import Address, ProcessId
from kernel.errors import ProgramError
from runtime.loader import DiskPrograms
from runtime.sim.disk import MemoryDisk
from runtime.sim.escapes import EscapedSimulation
from runtime.sim.guards import WorldGuard
from runtime.sim.workers import InlineWorkers
from tests.support.sim_home import NotAnswered, SimHome, package

CHESS = ProcessId("chess", "chess", "nectar")
OUR = Address("alice.uq", CHESS)
PATH = "/chess:nectar/pkg/chess.py"


async def run(source: str, guard: WorldGuard | None = None, others: Mapping[str, str] | None = None) -> Any:
    """What `init` returns of a package with this `chess.py`."""
    disk = MemoryDisk()
    for name, text in {"chess.py": source, **(others or {})}.items():
        await disk.write(f"chess:nectar/pkg/{name}", text.encode())
    guard = guard or WorldGuard()
    init = (await DiskPrograms(disk, InlineWorkers(), lambda package: guard).prepare(CHESS, PATH)).fresh()
    return await init(OUR)


async def value(imports: str, expression: str) -> object:
    return await run(f"{imports}\nasync def init(our):\n    return {expression}\n")


async def escape(imports: str, expression: str) -> EscapedSimulation:
    with pytest.raises(EscapedSimulation) as caught:
        await value(imports, expression)
    assert (caught.value.file, caught.value.line) == (PATH, imports.count("\n") + 3)
    return caught.value


ESCAPES = [
    ("import time", "time.time()", "process_lib.now()"),
    ("import time as clock", "clock.monotonic_ns()", "process_lib.now()"),
    ("from time import time", "time()", "process_lib.now()"),
    ("from time import perf_counter as pc", "pc()", "process_lib.now()"),
    ("from time import *", "time()", "process_lib.now()"),
    ("import time", "time.sleep(1)", "await process_lib.sleep(seconds)"),
    ("import time", "time.gmtime()", "time.gmtime(process_lib.now())"),
    ("import time", "time.strftime('%Y')", "time.gmtime(process_lib.now())"),
    ("import time", "time.localtime(0)", "time.gmtime(seconds)"),
    ("import datetime", "datetime.datetime.now()", "fromtimestamp(process_lib.now()"),
    ("from datetime import datetime", "datetime.utcnow()", "process_lib.now()"),
    ("from datetime import datetime, timezone", "datetime.now(timezone.utc)", "process_lib.now()"),
    ("import datetime as dt", "dt.date.today()", "process_lib.now()"),
    ("from datetime import datetime", "datetime.fromtimestamp(0)", "timezone.utc"),
    ("from datetime import datetime", "datetime(2020, 1, 1).timestamp()", "timezone.utc"),
    ("from datetime import datetime", "datetime(2020, 1, 1).astimezone()", "timezone.utc"),
    ("import random", "random.random()", "process_lib.random()"),
    ("from random import choice", "choice([1, 2])", "process_lib.random()"),
    ("from random import shuffle as mix", "mix([1, 2])", "process_lib.random()"),
    ("import random", "random.seed(1)", "process_lib.random()"),
    ("import random", "random.Random()", "give a seed"),
    ("import random", "random.SystemRandom()", "process_lib.random()"),
    ("import secrets", "secrets.token_hex(8)", "process_lib.random()"),
    ("from secrets import randbelow", "randbelow(8)", "process_lib.random()"),
    ("import uuid", "uuid.uuid4()", "process_lib.random().getrandbits(128)"),
    ("from uuid import uuid1", "uuid1()", "process_lib.random()"),
    ("import os", "os.urandom(8)", "process_lib.random()"),
    ("import os", "os.listdir('.')", "vfs:sys:nectar"),
    ("import os", "os.environ['HOME']", "the machine"),
    ("import os", "os.environ.get('HOME')", "the machine"),
    ("import os", "'HOME' in os.environ", "the machine"),
    ("import os", "list(os.environ)", "the machine"),
    ("import os", "os.environ.update({})", "the machine"),
    ("import os", "os.getenv('HOME')", "the machine"),
    ("import os", "os.getpid()", "the machine"),
    ("import os", "os.system('ls')", "process_lib.spawn"),
    ("import os", "os.path.exists('/')", "vfs:sys:nectar"),
    ("import os.path", "os.path.isfile('/')", "vfs:sys:nectar"),
    ("from os.path import exists", "exists('/')", "vfs:sys:nectar"),
    ("from os import path", "path.getsize('/')", "vfs:sys:nectar"),
    ("", "open('x')", "vfs:sys:nectar"),
    ("", "input()", "await_message"),
    ("import io", "io.open('x')", "vfs:sys:nectar"),
    ("from pathlib import Path", "Path('x').read_text()", "vfs:sys:nectar"),
    ("import pathlib", "pathlib.Path.home()", "vfs:sys:nectar"),
    ("import tempfile", "tempfile.mkdtemp()", "vfs:sys:nectar"),
    ("import shutil", "shutil.rmtree('x')", "vfs:sys:nectar"),
    ("import socket", "socket.socket()", "send a message"),
    ("from socket import create_connection", "create_connection(('127.0.0.1', 1))", "send a message"),
    ("import urllib.request", "urllib.request.urlopen('http://127.0.0.1')", "send a message"),
    ("from urllib.request import urlopen", "urlopen('http://127.0.0.1')", "send a message"),
    ("import http.client as c", "c.HTTPConnection('127.0.0.1')", "send a message"),
    ("import threading", "threading.Thread(target=print)", "start_soon"),
    ("import threading", "threading.Event()", "start_soon"),
    ("import _thread", "_thread.start_new_thread(print, ())", "start_soon"),
    ("import concurrent.futures", "concurrent.futures.ThreadPoolExecutor()", "start_soon"),
    ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor()", "start_soon"),
    ("from concurrent import futures", "futures.ProcessPoolExecutor()", "start_soon"),
    ("import subprocess", "subprocess.run(['ls'])", "process_lib.spawn"),
    ("import multiprocessing", "multiprocessing.Process()", "process_lib.spawn"),
    ("import asyncio", "asyncio.run(None)", "trio"),
    ("import asyncio", "asyncio.sleep(1)", "await process_lib.sleep(seconds)"),
    ("import asyncio", "asyncio.events", "trio"),
    ("import trio", "trio.open_tcp_stream('127.0.0.1', 1)", "send a message"),
    ("import trio", "trio.to_thread.run_sync(print)", "start_soon"),
    ("from trio.to_thread import run_sync", "run_sync(print)", "start_soon"),
    ("import trio", "trio.socket.socket()", "send a message"),
    ("import trio", "trio.Path('x')", "vfs:sys:nectar"),
    ("import trio", "trio.run_process(['ls'])", "process_lib.spawn"),
    ("import signal", "signal.alarm(1)", "the machine"),
    ("import importlib", "importlib.import_module('time').time()", "process_lib.now()"),
    ("from importlib import import_module", "import_module('secrets').token_hex(1)", "process_lib.random()"),
    ("", "__import__('time').time()", "process_lib.now()"),
    ("", "eval('__import__(\"uuid\").uuid4()')", "process_lib.random()"),
]


@pytest.mark.parametrize(("imports", "expression", "instead"), ESCAPES)
async def test_what_escapes_says_where_and_what_to_write_instead(imports: str, expression: str, instead: str):
    if expression.startswith("eval"):
        with pytest.raises(EscapedSimulation, match="getrandbits"):
            await value(imports, expression)
        return
    error = await escape(imports, expression)
    assert instead in error.instead
    assert str(error).startswith(f"{PATH}:{error.line}: ")


PURE = [
    ("import time", "time.strftime('%Y', time.gmtime(0))", "1970"),
    ("import time", "time.strptime('1971', '%Y').tm_year", 1971),
    ("import time", "isinstance(time.gmtime(0), time.struct_time)", True),
    ("from datetime import timedelta", "timedelta(days=1).total_seconds()", 86400.0),
    ("from datetime import datetime", "str(datetime(2020, 1, 2))", "2020-01-02 00:00:00"),
    ("import datetime as d", "d.datetime.fromtimestamp(0, d.timezone.utc).isoformat()", "1970-01-01T00:00:00+00:00"),
    ("import datetime as d", "d.datetime(1970, 1, 2, tzinfo=d.timezone.utc).timestamp()", 86400.0),
    ("import datetime as d", "d.datetime.fromisoformat('2020-01-02') - d.datetime(2020, 1, 1)", dt.timedelta(1)),
    ("import datetime as d", "d.datetime.strptime('2020', '%Y') == d.datetime(2020, 1, 1)", True),
    ("import datetime as d", "isinstance(d.datetime(2020, 1, 1) + d.timedelta(1), d.datetime)", True),
    ("import datetime as d", "issubclass(d.datetime, d.date) and isinstance(d.datetime(1, 1, 1), d.date)", True),
    ("import datetime as d", "repr(d.datetime(2020, 1, 1))", "datetime.datetime(2020, 1, 1, 0, 0)"),
    ("import random", "random.Random(5).random()", random.Random(5).random()),
    ("import random", "isinstance(random.Random('x'), random.Random)", True),
    ("import uuid", "str(uuid.UUID(int=7))", "00000000-0000-0000-0000-000000000007"),
    ("import uuid", "uuid.uuid5(uuid.NAMESPACE_DNS, 'x').version", 5),
    ("import secrets", "secrets.compare_digest('a', 'a')", True),
    ("import os", "os.path.join('a', 'b') + os.sep + os.fspath('c')", "a/b/c"),
    ("import os.path as p", "p.basename('/a/b')", "b"),
    ("import io", "io.BytesIO(b'x').read()", b"x"),
    ("from pathlib import Path", "str(Path('/a') / 'b') + Path('x.py').suffix", "/a/b.py"),
    ("from pathlib import PurePath", "PurePath('a').name", "a"),
    ("import socket", "(socket.inet_aton('1.2.3.4'), socket.AF_INET.name)", (b"\1\2\3\4", "AF_INET")),
    ("import threading", "threading.Lock().acquire()", True),
    ("import asyncio", "issubclass(asyncio.CancelledError, BaseException)", True),
    ("import subprocess", "issubclass(subprocess.CalledProcessError, Exception)", True),
    ("import urllib.parse", "urllib.parse.quote('a b')", "a%20b"),
    ("import http", "http.HTTPStatus.OK.value", 200),
    ("from http import HTTPStatus", "HTTPStatus.NOT_FOUND.value", 404),
    ("import trio", "trio.Event().is_set()", False),
    ("import json, re, math, itertools", "json.loads('[1]')", [1]),
    ("import importlib", "importlib.import_module('json').dumps(1)", "1"),
]  # fmt: skip


@pytest.mark.parametrize(("imports", "expression", "expected"), PURE)
async def test_what_is_pure_works_as_ever(imports: str, expression: str, expected: object):
    assert await value(imports, expression) == expected


async def test_types_of_what_escapes_can_be_named_and_derived_from():
    source = """
import asyncio, socket, threading
from datetime import datetime

class Mine(threading.Thread):
    name = "mine"

class Birthday(datetime):
    pass

async def init(our, a: socket.socket | None = None, b: "asyncio.Queue[int]" = None):
    kind = asyncio.Queue[int]
    assert not isinstance(datetime(2020, 1, 1), Birthday) and isinstance(Birthday(2020, 1, 1), datetime)
    return Mine.name, kind.__name__
"""
    assert await run(source) == ("mine", "Queue")


async def test_dates_and_generators_are_pickled_and_copied_as_the_real_ones():
    source = """
import copy, pickle
from datetime import datetime
from random import Random

async def init(our):
    generator = pickle.loads(pickle.dumps(Random(3)))
    return pickle.loads(pickle.dumps(datetime(2020, 1, 2))), copy.deepcopy(datetime(2020, 1, 3)), generator.random()
"""
    found = await run(source)
    first, second, drawn = found
    assert (first, second) == (
        dt.datetime.fromisoformat("2020-01-02"),
        dt.datetime.fromisoformat("2020-01-03"),
    )
    assert type(first) is dt.datetime
    assert drawn == random.Random(3).random()


def test_dates_of_the_real_world_pass_for_those_of_a_package():
    module = WorldGuard().module("datetime")
    assert isinstance(dt.datetime.fromisoformat("2020-01-01"), module.datetime)
    assert isinstance(dt.date(2020, 1, 1), module.date)
    assert not isinstance(dt.date(2020, 1, 1), module.datetime)


async def test_an_escape_while_a_module_is_loaded_is_an_install_error_at_its_line():
    with pytest.raises(ProgramError, match=r"line 2: EscapedSimulation: .*process_lib\.now\(\)"):
        await run("import time\nSTARTED = time.time()\nasync def init(our): pass")


async def test_an_escape_that_the_package_catches_is_heard_of_all_the_same():
    heard: list[EscapedSimulation] = []
    source = """
import time
async def init(our):
    try:
        return time.time()
    except Exception:
        return "caught"
"""
    assert await run(source, WorldGuard(heard.append)) == "caught"
    assert [(error.what, error.line) for error in heard] == [("time.time()", 5)]


async def test_a_sibling_module_is_guarded_too_and_named():
    with pytest.raises(EscapedSimulation) as caught:
        await run("from . import late\nasync def init(our): return late.now()", others={"late.py": LATE})
    assert (caught.value.file, caught.value.line) == ("/chess:nectar/pkg/late.py", 3)


LATE = """from time import time
def now():
    return time()
"""


async def test_a_package_that_changes_a_module_changes_its_own_world_only():
    source = "import time\nasync def init(our):\n    time.time = lambda: 7.0\n    return time.time()"
    assert await run(source, WorldGuard()) == 7.0
    assert time.time() > 1e9
    await escape("import time", "time.time()")


CLOCKS = """
import time
from userland.process_lib import Response, await_message, now

async def init(our):
    while True:
        message = await await_message()
        Response().ipc(str(now() if message.ipc == b"legal" else time.time()).encode()).send()
"""


async def test_a_node_gives_the_guard_to_its_packages():
    heard: list[EscapedSimulation] = []
    guard = WorldGuard(heard.append)
    async with SimHome().booted(package(CLOCKS), guard=lambda package: guard) as node:
        assert float(await node.ask("app:app:me", "legal")) < 2e9
        with pytest.raises(NotAnswered):
            await node.ask("app:app:me", "escapes")
        last_error = (await node.ps())["app:app:me"]["last_error"]
    assert (
        "/app:me/pkg/app.py:8: time.time() leaves the simulated world; write process_lib.now()" in last_error
    )
    assert [(error.file, error.line) for error in heard] == [("/app:me/pkg/app.py", 8)]


async def test_production_sees_the_real_thing():
    disk = MemoryDisk()
    await disk.write("chess:nectar/pkg/chess.py", b"import time\nasync def init(our): return time.time()")
    init = (await DiskPrograms(disk, InlineWorkers()).prepare(CHESS, PATH)).fresh()
    assert await init(OUR) > 1e9


@pytest.mark.parametrize("name", ["json", "userland.process_lib", "collections.abc", "no_such_module"])
def test_other_modules_are_the_real_ones(name: str):
    assert WorldGuard().module(name) is None
