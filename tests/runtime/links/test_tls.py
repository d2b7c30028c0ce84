"""What TLS between nodes proves, and what it takes no notice of."""

from __future__ import annotations

import ssl
import sys
import tempfile
from datetime import UTC, datetime

import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.capability import is_signed_form
from runtime.links.frame_stream import FrameStream
from runtime.links.link import DirectLink, begin
from runtime.links.tls import client_context, make_certificate, server_context, shown_key
from tests.support.net_world import identity_of
from tests.support.streams import connection

BOB = identity_of("bob.uq")
SECRET = b"s" * 32


def certificate(key, begin: datetime, end: datetime, algorithm=None) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(key, algorithm)
    )


async def meet(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[DirectLink | str, DirectLink | str]:
    """The link as either side has it, or what it found."""
    near, far = connection()
    found: dict[str, DirectLink | str] = {}

    async def one(name: str, stream: FrameStream, context: ssl.SSLContext, *, is_server: bool) -> None:
        try:
            found[name] = await begin(stream, context, server=is_server)
        except trio.BrokenResourceError as error:
            found[name] = str(error)
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: one("client", FrameStream(near, b"", client=True), client, is_server=False)
        )
        nursery.start_soon(lambda: one("server", FrameStream(far, b"", client=False), server, is_server=True))
    return found["client"], found["server"]


def test_a_key_always_makes_the_same_certificate():
    first, second = make_certificate(BOB.network_key), make_certificate(BOB.network_key)
    assert first.public_bytes(Encoding.DER) == second.public_bytes(Encoding.DER)
    assert shown_key(first.public_bytes(Encoding.DER)) == BOB.public_key


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the key is read from a temporary file")
def test_a_node_with_no_place_for_temporary_files_has_its_key_read_all_the_same(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    server_context(BOB.network_key, SECRET)


def test_what_the_nodes_key_signs_for_tls_is_nothing_that_it_signs_elsewhere():
    """Neither its certificate nor a handshake (RFC 8446 section 4.4.3) can pass for a capability."""
    assert not is_signed_form(make_certificate(BOB.network_key).tbs_certificate_bytes)
    handshake = b" " * 64 + b"TLS 1.3, server CertificateVerify\x00" + b"h" * 32
    assert not is_signed_form(handshake)


async def test_the_dialling_side_learns_the_key_and_both_agree_on_tls_1_3_without_resumption():
    """C-164."""
    client, server = await meet(server_context(BOB.network_key, SECRET), client_context())
    assert isinstance(client, DirectLink)
    assert isinstance(server, DirectLink)
    await server.send(b"hello")
    assert await client.receive() == b"hello"
    assert (client.proven_key, server.proven_key) == (BOB.public_key, None)
    tls = client._stream.tls
    assert tls.version() == "TLSv1.3"
    assert not tls.session_reused
    assert not tls.session.has_ticket


async def test_dates_and_names_in_a_certificate_mean_nothing_and_the_key_everything():
    """C-166."""
    long_ago = datetime(1990, 1, 1, tzinfo=UTC), datetime(1991, 1, 1, tzinfo=UTC)
    expired = certificate(BOB.network_key, *long_ago)
    client, _ = await meet(server_context(BOB.network_key, SECRET, expired), client_context())
    assert client.proven_key == BOB.public_key
    mallory = identity_of("mallory.uq")
    client, _ = await meet(server_context(mallory.network_key, SECRET), client_context())
    assert client.proven_key == mallory.public_key


async def test_a_certificate_with_another_kind_of_key_proves_nothing(tmp_path):
    """C-166."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
    shown = certificate(key, begin, end, hashes.SHA256())
    assert shown_key(shown.public_bytes(Encoding.DER)) is None
    client, _ = await meet(server_context(key, SECRET, shown), client_context())
    assert isinstance(client, DirectLink)
    assert client.proven_key is None


def test_a_certificate_that_cannot_be_read_proves_nothing():
    assert shown_key(b"no certificate") is None
    assert shown_key(None) is None


def test_a_certificate_of_another_key_cannot_be_shown():
    """Bob's certificate is of no use to who has not Bob's key."""
    mallory = identity_of("mallory.uq").network_key
    with pytest.raises(ssl.SSLError, match=r"(?i)mismatch"):
        server_context(mallory, SECRET, make_certificate(BOB.network_key))


async def test_an_older_tls_is_refused():
    old = client_context()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    client, server = await meet(server_context(BOB.network_key, SECRET), old)
    assert server == "TLS: unsupported protocol"
    assert isinstance(client, str)


async def test_a_tls_server_that_is_no_node_is_not_taken_for_one():
    other = server_context(BOB.network_key, SECRET)
    other.set_alpn_protocols(["http/1.1"])
    client, _ = await meet(other, client_context())
    assert client == "TLS, but not for nectar-link-1"


async def test_a_tls_client_that_is_no_node_is_not_taken_for_one():
    other = client_context()
    other.set_alpn_protocols(["http/1.1"])
    _, server = await meet(server_context(BOB.network_key, SECRET), other)
    assert server == "TLS, but not for nectar-link-1"
