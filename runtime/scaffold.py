"""`nectar new`: a package made of an example app, under a name of its own.

A template is an app of `userland/apps` and what `userland/templates` adds to it: its tests. Whatever is called
`chat:chat:nectar` in either becomes the process of the new package; nothing else is changed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import attrs

from kernel.address import is_safe
from runtime.command_error import USAGE, CommandError

USERLAND = Path(__file__).resolve().parent.parent / "userland"
APPS, TEMPLATES = USERLAND / "apps", USERLAND / "templates"
_LEFT_OUT = ("__pycache__",)


@attrs.frozen
class New:
    """`package` None: called like the folder."""

    folder: Path
    template: str
    package: str | None
    publisher: str
    ui: bool


def templates() -> list[str]:
    """The names of those there are."""
    return sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "tests.toml").is_file())


def write_package(new: New) -> None:
    """Says on stdout what to do with it. Raises `CommandError`."""
    name = new.package or new.folder.resolve().name
    if not is_safe(name):
        problem = f"{name!r} cannot name a package: use letters, digits, '_', '-' and '.' only"
        raise CommandError(
            problem, f"nectar new {new.folder} --template {new.template} --package NAME", USAGE
        )
    if new.template not in templates():
        problem = f"there is no template {new.template!r}: there are {', '.join(templates())}"
        raise CommandError(problem, f"nectar new {new.folder} --template {templates()[0]}", USAGE)
    files = _renamed(_files(new.template, with_ui=new.ui), new.template, name, new.publisher)
    try:
        _write(new.folder, files)
    except OSError as error:
        problem = f"cannot write {error.filename or new.folder}: {error.strerror}"
        raise CommandError(problem, f"nectar new DIR --template {new.template}") from None
    process = f"{name}:{name}:{new.publisher}"
    page = f"\nand its page is at http://127.0.0.1:8080/{process}/ when it runs" if new.ui else ""
    sys.stdout.write(
        f"wrote {new.folder}, whose process is {process}{page}\n"
        f"run it:  nectar dev {new.folder}\n"
        f"test it: cd {new.folder} && nectar run-tests\n"
    )
    sys.stdout.flush()


def _files(template: str, *, with_ui: bool) -> dict[Path, bytes]:
    """By their paths in the package."""
    app, added = APPS / template, TEMPLATES / template
    found = {Path("metadata.json"): (app / "metadata.json").read_bytes()}
    for top, base in ((app / "pkg", app), (added, added)):
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(base)
            if path.is_file() and not any(part in _LEFT_OUT for part in inside.parts):
                found[inside] = path.read_bytes()
    if with_ui:
        return found
    return {path: data for path, data in found.items() if path.parts[:2] != ("pkg", "ui")}


def _renamed(files: dict[Path, bytes], template: str, name: str, publisher: str) -> dict[Path, bytes]:
    """The package's names, and those of its process, which in the template are all called like that."""
    old, new = f"{template}:{template}:nectar", f"{name}:{name}:{publisher}"
    renamed: dict[Path, bytes] = {}
    for path, data in files.items():
        text = data.decode().replace(old, new)
        if path == Path("metadata.json"):
            text = re.sub(r'("package":\s*)"[^"]*"', rf'\1"{name}"', text, count=1)
            text = re.sub(r'("publisher":\s*)"[^"]*"', rf'\1"{publisher}"', text, count=1)
        elif path == Path("pkg", "manifest.json"):
            text = re.sub(rf'("process_name":\s*)"{template}"', rf'\1"{name}"', text)
        renamed[path] = text.encode()
    return renamed


def _write(folder: Path, files: dict[Path, bytes]) -> None:
    """Raises `CommandError` when something is there already, OSError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(
            f"{folder} is there already, and not empty", "nectar new ANOTHER_DIR --template NAME"
        )
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
