from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from userland.process_lib import Payload
from userland.process_lib.testing import Actor, ActorTest

CODE = "../pkg/file_transfer.py"
OUR = "file_transfer:file_transfer:nectar"
FAR = f"bob.nec@{OUR}"


def loaded(name: str) -> ModuleType:
    """A file of the package that needs nothing of the others."""
    spec = importlib.util.spec_from_file_location(
        f"of_file_transfer_{name}", Path(__file__).parents[1] / f"pkg/{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


names = loaded("names")


def put(actor: Actor, name: str, data: bytes = b"hello") -> None:
    answer = actor.push_http("PUT", f"/files/{name}", body=data)
    assert answer.status == 201, answer.body


def listed(actor: Actor) -> list[tuple[str, int]]:
    answer = actor.push_http("GET", "/files")
    return [(one["name"], one["size"]) for one in json.loads(answer.body)["Files"]]


def ask(actor: Actor, question: object, source: str | None = None) -> Any:
    sent = json.dumps(question)
    answer = (
        actor.send(sent, expects_response=5)
        if source is None
        else actor.send(sent, expects_response=5, source=source)
    )
    return json.loads(answer.ipc)


# -- over HTTP


def test_what_is_put_is_listed_and_given_back() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        put(actor, "b%20c.txt", b"two")
        put(actor, "a.txt", b"")
        put(actor, "a.txt", b"once more")
        assert listed(actor) == [("a.txt", 9), ("b c.txt", 3)]
        answer = actor.push_http("GET", "/files/b%20c.txt")
        assert (answer.status, answer.body) == (200, b"two")
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''b%20c.txt"
        assert actor.push_http("DELETE", "/files/a.txt").status == 200
        assert listed(actor) == [("b c.txt", 3)]


@pytest.mark.parametrize(
    ("method", "path", "status", "why"),
    [
        ("GET", "/files/none", 404, "there is no file 'none' here"),
        ("DELETE", "/files/none", 404, "there is no file 'none' here"),
        ("PUT", "/files/..", 400, "begins or ends with a dot"),
        ("PUT", "/files/a%2Fb", 400, "no name of a file"),
        ("PUT", "/files/a%00b", 400, "no name of a file"),
        ("PATCH", "/files", 405, "PATCH is not possible here"),
        ("POST", "/transfers", 400, "Get"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(method: str, path: str, status: int, why: str) -> None:
    with ActorTest(CODE, our=OUR) as actor:
        answer = actor.push_http(method, path, body=b'{"node":7}')
        assert answer.status == status
        assert why in json.loads(answer.body)["Error"]


# -- pages


def test_every_open_page_hears_what_changes() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        channel = actor.open_channel()
        put(actor, "a.txt")
        told = [json.loads(frame.bytes) for frame in actor.frames(channel)]
        assert {"Files": []} in told
        assert {"Files": [{"name": "a.txt", "size": 5}]} in told
        actor.close_channel(channel)
        put(actor, "b.txt")
        assert len(actor.frames(channel)) == len(told)


# -- other nodes


def test_another_node_may_look_and_fetch_and_nothing_else() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        put(actor, "a.txt", b"0123456789")
        assert ask(actor, "Files", FAR) == {"Files": [{"name": "a.txt", "size": 10}]}
        offer = ask(actor, {"Offer": "a.txt"}, FAR)["Offer"]
        assert offer["size"] == 10
        chunk = json.dumps({"Chunk": {"name": "a.txt", "offset": 4, "sha256": offer["sha256"]}})
        answer = actor.send(chunk, expects_response=5, source=FAR)
        assert answer.payload() == Payload("application/octet-stream", b"456789")
        changed = ask(actor, {"Chunk": {"name": "a.txt", "offset": 0, "sha256": "other"}}, FAR)
        assert changed == {"Error": "a.txt was changed meanwhile"}
        for question in ({"Remove": "a.txt"}, "Transfers", {"Get": {"node": "alice.nec", "name": "a.txt"}}):
            assert ask(actor, question, FAR) == {"Error": "another node may only look and fetch"}
        assert listed(actor) == [("a.txt", 10)]


@pytest.mark.parametrize(
    "question",
    ["", "{", '"Other"', '{"Get":1}', '{"Chunk":{"name":"a","offset":-1,"sha256":""}}', '{"Remove":"../a"}'],
)
def test_bad_questions_are_answered(question: str) -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert "Error" in json.loads(actor.send(question, expects_response=5).ipc)
        assert actor.is_running


def test_a_transfer_to_ourselves_or_from_no_node_does_not_begin() -> None:
    with ActorTest(CODE, our=OUR) as actor:
        assert ask(actor, {"Get": {"node": "fake.dev", "name": "a"}}) == {
            "Error": "that file is here already"
        }
        assert "is no node's name" in ask(actor, {"Get": {"node": "", "name": "a"}})["Error"]


# -- names


@pytest.mark.parametrize("name", ["a", "a.txt", "Überblick 2026.pdf", "日本.txt", "a" * 200])
def test_names_that_may_be(name: str) -> None:
    assert names.checked(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", " a", "a ", ".", "..", ".a", "a.", "a/b", "a\\b", "a\nb", "a\0", "é" * 101, "\ud800", 7, None],
)
def test_names_that_may_not(name: object) -> None:
    with pytest.raises(names.BadName):
        names.checked(name)


def test_two_spellings_of_one_name_are_one() -> None:
    assert names.checked("e\u0301") == names.checked("\u00e9")


@pytest.mark.parametrize(
    ("name", "taken", "found"),
    [
        ("a.txt", [], "a.txt"),
        ("a.txt", ["A.TXT"], "a (2).txt"),
        ("a.txt", ["a.txt", "a (2).txt"], "a (3).txt"),
        ("a", ["a"], "a (2)"),
        ("a.tar.gz", ["a.tar.gz"], "a.tar (2).gz"),
    ],
)
def test_a_name_that_is_taken_gets_a_number(name: str, taken: list[str], found: str) -> None:
    assert names.free(name, taken) == found
