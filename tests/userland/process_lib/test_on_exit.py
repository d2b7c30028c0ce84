from __future__ import annotations

import pytest

from kernel.address import Address
from kernel.message import OnExit as RawOnExit
from kernel.message import Payload
from kernel.message import Request as RawRequest
from tests.support.recording_syscalls import recording
from userland.process_lib import BuildError, OnExit, Request, get_on_exit, set_on_exit

ECHO = Address.from_str("fake.dev@echo:echo:nectar")
ENTRY = (ECHO, RawRequest(ipc=b"bye"), Payload(None, b"p"))
BUILDER = Request().target(ECHO).ipc(b"bye").payload_bytes(b"p")


def test_a_policy_that_is_set_is_the_one_that_is_read():
    with recording() as calls:
        for policy in (OnExit.none(), OnExit.restart(), OnExit.requests([ENTRY])):
            policy.set()
            assert OnExit.get() == get_on_exit() == policy
            assert type(calls.on_exit) is RawOnExit
        set_on_exit(OnExit.restart())
        assert OnExit.get().is_restart()


def test_entries_are_builders_or_raw():
    assert OnExit.requests([BUILDER]) == OnExit.requests([ENTRY])
    assert OnExit.requests([BUILDER]).get_requests() == (ENTRY,)
    with pytest.raises(BuildError):
        OnExit.requests([Request().ipc(b"to nobody")])


@pytest.mark.parametrize(
    "entry",
    [
        (ECHO, Request().ipc(b"bye").payload_bytes(b"p"), None),
        ("fake.dev@echo:echo:nectar", Request().ipc(b"bye").payload_bytes(b"other"), Payload(None, b"p")),
        (("fake.dev", "echo", "echo", "nectar"), RawRequest(ipc=b"bye"), Payload(None, b"p")),
    ],
)
def test_an_entry_may_hold_a_builder_and_any_form_of_a_target(entry):
    with recording() as calls:
        OnExit.requests([entry]).set()
        assert calls.on_exit == RawOnExit.requests([ENTRY])
        set_on_exit(RawOnExit.requests([entry]))
        assert calls.on_exit == RawOnExit.requests([ENTRY])


@pytest.mark.parametrize(
    "entry", [(ECHO, RawRequest()), (ECHO, b"bye", None), ECHO, (ECHO, RawRequest(), b"p")]
)
def test_what_is_no_entry_is_refused_at_once(entry):
    with pytest.raises(TypeError, match=r"OnExit\.requests"):
        OnExit.requests([entry])


def test_the_words_of_the_first_era_are_policies():
    with recording() as calls:
        set_on_exit("Restart")
        assert calls.on_exit == RawOnExit.restart()
        set_on_exit("None")
        assert calls.on_exit == RawOnExit.none()


@pytest.mark.parametrize("policy", [None, "Requests", "restart", OnExit.restart])
def test_what_is_no_policy_is_refused(policy):
    with recording(), pytest.raises(TypeError, match=r"OnExit\.restart\(\)"):
        set_on_exit(policy)


def test_an_added_request_is_in_the_new_value_only():
    """F-41."""
    one = OnExit.requests([ENTRY])
    two = one.add_request(BUILDER)
    assert isinstance(two, OnExit)
    assert (one.get_requests(), two.get_requests()) == ((ENTRY,), (ENTRY, ENTRY))


@pytest.mark.parametrize("policy", [OnExit.none(), OnExit.restart()])
def test_a_request_cannot_be_added_to_another_policy(policy):
    with pytest.raises(ValueError, match=r"OnExit\.requests"):
        policy.add_request(ENTRY)
