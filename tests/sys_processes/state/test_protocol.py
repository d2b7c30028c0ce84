from __future__ import annotations

import pytest

from kernel.address import ProcessId
from kernel.codec import Err
from sys_processes.state.protocol import (
    BACKED_UP,
    DELETED,
    GOT,
    SET,
    STATE_FAILURE,
    STATE_REQUEST,
    Backup,
    BadBytes,
    BadJson,
    BadRequest,
    DeleteState,
    GetState,
    NotFound,
    SetState,
    StateError,
    StateRequest,
    StoreBroken,
)
from tests.support.golden import golden

CHESS = ProcessId("chess", "chess", "nectar")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state/get_state", GetState(CHESS)),
        ("state/set_state", SetState(CHESS)),
        ("state/delete_state", DeleteState(CHESS)),
        ("state/backup", Backup()),
    ],
)
def test_requests_look_as_approved(name: str, value: StateRequest) -> None:
    assert STATE_REQUEST.encode(value) == golden(name)
    assert STATE_REQUEST.decode(golden(name)) == value


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("state/not_found", NotFound(CHESS)),
        ("state/bad_bytes", BadBytes("SetState")),
        ("state/bad_request", BadRequest("why")),
        ("state/bad_json", BadJson("why")),
        ("state/io_error", StoreBroken("why")),
    ],
)
def test_errors_look_as_approved(name: str, error: StateError) -> None:
    assert STATE_FAILURE.encode(Err(error)) == golden(name)
    assert STATE_FAILURE.decode(golden(name)) == Err(error)


def test_the_plain_answers_look_as_approved() -> None:
    assert [
        golden("state/got"),
        golden("state/set"),
        golden("state/deleted"),
        golden("state/backup"),
    ] == [GOT, SET, DELETED, BACKED_UP]
