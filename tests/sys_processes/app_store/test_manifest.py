from __future__ import annotations

import pytest

from kernel.address import Address, PackageId, ProcessId
from kernel.jsontext import JsonValue, dump
from kernel.mailbox import DEFAULT_LIMITS, Limits
from kernel.message import OnExit, Request
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.manifest import ManifestEntry, parse_manifest, parse_metadata, parse_scripts

FILE = "pkg/manifest.json"


def entry(**keys: JsonValue) -> ManifestEntry:
    entries, warnings = parse_manifest(FILE, manifest(**keys))
    assert warnings == []
    return entries[0]


def manifest(**keys: JsonValue) -> bytes:
    base: dict[str, JsonValue] = {"process_name": "chess", "process_path": "/chess.py"}
    return dump([base | keys])


def refusal(raw: bytes) -> PackageError:
    with pytest.raises(PackageError) as caught:
        parse_manifest(FILE, raw)
    return caught.value


def test_only_the_name_and_the_path_are_needed() -> None:
    found = entry()
    assert (found.name, found.code, found.on_exit) == ("chess", "/chess.py", OnExit.none())
    assert not found.networking
    assert not found.public
    assert (found.requests, found.grants, found.mailbox) == ((), (), DEFAULT_LIMITS)


E1 = (
    b'[{"process_name":"chess","process_wasm_path":"/chess.wasm","on_panic":"Restart","request_networking":true,'
    b'"request_messaging":["http_server:sys:nectar","vfs:sys:nectar"],"grant_messaging":["http_server:sys:nectar"],'
    b'"public":false}]'
)
E3 = (
    b'[{"process_name":"chess","process_wasm_path":"/chess.wasm","on_exit":"Restart","request_networking":true,'
    b'"request_capabilities":["http_server:sys:nectar",{"process":"vfs:sys:nectar","params":{"root":true}}],'
    b'"grant_capabilities":["http_server:sys:nectar",{"process":"terminal:terminal:nectar","params":"saves"}],'
    b'"public":false}]'
)


def test_a_manifest_of_the_first_era_is_read_whole() -> None:
    (found,), warnings = parse_manifest(FILE, E1)
    assert warnings == []
    assert found.on_exit == OnExit.restart()
    assert found.networking
    assert [(str(r.process), r.params) for r in found.requests] == [
        ("http_server:sys:nectar", '"messaging"'),
        ("vfs:sys:nectar", '"messaging"'),
    ]
    assert [str(r.process) for r in found.grants] == ["http_server:sys:nectar"]


def test_a_manifest_of_the_later_eras_is_read_whole() -> None:
    (found,), warnings = parse_manifest(FILE, E3)
    assert warnings == []
    assert [(str(r.process), r.params) for r in found.requests] == [
        ("http_server:sys:nectar", '"messaging"'),
        ("vfs:sys:nectar", '{"root":true}'),
    ]
    assert [(str(r.process), r.params) for r in found.grants] == [
        ("http_server:sys:nectar", '"messaging"'),
        ("terminal:terminal:nectar", '"saves"'),
    ]


def test_both_capability_lists_add_up_and_a_double_counts_once() -> None:
    found = entry(
        request_messaging=["vfs:sys:nectar"], request_capabilities=["vfs:sys:nectar", "timer:sys:nectar"]
    )
    assert [str(r.process) for r in found.requests] == ["vfs:sys:nectar", "timer:sys:nectar"]


def test_exit_requests_are_read() -> None:
    request: JsonValue = {"inherit": False, "expects_response": None, "ipc": [98], "metadata": None}
    found = entry(on_exit={"Requests": [["our@terminal:terminal:nectar", request, None]]})
    target = Address("our", ProcessId("terminal", "terminal", "nectar"))
    assert found.on_exit == OnExit.requests([(target, Request(ipc=b"b"), None)])


def test_a_mailbox_limit_not_given_keeps_its_default() -> None:
    assert entry(mailbox={"messages": 10}).mailbox == Limits(10, DEFAULT_LIMITS.bytes)


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ({"public": "yes"}, "$[0].public", "true or false"),
        ({"process_name": 7}, "$[0].process_name", "text"),
        ({"process_name": "a b"}, "$[0].process_name", "letters"),
        ({"process_name": ""}, "$[0].process_name", "letters"),
        ({"request_networking": 1}, "$[0].request_networking", "true or false"),
        ({"request_capabilities": "vfs:sys:nectar"}, "$[0].request_capabilities", "a list"),
        ({"request_capabilities": ["vfs:sys"]}, "$[0].request_capabilities[0]", "process:package:publisher"),
        ({"request_capabilities": [7]}, "$[0].request_capabilities[0]", "text"),
        ({"request_capabilities": [{"process": "a:b:c"}]}, "$[0].request_capabilities[0]", "'params'"),
        ({"request_messaging": [{"process": "a:b:c", "params": 1}]}, "$[0].request_messaging[0]", "text"),
        ({"on_exit": "restart"}, "$[0].on_exit", '"Restart"'),
        ({"on_exit": "None", "on_panic": "None"}, "$[0]", "keep 'on_exit' only"),
        ({"process_wasm_path": "/chess.wasm"}, "$[0]", "keep 'process_path' only"),
        ({"mailbox": {"bytes": 0}}, "$[0].mailbox.bytes", "whole number"),
        ({"mailbox": {"bytes": True}}, "$[0].mailbox.bytes", "whole number"),
        ({"process_path": None}, "$[0]", '"process_path"'),
    ],
)
def test_a_wrong_type_is_refused_with_its_place_and_the_fix(
    keys: dict[str, JsonValue], path: str, words: str
) -> None:
    error = refusal(manifest(**keys))
    assert (error.file, error.path) == (FILE, path)
    assert words in str(error)


def test_a_file_that_is_no_json_is_refused() -> None:
    assert "no JSON" in refusal(b'[{"process_name": ').problem


def test_an_object_instead_of_a_list_shows_what_a_list_looks_like() -> None:
    assert "process_name" in refusal(b'{"process_name":"chess"}').fix


def test_two_processes_of_one_name_are_refused() -> None:
    one: JsonValue = {"process_name": "chess", "process_path": "/chess.py"}
    assert refusal(dump([one, one])).path == "$[1]"


def test_an_unknown_key_is_a_warning_that_guesses_what_was_meant() -> None:
    _, warnings = parse_manifest(FILE, manifest(request_capabilites=[]))
    assert len(warnings) == 1
    assert str(warnings[0]).startswith("pkg/manifest.json $[0]: unknown key 'request_capabilites'")
    assert '"request_capabilities"' in warnings[0].text


def test_a_manifest_without_processes_is_a_warning() -> None:
    entries, warnings = parse_manifest(FILE, b"[]")
    assert entries == []
    assert "no process" in warnings[0].text


METADATA_E1 = (
    b'{"package":"chess","publisher":"nectar","version":[0,1,0],'
    b'"description":null,"website":null,"wit_version":null}'
)
METADATA_E3 = (
    b'{"name":"Chess","description":"","image":"","external_url":"","animation_url":null,"properties":'
    b'{"package_name":"chess","publisher":"nectar","current_version":"0.1.0","mirrors":[],"code_hashes":'
    b'{"0.1.0":"abcd"},"license":null,"screenshots":null,"wit_version":1,"dependencies":[],"api_includes":[]}}'
)


@pytest.mark.parametrize("raw", [METADATA_E1, METADATA_E3])
def test_both_forms_of_metadata_say_the_same(raw: bytes) -> None:
    metadata, warnings = parse_metadata("metadata.json", raw)
    assert (metadata.package, metadata.version) == (PackageId("chess", "nectar"), "0.1.0")
    assert warnings == []


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b'{"package":"chess"}', "$"),
        (b'{"package":"ch ess","publisher":"nectar"}', "$.package"),
        (b'{"package":"chess","publisher":"nec:tar"}', "$.publisher"),
        (b'{"package":"chess","publisher":"nectar","version":[0,1]}', "$.version"),
        (b'{"package":"chess","publisher":"nectar","version":[0,1,"0"]}', "$.version"),
        (b'{"package":"chess","publisher":"nectar","version":[0,1,0,true]}', "$.version"),
        (b'{"properties":{"publisher":"nectar"}}', "$.properties"),
        (b'{"properties":[]}', "$.properties"),
        (b"[]", "$"),
    ],
)
def test_metadata_that_names_no_package_is_refused_with_its_place(raw: bytes, path: str) -> None:
    with pytest.raises(PackageError) as caught:
        parse_metadata("metadata.json", raw)
    assert caught.value.path == path


# -- scripts.json

SCRIPTS = "pkg/scripts.json"


def test_a_script_is_called_like_its_file() -> None:
    """PROTOCOL 8.1."""
    raw = (
        b'{"hi.wasm":{"root":false,"public":true,"request_networking":true,"request_capabilities":["net:sys:nectar"],'
        b'"grant_capabilities":["chess:chess:nectar"],"wit_version":null},"tools/reset.py":{"root":true}}'
    )
    (hi, reset), warnings = parse_scripts(SCRIPTS, raw)
    assert warnings == []
    assert (hi.name, hi.code, hi.on_exit, hi.networking, hi.public, hi.root) == (
        "hi", "hi.wasm", OnExit.none(), True, True, False,
    )  # fmt: skip
    assert [str(right.process) for right in hi.requests] == ["net:sys:nectar"]
    assert [str(right.process) for right in hi.grants] == ["chess:chess:nectar"]
    assert (reset.name, reset.code, reset.networking, reset.public, reset.root) == (
        "reset", "tools/reset.py", False, False, True,
    )  # fmt: skip
    assert (reset.file, reset.path) == (SCRIPTS, "$.tools/reset.py")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[]", "$: expected an object, found []"),
        (b"nonsense", "is no JSON"),
        (b'{"hi.py":7}', "$.hi.py: expected an object, found 7"),
        (b'{"hi.py":null}', "'hi.py' is missing"),
        (b'{"hi.py":{"root":"yes"}}', "$.hi.py.root: expected true or false"),
        (b'{"hi there.py":{}}', "'hi there' cannot be part of an id"),
        (b'{"hi.py":{},"x/hi.wasm":{}}', "$.x/hi.wasm: a second script called 'hi'"),
        (b'{"hi.py":{"request_capabilities":"x"}}', "$.hi.py.request_capabilities: expected a list"),
    ],
)
def test_scripts_that_cannot_be_read_say_where_and_what_to_write(raw: bytes, problem: str) -> None:
    with pytest.raises(PackageError) as caught:
        parse_scripts(SCRIPTS, raw)
    assert problem.removeprefix("$: ") in str(caught.value)
    assert caught.value.file == SCRIPTS
    assert caught.value.fix


def test_an_unknown_key_of_a_script_is_a_warning() -> None:
    _, (warning,) = parse_scripts(SCRIPTS, b'{"hi.py":{"rooot":true}}')
    assert str(warning) == "pkg/scripts.json $.hi.py: unknown key 'rooot' is ignored; did you mean \"root\"?"
