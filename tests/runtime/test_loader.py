from __future__ import annotations

import errno
import gc
import linecache
import sys
import traceback
import typing
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import ClassVar, ParamSpec, TypeVar

import pytest

from kernel.address import Address, PackageId, ProcessId
from kernel.errors import NoSuchFile, ProgramError
from runtime.loader import DiskPrograms, PythonProgram
from runtime.package_code import compile_package
from runtime.sim.disk import MemoryDisk
from runtime.sim.workers import InlineWorkers

P = ParamSpec("P")
T = TypeVar("T")

CHESS = ProcessId("chess", "chess", "nectar")
OUR = Address("alice.uq", CHESS)
PATH = "/chess:nectar/pkg/chess.py"
INIT = "async def init(our): "


async def disk_with(files: Mapping[str, str | bytes], drive: str = "chess:nectar/pkg") -> MemoryDisk:
    disk = MemoryDisk()
    for path, text in files.items():
        await disk.write(f"{drive}/{path}", text if isinstance(text, bytes) else text.encode())
    return disk


async def programs(files: Mapping[str, str | bytes]) -> DiskPrograms:
    return DiskPrograms(await disk_with(files), InlineWorkers())


async def run(files: Mapping[str, str | bytes], path: str = PATH) -> object:
    """What `init` of the program at the path returns."""
    program = await (await programs(files)).prepare(CHESS, path)
    init = program.fresh()
    return await init(OUR)


async def refusal(files: Mapping[str, str | bytes], path: str = PATH) -> ProgramError:
    loader = await programs(files)
    with pytest.raises(ProgramError) as caught:
        await loader.prepare(CHESS, path)
    return caught.value


async def test_a_module_is_found_by_its_vfs_path_and_run_with_its_address() -> None:
    assert await run({"chess.py": INIT + "return str(our)"}) == str(OUR)


@pytest.mark.parametrize(
    "path", ["chess.py", "/chess.py", "./chess.py", "/chess.wasm", "chess:nectar/pkg/chess.py"]
)
async def test_other_spellings_of_the_path_mean_the_same_module(path: str) -> None:
    assert await run({"chess.py": INIT + "return 1"}, path) == 1


async def test_a_component_falls_back_to_the_module_beside_it() -> None:
    assert await run({"chess.py": INIT + "return 1", "chess.wasm": b"\0asm"}, "/chess.wasm") == 1


async def test_a_function_that_outlives_its_modules_still_finds_its_siblings_and_takes_nobody_s_name() -> (
    None
):
    """A child of `spawn(name, fn=..)` whose parent has ended, and been started again (PROTOCOL 5.1)."""
    late = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass X:\n    a: int = 7"
    code = "def child():\n    from .late import X\n    return X().a, X.__module__\n" + INIT + "return child"
    program = await (await programs({"chess.py": code, "late.py": late})).prepare(CHESS, PATH)
    child = await program.fresh()(OUR)
    gc.collect()
    again = program.fresh()
    its = await again(OUR)
    assert callable(child)
    assert callable(its)
    known = dict(sys.modules)
    assert child()[0] == 7
    assert sys.modules == known
    name = its()[1]
    assert sys.modules[name].X.__module__ == name
    former = sys.modules[name]
    assert child()[0] == 7
    assert sys.modules[name] is former


async def test_a_component_alone_is_refused_with_what_to_add() -> None:
    error = await refusal({"chess.wasm": b"\0asm"}, "/chess.wasm")
    assert "chess.py" in error.fix


async def test_code_may_lie_in_another_drive_of_the_package() -> None:
    disk = await disk_with({"made.py": INIT + "return 2"}, drive="chess:nectar/data")
    program = await DiskPrograms(disk, InlineWorkers()).prepare(CHESS, "/chess:nectar/data/made.py")
    assert await program.fresh()(OUR) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "from . import model\nvalue = model.VALUE",
        "from .model import VALUE as value",
        "from .model import *\nvalue = VALUE",
        "from .rules import moves\nvalue = moves.UP",
        "from .rules.moves import UP as value",
        "from . import rules\nfrom .rules import moves\nvalue = rules.moves.UP",
        "from .open_folder.deep import below\nvalue = below.WAY_UP",
    ],
)
async def test_siblings_and_nested_packages_are_imported_with_dots(statement: str) -> None:
    files = {
        "chess.py": f"{statement}\n{INIT}return value",
        "model.py": "VALUE = 5",
        "rules/__init__.py": "",
        "rules/moves.py": "from ..model import VALUE\nUP = VALUE",
        "open_folder/deep/below.py": "from ...rules.moves import UP\nWAY_UP = UP",
    }
    assert await run(files) == 5


async def test_modules_may_import_each_other() -> None:
    files = {
        "chess.py": f"from . import other\nMINE = 1\n{INIT}return other.both()",
        "other.py": "from . import chess\ndef both(): return chess.MINE + 1",
    }
    assert await run(files) == 2


async def test_a_package_folder_of_its_own_may_say_what_is_in_it() -> None:
    files = {"chess.py": f"from . import NAME\n{INIT}return NAME", "__init__.py": "NAME = 'x'"}
    assert await run(files) == "x"


async def test_each_start_gets_new_modules() -> None:
    loader = await programs(
        {"chess.py": f"from . import model\n{INIT}return model.seen", "model.py": "seen = []"}
    )
    program = await loader.prepare(CHESS, PATH)
    first, second = await program.fresh()(OUR), await program.fresh()(OUR)
    assert first == second == []
    assert first is not second


async def test_nothing_enters_sys_modules_under_a_name_that_a_user_could_import() -> None:
    before = set(sys.modules)
    loader = await programs({"model.py": "", "chess.py": f"from . import model\n{INIT}pass"})
    init = (await loader.prepare(CHESS, PATH)).fresh()
    assert sorted(set(sys.modules) - before) == [
        "<chess:chess:nectar>",
        "<chess:chess:nectar>.chess",
        "<chess:chess:nectar>.model",
    ]
    del init
    assert set(sys.modules) == before


async def test_the_names_of_two_nodes_in_one_interpreter_differ() -> None:
    starts = [
        (await (await programs({"chess.py": INIT + "return __name__"})).prepare(CHESS, PATH))
        for _ in range(2)
    ]
    inits = [program.fresh() for program in starts]
    names = [await init(OUR) for init in inits]
    assert names == ["<chess:chess:nectar>.chess", "<chess:chess:nectar 2>.chess"]


async def test_the_names_stay_while_the_process_runs() -> None:
    loader = await programs({"chess.py": f"import sys\n{INIT}return __name__ in sys.modules"})
    init = (await loader.prepare(CHESS, PATH)).fresh()
    assert await init(OUR) is True


CLASSES = """
from __future__ import annotations
import dataclasses, enum, typing
import attrs

class Colour(enum.Enum):
    white = 1

@attrs.define
class Move:
    colour: Colour
    after: Move | None = None

@dataclasses.dataclass
class Game:
    moves: list[Move]
    kind: typing.ClassVar[str] = "chess"

class Pair(typing.NamedTuple):
    a: Move

async def init(our):
    assert attrs.asdict(Move(Colour.white)) == {"colour": Colour.white, "after": None}
    assert [f.name for f in dataclasses.fields(Game)] == ["moves"]
    attrs.resolve_types(Move)
    return [typing.get_type_hints(t) for t in (Move, Game, Pair)], Move, Colour
"""


async def test_attrs_dataclasses_and_type_hints_find_their_module() -> None:
    found = await run({"chess.py": CLASSES})
    assert isinstance(found, tuple)
    hints, move, colour = found
    assert hints[0] == {"colour": colour, "after": move | None}
    assert typing.get_args(hints[1]["moves"]) == (move,)
    assert hints[2] == {"a": move}


async def test_a_traceback_shows_file_line_and_text() -> None:
    loader = await programs({"chess.py": f"{INIT}\n    board = None\n    board.move()"})
    init = (await loader.prepare(CHESS, PATH)).fresh()
    with pytest.raises(AttributeError) as caught:
        await init(OUR)
    linecache.checkcache()
    text = "".join(traceback.format_exception(caught.value))
    assert 'File "/chess:nectar/pkg/chess.py", line 3, in init' in text
    assert "board.move()" in text


@pytest.mark.parametrize(
    ("source", "problem", "fix"),
    [
        ("async def init(our:", "line 1: '(' was never closed", "correct that line"),
        (b"x = '\xff'\n", "line 1", "correct that line"),
        ("\0", "null", ""),
        ("", "has no `init`", "async def init(our: Address) -> None:"),
        ("init = 5", "no function", "async def"),
        ("def init(our): pass", "not async", "async def"),
        ("async def init(our): yield 1", "yield", "yield"),
        ("async def init(): pass", "one argument", "async def"),
        ("async def init(our, more): pass", "one argument", "async def"),
        (
            "x = 1\nimport nothing_of_that_name",
            "line 2: ModuleNotFoundError",
            "install 'nothing_of_that_name'",
        ),
        ("from os import nothing", "line 1: ImportError", "correct the import"),
        ("from .nothing import x", "ModuleNotFoundError: no module 'nothing'", "import"),
        ("from .. import x", "beyond the package", "correct the import"),
        ("1 / 0", "line 1: ZeroDivisionError: division by zero", "into `init`"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3", "do not exit"),
        ("class E(BaseException): pass\nraise E()", "line 2: E", "into `init`"),
        ("class E(Exception):\n def __str__(self): 1/0\nraise E()", "its text raises", "into `init`"),
    ],
)
async def test_code_that_cannot_become_a_process_is_refused(
    source: str | bytes, problem: str, fix: str
) -> None:
    error = await refusal({"chess.py": source})
    assert error.file == PATH
    assert problem in error.problem
    assert fix in error.fix


async def test_a_failure_inside_a_sibling_names_the_sibling() -> None:
    error = await refusal(
        {"chess.py": f"from . import model\n{INIT}pass", "model.py": "\n\nraise KeyError('x')"}
    )
    assert (error.file, error.problem) == ("/chess:nectar/pkg/model.py", "line 3: KeyError: 'x'")


async def test_every_module_of_the_drive_must_compile() -> None:
    error = await refusal({"chess.py": INIT + "pass", "later.py": "def"})
    assert error.file == "/chess:nectar/pkg/later.py"


@pytest.mark.parametrize("path", ["ui/pyscript.py", "__pycache__/x.py", ".git/x.py", "rules/.x.py"])
async def test_files_that_are_none_of_the_program_are_not_compiled(path: str) -> None:
    assert await run({"chess.py": INIT + "return 1", path: "def"}) == 1


@pytest.mark.parametrize(
    "statement", ["import model", "from model import x", "import model.x as y", "import chess"]
)
async def test_a_bare_import_that_names_a_sibling_is_refused_with_the_right_spelling(statement: str) -> None:
    name = "chess" if statement == "import chess" else "model"
    error = await refusal({"chess.py": f"{INIT}\n    {statement}", "model.py": ""})
    assert "line 2" in error.problem
    assert f"from . import {name}" in error.fix


async def test_a_bare_import_in_a_nested_package_is_refused_alike() -> None:
    files = {"chess.py": INIT + "pass", "rules/moves.py": "import pieces", "rules/pieces.py": ""}
    assert (await refusal(files)).file == "/chess:nectar/pkg/rules/moves.py"


async def test_a_failed_start_leaves_no_names_behind() -> None:
    before = set(sys.modules)
    await refusal(
        {"chess.py": "from . import model\n1/0", "model.py": "", "__init__.py": "from . import model"}
    )
    await refusal({"chess.py": "", "model.py": "", "__init__.py": "from . import model\n1/0"})
    gc.collect()
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    "path",
    [
        "/no:body/pkg/chess.py",
        "/chess:nectar/pkg/no.py",
        "../x.py",
        "",
        "/a:b:c/pkg/x.py",
        "/chess:nectar/x.py",
    ],
)
async def test_a_path_without_a_file_is_no_such_file(path: str) -> None:
    with pytest.raises(NoSuchFile):
        await (await programs({"chess.py": INIT + "pass"})).prepare(CHESS, path)


async def test_a_missing_module_is_told_which_there_are() -> None:
    assert "/chess:nectar/pkg/chess.py" in (await refusal({"chess.py": INIT + "pass"}, "/ches.py")).fix


async def test_given_source_stands_for_the_file_and_is_not_kept() -> None:
    loader = await programs({"chess.py": INIT + "return 1", "model.py": "X = 3"})
    given = await loader.prepare(CHESS, PATH, f"from .model import X\n{INIT}return X".encode())
    assert await given.fresh()(OUR) == 3
    assert await (await loader.prepare(CHESS, PATH)).fresh()(OUR) == 1


async def test_given_source_needs_no_drive() -> None:
    loader = DiskPrograms(MemoryDisk(), InlineWorkers())
    program = await loader.prepare(CHESS, "/chess:nectar/pkg/chess.wasm", f"{INIT}return 4".encode())
    assert await program.fresh()(OUR) == 4


@pytest.mark.parametrize(
    "handle", ["123456", "", "/", "../x.py", "x.txt", "ui/x.py", "a.b.py", "?:1/x/y", "\0"]
)
async def test_given_source_needs_no_path(handle: str) -> None:
    """PROTOCOL 4.6: in E1 the handle is a number."""
    loader = await programs({"model.py": "X = 3"})
    process = ProcessId("che.ss", "chess", "nectar")
    program = await loader.prepare(process, handle, f"from .model import X\n{INIT}return X".encode())
    assert await program.fresh()(OUR) == 3


async def test_code_is_compiled_by_the_workers_and_not_again_to_be_checked() -> None:
    class Counting(InlineWorkers):
        done: ClassVar[list[str]] = []

        async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            self.done.append(work.__name__)
            return await super().run(work, *args, **kwargs)

    loader = DiskPrograms(await disk_with({"chess.py": INIT + "return 1"}), Counting())
    await loader.prepare(CHESS, PATH)
    await loader.prepare(CHESS, PATH, f"{INIT}return 2".encode())
    loader.check(CHESS, PATH, compile_package("/chess:nectar/pkg", {"chess.py": b"async def init(our): ..."}))
    assert Counting.done == ["compile_package", "compile_package"]


async def test_ready_finds_what_was_prepared_until_it_is_forgotten() -> None:
    disk = await disk_with({"chess.py": INIT + "return 1"})
    loader = DiskPrograms(disk, InlineWorkers())
    assert loader.ready(CHESS, PATH) is None
    await loader.prepare(CHESS, PATH)
    other = loader.ready(ProcessId("second", "chess", "nectar"), "chess.py")
    assert isinstance(other, PythonProgram)
    await disk.write("chess:nectar/pkg/chess.py", (INIT + "return 2").encode())
    loader.forget(PackageId("other", "nectar"))
    assert loader.ready(CHESS, PATH) is not None
    loader.forget(PackageId("chess", "nectar"))
    assert loader.ready(CHESS, PATH) is None
    assert await (await loader.prepare(CHESS, PATH)).fresh()(OUR) == 2
    assert await other.fresh()(OUR) == 1


async def test_ready_knows_nothing_of_what_failed() -> None:
    loader = await programs({"chess.py": ""})
    with pytest.raises(ProgramError):
        await loader.prepare(CHESS, PATH)
    assert loader.ready(CHESS, PATH) is None
    assert loader.ready(CHESS, "../x.py") is None


async def test_code_is_read_again_when_it_was_forgotten_while_being_read() -> None:
    disk = await disk_with({"chess.py": INIT + "return 1"})
    loader = DiskPrograms(disk, InlineWorkers())
    read = disk.read

    async def read_and_change(path: str) -> bytes:
        data = await read(path)
        loader.forget(PackageId("chess", "nectar"))
        return data

    disk.read = read_and_change  # type: ignore[method-assign]
    await loader.prepare(CHESS, PATH)
    assert loader.ready(CHESS, PATH) is None


class StoppedClock:
    """A world in which `time` is a stand-in and `open` is closed."""

    def __init__(self) -> None:
        self.clock = ModuleType("time")
        self.clock.__dict__["time"] = lambda: 42.0

    @property
    def builtins(self) -> Mapping[str, object]:
        return {"open": None}

    def module(self, name: str) -> ModuleType | None:
        return self.clock if name == "time" else None


@pytest.mark.parametrize(
    "statement", ["import time", "import time as time", "from time import time as t\ntime = None"]
)
async def test_a_guard_stands_before_the_imports_and_builtins_of_a_package(statement: str) -> None:
    call = "t()" if statement.startswith("from") else "time.time()"
    files = {"chess.py": f"{statement}\nimport os.path\n{INIT}return {call}, open, os.path.sep"}
    loader = DiskPrograms(await disk_with(files), InlineWorkers(), lambda package: StoppedClock())
    init: Callable[[Address], Awaitable[object]] = (await loader.prepare(CHESS, PATH)).fresh()
    assert await init(OUR) == (42.0, None, "/")
    assert open is not None


@pytest.mark.parametrize(
    ("path", "fix"),
    [("/notes.txt", "ends in .py"), ("/chess.v2.py", "letters, digits")],
)
async def test_a_file_that_cannot_be_a_module_is_told_apart_from_a_missing_one(path: str, fix: str) -> None:
    error = await refusal({"notes.txt": "", "chess.v2.py": INIT + "pass"}, path)
    assert not isinstance(error, NoSuchFile)
    assert fix in error.fix


async def test_a_source_that_is_nested_too_deeply_is_refused() -> None:
    error = await refusal({"chess.py": "x = " + "-" * 100_000 + "1"})
    assert error.file == PATH


async def test_a_disk_that_fails_is_told_with_its_reason() -> None:
    disk = await disk_with({"chess.py": INIT + "pass"})
    disk.broken = errno.EIO
    with pytest.raises(ProgramError, match="Input/output error"):
        await DiskPrograms(disk, InlineWorkers()).prepare(CHESS, PATH)
