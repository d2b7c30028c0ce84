"""The keyfile: what opens it, what it refuses, what it holds."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import jsontext
from kernel.kernel import BadNodeName
from runtime.keyfile import (
    BadPassword,
    Cost,
    Identity,
    Keyfile,
    KeyfileBroken,
    WrongPassword,
    create,
    seal,
)
from runtime.sim.chance import SeededChance

QUICK = Cost(iterations=1, lanes=1, memory_kib=8)
ALICE = Identity.fresh("alice.dev", SeededChance(1), ["router-1.os"])
KEYFILE = seal(ALICE, "secret", SeededChance(2), QUICK)


def edited(**changes: object) -> bytes:
    content = jsontext.parse(KEYFILE.to_bytes())
    assert isinstance(content, dict)
    return jsontext.dump(content | changes)


def test_the_password_brings_back_the_whole_identity() -> None:
    assert Keyfile.from_bytes(KEYFILE.to_bytes()).unlock("secret") == ALICE


def test_a_new_keyfile_has_secrets_of_32_bytes_and_a_key_in_hex() -> None:
    """C-113."""
    identity = create("bob.dev", "secret", SeededChance(3), routers=["r.os"], cost=QUICK).unlock("secret")
    assert (identity.name, identity.routers) == ("bob.dev", ("r.os",))
    assert len(identity.jwt_secret) == len(identity.file_key) == 32
    assert len(bytes.fromhex(identity.public_key_hex.removeprefix("0x"))) == 32
    assert identity.public_key_hex.startswith("0x")
    assert identity != ALICE


@pytest.mark.parametrize("password", ["", "Secret", "secret ", "\udc80"])
def test_another_password_does_not_open_it(password: str) -> None:
    with pytest.raises(WrongPassword, match=r"alice\.dev"):
        KEYFILE.unlock(password)


def test_a_password_opens_it_however_its_accents_are_composed() -> None:
    keyfile = seal(ALICE, "caf\u00e9", SeededChance(2), QUICK)
    assert keyfile.unlock("cafe\u0301") == ALICE


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(BadPassword):
        create("alice.dev", "", SeededChance(1), cost=QUICK)


def test_a_node_called_our_is_refused_new_and_in_a_keyfile() -> None:
    """C-011."""
    with pytest.raises(BadNodeName, match="our"):
        create("our", "secret", SeededChance(1), cost=QUICK)
    with pytest.raises(KeyfileBroken, match="our"):
        Keyfile.from_bytes(edited(username="our"))


def test_a_name_that_no_other_node_would_take_is_refused_before_a_keyfile_is_made() -> None:
    with pytest.raises(BadNodeName, match="its name has 254 characters, 253 at most"):
        create("a" * 254, "secret", SeededChance(1), cost=QUICK)
    assert create("a" * 253, "secret", SeededChance(1), cost=QUICK)


@pytest.mark.parametrize("name", ["", "a b", "alice@dev", "a:b", "a/b", "älice"])
def test_an_unsafe_name_is_refused_new_and_in_a_keyfile(name: str) -> None:
    with pytest.raises(BadNodeName, match="letters, digits"):
        create(name, "secret", SeededChance(1), cost=QUICK)
    with pytest.raises(BadNodeName, match="letters, digits"):
        create("alice.dev", "secret", SeededChance(1), routers=[name], cost=QUICK)
    with pytest.raises(KeyfileBroken, match="letters, digits"):
        Keyfile.from_bytes(edited(username=name))


@pytest.mark.parametrize(
    ("field", "length"), [("jwt_secret", 2), ("jwt_secret", 31), ("file_key", 0), ("jwt_secret", 33)]
)
def test_a_secret_of_another_length_is_refused(field: str, length: int) -> None:
    """C-113."""
    if field == "jwt_secret":
        short = attrs.evolve(ALICE, jwt_secret=bytes(length))
    else:
        short = attrs.evolve(ALICE, file_key=bytes(length))
    with pytest.raises(KeyfileBroken, match=rf"{field} of alice\.dev has {length} bytes, expected 32"):
        seal(short, "secret", SeededChance(2), QUICK).unlock("secret")


@given(st.integers(0, len(KEYFILE.to_bytes()) - 1))
def test_a_keyfile_cut_short_anywhere_is_broken(length: int) -> None:
    with pytest.raises(KeyfileBroken):
        Keyfile.from_bytes(KEYFILE.to_bytes()[:length])


@given(st.integers(0, len(KEYFILE.to_bytes()) - 1), st.integers(1, 255))
def test_a_keyfile_with_a_changed_byte_never_opens(place: int, change: int) -> None:
    raw = bytearray(KEYFILE.to_bytes())
    raw[place] ^= change
    with pytest.raises((KeyfileBroken, WrongPassword)):
        Keyfile.from_bytes(bytes(raw)).unlock("secret")


def test_a_name_or_a_router_put_in_by_hand_is_noticed() -> None:
    for changed in (edited(username="mallory.dev"), edited(routers=[]), edited(routers=["evil.os"])):
        with pytest.raises(KeyfileBroken, match="do not belong together"):
            Keyfile.from_bytes(changed).unlock("secret")


def test_a_derivation_that_would_take_for_ever_is_refused_at_once() -> None:
    content = jsontext.parse(KEYFILE.to_bytes())
    assert isinstance(content, dict)
    kdf = content["kdf"]
    assert isinstance(kdf, dict)
    bad: list[dict[str, jsontext.JsonValue]] = [
        {"memory_kib": 2**40},
        {"iterations": 10**9},
        {"lanes": 10**6},
        {"lanes": 0},
        {"memory_kib": 7},
    ]
    bad += [{"iterations": -1}, {"name": "md5"}, {"salt": "AA=="}, {"salt": "no base64"}]
    for change in bad:
        with pytest.raises(KeyfileBroken):
            Keyfile.from_bytes(edited(kdf=kdf | change))


@pytest.mark.parametrize("text", ["", "AAAA", "*"])
def test_a_secret_that_is_no_ciphertext_is_broken(text: str) -> None:
    with pytest.raises(KeyfileBroken, match="network_key"):
        Keyfile.from_bytes(edited(network_key=text)).unlock("secret")


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(KeyfileBroken, match="format 2, this program knows 1"):
        Keyfile.from_bytes(edited(format=2))


def test_a_file_is_for_its_owner_only_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "keyfile"
    KEYFILE.write(path)
    KEYFILE.write(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keyfile.read(path) == KEYFILE
    assert [file.name for file in tmp_path.iterdir()] == ["keyfile"]
    path.write_bytes(b"{")
    with pytest.raises(KeyfileBroken, match=r"keyfile: .*cut short"):
        Keyfile.read(path)


def test_a_signature_counts_for_our_own_name_and_these_bytes_only() -> None:
    signature = ALICE.sign(b"data")
    assert len(signature) == 64
    assert ALICE.verify("alice.dev", b"data", signature)
    assert not ALICE.verify("bob.dev", b"data", signature)
    assert not ALICE.verify("alice.dev", b"other", signature)
    assert not ALICE.verify("alice.dev", b"data", b"short")


def test_secrets_show_in_no_repr() -> None:
    shown = repr(ALICE)
    for secret in (ALICE.jwt_secret, ALICE.file_key, ALICE.network_key.private_bytes_raw()):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_the_same_identity_and_password_never_make_the_same_file_twice() -> None:
    chance = SeededChance(9)
    first, second = seal(ALICE, "secret", chance, QUICK), seal(ALICE, "secret", chance, QUICK)
    assert first.to_bytes() != second.to_bytes()


def test_the_default_cost_is_what_a_real_node_pays() -> None:
    keyfile = create("alice.dev", "secret", SeededChance(1))
    assert b'"iterations":3,"lanes":4,"memory_kib":65536' in keyfile.to_bytes()
    assert keyfile.unlock("secret").name == "alice.dev"
