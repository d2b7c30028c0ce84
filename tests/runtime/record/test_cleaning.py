"""Secrets of the node and of its clients are crossed out of what is written, lengths kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.record.cleaning import Cleaner
from sys_processes.http_server.tokens import LoginTokens

TOKEN = LoginTokens("alice.uq", b"0123456789abcdef0123456789abcdef").issue(1_700_000_000.0).encode()


def test_a_login_token_is_crossed_out_wherever_it_stands():
    cleaned = Cleaner().clean(b'{"cookie":"a=1; nectar-auth_alice.uq=' + TOKEN + b'; b=2"}')
    assert cleaned == b'{"cookie":"a=1; nectar-auth_alice.uq=' + b"x" * len(TOKEN) + b'; b=2"}'


def test_the_secrets_of_the_node_are_crossed_out():
    cleaner = Cleaner([b"the-rpc-token", b"short"])
    assert cleaner.clean(b"say the-rpc-token in short") == b"say xxxxxxxxxxxxx in short"


def test_credentials_of_a_request_go_and_are_known_from_then_on():
    cleaner = Cleaner()
    heard = b'{"Http":{"headers":{"Authorization":"Basic dXNlcjpwYXNz","accept":"*/*"}}}'
    assert cleaner.clean_request(heard) == heard.replace(b"dXNlcjpwYXNz", b"x" * 12)
    assert cleaner.clean(b"you said dXNlcjpwYXNz") == b"you said xxxxxxxxxxxx"


def test_short_credentials_go_too_but_are_looked_for_nowhere_else():
    cleaner = Cleaner()
    assert cleaner.clean_request(b'{"authorization":"Basic abc"}') == b'{"authorization":"Basic xxx"}'
    assert cleaner.clean(b"abc") == b"abc"


def test_only_the_latest_credentials_are_remembered():
    cleaner = Cleaner(most=2)
    for number in range(3):
        cleaner.clean_request(b'"authorization":"credential-%d"' % number)
    assert cleaner.clean(b"credential-0 credential-1 credential-2") == b"credential-0 " + b" ".join(
        [b"x" * 12, b"x" * 12]
    )


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_lengths_stay_and_no_secret_does(before: bytes, after: bytes):
    cleaner = Cleaner([b"the-secret"])
    data = before + b"the-secret" + after
    cleaned = cleaner.clean(data)
    assert len(cleaned) == len(data)
    assert b"the-secret" not in cleaned
