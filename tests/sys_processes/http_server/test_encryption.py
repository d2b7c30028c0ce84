"""The exchange of a secret and the frames under it, against vectors made elsewhere, and tampered with."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import Address
from kernel.capability import Capability, is_signed_form
from kernel.jsontext import parse
from sys_processes.http_server.encryption import (
    NONCE_BYTES,
    OVERHEAD,
    SECRET_LABEL,
    BadKey,
    Cipher,
    ClientKey,
    Exchange,
    NotDecrypted,
)
from tests.support.golden import golden
from tests.support.module_node import OneKey
from tests.support.sealed_client import (
    Secret,
    check_signature,
    check_signed_secret,
    modulus,
    private_key,
    unsealed,
    vector,
)

SECRET = bytes(range(32))
NONCES = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)


def cipher(nonce: bytes = bytes(NONCE_BYTES), secret: bytes = SECRET) -> Cipher:
    return Cipher(secret, lambda: nonce)


def odd_number(size: int) -> str:
    """Of that many bytes, with the first and the last bit set."""
    return "80" + "5a" * (size - 2) + "01"


# -- vectors


@pytest.mark.parametrize("name", ["frame_empty", "frame_text", "frame_bytes"])
def test_frames_are_those_of_the_vectors(name: str) -> None:
    """C-143."""
    line = parse(golden(f"encryption/{name}"))
    assert isinstance(line, dict)
    plain, nonce, frame = (bytes.fromhex(str(line[key])) for key in ("plain", "nonce", "frame"))
    assert cipher(nonce, vector("secret")).seal(plain) == frame
    assert cipher(secret=vector("secret")).open(frame) == plain


def test_the_secret_is_sealed_as_openssl_seals_it() -> None:
    """C-143."""
    assert vector("secret") == SECRET == unsealed(vector("encrypted_secret").hex())
    key = ClientKey.parse(modulus())
    assert unsealed(key.seal(SECRET).hex()) == SECRET
    assert len(key.seal(SECRET)) == len(vector("encrypted_secret"))


def test_the_signature_is_over_the_raw_bytes_of_the_modulus() -> None:
    """C-143."""
    assert OneKey().public_key == vector("node_public_key")
    assert vector("node_key") == b"one key of all tests".ljust(32)
    numbers = private_key().public_key().public_numbers()
    assert (numbers.e, numbers.n.to_bytes(256, "big")) == (65537, vector("public_key_hex"))
    exchange = Exchange.of(ClientKey.parse(modulus()), SECRET, OneKey().sign)
    assert bytes.fromhex(exchange.signed_public_key) == vector("signed_public_key")
    check_signature(exchange.signed_public_key)
    assert unsealed(exchange.encrypted_secret) == SECRET
    assert exchange.signed_secret is None


def test_who_asks_gets_the_secret_signed_together_with_the_key_it_is_for() -> None:
    exchange = Exchange.of(ClientKey.parse(modulus(), sign_secret=True), SECRET, OneKey().sign)
    assert bytes.fromhex(exchange.signed_public_key) == vector("signed_public_key")
    check_signed_secret(exchange.signed_secret, exchange.encrypted_secret)
    another = ClientKey.parse(modulus()).seal(bytes(32)).hex()
    with pytest.raises(InvalidSignature):
        check_signed_secret(exchange.signed_secret, another)


def test_the_signature_of_a_secret_is_that_of_the_vectors() -> None:
    signed = SECRET_LABEL + vector("public_key_hex") + vector("encrypted_secret")
    assert OneKey().sign(signed) == vector("signed_secret")
    check_signed_secret(vector("signed_secret").hex(), vector("encrypted_secret").hex())


def test_no_modulus_looks_like_what_is_signed_for_a_secret() -> None:
    """Else a login would be enough to have a secret of one's own signed, as if it were a key."""
    for size in (256, 320, 512):
        fake = SECRET_LABEL + b"\x01" * (size - len(SECRET_LABEL))
        with pytest.raises(BadKey, match="first bit"):
            ClientKey.parse(fake.hex())
    assert not is_signed_form(SECRET_LABEL + vector("public_key_hex") + vector("encrypted_secret"))


# -- frames


@given(st.binary(max_size=300), NONCES)
def test_any_bytes_come_back_and_each_side_understands_the_other(data: bytes, nonce: bytes) -> None:
    frame = cipher(nonce).seal(data)
    assert (len(frame), frame[-NONCE_BYTES:]) == (len(data) + OVERHEAD, nonce)
    assert cipher().open(frame) == data == Secret(SECRET).open(frame)
    assert cipher().open(Secret(SECRET).seal(data)) == data


@given(st.binary(max_size=100), NONCES, st.data())
def test_one_changed_bit_anywhere_is_noticed(data: bytes, nonce: bytes, drawn: st.DataObject) -> None:
    frame = bytearray(cipher(nonce).seal(data))
    bit = drawn.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotDecrypted):
        cipher().open(bytes(frame))


@given(st.binary(max_size=60), NONCES, st.data())
def test_a_piece_of_a_frame_is_noticed(data: bytes, nonce: bytes, drawn: st.DataObject) -> None:
    frame = cipher(nonce).seal(data)
    begin = drawn.draw(st.integers(0, len(frame)))
    end = drawn.draw(st.integers(begin, len(frame)))
    if (begin, end) != (0, len(frame)):
        with pytest.raises(NotDecrypted):
            cipher().open(frame[begin:end])


@given(st.binary(max_size=60), NONCES, NONCES)
def test_another_nonce_is_noticed(data: bytes, nonce: bytes, other: bytes) -> None:
    frame = cipher(nonce).seal(data)
    if nonce != other:
        with pytest.raises(NotDecrypted):
            cipher().open(frame[:-NONCE_BYTES] + other)


@given(st.binary(max_size=200))
def test_garbage_is_only_ever_not_decrypted(garbage: bytes) -> None:
    with pytest.raises(NotDecrypted):
        cipher().open(garbage)


def test_a_frame_of_another_channel_is_noticed() -> None:
    frame = cipher().seal(b"hello")
    with pytest.raises(NotDecrypted, match="does not decrypt"):
        cipher(secret=SECRET[::-1]).open(frame)
    with pytest.raises(InvalidTag):
        Secret(SECRET[::-1]).open(frame)


# -- keys


@pytest.mark.parametrize("size", [256, 257, 384, 512])
def test_a_modulus_of_2048_to_4096_bits_is_taken(size: int) -> None:
    assert len(ClientKey.parse(odd_number(size)).seal(SECRET)) == size
    assert ClientKey.parse(odd_number(size).upper()).modulus.hex() == odd_number(size)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 bits"),
        ("c0ffee", "24 bits"),
        (odd_number(128), "1024 bits"),
        (odd_number(255), "2040 bits"),
        (odd_number(513), "4104 bits"),
        ("ff" * 1_000_000, "8000000 bits"),
        ("00" + odd_number(256), "first bit"),
        ("7f" + "ff" * 255, "first bit"),
        ("80" + "00" * 255, "last bit"),
        ("0x" + odd_number(256), "hexadecimal"),
        (odd_number(256)[1:], "hexadecimal"),
        (" " + odd_number(256) + " ", "hexadecimal"),
        (odd_number(256).replace("5a5a", "5a 5a"), "hexadecimal"),
        ("zz" * 256, "hexadecimal"),
        ("\u0661" * 512, "hexadecimal"),
    ],
)
def test_what_is_no_such_modulus_is_refused_and_the_error_says_what_is_wanted(text: str, why: str) -> None:
    with pytest.raises(BadKey, match=why):
        ClientKey.parse(text)


def test_the_text_of_a_capability_is_not_signed_as_if_it_were_a_key() -> None:
    """The node's key also signs capabilities: whoever has a login must not get the signature of one."""
    issuer = Address.from_str("alice.uq@app:app:alice.uq")
    wanted = Capability(issuer, f"{'x' * 226}1").signed_bytes()
    assert (len(wanted), wanted[0] >= 0x80, wanted[-1] % 2) == (256, True, 1)
    with pytest.raises(BadKey, match="capability"):
        ClientKey.parse(wanted.hex())


@given(st.one_of(st.text(max_size=600), st.binary(min_size=250, max_size=260).map(bytes.hex)))
def test_any_text_is_a_key_or_a_bad_key(text: str) -> None:
    with contextlib.suppress(BadKey):
        key = ClientKey.parse(text)
        assert len(key.seal(SECRET)) == len(key.modulus)
