"""Login tokens, their cookie, and the token of RPC callers."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId
from kernel.jsontext import parse
from sys_processes.http_server.tokens import (
    LIFETIME,
    BearerToken,
    LoginTokens,
    Session,
    WeakSecret,
    find_cookie,
)

SECRET = bytes(range(32))
CHESS = PackageId("chess", "nectar")
NOW = 1_750_000_000.0


def tokens(node: str = "alice.uq", secret: bytes = SECRET) -> LoginTokens:
    return LoginTokens(node, secret)


def signed(claims: dict[str, object], algorithm: str = "HS256", secret: bytes = SECRET) -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def part(token: str, index: int) -> object:
    return parse(jwt.utils.base64url_decode(token.split(".")[index]))


def test_a_token_says_who_and_until_when_and_nothing_else() -> None:
    """C-112."""
    token = tokens().issue(NOW)
    assert part(token, 0) == {"alg": "HS256"}
    assert part(token, 1) == {"username": "alice.uq", "expiration": int(NOW) + 26 * 7 * 24 * 3600}


def test_a_token_is_good_until_it_expires() -> None:
    """C-112."""
    ours = tokens()
    token = ours.issue(NOW)
    for _ in range(2):
        assert ours.is_valid(token, NOW)
        assert ours.is_valid(token, NOW + LIFETIME - 1)
        assert not ours.is_valid(token, NOW + LIFETIME)
    assert not tokens().is_valid(token, NOW + LIFETIME)


def test_a_token_of_the_third_era_is_good() -> None:
    claims = {"username": "alice.uq", "subdomain": None, "expiration": int(NOW) + 1}
    assert tokens().is_valid(signed(claims), NOW)


def test_a_token_of_a_subdomain_is_good_there_and_nowhere_else() -> None:
    """C-094."""
    ours = tokens()
    main, chess = ours.issue(NOW), ours.issue(NOW, CHESS)
    assert part(chess, 1) == {
        "username": "alice.uq", "subdomain": "chess:nectar", "expiration": int(NOW) + LIFETIME
    }  # fmt: skip
    for token, subdomain in ((main, None), (chess, CHESS)):
        for other in (None, CHESS, PackageId("go", "nectar")):
            assert ours.is_valid(token, NOW, other) is (other == subdomain)
    assert not ours.is_valid(chess, NOW + LIFETIME, CHESS)
    assert ours.admits_to(main, NOW, CHESS)
    assert ours.admits_to(chess, NOW, CHESS)
    assert not ours.admits_to(chess, NOW, PackageId("go", "nectar"))


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("nectar-auth_alice.uq", Session.VALID),
        ("nectar-auth_alice.uq@chess:chess:nectar", Session.VALID),
        ("nectar-auth_alice.uq@other:chess:nectar", Session.VALID),
        ("nectar-auth_alice.uq@chess:go:nectar", Session.INVALID),
        ("nectar-auth_alice.uq@", Session.INVALID),
        ("nectar-auth_alice.uq@chess", Session.INVALID),
        ("xnectar-auth_alice.uq@chess:chess:nectar", Session.INVALID),
        ("nectar-auth_bob.uq@chess:chess:nectar", Session.INVALID),
    ],
)
def test_the_cookie_of_a_subdomain_may_name_a_process_of_its_package(name: str, session: Session) -> None:
    ours = tokens()
    cookies = f"a=b; {name}={ours.issue(NOW, CHESS)}"
    assert ours.session(cookies, NOW, CHESS) is session
    assert ours.session(cookies, NOW) is Session.INVALID


def test_a_session_is_ended_by_a_cookie_of_the_same_attributes() -> None:
    ours = tokens()
    for secure in (False, True):
        assert ours.clear_cookie(secure=secure) == f"{ours.set_cookie('', secure=secure)}; Max-Age=0"


@pytest.mark.parametrize(
    "claims",
    [
        {"username": "alice.uq", "subdomain": 7, "expiration": 2_000_000_000},
        {"username": "alice.uq", "expiration": 0},
        {"username": "alice.uq"},
        {"username": "alice.uq", "expiration": True},
        {"username": "alice.uq", "expiration": 2e9},
        {"username": "alice.uq", "expiration": "2000000000"},
        {"username": "bob.uq", "expiration": 2_000_000_000},
        {"username": None, "expiration": 2_000_000_000},
        {"expiration": 2_000_000_000},
        {"username": "alice.uq", "subdomain": "a:b:c", "expiration": 2_000_000_000},
    ],
)
def test_a_genuine_token_with_other_claims_is_refused(claims: dict[str, object]) -> None:
    """C-112, C-123: `expiration: 0`, as the first eras wrote it, and a token of another node."""
    assert not tokens().is_valid(signed(claims), NOW)


def test_a_token_signed_otherwise_is_refused() -> None:
    """C-123."""
    claims: dict[str, object] = {"username": "alice.uq", "expiration": 2_000_000_000}
    assert tokens().is_valid(signed(claims), NOW)
    long_secret = SECRET * 2
    assert not tokens().is_valid(signed(claims, secret=SECRET[::-1]), NOW)
    assert not tokens(secret=long_secret).is_valid(signed(claims, "HS512", long_secret), NOW)
    assert not tokens().is_valid(jwt.encode(claims, "", algorithm="none"), NOW)


@given(
    st.one_of(
        st.text(max_size=60), st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)
    )
)
def test_nonsense_is_no_token_and_raises_nothing(text: str) -> None:
    assert not tokens().is_valid(text, NOW)


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = tokens().issue(NOW)
    # The last character of a part holds bits that no byte uses.
    place = data.draw(
        st.integers(0, len(token) - 2).filter(lambda at: token[at + 1] != "." and token[at] != ".")
    )
    other = data.draw(st.sampled_from("ABCxyz019_-.").filter(lambda character: character != token[place]))
    assert not tokens().is_valid(token[:place] + other + token[place + 1 :], NOW)


def test_remembering_tokens_is_bounded_and_changes_no_verdict() -> None:
    ours = tokens()
    first = ours.issue(NOW)
    for second in range(1, 1100):
        assert ours.is_valid(ours.issue(NOW + second), NOW)
    assert ours.is_valid(first, NOW)
    assert len(ours._genuine) <= 1024


@pytest.mark.parametrize("size", [0, 2, 31])
def test_a_short_secret_is_refused(size: int) -> None:
    """C-113."""
    with pytest.raises(WeakSecret, match=f"has {size} bytes, at least 32"):
        tokens(secret=bytes(size))


def test_the_cookie_can_be_read_by_pages_of_this_site_only() -> None:
    """C-109."""
    ours = tokens()
    assert ours.set_cookie("T", secure=False) == "nectar-auth_alice.uq=T; Path=/; SameSite=Strict"
    assert ours.set_cookie("T", secure=True) == "nectar-auth_alice.uq=T; Path=/; SameSite=Strict; Secure"


def test_a_cookie_header_proves_a_login_or_not() -> None:
    """C-091, C-092."""
    ours = tokens()
    good = ours.issue(NOW)
    name = "nectar-auth_alice.uq"
    for header, session in (
        (None, Session.ABSENT),
        ("", Session.INVALID),
        ("other=1", Session.INVALID),
        (f"{name}={good}", Session.VALID),
        (f"other=1; {name}={good}; more=2", Session.VALID),
        (f"{name}=bad; {name}={good}", Session.INVALID),
        (f"{name}={good}; {name}=bad", Session.VALID),
        (f"{name}2={good}", Session.INVALID),
        (f"x{name}={good}", Session.INVALID),
        (f"{name}={good}=", Session.INVALID),
        (f"{name}=a=b; {name}={good}", Session.VALID),
        (f"other=1;{name}={good}", Session.INVALID),
    ):
        assert ours.session(header, NOW) is session, header
    assert ours.session(f"{name}={good}", NOW + LIFETIME) is Session.INVALID


def test_a_part_without_exactly_one_equals_sign_is_no_cookie() -> None:
    assert find_cookie("a; a=; a=1", "a".__eq__) == ""
    assert find_cookie("a=1=2", "a".__eq__) is None


def test_the_bearer_token_is_admitted_as_a_whole() -> None:
    token = BearerToken("s3cret")
    for header in ("Bearer s3cret", "bearer s3cret", "Bearer  s3cret "):
        assert token.admits(header)
    for header in ("", "s3cret", "Basic s3cret", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Bearer \xe9"):
        assert not token.admits(header)


def test_an_empty_bearer_token_is_refused() -> None:
    with pytest.raises(WeakSecret, match="empty"):
        BearerToken("")
