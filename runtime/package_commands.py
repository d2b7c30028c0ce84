"""`nectar start-package` and `remove-package`, through a running node's RPC route only (C-162)."""

from __future__ import annotations

import sys
from pathlib import Path

from kernel.address import IdentifierParseError, PackageId
from kernel.codec import Malformed
from kernel.jsontext import dump
from kernel.message import Payload
from runtime.command_error import USAGE, CommandError
from runtime.packages import compile_plan, read_package
from runtime.rpc_client import NodeDoor, call
from sys_processes.app_store.archive import pack
from sys_processes.app_store.core import (
    METADATA,
    InstallPlan,
    Surroundings,
    plan_install,
    right_text,
    unapproved,
)
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.manifest import parse_metadata
from sys_processes.app_store.protocol import (
    APP_STORE,
    STORE_ANSWER,
    STORE_REQUEST,
    Approved,
    ApprovedResponse,
    Install,
    InstallResponse,
    NewPackage,
    NewPackageResponse,
    Outcome,
    StoreAnswer,
    StoreRequest,
    Uninstall,
    UninstallResponse,
)
from sys_processes.http_server.rpc import BODY_BYTES

_MIME = "application/octet-stream"
# Of a call beside the base64 of its payload.
_ENVELOPE_BYTES = 4096


def start_package(door: NodeDoor, folder: Path, *, yes: bool, as_json: bool) -> None:
    """With `yes`, what it asks for is approved; else somebody at the terminal is asked. Raises `CommandError`."""
    plan = _checked(folder)
    packed = pack(plan.files)
    if len(packed) * 4 // 3 + _ENVELOPE_BYTES > BODY_BYTES:
        most = BODY_BYTES * 3 // 4 >> 20
        problem = f"{folder} is {len(packed) >> 20} MiB as a zip, and a node takes {most} MiB in one call"
        raise CommandError(problem, f"nectar boot --package {folder}")
    again = f"nectar start-package {folder}"
    new = NewPackage(plan.package, approve=yes or _approved(door, plan, folder))
    said = _done(door, new, NewPackageResponse(Outcome.Success), again, Payload(_MIME, packed))
    if said:
        sys.stderr.write(f"{said}\n")
    _done(door, Install(plan.package), InstallResponse(Outcome.Success), again)
    _write(
        {"installed": str(plan.package), "version": plan.version},
        f"installed {plan.package}",
        as_json=as_json,
    )


def remove_package(door: NodeDoor, package: str, *, as_json: bool) -> None:
    """`package` is an id or a folder. Raises `CommandError`."""
    found = _package_id(package)
    _done(door, Uninstall(found), UninstallResponse(Outcome.Success), "nectar ps")
    _write({"removed": str(found)}, f"removed {found}", as_json=as_json)


def _approved(door: NodeDoor, plan: InstallPlan, folder: Path) -> bool:
    """What somebody says about rights that the node has not approved for this package; False when there are none.

    Raises `CommandError` when that is no, or nobody is there to ask.
    """
    if not plan.rights:
        return False
    answer = _asked(door, Approved(plan.package))[0]
    if not isinstance(answer, ApprovedResponse) or not answer.must_ask:
        return False
    missing = unapproved(plan.rights, answer.rights)
    if not missing:
        return False
    asks = "\n  ".join([f"{plan.package} asks for:", *map(right_text, missing)])
    if not sys.stdin.isatty():
        raise CommandError(
            f"{asks}\nnobody approved that on {door.url}", f"nectar start-package {folder} --yes"
        )
    sys.stderr.write(f"{asks}\nApprove that? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError(f"{plan.package} was not approved", f"nectar start-package {folder}")
    return True


def _checked(folder: Path) -> InstallPlan:
    """As the node will check it, but for what only the node knows: who runs there, and what the code does."""
    try:
        plan = plan_install(read_package(folder), Surroundings("our", (), approved=True))
        compile_plan(plan)
    except PackageError as error:
        raise CommandError(f"{folder}: {error}", f"nectar start-package {folder}") from None
    return plan


def _package_id(text: str) -> PackageId:
    try:
        return PackageId.from_str(text) if ":" in text else _id_in(Path(text))
    except IdentifierParseError as error:
        raise CommandError(str(error), "nectar remove-package PACKAGE:PUBLISHER", USAGE) from None
    except PackageError as error:
        raise CommandError(f"{text}: {error}", "nectar remove-package PACKAGE:PUBLISHER") from None


def _id_in(folder: Path) -> PackageId:
    """What the folder's metadata says; the rest of it need not be good. Raises `PackageError`."""
    for path in METADATA:
        try:
            return parse_metadata(path, (folder / path).read_bytes())[0].package
        except OSError:
            continue
    raise PackageError(METADATA[0], "$", "cannot be read, nor that in pkg/", "name the package by its id")


def _done(
    door: NodeDoor,
    request: StoreRequest,
    success: NewPackageResponse | InstallResponse | UninstallResponse,
    again: str,
    payload: Payload | None = None,
) -> str:
    """What the store says beside that it succeeded."""
    outcome, said = _asked(door, request, payload)
    if outcome != success:
        raise CommandError(f"the node at {door.url} refused: {said or outcome}", again)
    return said


def _asked(door: NodeDoor, request: StoreRequest, payload: Payload | None = None) -> tuple[StoreAnswer, str]:
    """The store's answer, and the text with it."""
    answer = call(door, APP_STORE, STORE_REQUEST.encode(request).decode(), payload=payload)
    assert answer is not None
    said = "" if answer.payload is None else answer.payload.bytes.decode(errors="replace")
    try:
        return STORE_ANSWER.decode(answer.ipc), said
    except Malformed as error:
        problem = f"the app store at {door.url} gave an answer we do not know: {error}"
        raise CommandError(problem, "nectar ps") from None


def _write(shown: dict[str, str | None], text: str, *, as_json: bool) -> None:
    sys.stdout.write(f"{dump(shown).decode() if as_json else text}\n")
    sys.stdout.flush()
