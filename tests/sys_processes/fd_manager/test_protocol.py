from __future__ import annotations

import pytest

from kernel.address import ProcessId
from kernel.codec import Err, Malformed
from sys_processes.fd_manager.protocol import (
    FD_MANAGER_REQUEST,
    FD_MANAGER_RESPONSE,
    FDS_LIMIT,
    BadRequest,
    FdManagerRequest,
    FdManagerResponse,
    FdsLimit,
    FdsLimitHit,
    GetProcessFdLimit,
    GetState,
    NoCap,
    NotRegistered,
    Ok,
    RequestFdsLimit,
    ShareIs,
    SharesAre,
    ShareStanding,
    UpdateCullFractionDenominator,
    UpdateMaxFdsAsFractionOfUlimitPercentage,
    UpdateUpdateUlimitSecs,
)
from tests.support.golden import golden

EARLY_VFS = ProcessId("vfs", "distro", "sys")


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("fd_manager/request_fds_limit", RequestFdsLimit()),
        ("fd_manager/fds_limit_hit", FdsLimitHit()),
        ("fd_manager/max_fds", UpdateMaxFdsAsFractionOfUlimitPercentage(90)),
        ("fd_manager/update_secs", UpdateUpdateUlimitSecs(3600)),
        ("fd_manager/cull", UpdateCullFractionDenominator(2)),
        ("fd_manager/get_state", GetState()),
        ("fd_manager/get_process_fd_limit", GetProcessFdLimit(EARLY_VFS)),
    ],
)
def test_requests_are_the_golden_lines(name: str, request_: FdManagerRequest) -> None:
    assert FD_MANAGER_REQUEST.encode(request_) == golden(name)
    assert FD_MANAGER_REQUEST.decode(golden(name)) == request_


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fd_manager/fds_limit", FdsLimit(60)),
        ("fd_manager/state", SharesAre({EARLY_VFS: ShareStanding(60, 3)})),
        ("fd_manager/process_fd_limit", ShareIs(60)),
        ("fd_manager/ok", Ok()),
        ("fd_manager/bad_request", Err(BadRequest("expected 1 to 100 percent, found 0"))),
        ("fd_manager/no_cap", Err(NoCap())),
        ("fd_manager/not_registered", Err(NotRegistered(ProcessId("chess", "chess", "nectar")))),
    ],
)
def test_answers_are_the_golden_lines(name: str, answer: FdManagerResponse) -> None:
    assert FD_MANAGER_RESPONSE.encode(answer) == golden(name)
    assert FD_MANAGER_RESPONSE.decode(golden(name)) == answer


def test_what_it_tells_is_nothing_that_it_is_asked() -> None:
    assert FDS_LIMIT.decode(golden("fd_manager/fds_limit")) == FdsLimit(60)
    with pytest.raises(Malformed):
        FD_MANAGER_REQUEST.decode(golden("fd_manager/fds_limit"))
