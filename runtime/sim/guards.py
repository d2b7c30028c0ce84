"""What the code of packages sees of the standard library in a simulated world.

Only their own imports pass here: a library that they import has the real modules. What is pure works as ever. What
takes real time or chance, or touches files, sockets, threads or processes, raises `EscapedSimulation` when it is
called, and says what to write instead.
"""

from __future__ import annotations

import enum
import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

import attrs

from runtime.printing import console_print
from runtime.sim import guarded
from runtime.sim.escapes import EscapedSimulation, Escapes
from runtime.sim.guarded import FILES, NOW

_SLEEP = "write await process_lib.sleep(seconds)"
_CHANCE = "write process_lib.random(), a random.Random of the process"
_TASKS = "write process_lib.start_soon(fn, *args), or process_lib.spawn for a process"
_MESSAGES = "send a message: http_server, http_client and net speak with the outside"
_PROCESSES = "a node starts processes of its own only: process_lib.spawn"
_MACHINE = "the machine is none of the world's: take what differs from a message or a file of the package"
_LOOP = "tasks run on trio: process_lib.start_soon, sleep, await_message"


@attrs.frozen
class _Rule:
    """`refused` names, or with `pure` everything that can be called but those names, exceptions and enums. `instead`
    is what is said; `other` for single names. `closed` are values that nothing may be done with.
    """

    instead: str
    refused: tuple[str, ...] = ()
    pure: tuple[str, ...] | None = None
    closed: tuple[str, ...] = ()
    other: Mapping[str, str] = attrs.Factory(dict)

    def refuses(self, name: str, value: object) -> bool:
        if name.startswith("__") or isinstance(value, ModuleType):
            return False
        if self.pure is None:
            return name in self.refused
        harmless = isinstance(value, type) and issubclass(value, (BaseException, enum.Enum))
        return callable(value) and not harmless and name not in self.pure


_UUID4 = "write uuid.UUID(int=process_lib.random().getrandbits(128), version=4)"
_OS_PATH = _Rule(FILES, refused=(
    "abspath", "exists", "expanduser", "expandvars", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile",
    "isjunction", "islink", "ismount", "lexists", "realpath", "samefile", "sameopenfile", "samestat",
))  # fmt: skip
_RULES: Mapping[str, _Rule] = {
    "time": _Rule(
        NOW,
        pure=("struct_time", "strptime", "gmtime", "asctime", "strftime"),
        other={
            "sleep": _SLEEP,
            "localtime": "write time.gmtime(seconds)",
            "ctime": "write time.asctime(time.gmtime(seconds))",
            "mktime": "write calendar.timegm(parts)",
        },
    ),
    "datetime": _Rule(NOW),
    "random": _Rule(_CHANCE, pure=("Random",)),
    "secrets": _Rule(_CHANCE, pure=("compare_digest",)),
    "uuid": _Rule(_UUID4, refused=("uuid1", "uuid4", "uuid6", "uuid7", "uuid8", "getnode", "main")),
    "os": _Rule(
        _MACHINE,
        pure=("PathLike", "fsdecode", "fsencode", "fspath", "strerror", "stat_result"),
        closed=("environ", "environb"),
        other={
            "urandom": _CHANCE,
            "getrandom": _CHANCE,
            **dict.fromkeys(
                ("open", "fdopen", "listdir", "scandir", "stat", "mkdir", "makedirs", "remove", "rename", "walk"), FILES
            ),
            **dict.fromkeys(("system", "fork", "popen", "execv", "spawnv", "posix_spawn"), _PROCESSES),
        },
    ),
    "os.path": _OS_PATH,
    "posixpath": _OS_PATH,
    "posix": _Rule(_MACHINE, pure=("fspath", "strerror"), closed=("environ",)),
    "io": _Rule(FILES, refused=("open", "open_code", "FileIO")),
    "codecs": _Rule(FILES, refused=("open",)),
    "pathlib": _Rule(FILES, refused=("PosixPath", "WindowsPath")),
    "glob": _Rule(FILES, pure=("escape", "has_magic", "translate")),
    "shutil": _Rule(FILES, pure=()),
    "tempfile": _Rule(FILES, pure=()),
    "fileinput": _Rule(FILES, pure=()),
    "mmap": _Rule(FILES, pure=()),
    "socket": _Rule(
        _MESSAGES, pure=("htonl", "htons", "inet_aton", "inet_ntoa", "inet_ntop", "inet_pton", "ntohl", "ntohs")
    ),
    "select": _Rule(_MESSAGES, pure=()),
    "selectors": _Rule(_MESSAGES, pure=()),
    "socketserver": _Rule(_MESSAGES, pure=()),
    "ssl": _Rule(_MESSAGES, pure=()),
    "http.client": _Rule(_MESSAGES, pure=("parse_headers",)),
    "http.server": _Rule(_MESSAGES, pure=()),
    "urllib.request": _Rule(_MESSAGES, pure=("Request", "quote", "unquote", "pathname2url", "url2pathname")),
    "threading": _Rule(_TASKS, pure=("Lock", "RLock", "local", "current_thread", "main_thread", "WeakSet")),
    "_thread": _Rule(_TASKS, pure=("LockType", "RLock", "allocate", "allocate_lock")),
    "concurrent.futures": _Rule(_TASKS, pure=()),
    "multiprocessing": _Rule(_PROCESSES, pure=()),
    "subprocess": _Rule(_PROCESSES, pure=("CompletedProcess", "list2cmdline")),
    "signal": _Rule(_MACHINE, pure=()),
    "platform": _Rule(_MACHINE, pure=()),
    "getpass": _Rule(_MACHINE, pure=()),
    "asyncio": _Rule(
        _LOOP, pure=("iscoroutine", "iscoroutinefunction", "isfuture"), other={"sleep": _SLEEP, "to_thread": _TASKS}
    ),
    "trio": _Rule(
        _MESSAGES,
        refused=(
            "open_ssl_over_tcp_listeners", "open_ssl_over_tcp_stream", "open_tcp_listeners", "open_tcp_stream",
            "open_unix_socket", "serve_listeners", "serve_ssl_over_tcp", "serve_tcp", "SocketListener", "SocketStream",
            "run", "run_process", "open_file", "wrap_file", "Path", "Process", "open_signal_receiver",
        ),
        other={
            **dict.fromkeys(("open_file", "wrap_file", "Path"), FILES),
            **dict.fromkeys(("run", "open_signal_receiver"), _LOOP),
            **dict.fromkeys(("run_process", "Process"), _PROCESSES),
        },
    ),
    "trio.socket": _Rule(_MESSAGES, pure=("inet_aton", "inet_ntoa", "inet_ntop", "inet_pton", "htons", "ntohs")),
    "trio.to_thread": _Rule(_TASKS, pure=()),
    "trio.from_thread": _Rule(_TASKS, pure=()),
    "trio.lowlevel": _Rule(_LOOP, refused=(
        "open_process", "start_guest_run", "start_thread_soon", "wait_readable", "wait_writable", "add_instrument",
        "spawn_system_task", "current_clock", "current_trio_token",
    )),
}  # fmt: skip
_OPEN = ("open", "input")
_PARENTS = dict.fromkeys(name.rpartition(".")[0] for name in _RULES if "." in name)


class WorldGuard:
    """`runtime.modules.Guard` of one world, for all packages in it. `on_escape` hears of each escape in its step."""

    def __init__(self, on_escape: Callable[[EscapedSimulation], None] | None = None) -> None:
        self._escapes = escapes = Escapes(on_escape)
        self._made: dict[str, ModuleType] = {}
        self.builtins: Mapping[str, object] = {
            "print": console_print,
            "open": escapes.function("open", FILES),
            "input": escapes.function("input", "write await process_lib.await_message()"),
            "breakpoint": escapes.function(
                "breakpoint", "virtual time would pass: print, or look at the trace"
            ),
        }

    def module(self, name: str) -> ModuleType | None:
        made = self._made.get(name)
        if made is not None:
            return made
        real = sys.modules.get(name)
        if real is None or not (name in _RULES or name in _PARENTS or name == "importlib"):
            return None
        made = self._made[name] = guarded.blank(name, real)
        rule = _RULES.get(name)
        if rule is not None:
            made.__dict__.update(self._names(name, real, rule))
            made.__dict__.update(self._half_pure(name))
        made.__dict__["__getattr__"] = self._others(name, real, rule)
        return made

    def _names(self, name: str, real: ModuleType, rule: _Rule) -> dict[str, object]:
        """Those of the real module, with what escapes replaced. Modules are left to `_others`."""
        return {
            key: self._passed(name, key, value, rule)
            for key, value in vars(real).items()
            if not (key.startswith("__") or isinstance(value, ModuleType))
        }

    def _passed(self, name: str, key: str, value: object, rule: _Rule) -> object:
        what, instead = f"{name}.{key}", rule.other.get(key, rule.instead)
        if key in rule.closed:
            return self._escapes.value(what, instead)
        if not rule.refuses(key, value):
            return value
        if isinstance(value, type):
            return self._escapes.class_(what, instead)
        return self._escapes.function(what, instead)

    def _half_pure(self, name: str) -> Mapping[str, object]:
        escapes = self._escapes
        match name:
            case "time":
                return guarded.clock(escapes)
            case "datetime":
                return guarded.dates(escapes)
            case "random":
                return {"Random": guarded.generator(escapes)}
            case "pathlib":
                made = guarded.path(escapes)
                return {"Path": made, "PosixPath": made}
        return {}

    def _others(self, name: str, real: ModuleType, rule: _Rule | None) -> Callable[[str], object]:
        """The module's `__getattr__`: modules within it, which may be guarded themselves, and what it makes late."""

        def look(key: str) -> object:
            if name == "importlib" and key == "import_module":
                return self._import_module
            value = getattr(real, key)
            inner = f"{name}.{key}"
            if isinstance(value, ModuleType):
                found = self.module(inner) or self.module(value.__name__)
                if found is not None:
                    return found
                if rule is not None and rule.pure is not None:
                    self._escapes.refuse(inner, rule.instead)
            return value if rule is None else self._passed(name, key, value, rule)

        return look

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        found = importlib.import_module(name, package)
        return self.module(found.__name__) or found
