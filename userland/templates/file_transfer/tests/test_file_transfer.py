"""The process alone, in milliseconds: `pytest`."""

import json

from userland.process_lib.testing import ActorTest

CODE, OUR = "../pkg/file_transfer.py", "file_transfer:file_transfer:nectar"


def test_what_is_put_is_listed_and_given_back() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert actor.push_http("PUT", "/files/a.txt", body=b"hello").status == 201
        found = json.loads(actor.push_http("GET", "/files").body)
        assert found == {"Files": [{"name": "a.txt", "size": 5}]}
        assert actor.push_http("GET", "/files/a.txt").body == b"hello"


def test_a_mistake_is_told() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert actor.push_http("GET", "/files/none").status == 404
