"""The browser client's own types, and what its package says of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.live_process import ROOT

CLIENT = ROOT / "userland" / "client"
COMPILER = ROOT / ".venv" / "typescript" / "node_modules" / ".bin" / "tsc"
OPTIONS = {
    "allowJs": True, "checkJs": True, "strict": True, "noUnusedLocals": True,
    "target": "es2022", "module": "esnext", "moduleResolution": "bundler", "lib": ["es2022", "dom"], "types": [],
}  # fmt: skip

# What a page may write, and what it may not.
PAGE = """
import Api, { NectarEncryptorApi, NectarError, type Options } from "./client/index.js";
const options: Options = {
  nodeId: window.our?.node,
  processId: "chat:chat:nectar",
  onOpen: (event: Event, api) => api.send({ data: { text: "hello" } }),
  onMessage: (data, api, frame: string | ArrayBuffer) => api.close(),
  onClose: (event) => event.code.toFixed(),
  onError: (error: NectarError) => error.kind === "refused",
};
const api: NectarEncryptorApi = new Api(options);
const games: Promise<string[]> = api.fetchJson<string[]>("/games", { body: { all: true } });
const same: typeof Api = window.NectarEncryptorApi;
// @ts-expect-error: a message has data
api.send("text");
// @ts-expect-error: such a handler is none
new Api({ onopen: () => {} });
// @ts-expect-error: such a kind is none
new NectarError("lost", "text");
export { games, same };
"""
# The class that is, where the class is wanted that index.d.ts tells of.
TWIN = """
import Made from "./made/index.js";
import Told from "./client/index.js";
export const twin: typeof Told = Made;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not COMPILER.exists():
        pytest.skip("there is no TypeScript: scripts/browser installs it where there is npm")
    shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("node_modules"))
    return tmp_path


def compile_types(folder: Path, files: list[str], **options: object) -> str:
    """What the compiler says against them."""
    config = {"compilerOptions": OPTIONS | options, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [COMPILER, "-p", "."], cwd=folder, capture_output=True, check=False, text=True, timeout=60
    )
    return done.stdout + done.stderr


def test_the_module_keeps_its_types(folder: Path):
    assert compile_types(folder, ["client/index.js"], noEmit=True) == ""


def test_the_types_allow_what_a_page_does_and_catch_what_it_does_wrong(folder: Path):
    (folder / "page.ts").write_text(PAGE)
    assert compile_types(folder, ["page.ts"], noEmit=True) == ""


def test_the_types_told_are_those_of_the_module(folder: Path):
    made = {"declaration": True, "emitDeclarationOnly": True, "outDir": "made", "rootDir": "client"}
    assert compile_types(folder, ["client/index.js"], **made) == ""
    shutil.copy(folder / "client" / "index.d.ts", folder / "made" / "told.d.ts")
    made_types = folder / "made" / "index.d.ts"
    made_types.write_text(made_types.read_text().replace('"./index.d.ts"', '"./told.js"'))
    (folder / "twin.ts").write_text(TWIN)
    assert compile_types(folder, ["twin.ts"], noEmit=True) == ""


def test_the_package_has_every_file_it_names():
    package = json.loads((CLIENT / "package.json").read_text())
    named = [*package["files"], package["types"], *package["exports"]["."].values()]
    assert [name for name in named if not (CLIENT / name).is_file()] == []
    assert "dependencies" not in package
