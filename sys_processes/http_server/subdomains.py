"""Secure subdomains: hosts whose first label says which package they are for (PROTOCOL 6.6)."""

from __future__ import annotations

import hashlib
import re

import attrs

from kernel.address import PackageId, ProcessId

_DIGITS = 32
_OTHER = re.compile(r"[^a-z0-9]")
_DIGEST = re.compile(f"[0-9a-f]{{{_DIGITS}}}")
_OF_THIS_MACHINE = re.compile(r"^[^.]*\.localhost\.?(?::[0-9]*)?$", re.IGNORECASE)
_RESTING_KEPT = 1000


@attrs.frozen
class Subdomain:
    """`process` is None where all processes of the package are meant."""

    package: PackageId
    process: ProcessId | None

    def serves(self, process: ProcessId) -> bool:
        return self.process == process or (self.process is None and self.package == process.package_id)


def digest_label(process: ProcessId) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of the process id: the label of one process."""
    return hashlib.sha256(str(process).encode()).hexdigest()[:_DIGITS]


def package_label(package: PackageId) -> str:
    """The label of later eras, of a whole package. In lower case, as hosts are compared."""
    return _OTHER.sub("-", f"{package.package}-{package.publisher}".lower())


def first_label(host: str | None) -> str | None:
    """In lower case; None for a host of one label, which has no subdomain."""
    label, dot, _ = (host or "").partition(".")
    return label.lower() if dot else None


def is_subdomain(host: str | None) -> bool:
    """Whether a host can only be a secure subdomain, even if nobody has bound a path there yet."""
    label = first_label(host)
    if label is None:
        return False
    return _DIGEST.fullmatch(label) is not None or (
        "-" in label and _OF_THIS_MACHINE.search(host or "") is not None
    )


class Subdomains:
    """The labels that stand for a package, from its first secure bind on.

    They go on standing for it when its process has ended: a host must not turn from a secure subdomain into the
    main site meanwhile. Two packages may have one label; it is that of whoever bound first.
    """

    def __init__(self) -> None:
        self._labels: dict[str, Subdomain] = {}
        self._resting: dict[ProcessId, None] = {}

    def claim(self, process: ProcessId) -> None:
        package = process.package_id
        self._resting.pop(process, None)
        self._labels[digest_label(process)] = Subdomain(package, process)
        self._labels.setdefault(package_label(package), Subdomain(package, None))

    def rest(self, process: ProcessId) -> None:
        """The process has ended. Of those that do not come back some are forgotten."""
        if digest_label(process) not in self._labels:
            return
        self._resting[process] = None
        if len(self._resting) > _RESTING_KEPT:
            oldest = next(iter(self._resting))
            del self._resting[oldest], self._labels[digest_label(oldest)]

    def of(self, host: str | None) -> Subdomain | None:
        """What a Host stands for; None for the main site."""
        if not self._labels:
            return None
        label = first_label(host)
        return None if label is None else self._labels.get(label)
