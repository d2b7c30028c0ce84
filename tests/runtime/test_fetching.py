"""http_client over real sockets, with a server of this machine and its certificate."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.dialer import TcpDialer
from runtime.listener import TcpListener
from sys_processes.devices import DialFailed
from sys_processes.http_client.core import Checked, Refused
from sys_processes.http_client.transport import fetch
from tests.sys_processes.http_client.test_requests import Server, hello

pytestmark = pytest.mark.real_clock


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, for `localhost`, and one of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "both.pem"
    file.write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())


class TlsListener:
    """Accepts streams whose handshake is made by their first use."""

    def __init__(self, inner: TcpListener, context: ssl.SSLContext) -> None:
        self._inner = inner
        self._context = context

    async def accept(self):
        stream = await self._inner.accept()
        return trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)


async def test_a_server_of_this_machine_answers_who_may_ask_it():
    server = Server(hello)
    listener = await TcpListener.open("127.0.0.1", 0)
    server.listener = listener
    asked = Checked("POST", f"{listener.url}/x", (("x-mine", "1"),))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        head, body = await fetch(TcpDialer(), asked, b"you", local=True, most_body=100)
        assert (head.status, head.headers["Content-Type"], body) == (200, "text/plain", b"hello you")
        with pytest.raises(Refused, match="is this machine"):
            await fetch(TcpDialer(), asked, b"you", local=False, most_body=100)
        nursery.cancel_scope.cancel()
    assert len(server.asked) == 1
    await listener.aclose()


async def test_a_certificate_is_looked_at(tmp_path):
    mine, trusting = contexts(tmp_path)
    server = Server(hello)
    listener = await TcpListener.open("127.0.0.1", 0)
    server.listener = TlsListener(listener, mine)
    port = listener.url.rpartition(":")[2]
    url = f"https://localhost:{port}/x"

    async def serve() -> None:
        while True:
            try:
                await server.run()
            except BaseExceptionGroup as group:
                # A client that does not trust it goes away.
                if group.split(trio.BrokenResourceError)[1] is not None:
                    raise

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        head, body = await fetch(
            TcpDialer(trusting), Checked("GET", url, ()), None, local=True, most_body=100
        )
        assert (head.status, body) == (200, b"hello ")
        with pytest.raises(Refused, match="no TLS with localhost: self-signed certificate"):
            await fetch(TcpDialer(), Checked("GET", url, ()), None, local=True, most_body=100)
        other = Checked("GET", f"https://127.0.0.1:{port}/", ())
        with pytest.raises(Refused, match=r"no TLS with 127\.0\.0\.1"):
            await fetch(TcpDialer(trusting), other, None, local=True, most_body=100)
        nursery.cancel_scope.cancel()
    await listener.aclose()


async def test_a_name_that_nobody_has_is_said_so():
    with pytest.raises(DialFailed, match=r"nobody\.invalid is no known name"):
        await TcpDialer().dial("nobody.invalid", 80, local=False)
