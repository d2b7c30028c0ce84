"""TLS between nodes: who accepts a link shows a certificate with his node's key, and who dials looks at nothing else.

TLS 1.3 only, without resumption: each link has keys of its own (C-164). The certificate is a form that TLS wants; its
names and dates mean nothing, and nobody checks them.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

PROTOCOL = "nectar-link-1"
"""What both sides must name, so that no other TLS server is taken for a node."""
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nectar-link")])
_BEGIN, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def make_certificate(key: Ed25519PrivateKey) -> x509.Certificate:
    """Self-signed, and always the same for the same key."""
    return (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .sign(key, None)
    )


def server_context(
    key: Ed25519PrivateKey, secret: bytes, certificate: x509.Certificate | None = None
) -> ssl.SSLContext:
    """`secret` are fresh random bytes: under them the key lies in a file for a moment, for `ssl` reads only files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols([PROTOCOL])
    shown = certificate or make_certificate(key)
    password = secret.hex().encode()
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with _readable(shown.public_bytes(Encoding.PEM) + sealed) as path:
        context.load_cert_chain(path, password=password)
    return context


@contextmanager
def _readable(data: bytes) -> Iterator[Path]:
    """A file of these bytes: in memory where that can be, for a node may have no place to write but its home."""
    if sys.platform == "linux" and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("link"), "wb") as file:
            file.write(data)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "link.pem"
        path.write_bytes(data)
        yield path


def client_context() -> ssl.SSLContext:
    """Takes any certificate: `shown_key` is for the caller to compare."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols([PROTOCOL])
    return context


def shown_key(certificate: bytes | None) -> bytes | None:
    """The raw Ed25519 key in a DER certificate. None for one with another kind of key, or that cannot be read.

    Whoever finished a TLS handshake with it has the private key to it.
    """
    if certificate is None:
        return None
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except Exception:  # noqa: BLE001 - whatever the other side put there
        return None
    return key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else None
