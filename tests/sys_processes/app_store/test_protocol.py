from __future__ import annotations

import pytest

from kernel.address import PackageId, ProcessId
from kernel.capability import MESSAGING
from kernel.codec import Err, Malformed
from kernel.jsontext import parse
from sys_processes.app_store.protocol import (
    DENIED,
    STORE_ANSWER,
    STORE_REQUEST,
    App,
    Approved,
    ApprovedResponse,
    Apps,
    AppsResponse,
    AskedRight,
    Download,
    DownloadResponse,
    Install,
    InstallForm,
    InstallResponse,
    NewPackage,
    NewPackageResponse,
    Outcome,
    ScriptStarted,
    StartScript,
    StoreAnswer,
    StoreRequest,
    Uninstall,
    UninstallForm,
    UninstallResponse,
)
from tests.support.golden import golden

CHESS = PackageId("chess", "nectar")
CHESS_PROCESS = ProcessId("chess", "chess", "nectar")

REQUESTS: dict[str, StoreRequest] = {
    "new_package": NewPackage(CHESS, mirror=True),
    "new_package_later": NewPackage(CHESS, mirror=True),
    "new_package_text": NewPackage(CHESS),
    "install": Install(CHESS),
    "install_later": Install(InstallForm(CHESS, "abcd")),
    "install_text": Install(CHESS),
    "uninstall": Uninstall(CHESS),
    "uninstall_later": Uninstall(UninstallForm(CHESS)),
    "uninstall_text": Uninstall(CHESS),
    "new_package_approved": NewPackage(CHESS, approve=True),
    "approved": Approved(CHESS),
    "apps": Apps(),
    "start_script": StartScript(ProcessId("hi", "chess", "nectar")),
    "apps_null": Apps(),
}
ANSWERS: dict[str, StoreAnswer] = {
    "new_package_success": NewPackageResponse(Outcome.Success),
    "new_package_failure": NewPackageResponse(Outcome.Failure),
    "install_success": InstallResponse(Outcome.Success),
    "install_failure": InstallResponse(Outcome.Failure),
    "uninstall_success": UninstallResponse(Outcome.Success),
    "uninstall_failure": UninstallResponse(Outcome.Failure),
    "download_failure": DownloadResponse(Outcome.Failure),
    "apps_response": AppsResponse((App(CHESS, "0.1.0", (CHESS_PROCESS,)),)),
    "approved_response": ApprovedResponse(
        (AskedRight(ProcessId("timer", "sys", "nectar"), MESSAGING),), True
    ),
    "script_started": ScriptStarted(ProcessId("1234", "chess", "nectar")),
    "malformed": Err("why"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_any_era_is_understood(name: str) -> None:
    assert STORE_REQUEST.decode(golden(f"app_store/{name}")) == REQUESTS[name]


@pytest.mark.parametrize("name", [name for name in REQUESTS if "_package" in name or name.startswith("un")])
def test_the_package_is_the_same_however_it_is_written(name: str) -> None:
    request = STORE_REQUEST.decode(golden(f"app_store/{name}"))
    assert isinstance(request, NewPackage | Uninstall)
    assert request.package == CHESS


@pytest.mark.parametrize("name", ["install", "install_later", "install_text"])
def test_the_package_to_install_is_the_same_however_it_is_written(name: str) -> None:
    request = STORE_REQUEST.decode(golden(f"app_store/{name}"))
    assert isinstance(request, Install)
    assert request.package == CHESS


@pytest.mark.parametrize(
    "name",
    ["new_package", "new_package_approved", "install", "uninstall", "apps", "approved", "start_script"],
)
def test_a_request_is_written_in_the_words_of_the_seed(name: str) -> None:
    assert STORE_REQUEST.encode(REQUESTS[name]) == golden(f"app_store/{name}")


@pytest.mark.parametrize("name", ["download", "download_later"])
def test_a_download_is_understood_whatever_is_in_it(name: str) -> None:
    whole = parse(golden(f"app_store/{name}"))
    assert isinstance(whole, dict)
    assert STORE_REQUEST.decode(golden(f"app_store/{name}")) == Download(whole["Download"])


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_written_as_the_tools_compare_it(name: str) -> None:
    assert STORE_ANSWER.encode(ANSWERS[name]) == golden(f"app_store/{name}")
    assert STORE_ANSWER.decode(golden(f"app_store/{name}")) == ANSWERS[name]


def test_what_another_node_is_told() -> None:
    assert golden("app_store/denied") == DENIED


@pytest.mark.parametrize(
    "text",
    [
        '{"Install":"chess"}',
        '{"Install":{"package":"chess:nectar","package_id":"chess:nectar"}}',
        '{"NewPackage":{"mirror":true}}',
        '"Install"',
        "[]",
    ],
)
def test_a_request_about_no_package_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        STORE_REQUEST.decode(text.encode())
