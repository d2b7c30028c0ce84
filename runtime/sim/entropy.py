"""Entropy that third-party code draws for itself: what it is for, and why it does not make two runs differ.

What can be drawn through a given source is, within `seeded_entropy`; `self_test` says when a library changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import attrs
from wsproto import frame_protocol, utilities

from runtime.sim.chance import SeededChance

Draw = Callable[[str, int], bytes]
"""So many secret bytes for a label, as `kernel.ports.Chance.secret`."""


@attrs.frozen
class Source:
    """`where` draws for `what`; `so` says what keeps that out of a run."""

    where: str
    what: str
    so: str


SOURCES = (
    Source(
        "wsproto.frame_protocol", "masks of a client's frames", "drawn from the world within `seeded_entropy`"
    ),
    Source(
        "wsproto.utilities", "the key of a client's upgrade", "drawn from the world within `seeded_entropy`"
    ),
    Source(
        "cryptography, RSA-OAEP",
        "the seed of an encrypted secret",
        "no event of a kernel holds the ciphertext",
    ),
    Source(
        "cryptography, RSA keys",
        "the key of a client of an encrypted channel",
        "made by the test, of no event",
    ),
    Source("cryptography, AES-GCM", "nothing: nonces are given", "given by the node's Chance"),
    Source("cryptography, Ed25519", "nothing: signatures are a function of key and text", "nothing is drawn"),
    Source(
        "cryptography, Argon2id", "nothing: the salt is given", "a world begins with an unlocked identity"
    ),
    Source("ssl", "keys and nonces of TLS", "links of a world carry frames without TLS"),
    Source("trio", "the order of tasks that are ready", "`runtime.sim.scheduler` seeds it"),
    Source(
        "Python",
        "the order of sets of text",
        "kernel, runtime and apps iterate no set; runs are compared under several",
    ),
)


class EntropyChanged(Exception):
    """A library draws its entropy in another way than `seeded_entropy` replaces; the text says what was found."""


_DRAWERS: tuple[tuple[ModuleType, str], ...] = (
    (frame_protocol, "frame mask"),
    (utilities, "websocket key"),
)
"""Each calls `os.urandom` through its own global `os`, and nothing else of it."""


class _GivenBytes(ModuleType):
    """Stands in for `os` in one module."""

    def __init__(self, draw: Draw, label: str) -> None:
        super().__init__("os")
        self._draw = draw
        self._label = label

    def urandom(self, n: int) -> bytes:
        return self._draw(self._label, n)


@contextmanager
def seeded_entropy(draw: Draw) -> Iterator[None]:
    """Within, what libraries draw on their own comes from `draw`. One per interpreter, as the scheduler of a world.

    Raises `EntropyChanged`.
    """
    before = [(module, _os_of(module)) for module, _ in _DRAWERS]
    for module, label in _DRAWERS:
        module.__dict__["os"] = _GivenBytes(draw, label)
    try:
        yield
    finally:
        for module, real in before:
            module.__dict__["os"] = real


def _os_of(module: ModuleType) -> object:
    found = module.__dict__.get("os")
    if not isinstance(found, ModuleType):
        raise EntropyChanged(
            f"{module.__name__}.os is {found!r}, expected the module: adapt runtime/sim/entropy.py"
        )
    return found


def self_test() -> None:
    """Raises `EntropyChanged` unless the same source gives the same bytes of a client, and another one others."""
    if _client_bytes(1) != _client_bytes(1):
        raise EntropyChanged("one seed gave a WebSocket client two masks or keys")
    if any(one == other for one, other in zip(_client_bytes(1), _client_bytes(2), strict=True)):
        raise EntropyChanged("two seeds gave a WebSocket client the same mask or key")


def _client_bytes(seed: int) -> tuple[bytes, bytes]:
    """A frame, and the key of an upgrade."""
    with seeded_entropy(SeededChance(seed).secret):
        protocol = frame_protocol.FrameProtocol(client=True, extensions=[])
        return bytes(protocol.send_data(b"hello", fin=True)), utilities.generate_nonce()
