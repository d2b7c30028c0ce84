"""The kernel's own values as JSON (PROTOCOL 1.4, 2.2, 2.5, 2.6). For `kernel.codec` only.

Each travels as a small form class: what is optional in Python is often required on the wire, and both vocabularies
are read.
"""

from __future__ import annotations

import attrs

from kernel import objects
from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.message import ExitRequest, OnExit, OnExitKind, Payload, Request, Response
from kernel.shaping import carry
from kernel.variants import U64, newtype, unit

# Forms are made of classes and unions, which the converter has to know first.
_TAUGHT = objects

# -- identifiers


@attrs.frozen
class _PackageForm:
    package_name: str
    publisher_node: str


def _package_id(form: _PackageForm | str) -> PackageId:
    if isinstance(form, str):
        return PackageId.from_str(form)
    return PackageId(form.package_name, form.publisher_node)


carry(ProcessId, str, str, ProcessId.from_str)
carry(Address, str, str, Address.from_str)
carry(PackageId, _PackageForm | str, lambda value: _PackageForm(value.package, value.publisher), _package_id)

# -- capabilities: an object, one with a signature, a pair with a signature, or `issuer^params`


@attrs.frozen
class _CapabilityForm:
    issuer: Address
    params: str
    signature: bytes | None = attrs.field(default=None, metadata={"omit_default": True})


_CapabilityPair = tuple[_CapabilityForm | str, bytes]
_AnyCapability = _CapabilityForm | _CapabilityPair | str


def _signature(value: Capability) -> bytes:
    return value.signature if isinstance(value, SignedCapability) else b""


def _capability_form(value: Capability) -> _AnyCapability:
    return _CapabilityForm(value.issuer, value.params, _signature(value) or None)


def _capability(form: _AnyCapability) -> Capability:
    """One without a signature, or with an empty one, is a plain `Capability`."""
    match form:
        case _CapabilityForm(issuer, params, signature):
            return SignedCapability(issuer, params, signature) if signature else Capability(issuer, params)
        case str():
            text, caret, params = form.partition("^")
            if not caret:
                raise ValueError(f"expected issuer^params, found {form[:60]!r}")
            return Capability(Address.from_str(text), params)
        case (inner, signature):
            found = _capability(inner)
            return SignedCapability(found.issuer, found.params, signature) if signature else found


def _signed(form: _AnyCapability) -> SignedCapability:
    found = _capability(form)
    if isinstance(found, SignedCapability):
        return found
    raise ValueError("expected a signature, found none")


carry(Capability, _AnyCapability, _capability_form, _capability)
carry(SignedCapability, _AnyCapability, _capability_form, _signed)


@attrs.frozen
class _Attached:
    """A capability in a message: written as a pair with its signature, which is empty for an unsigned one."""

    capability: Capability


def _pair(attached: _Attached) -> _AnyCapability:
    capability = attached.capability
    return _CapabilityForm(capability.issuer, capability.params), _signature(capability)


carry(_Attached, _AnyCapability, _pair, lambda form: _Attached(_capability(form)))

# -- payloads and messages


@attrs.frozen
class _PayloadForm:
    mime: str | None
    content: bytes = attrs.field(metadata={"name": "bytes"})


carry(
    Payload,
    _PayloadForm,
    lambda value: _PayloadForm(value.mime, value.bytes),
    lambda form: Payload(form.mime, form.content),
)

_BODY = {"also": ("body",)}
_WHEN_ANY = {"omit_default": True}


@attrs.frozen
class _RequestForm:
    inherit: bool
    expects_response: U64 | None
    ipc: bytes = attrs.field(metadata=_BODY)
    metadata: str | None
    capabilities: tuple[_Attached, ...] = attrs.field(default=(), metadata=_WHEN_ANY)


@attrs.frozen
class _ResponseForm:
    inherit: bool
    ipc: bytes = attrs.field(metadata=_BODY)
    metadata: str | None
    capabilities: tuple[_Attached, ...] = attrs.field(default=(), metadata=_WHEN_ANY)


def _attached(capabilities: tuple[Capability, ...]) -> tuple[_Attached, ...]:
    return tuple(_Attached(capability) for capability in capabilities)


def _detached(attached: tuple[_Attached, ...]) -> tuple[Capability, ...]:
    return tuple(one.capability for one in attached)


def _request_form(value: Request) -> _RequestForm:
    capabilities = _attached(value.capabilities)
    return _RequestForm(value.inherit, value.expects_response, value.ipc, value.metadata, capabilities)


def _request(form: _RequestForm) -> Request:
    capabilities = _detached(form.capabilities)
    return Request(form.inherit, form.expects_response, form.ipc, form.metadata, capabilities)


def _response_form(value: Response) -> _ResponseForm:
    return _ResponseForm(value.inherit, value.ipc, value.metadata, _attached(value.capabilities))


def _response(form: _ResponseForm) -> Response:
    return Response(form.inherit, form.ipc, form.metadata, _detached(form.capabilities))


carry(Request, _RequestForm, _request_form, _request)
carry(Response, _ResponseForm, _response_form, _response)

# -- what happens when a process ends


@unit("None")
@attrs.frozen
class _ExitNone:
    pass


@unit("Restart")
@attrs.frozen
class _ExitRestart:
    pass


@newtype("Requests")
@attrs.frozen
class _ExitRequests:
    entries: tuple[ExitRequest, ...]


_ExitForm = _ExitNone | _ExitRestart | _ExitRequests


def _exit_form(value: OnExit) -> _ExitForm:
    match value.kind:
        case OnExitKind.NONE:
            return _ExitNone()
        case OnExitKind.RESTART:
            return _ExitRestart()
        case OnExitKind.REQUESTS:
            return _ExitRequests(value.entries)


def _on_exit(form: _ExitForm) -> OnExit:
    match form:
        case _ExitNone():
            return OnExit.none()
        case _ExitRestart():
            return OnExit.restart()
        case _ExitRequests(entries):
            return OnExit.requests(entries)


carry(OnExit, _ExitForm, _exit_form, _on_exit)
