"""What installing a package would do, decided from its files alone (PROTOCOL 8.1, 4.4, 4.6)."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping

import attrs

from kernel.address import Address, PackageId, ProcessId, is_safe
from kernel.aliases import seed_era
from kernel.capability import KERNEL, MESSAGING, NETWORK, ROOT, Capability
from kernel.jsontext import dump
from kernel.mailbox import Limits
from kernel.message import OnExit
from sys_processes.app_store.fields import PackageError, PackageWarning
from sys_processes.app_store.manifest import (
    ManifestEntry,
    Metadata,
    Right,
    parse_manifest,
    parse_metadata,
    parse_scripts,
)
from sys_processes.app_store.protocol import APP_STORE, AskedRight
from sys_processes.state.protocol import STATE
from sys_processes.vfs.protocol import VFS

MANIFEST = "pkg/manifest.json"
SCRIPTS = "pkg/scripts.json"
METADATA = ("metadata.json", "pkg/metadata.json")
MAX_ID = 200
"""Characters of a package's id: it names a folder, and with more behind it a file."""
# Ids in these packages are system processes, or are taken for them by the alias rule (PROTOCOL 0.3).
RESERVED = (
    PackageId("sys", "nectar"),
    PackageId("distro", "sys"),
    PackageId("app_store", "nectar"),
    PackageId("app_store", "sys"),
    PackageId("app-store", "sys"),
    PackageId("homepage", "nectar"),
    PackageId("homepage", "sys"),
    PackageId("terminal", "nectar"),
    PackageId("terminal", "sys"),
)
# Who holds one of these may do anything with the node (PROTOCOL 4.6). A publisher's name is no excuse: a package says
# itself who published it.
_CONTROL = {
    (KERNEL, MESSAGING): "messaging to it starts, ends and empowers processes",
    (APP_STORE, MESSAGING): "messaging to it installs and removes packages",
    (VFS, ROOT): "its root is everybody's files",
    (STATE, ROOT): "its root is everybody's state",
    (KERNEL, ROOT): "a script with it has every right there is",
}


@attrs.frozen
class PlannedProcess:
    """A process to create.

    `code` is a vfs path below the package's drive. `capabilities` are all that it is given, network included;
    `grants` are the pairs (process, params) of what it issues to others. `path` is its place in the `file` that names
    it. Of a script, `id` has the script's name, which none of its processes has; `root`: they get every right there is.
    """

    id: ProcessId
    code: str
    on_exit: OnExit
    capabilities: tuple[Capability, ...]
    grants: tuple[tuple[ProcessId, str], ...]
    networking: bool
    public: bool
    mailbox: Limits
    path: str
    code_path: str
    file: str
    root: bool = False


@attrs.frozen
class InstallPlan:
    """`files` are what belongs into the drive `/{package}:{publisher}/pkg`, by their path below it, the metadata
    included wherever the package has it. `scripts` are what is started whenever somebody asks for it.
    """

    package: PackageId
    version: str | None
    processes: tuple[PlannedProcess, ...]
    warnings: tuple[PackageWarning, ...]
    files: Mapping[str, bytes]
    scripts: tuple[PlannedProcess, ...] = ()

    @property
    def rights(self) -> tuple[AskedRight, ...]:
        """What its processes and scripts ask for, each once."""
        asked = [right for process in (*self.processes, *self.scripts) for right in rights_of(process)]
        return tuple(dict.fromkeys(asked))

    @property
    def drive(self) -> str:
        return f"/{self.package}/pkg"


@attrs.frozen
class Surroundings:
    """The node that a package is installed on.

    `running` are its processes. `approved` says that the user vouches for what the package asks for, by name.
    """

    node: str
    running: Collection[ProcessId]
    approved: bool = False

    def resolve(self, process: ProcessId) -> ProcessId:
        """The alias rule of PROTOCOL 0.3."""
        meant = None if process in self.running else seed_era(process)
        return meant if meant is not None and (meant in self.running or meant == KERNEL) else process


def rights_of(process: PlannedProcess) -> list[AskedRight]:
    """What it asks for."""
    rights = [AskedRight(one.issuer.process, one.params) for one in process.capabilities]
    return [*rights, AskedRight(KERNEL, ROOT)] if process.root else rights


def unapproved(asked: Iterable[AskedRight], approved: Iterable[AskedRight]) -> list[AskedRight]:
    """Those that nobody approved, whichever of its names a process is given."""
    known = [_seed_named(right) for right in approved]
    return [right for right in asked if _seed_named(right) not in known]


def _seed_named(right: AskedRight) -> AskedRight:
    return AskedRight(seed_era(right.process) or right.process, right.params)


def right_text(right: AskedRight) -> str:
    """For who is to approve it."""
    what = _CONTROL.get((right.process, right.params))
    if right.params == MESSAGING:
        text = f"messages to {right.process}"
    elif (right.process, right.params) == (KERNEL, NETWORK):
        text = "messages to and from other nodes"
    elif (right.process, right.params) == (KERNEL, ROOT):
        text = "everything"
    else:
        text = f"{right.params} of {right.process}"
    return text if what is None else f"{text}, which is control over the node: {what}"


def check_approved(plan: InstallPlan, approved: Iterable[AskedRight]) -> None:
    """Raises `PackageError` when the package asks for more."""
    check_rights(f"{plan.package}", MANIFEST, plan.rights, approved)


def check_rights(whose: str, file: str, asked: Iterable[AskedRight], approved: Iterable[AskedRight]) -> None:
    """Raises `PackageError` when that asks for more."""
    if missing := unapproved(asked, approved):
        raise PackageError(
            file,
            "$",
            f"{whose} asks for what nobody approved on this node: {'; '.join(map(right_text, missing))}",
            "look at it, and approve it: nectar start-package DIR --yes",
        )


def check_name(package: PackageId, file: str = METADATA[0]) -> None:
    """Whether users may install and remove a package of that name. Raises `PackageError`."""
    if str(package).lower() in map(str, RESERVED):
        raise PackageError(file, "$", f"the package {package} belongs to the node", "choose another name")
    if not (is_safe(package.package) and is_safe(package.publisher)):
        problem = f"{str(package)!r} cannot be part of an id"
        raise PackageError(file, "$", problem, "use letters, digits, '_', '-' and '.' only")
    if len(str(package)) > MAX_ID:
        problem = f"the package's id has {len(str(package))} characters, {MAX_ID} at most"
        raise PackageError(file, "$", problem, "choose shorter names")


def plan_install(
    files: Mapping[str, bytes], around: Surroundings, claimed: PackageId | None = None
) -> InstallPlan:
    """`files` by their path in the package folder (`metadata.json`, `pkg/..`). `claimed` is what somebody says they
    are: they may then have no metadata, and none of another package. Raises `PackageError`.
    """
    metadata, text, warnings = _metadata(files, claimed)
    if MANIFEST not in files:
        raise _no_manifest(files)
    entries, more = parse_manifest(MANIFEST, files[MANIFEST])
    warnings = [*warnings, *more]
    own = [ProcessId(entry.name, metadata.package.package, metadata.package.publisher) for entry in entries]
    scripts: list[ManifestEntry] = []
    if SCRIPTS in files:
        scripts, more = parse_scripts(SCRIPTS, files[SCRIPTS])
        warnings += more
    planned = []
    for entry in (*entries, *scripts):
        process = ProcessId(entry.name, metadata.package.package, metadata.package.publisher)
        planned.append(_plan_process(entry, process, files, around))
        warnings += _absent(entry, own, around)
    drive = {path.removeprefix("pkg/"): data for path, data in files.items() if path.startswith("pkg/")}
    drive[METADATA[0]] = text
    processes, commands = tuple(planned[: len(entries)]), tuple(planned[len(entries) :])
    return InstallPlan(metadata.package, metadata.version, processes, tuple(warnings), drive, commands)


def _metadata(
    files: Mapping[str, bytes], claimed: PackageId | None
) -> tuple[Metadata, bytes, list[PackageWarning]]:
    """With its text."""
    found = [path for path in METADATA if path in files]
    if not found:
        return _claimed_only(claimed)
    metadata, warnings = parse_metadata(found[0], files[found[0]])
    if len(found) > 1:
        warnings.append(PackageWarning(found[1], "$", f"is not read, because there is a {found[0]} on top"))
    check_name(metadata.package, found[0])
    if claimed is not None and metadata.package != claimed:
        problem = f"is that of {metadata.package}, and the request is about {claimed}"
        raise PackageError(found[0], "$", problem, "write the same package and publisher in both")
    return metadata, files[found[0]], warnings


def _claimed_only(claimed: PackageId | None) -> tuple[Metadata, bytes, list[PackageWarning]]:
    """Of a package without metadata: later tools leave it out of what they send."""
    if claimed is None:
        raise PackageError(
            METADATA[0],
            "$",
            "is missing on top of the package and in pkg/",
            'write {"package": "chess", "publisher": "nectar"} into it',
        )
    check_name(claimed)
    text = dump({"package": claimed.package, "publisher": claimed.publisher})
    warning = PackageWarning(METADATA[0], "$", f"is missing; the package is {claimed}, of no version")
    return Metadata(claimed), text, [warning]


def _no_manifest(files: Mapping[str, bytes]) -> PackageError:
    if "manifest.json" in files:
        return PackageError("manifest.json", "$", "lies on top of the package", f"move it to {MANIFEST}")
    return PackageError(
        MANIFEST,
        "$",
        "is missing",
        'write [{"process_name": "chess", "process_path": "/chess.py"}] into it',
    )


def _plan_process(
    entry: ManifestEntry, process: ProcessId, files: Mapping[str, bytes], around: Surroundings
) -> PlannedProcess:
    if entry.name == KERNEL.process:
        raise PackageError(
            entry.file,
            entry.path if entry.file == SCRIPTS else f"{entry.path}.process_name",
            "no package may call a process 'kernel'",
            "choose another name",
        )
    code = _code(entry, files)
    requests = [attrs.evolve(right, process=around.resolve(right.process)) for right in entry.requests]
    root = [Right(KERNEL, ROOT, f"{entry.path}.root")] if entry.root else []
    for right in (*requests, *root):
        _check_control(right, process, entry.file, around)
    capabilities = [Capability(Address(around.node, right.process), right.params) for right in requests]
    if entry.networking and (network := Capability.network(around.node)) not in capabilities:
        capabilities.append(network)
    return PlannedProcess(
        id=process,
        code=f"/{process.package_id}/{code}",
        on_exit=entry.on_exit,
        capabilities=tuple(capabilities),
        grants=tuple((around.resolve(right.process), right.params) for right in entry.grants),
        networking=entry.networking,
        public=entry.public,
        mailbox=entry.mailbox,
        path=entry.path,
        code_path=entry.code_path,
        file=entry.file,
        root=entry.root,
    )


def _check_control(right: Right, process: ProcessId, file: str, around: Surroundings) -> None:
    what = _CONTROL.get((right.process, right.params))
    if what is None or around.approved:
        return
    raise PackageError(
        file,
        right.path,
        f"this right of {right.process} is control over the node: {what}",
        f"remove it, or name the package on the command line (`nectar boot --package`, `nectar dev`), or start it with "
        f"`nectar start-package DIR --yes`: that approves what {process} asks for",
    )


def _code(entry: ManifestEntry, files: Mapping[str, bytes]) -> str:
    """The path of the code in the package. A component that is not there stands for the module beside it."""
    path = posixpath.normpath("pkg/" + entry.code.lstrip("/"))
    if not path.startswith("pkg/") or "\0" in path or "\\" in path:
        raise PackageError(
            entry.file,
            entry.code_path,
            f"{entry.code!r} is not inside pkg/",
            'write a path such as "/chess.py"',
        )
    stem, extension = posixpath.splitext(path)
    if extension not in (".py", ".wasm"):
        raise PackageError(
            entry.file, entry.code_path, f"{entry.code!r} names no code", 'write a path that ends in ".py"'
        )
    if path in files or (extension == ".wasm" and f"{stem}.py" in files):
        return path
    code = sorted(name for name in files if name.endswith((".py", ".wasm")) and name.count("/") == 1)
    there = f"there are {', '.join(code)}" if code else "pkg/ has no code"
    raise PackageError(
        entry.file, entry.code_path, f"there is no {path}; {there}", f"add {stem}.py or correct this"
    )


def _absent(entry: ManifestEntry, own: list[ProcessId], around: Surroundings) -> list[PackageWarning]:
    """PROTOCOL 0.4: a capability whose issuer does not run is given all the same, with a warning."""
    here = (*own, KERNEL)
    warnings = []
    for right in entry.requests:
        process = around.resolve(right.process)
        if process not in around.running and process not in here:
            text = f"{process} does not run here; the capability is granted and of no use until it does"
            warnings.append(PackageWarning(entry.file, right.path, text))
    for right in entry.grants:
        process = around.resolve(right.process)
        if process not in around.running and process not in here:
            warnings.append(PackageWarning(entry.file, right.path, f"{process} does not run here"))
    return warnings


__all__ = ["InstallPlan", "PackageError", "PackageWarning", "PlannedProcess", "Surroundings", "plan_install"]
