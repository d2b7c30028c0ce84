"""What `main:app_store:nectar` is asked and answers, in the words of every era (PROTOCOL 8.2).

The zip of a package travels as payload; why something failed is the payload of its answer, as text.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from kernel.address import PackageId, ProcessId
from kernel.codec import Err, Shape, newtype, struct, unit

APP_STORE: Final = ProcessId("main", "app_store", "nectar")

# -- requests


@struct
@attrs.frozen
class NewPackage:
    """The payload is the zip. Replaces the files of the package and starts nothing. `approve` (ours) says that the
    owner of the node vouches for the rights that it asks for.
    """

    package: PackageId = attrs.field(metadata={"also": ("package_id",)})
    mirror: bool = False
    approve: bool = attrs.field(default=False, metadata={"omit_default": True})


@attrs.frozen
class InstallForm:
    """How later eras write it; the hash and the metadata are those of a chain that this node does not read."""

    package: PackageId = attrs.field(metadata={"also": ("package_id",)})
    version_hash: str | None = None
    metadata: object = None


@newtype
@attrs.frozen
class Install:
    what: PackageId | InstallForm

    @property
    def package(self) -> PackageId:
        return self.what.package if isinstance(self.what, InstallForm) else self.what


@attrs.frozen
class UninstallForm:
    package: PackageId = attrs.field(metadata={"also": ("package_id",)})


@newtype
@attrs.frozen
class Uninstall:
    what: PackageId | UninstallForm

    @property
    def package(self) -> PackageId:
        return self.what.package if isinstance(self.what, UninstallForm) else self.what


@newtype
@attrs.frozen
class Download:
    """Understood and refused: this node gets no packages from others."""

    what: object = None


@unit
@attrs.frozen
class Apps:
    """Which packages are there."""


@newtype
@attrs.frozen
class Approved:
    """Which rights the owner of the node approved for the package so far (ours)."""

    package: PackageId


@newtype
@attrs.frozen
class StartScript:
    """Start a script of a package, with the rights that its `scripts.json` names and that were approved (ours). Its
    first message, which whoever asked may send, tells it what to do.
    """

    script: ProcessId


StoreRequest = NewPackage | Install | Uninstall | Download | Apps | Approved | StartScript
STORE_REQUEST: Shape[StoreRequest] = Shape(StoreRequest)

# -- answers


class Outcome(enum.StrEnum):
    Success = "Success"
    Failure = "Failure"


@newtype
@attrs.frozen
class NewPackageResponse:
    outcome: Outcome


@newtype
@attrs.frozen
class InstallResponse:
    outcome: Outcome


@newtype
@attrs.frozen
class UninstallResponse:
    outcome: Outcome


@newtype
@attrs.frozen
class DownloadResponse:
    outcome: Outcome


@attrs.frozen
class App:
    """A package that is there; `processes` are those of it that exist, children included."""

    package_id: PackageId
    version: str | None
    processes: tuple[ProcessId, ...]


@newtype
@attrs.frozen
class AppsResponse:
    apps: tuple[App, ...]


@attrs.frozen
class AskedRight:
    """What a manifest asks for: the right of `process` with these params, which are JSON text."""

    process: ProcessId
    params: str


@struct
@attrs.frozen
class ApprovedResponse:
    """`must_ask` is false on a node that approves whatever its owner's tools send (setting `rpc.open`)."""

    rights: tuple[AskedRight, ...]
    must_ask: bool


@newtype
@attrs.frozen
class ScriptStarted:
    """The process that runs it, of a fresh name."""

    process: ProcessId


StoreAnswer = (
    NewPackageResponse
    | InstallResponse
    | UninstallResponse
    | DownloadResponse
    | AppsResponse
    | ApprovedResponse
    | ScriptStarted
    | Err[str]
)
STORE_ANSWER: Shape[StoreAnswer] = Shape(StoreAnswer)

# The answer to whatever another node asks.
DENIED: Final = b'"DownloadDenied"'
