from __future__ import annotations

import pytest

from kernel.address import Address, ProcessId
from kernel.capability import Capability, SignedCapability
from kernel.errors import BadCapability
from tests.support.recording_syscalls import recording
from userland import process_lib

ECHO = Address.from_str("fake.dev@echo:echo:nectar")
READ = SignedCapability(ECHO, '{"kind":"read"}', b"s")


def test_own_capabilities_are_found_by_issuer_and_params_whatever_the_spacing():
    """F-02."""
    with recording() as calls:
        calls.held = [READ]
        assert process_lib.get_capabilities() == [READ]
        assert process_lib.get_capability("fake.dev@echo:echo:nectar", '{ "kind": "read" }') == READ
        assert process_lib.get_capability(ECHO, '"messaging"') is None
        assert not process_lib.can_message(ECHO)


@pytest.mark.parametrize("with_our", [True, False])
def test_grant_messaging_lets_each_named_process_message_us(with_our):
    """C-070, the library's half."""
    with recording() as calls:
        processes: list[ProcessId | str | tuple[str, str, str]] = ["a:b:c", ProcessId("d", "e", "f")]
        if with_our:
            process_lib.grant_messaging(calls.our, processes)
        else:
            process_lib.grant_messaging(processes)
    assert calls.calls == [
        ("create_capability", (ProcessId("a", "b", "c"), '"messaging"')),
        ("create_capability", (ProcessId("d", "e", "f"), '"messaging"')),
    ]


def test_grant_messaging_for_somebody_else_is_refused():
    with recording() as calls, pytest.raises(BadCapability, match="is not us"):
        process_lib.grant_messaging(ECHO, ["a:b:c"])
    assert calls.calls == []


@pytest.mark.parametrize("arguments", [("a:b:c",), (ECHO,), (ProcessId("a", "b", "c"),)])
def test_grant_messaging_wants_a_list(arguments):
    with recording(), pytest.raises(TypeError, match=r"grant_messaging\(\[\.\.\.\]\)"):
        process_lib.grant_messaging(*arguments)


def test_the_other_calls_reach_the_kernel_with_parsed_ids():
    with recording() as calls:
        process_lib.attach_capability(READ)
        process_lib.save_capabilities(iter([READ]))
        process_lib.drop_capabilities([READ])
        assert process_lib.has_capability('"x"')
        process_lib.create_capability("a:b:c", '"x"')
        process_lib.share_capability(("a", "b", "c"), READ)
    one = ProcessId("a", "b", "c")
    assert calls.calls == [
        ("attach_capability", (READ,)),
        ("save_capabilities", ((READ,),)),
        ("drop_capabilities", ((READ,),)),
        ("has_capability", ('"x"',)),
        ("create_capability", (one, '"x"')),
        ("share_capability", (one, READ)),
    ]


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda: process_lib.save_capabilities("x"), r"save_capabilities\(\[\.\.\.\]\)"),
        (lambda: process_lib.save_capabilities(READ), r"save_capabilities\(\[\.\.\.\]\)"),
        (lambda: process_lib.drop_capabilities(None), r"drop_capabilities\(\[\.\.\.\]\)"),
        (lambda: process_lib.drop_capabilities(["x"]), r"Capability\(issuer, params\)"),
        (lambda: process_lib.share_capability("a:b:c", "x"), r"Capability\(issuer, params\)"),
        (lambda: process_lib.attach_capability("x"), r"Capability\(issuer, params\)"),
        (lambda: process_lib.has_capability({"kind": "read"}), r"json\.dumps\(value\)"),
        (lambda: process_lib.get_capability(ECHO, None), r"json\.dumps\(value\)"),
        (lambda: process_lib.create_capability("a:b:c", 5), r"json\.dumps\(value\)"),
    ],
)
def test_what_is_no_capability_or_no_params_is_refused_with_what_to_write(mistake, hint):
    with recording() as calls, pytest.raises(TypeError, match=hint):
        mistake()
    assert calls.calls == []


def test_params_are_read_and_changed_as_json():
    capability = Capability(ECHO, '{"kind":"read"}')
    assert capability.params_json() == {"kind": "read"}
    assert capability.set_params_json({"kind": "write"}) == Capability(ECHO, '{"kind":"write"}')
