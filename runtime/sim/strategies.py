"""Hypothesis strategies for what travels: identifiers, payloads, messages, capabilities, on-exits, envelopes, JSON.

Every value that the kernel takes can be drawn, and shrinks to the plainest one.
"""

from __future__ import annotations

from hypothesis import strategies as st

from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.jsontext import JsonValue
from kernel.message import ExitRequest, KernelMessage, OnExit, Payload, Request, Response

# Its ends, and the first number that a browser cannot hold, more often than chance would.
U64 = st.one_of(st.sampled_from((0, 1, 2**53 + 1, 2**64 - 1)), st.integers(0, 2**64 - 1))


def segments() -> st.SearchStrategy[str]:
    """Anything that may stand between the separators: no white space, no control characters (PROTOCOL 1.1)."""
    nchar = st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), exclude_characters=":@/")
    return st.text(nchar, min_size=1, max_size=12)


def safe_segments() -> st.SearchStrategy[str]:
    """What may be created on a node (PROTOCOL 1.3)."""
    return st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True)


def process_ids() -> st.SearchStrategy[ProcessId]:
    return st.builds(ProcessId, segments(), segments(), segments())


def package_ids() -> st.SearchStrategy[PackageId]:
    return st.builds(PackageId, segments(), segments())


def addresses() -> st.SearchStrategy[Address]:
    return st.builds(Address, segments(), process_ids())


def json_values() -> st.SearchStrategy[JsonValue]:
    """All that the codec's JSON text can say."""
    scalars: st.SearchStrategy[JsonValue] = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        text(),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text(), inner, max_size=4)),
        max_leaves=12,
    )


def text(max_size: int = 20) -> st.SearchStrategy[str]:
    """Unicode that UTF-8 can hold."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)


def params() -> st.SearchStrategy[str]:
    """A capability's params: JSON text of the kinds in use, sometimes spaced, sometimes no JSON."""
    return st.one_of(
        st.sampled_from(
            ('"messaging"', '"network"', '{"root":true}', '{"kind": "read", "drive": "/a:b/pkg"}')
        ),
        text(),
    )


def capabilities() -> st.SearchStrategy[Capability]:
    """Unsigned ones."""
    return st.builds(Capability, addresses(), params())


def signed_capabilities() -> st.SearchStrategy[SignedCapability]:
    return st.builds(SignedCapability, addresses(), params(), st.binary(min_size=1, max_size=64))


def attached() -> st.SearchStrategy[tuple[Capability, ...]]:
    """What a message carries: mostly nothing."""
    some = st.lists(st.one_of(capabilities(), signed_capabilities()), max_size=3).map(tuple)
    return st.one_of(st.just(()), some)


def payloads() -> st.SearchStrategy[Payload]:
    return st.builds(Payload, st.none() | text(), st.binary(max_size=64))


def _metadata() -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), st.sampled_from(("http", "ws")), text())


def requests() -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        inherit=st.booleans(),
        expects_response=st.none() | U64,
        ipc=st.binary(max_size=64),
        metadata=_metadata(),
        capabilities=attached(),
    )


def responses() -> st.SearchStrategy[Response]:
    return st.builds(
        Response,
        inherit=st.booleans(),
        ipc=st.binary(max_size=64),
        metadata=_metadata(),
        capabilities=attached(),
    )


def on_exits() -> st.SearchStrategy[OnExit]:
    entry: st.SearchStrategy[ExitRequest] = st.tuples(addresses(), requests(), st.none() | payloads())
    return st.one_of(
        st.just(OnExit.none()), st.just(OnExit.restart()), st.lists(entry, max_size=3).map(OnExit.requests)
    )


def contexts() -> st.SearchStrategy[bytes | None]:
    return st.none() | st.binary(max_size=16)


def kernel_messages() -> st.SearchStrategy[KernelMessage]:
    """Envelopes on their way: a context only on Responses, the kernel's bookkeeping untouched."""

    def envelope(message: Request | Response) -> st.SearchStrategy[KernelMessage]:
        return st.builds(
            KernelMessage,
            id=U64,
            source=addresses(),
            target=addresses(),
            rsvp=st.none() | addresses(),
            message=st.just(message),
            payload=st.none() | payloads(),
            context=contexts() if isinstance(message, Response) else st.none(),
        )

    return st.one_of(requests(), responses()).flatmap(envelope)


def mutated(json: JsonValue) -> st.SearchStrategy[JsonValue]:
    """The value with one place in it replaced, removed, doubled or renamed."""
    here = [json_values()]
    if isinstance(json, dict) and json:
        keys = st.sampled_from(sorted(json))
        here += [
            keys.map(lambda key: {other: json[other] for other in json if other != key}),
            st.tuples(keys, text()).map(
                lambda pair: {(pair[1] if other == pair[0] else other): json[other] for other in json}
            ),
            keys.flatmap(lambda key: mutated(json[key]).map(lambda value: {**json, key: value})),
        ]
    if isinstance(json, list) and json:
        places = st.integers(0, len(json) - 1)
        here += [
            places.map(lambda place: json[:place] + json[place + 1 :]),
            places.map(lambda place: json[: place + 1] + json[place:]),
            places.flatmap(
                lambda place: mutated(json[place]).map(
                    lambda value: [*json[:place], value, *json[place + 1 :]]
                )
            ),
        ]
    # the last one goes deeper, which is where most of the places are
    return here[0] if len(here) == 1 else st.one_of(*here, here[-1])
