from __future__ import annotations

import attrs
import pytest

from kernel.address import Address, PackageId, ProcessId
from kernel.capability import Capability
from kernel.jsontext import JsonValue, dump
from sys_processes.app_store.core import RESERVED, InstallPlan, Surroundings, check_name, plan_install
from sys_processes.app_store.fields import PackageError
from sys_processes.app_store.protocol import APP_STORE

HTTP = ProcessId("http_server", "sys", "nectar")
VFS = ProcessId("vfs", "sys", "nectar")
STATE = ProcessId("state", "sys", "nectar")
NODE = Surroundings("alice.uq", (HTTP, VFS))
METADATA = b'{"package":"chess","publisher":"alice.uq"}'


def package(*entries: JsonValue, **others: bytes) -> dict[str, bytes]:
    return {
        "metadata.json": METADATA,
        "pkg/manifest.json": dump(list(entries)),
        "pkg/chess.py": b"",
    } | {name.replace("__", "/").replace("_dot_", "."): data for name, data in others.items()}


def chess(**keys: JsonValue) -> JsonValue:
    base: dict[str, JsonValue] = {"process_name": "chess", "process_path": "/chess.py"}
    return base | keys


def plan(*entries: JsonValue, around: Surroundings = NODE) -> InstallPlan:
    return plan_install(package(*entries), around)


def refusal(files: dict[str, bytes], around: Surroundings = NODE) -> PackageError:
    with pytest.raises(PackageError) as caught:
        plan_install(files, around)
    return caught.value


def test_each_entry_becomes_a_process_with_exactly_what_it_asked_for() -> None:
    """C-159."""
    found = plan(
        chess(
            request_networking=True,
            request_capabilities=[
                "http_server:sys:nectar",
                {"process": "vfs:sys:nectar", "params": {"kind": "read", "drive": "/go:me/pkg"}},
            ],
            grant_capabilities=[
                "http_server:sys:nectar",
                {"process": "vfs:sys:nectar", "params": "saves"},
            ],
        ),
        {"process_name": "clock", "process_path": "chess.py", "public": True},
    )
    first, second = found.processes
    assert first.id == ProcessId("chess", "chess", "alice.uq")
    assert first.code == "/chess:alice.uq/pkg/chess.py"
    assert first.capabilities == (
        Capability.messaging(Address("alice.uq", HTTP)),
        Capability(Address("alice.uq", VFS), '{"drive":"/go:me/pkg","kind":"read"}'),
        Capability.network("alice.uq"),
    )
    assert first.grants == ((HTTP, '"messaging"'), (VFS, '"saves"'))
    assert (second.id.process, second.capabilities, second.public) == ("clock", (), True)
    assert found.warnings == ()


def test_the_drive_gets_what_lies_in_pkg_and_the_metadata() -> None:
    files = package(chess(), pkg__ui__index_dot_html=b"<p>", readme=b"")
    found = plan_install(files, NODE)
    assert found.package == PackageId("chess", "alice.uq")
    assert found.drive == "/chess:alice.uq/pkg"
    assert sorted(found.files) == ["chess.py", "manifest.json", "metadata.json", "ui/index.html"]


def test_metadata_in_pkg_is_found() -> None:
    files = package(chess())
    files["pkg/metadata.json"] = files.pop("metadata.json")
    assert plan_install(files, NODE).package == PackageId("chess", "alice.uq")


def test_metadata_on_top_wins_and_the_other_is_named() -> None:
    files = package(chess()) | {"pkg/metadata.json": b'{"package":"other","publisher":"x"}'}
    found = plan_install(files, NODE)
    assert found.package == PackageId("chess", "alice.uq")
    assert found.warnings[0].file == "pkg/metadata.json"


def test_a_package_without_metadata_is_told_what_to_write() -> None:
    files = package(chess())
    del files["metadata.json"]
    assert '"package"' in refusal(files).fix


def test_a_package_without_manifest_is_told_what_to_write() -> None:
    assert '"process_name"' in refusal({"metadata.json": METADATA}).fix


def test_a_manifest_on_top_is_to_be_moved() -> None:
    error = refusal({"metadata.json": METADATA, "manifest.json": b"[]"})
    assert (error.file, error.fix) == ("manifest.json", "move it to pkg/manifest.json")


@pytest.mark.parametrize(
    "code",
    ["/../metadata.py", "../chess.py", "/a\\b.py", "/a\0.py", "/", "", "/chess", "/chess.js", "/no.py"],
)
def test_a_path_that_names_no_code_in_pkg_is_refused_at_its_place(code: str) -> None:
    error = refusal(package(chess(process_path=code)))
    assert (error.file, error.path) == ("pkg/manifest.json", "$[0].process_path")


def test_the_code_that_is_there_is_named_when_the_wanted_one_is_not() -> None:
    assert "there are pkg/chess.py" in refusal(package(chess(process_path="/ches.py"))).problem


def test_a_component_that_is_not_there_stands_for_the_module_beside_it() -> None:
    found = plan({"process_name": "chess", "process_wasm_path": "/chess.wasm"})
    assert found.processes[0].code == "/chess:alice.uq/pkg/chess.wasm"


def test_messaging_to_the_kernel_is_refused_to_other_publishers() -> None:
    error = refusal(package(chess(request_capabilities=["timer:sys:nectar", "kernel:sys:nectar"])))
    assert error.path == "$[0].request_capabilities[1]"
    assert "approves" in error.fix


@pytest.mark.parametrize("spelling", ["kernel:sys:nectar", "kernel:distro:sys"])
def test_no_spelling_of_the_kernel_passes(spelling: str) -> None:
    right: JsonValue = {"process": spelling, "params": "messaging"}
    assert "control over the node" in refusal(package(chess(request_capabilities=[right]))).problem


def test_messaging_to_the_kernel_is_given_when_the_user_approves() -> None:
    approved = attrs.evolve(NODE, approved=True)
    found = plan(chess(request_capabilities=["kernel:sys:nectar"]), around=approved)
    assert found.processes[0].capabilities[0].issuer.process.process == "kernel"


def test_a_publisher_that_the_package_writes_itself_excuses_nothing() -> None:
    files = package(chess(request_capabilities=["kernel:sys:nectar"]))
    files["metadata.json"] = b'{"package":"chess","publisher":"nectar"}'
    assert "control over the node" in refusal(files).problem


@pytest.mark.parametrize(
    "spelling", ["vfs:sys:nectar", "vfs:distro:sys", "state:sys:nectar", "state:distro:sys"]
)
def test_the_files_and_states_of_everybody_take_an_approval(spelling: str) -> None:
    around = attrs.evolve(NODE, running=(HTTP, VFS, STATE))
    right: JsonValue = {"process": spelling, "params": {"root": True}}
    error = refusal(package(chess(request_capabilities=[right])), around)
    assert error.path == "$[0].request_capabilities[0]"
    assert "control over the node: its root is everybody's" in error.problem
    assert "nectar boot --package" in error.fix
    found = plan(chess(request_capabilities=[right]), around=attrs.evolve(around, approved=True))
    assert [one.params for one in found.processes[0].capabilities] == ['{"root":true}']


def test_other_rights_of_vfs_take_no_approval() -> None:
    params: JsonValue = {"kind": "read", "drive": "/go:me/pkg"}
    found = plan(
        chess(request_capabilities=["vfs:sys:nectar", {"process": "vfs:sys:nectar", "params": params}])
    )
    assert len(found.processes[0].capabilities) == 2


def test_the_ids_of_later_eras_mean_the_processes_that_run() -> None:
    found = plan(
        chess(request_capabilities=["http-server:distro:sys"], grant_capabilities=["vfs:distro:sys"])
    )
    assert found.processes[0].capabilities == (Capability.messaging(Address("alice.uq", HTTP)),)
    assert found.processes[0].grants == ((VFS, '"messaging"'),)


def test_a_capability_of_a_process_that_does_not_run_is_given_with_a_warning() -> None:
    found = plan(chess(request_capabilities=["kv:sys:nectar"]))
    assert len(found.processes[0].capabilities) == 1
    assert [(w.path, "does not run" in w.text) for w in found.warnings] == [
        ("$[0].request_capabilities[0]", True)
    ]


def test_a_grant_to_a_process_that_does_not_run_is_a_warning() -> None:
    found = plan(chess(grant_capabilities=["terminal:terminal:nectar"]))
    assert [w.path for w in found.warnings] == ["$[0].grant_capabilities[0]"]


def test_processes_of_one_package_may_ask_for_each_other() -> None:
    found = plan(
        chess(request_capabilities=["clock:chess:alice.uq"]),
        {"process_name": "clock", "process_path": "/chess.py"},
    )
    assert found.warnings == ()


def test_no_package_may_call_a_process_kernel() -> None:
    """C-065."""
    error = refusal(package(chess(process_name="kernel")))
    assert error.path == "$[0].process_name"


@pytest.mark.parametrize("spelling", ["main:app_store:nectar", "main:app-store:sys", "main:app_store:sys"])
def test_messaging_to_the_app_store_takes_an_approval_as_that_to_the_kernel_does(spelling: str) -> None:
    around = attrs.evolve(NODE, running=(HTTP, VFS, APP_STORE))
    error = refusal(package(chess(request_capabilities=[spelling])), around)
    assert error.path == "$[0].request_capabilities[0]"
    assert "it installs and removes packages" in error.problem
    assert "nectar boot --package" in error.fix
    approved = attrs.evolve(around, approved=True)
    assert plan(chess(request_capabilities=[spelling]), around=approved).processes[0].capabilities == (
        Capability.messaging(Address("alice.uq", APP_STORE)),
    )


# -- what somebody says the package is


def test_a_package_that_claims_the_name_of_another_is_refused() -> None:
    with pytest.raises(PackageError, match=r"is that of chess:.*, and the request is about go:"):
        plan_install(package(chess()), NODE, PackageId("go", "alice.uq"))


def test_a_package_without_metadata_is_what_the_request_says() -> None:
    files = package(chess())
    del files["metadata.json"]
    found = plan_install(files, NODE, PackageId("chess", "me"))
    assert (found.package, found.version) == (PackageId("chess", "me"), None)
    assert found.files["metadata.json"] == b'{"package":"chess","publisher":"me"}'
    assert [warning.file for warning in found.warnings] == ["metadata.json"]


@pytest.mark.parametrize("package_id", RESERVED)
def test_no_request_is_about_a_package_of_the_node(package_id: PackageId) -> None:
    files = package(chess())
    del files["metadata.json"]
    with pytest.raises(PackageError, match="belongs to the node"):
        check_name(package_id)
    with pytest.raises(PackageError, match="belongs to the node"):
        plan_install(files, NODE, package_id)


@pytest.mark.parametrize("package_id", [PackageId("schäch", "me"), PackageId("chess", "mé")])
def test_no_request_is_about_a_package_whose_processes_could_not_be_made(package_id: PackageId) -> None:
    with pytest.raises(PackageError, match="cannot be part of an id"):
        check_name(package_id)


@pytest.mark.parametrize(("package_name", "publisher"), [("sys", "nectar"), ("distro", "sys")])
def test_the_packages_of_the_node_itself_cannot_be_replaced(package_name: str, publisher: str) -> None:
    files = package(chess())
    files["metadata.json"] = dump({"package": package_name, "publisher": publisher})
    assert "belongs to the node" in refusal(files).problem


@pytest.mark.parametrize("package_id", [PackageId("Sys", "Nectar"), PackageId("App_Store", "nectar")])
def test_a_package_of_the_node_in_other_letters_is_still_the_node_s(package_id: PackageId) -> None:
    files = package(chess())
    files["metadata.json"] = dump({"package": package_id.package, "publisher": package_id.publisher})
    assert "belongs to the node" in refusal(files).problem
    with pytest.raises(PackageError, match="belongs to the node"):
        check_name(package_id)


def test_a_package_whose_folder_no_disk_could_name_is_refused() -> None:
    files = package(chess())
    files["metadata.json"] = dump({"package": "x" * 196, "publisher": "me"})
    assert plan_install(files, NODE).package.package == "x" * 196
    files["metadata.json"] = dump({"package": "x" * 198, "publisher": "me"})
    assert "has 201 characters, 200 at most" in refusal(files).problem
