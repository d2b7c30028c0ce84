"""`metadata.json`, `manifest.json` and `scripts.json` of all eras as one set of values (PROTOCOL 8.1, 0.4)."""

from __future__ import annotations

import posixpath

import attrs

from kernel.address import PackageId, ProcessId, ProcessIdParseError, is_safe
from kernel.capability import MESSAGING
from kernel.codec import Malformed, Shape
from kernel.jsontext import canonical, dump
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import OnExit
from sys_processes.app_store.fields import Fields, PackageError, PackageWarning, Place

ON_EXIT: Shape[OnExit] = Shape(OnExit)

_MANIFEST_EXAMPLE = '[{"process_name": "chess", "process_path": "/chess.py"}]'
_SCRIPTS_EXAMPLE = '{"roll.py": {"request_capabilities": ["dice:dice:me"]}}'
_RIGHT_EXAMPLE = '"http_server:sys:nectar" or {"process": "vfs:sys:nectar", "params": {"root": true}}'

_METADATA_KEYS = ("package", "publisher", "version", "description", "website", "wit_version")
_METADATA_KEYS_E3 = ("name", "description", "image", "external_url", "animation_url", "properties")
_PROPERTY_KEYS = (
    "package_name",
    "publisher",
    "current_version",
    "mirrors",
    "code_hashes",
    "license",
    "screenshots",
    "wit_version",
    "dependencies",
    "api_includes",
)
_ENTRY_KEYS = (
    "process_name",
    "process_path",
    "process_wasm_path",
    "on_exit",
    "on_panic",
    "request_networking",
    "request_messaging",
    "request_capabilities",
    "grant_messaging",
    "grant_capabilities",
    "public",
    "mailbox",
)
_SCRIPT_KEYS = (
    "root",
    "public",
    "request_networking",
    "request_messaging",
    "request_capabilities",
    "grant_messaging",
    "grant_capabilities",
    "wit_version",
)


@attrs.frozen
class Metadata:
    package: PackageId
    version: str | None = None
    description: str | None = None


@attrs.frozen
class Right:
    """One line of a capability list: `params` (canonical JSON) between an entry and `process`.

    Requested, `process` is the issuer; granted, it is the one that receives what the entry issues. `path` is
    where the manifest says so.
    """

    process: ProcessId
    params: str
    path: str


@attrs.frozen
class ManifestEntry:
    """A process of a package. `code` is relative to `pkg/`, as written; `path` its place in the `file` that names it.

    `root`: a script that is given every right there is.
    """

    name: str
    code: str
    code_path: str
    on_exit: OnExit
    networking: bool
    requests: tuple[Right, ...]
    grants: tuple[Right, ...]
    public: bool
    mailbox: Limits
    path: str
    file: str
    root: bool = False


def parse_metadata(file: str, raw: bytes) -> tuple[Metadata, list[PackageWarning]]:
    """Package and publisher on top (E1, E2), or below `properties` (E3). Raises `PackageError`."""
    warnings: list[PackageWarning] = []
    fields = Place.of_file(file, raw, warnings).fields('{"package": "chess", "publisher": "nectar"}')
    description = fields.get("description")
    properties = fields.get("properties")
    if properties is None:
        fields.warn_unknown(_METADATA_KEYS)
        package = _package_id(fields, "package")
        version = _version(fields.get("version"))
    else:
        fields.warn_unknown(_METADATA_KEYS_E3)
        inner = properties.fields('{"package_name": "chess", "publisher": "nectar"}')
        inner.warn_unknown(_PROPERTY_KEYS)
        package = _package_id(inner, "package_name")
        version = _version(inner.get("current_version"))
    text = None if description is None else description.text('"what it is for"')
    return Metadata(package, version, text), warnings


def _package_id(fields: Fields, key: str) -> PackageId:
    package = _safe(fields.need(key, example='"chess"'))
    return PackageId(package, _safe(fields.need("publisher", example='"nectar"')))


def _safe(place: Place) -> str:
    """A name that may become part of an id (PROTOCOL 1.3, "Ours")."""
    name = place.text('"chess"')
    if not is_safe(name):
        raise place.error(
            f"{name!r} cannot be part of an id", "use letters, digits, '_', '-' and '.' only, at least one"
        )
    return name


def _version(place: Place | None) -> str | None:
    if place is None:
        return None
    if isinstance(place.value, str):
        return place.value
    parts = place.items("[0, 1, 0]")
    numbers = [part.value for part in parts]
    if len(numbers) != 3 or not all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers
    ):
        raise place.mismatch("three whole numbers", "[0, 1, 0]")
    return ".".join(str(n) for n in numbers)


def parse_manifest(file: str, raw: bytes) -> tuple[list[ManifestEntry], list[PackageWarning]]:
    """Raises `PackageError`, also for two entries of one name."""
    warnings: list[PackageWarning] = []
    place = Place.of_file(file, raw, warnings)
    entries: list[ManifestEntry] = []
    for item in place.items(_MANIFEST_EXAMPLE):
        entry = _entry(item)
        if any(entry.name == other.name for other in entries):
            raise item.error(f"a second process called {entry.name!r}", "give each process a name of its own")
        entries.append(entry)
    if not entries:
        place.warn("names no process, so nothing will run")
    return entries, warnings


def _entry(place: Place) -> ManifestEntry:
    fields = place.fields(_MANIFEST_EXAMPLE[1:-1])
    fields.warn_unknown(_ENTRY_KEYS)
    name = _safe(fields.need("process_name", example='"chess"'))
    code = fields.need("process_path", "process_wasm_path", example='"/chess.py"')
    return ManifestEntry(
        name=name,
        code=code.text('"/chess.py"'),
        code_path=code.path,
        on_exit=_on_exit(fields.get("on_exit", "on_panic")),
        networking=_is_set(fields, "request_networking"),
        requests=_rights(fields, "request_messaging", "request_capabilities"),
        grants=_rights(fields, "grant_messaging", "grant_capabilities"),
        public=_is_set(fields, "public"),
        mailbox=_limits(fields.get("mailbox")),
        path=place.path,
        file=place.file,
    )


def parse_scripts(file: str, raw: bytes) -> tuple[list[ManifestEntry], list[PackageWarning]]:
    """Each is called like its file, without the ending. Raises `PackageError`, also for two of one name."""
    warnings: list[PackageWarning] = []
    fields = Place.of_file(file, raw, warnings).fields(_SCRIPTS_EXAMPLE)
    entries: list[ManifestEntry] = []
    for code in fields.members:
        entry = _script(code, fields.need(code, example="{}"))
        if any(entry.name == other.name for other in entries):
            problem = f"a second script called {entry.name!r}"
            raise PackageError(file, entry.path, problem, "give each script a name of its own")
        entries.append(entry)
    return entries, warnings


def _script(code: str, place: Place) -> ManifestEntry:
    fields = place.fields("{}")
    fields.warn_unknown(_SCRIPT_KEYS)
    name = posixpath.splitext(posixpath.basename(code))[0]
    return ManifestEntry(
        name=_safe(attrs.evolve(place, value=name)),
        code=code,
        code_path=place.path,
        on_exit=OnExit.none(),
        networking=_is_set(fields, "request_networking"),
        requests=_rights(fields, "request_messaging", "request_capabilities"),
        grants=_rights(fields, "grant_messaging", "grant_capabilities"),
        public=_is_set(fields, "public"),
        mailbox=DEFAULT_LIMITS,
        path=place.path,
        file=place.file,
        root=_is_set(fields, "root"),
    )


def _is_set(fields: Fields, key: str) -> bool:
    place = fields.get(key)
    return place is not None and place.flag()


def _on_exit(place: Place | None) -> OnExit:
    if place is None:
        return OnExit.none()
    try:
        return ON_EXIT.load(place.value)
    except Malformed as error:
        inner = attrs.evolve(place, path=place.path + error.path.removeprefix("$"))
        raise inner.error(
            error.problem, 'write "None", "Restart" or {"Requests": [[address, request, payload or null]]}'
        ) from None


def _rights(fields: Fields, messaging: str, capabilities: str) -> tuple[Right, ...]:
    """The older list names processes, the newer one also takes objects. Both add up; doubles count once."""
    rights: list[Right] = []
    for key, objects in ((messaging, False), (capabilities, True)):
        place = fields.get(key)
        for item in [] if place is None else place.items(f"[{_RIGHT_EXAMPLE}]"):
            right = _right(item) if objects else _messaging(item)
            if not any((right.process, right.params) == (other.process, other.params) for other in rights):
                rights.append(right)
    return tuple(rights)


def _right(place: Place) -> Right:
    if not isinstance(place.value, dict):
        return _messaging(place)
    fields = place.fields(_RIGHT_EXAMPLE)
    fields.warn_unknown(("process", "params"))
    process = _process_id(fields.need("process", example='"vfs:sys:nectar"'))
    params = fields.need("params", example='{"root": true}')
    return Right(process, canonical(dump(params.value).decode()), place.path)


def _messaging(place: Place) -> Right:
    return Right(_process_id(place), MESSAGING, place.path)


def _process_id(place: Place) -> ProcessId:
    try:
        return ProcessId.from_str(place.text(_RIGHT_EXAMPLE))
    except ProcessIdParseError as error:
        raise place.error(str(error), f"write {_RIGHT_EXAMPLE}") from None


def _limits(place: Place | None) -> Limits:
    if place is None:
        return DEFAULT_LIMITS
    fields = place.fields('{"messages": 1000, "bytes": 1000000}')
    fields.warn_unknown(("messages", "bytes"))
    messages, size = fields.get("messages"), fields.get("bytes")
    return Limits(
        messages=DEFAULT_LIMITS.messages if messages is None else messages.count(),
        bytes=DEFAULT_LIMITS.bytes if size is None else size.count(),
    )


__all__ = [
    "ManifestEntry",
    "Metadata",
    "PackageError",
    "PackageWarning",
    "Right",
    "parse_manifest",
    "parse_metadata",
    "parse_scripts",
]
