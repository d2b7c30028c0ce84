"""Identifiers: the grammar, the errors, the JSON form (PROTOCOL 1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import (
    Address,
    AddressParseError,
    IdentifierParseError,
    PackageId,
    ParseKind,
    ProcessId,
    ProcessIdParseError,
    fresh_name,
    is_safe,
    to_process_id,
)
from kernel.codec import Shape
from runtime.sim import strategies
from tests.support.golden import golden


def test_a_process_id_has_three_parts_and_prints_as_it_was_read() -> None:
    """C-001."""
    process = ProcessId.from_str("a:b:c")
    assert (process.process, process.package, process.publisher) == ("a", "b", "c")
    assert str(process) == "a:b:c"
    assert process.package_id == PackageId("b", "c")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("a:b", ParseKind.MissingField, id="C-002"),
        pytest.param("a:b:c:d", ParseKind.TooManyColons, id="C-003"),
        pytest.param("a::c", ParseKind.MissingField, id="C-004"),
        ("", ParseKind.MissingField),
        ("::", ParseKind.MissingField),
        ("a:b:", ParseKind.MissingField),
        (":b:c", ParseKind.MissingField),
        ("a@b:c:d", ParseKind.InvalidCharacter),
        ("a:b/c:d", ParseKind.InvalidCharacter),
        ("a b:c:d", ParseKind.InvalidCharacter),
        ("a:b:c\n", ParseKind.InvalidCharacter),
        ("a:b\x00:c", ParseKind.InvalidCharacter),
        ("a:b\x85:c", ParseKind.InvalidCharacter),
        ("a:b\u2003:c", ParseKind.InvalidCharacter),
        ("a:b\ud800:c", ParseKind.InvalidCharacter),
    ],
)
def test_what_is_no_process_id_says_why(text: str, kind: ParseKind) -> None:
    """C-002, C-003, C-004."""
    with pytest.raises(ProcessIdParseError) as caught:
        ProcessId.from_str(text)
    assert caught.value.kind is kind
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a", ParseKind.MissingField),
        ("a:b:c", ParseKind.TooManyColons),
        ("a:", ParseKind.MissingField),
        ("a:b c", ParseKind.InvalidCharacter),
    ],
)
def test_what_is_no_package_id_says_why(text: str, kind: ParseKind) -> None:
    with pytest.raises(ProcessIdParseError) as caught:
        PackageId.from_str(text)
    assert caught.value.kind is kind


def test_an_address_is_a_node_and_a_process_id_and_prints_as_it_was_read() -> None:
    """C-005."""
    address = Address.from_str("n@a:b:c")
    assert (address.node, address.process) == ("n", ProcessId("a", "b", "c"))
    assert (address.process_name, address.package, address.publisher) == ("a", "b", "c")
    assert address.package_id == PackageId("b", "c")
    assert str(address) == "n@a:b:c"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("a:b:c", ParseKind.MissingNodeId, id="C-006 no @"),
        pytest.param("@a:b:c", ParseKind.MissingNodeId, id="C-006 no node"),
        pytest.param("n@a:b:c@x", ParseKind.TooManyAts, id="C-007"),
        ("n@@a:b:c", ParseKind.TooManyAts),
        ("n:m@a:b:c", ParseKind.TooManyColons),
        ("n m@a:b:c", ParseKind.InvalidCharacter),
        ("n/m@a:b:c", ParseKind.InvalidCharacter),
        ("n@a:b", ParseKind.MissingField),
        ("n@a::c", ParseKind.MissingField),
        ("n@a:b:c:d", ParseKind.TooManyColons),
        ("n@a:b:c d", ParseKind.InvalidCharacter),
        ("", ParseKind.MissingNodeId),
    ],
)
def test_what_is_no_address_says_why(text: str, kind: ParseKind) -> None:
    """C-006, C-007, F-01."""
    with pytest.raises(AddressParseError) as caught:
        Address.from_str(text)
    assert caught.value.kind is kind
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ParseKind.TooManyColons, "Too many colons in ProcessId string"),
        (ParseKind.MissingField, "Missing field in ProcessId string"),
        (ParseKind.MissingNodeId, "Node ID missing"),
    ],
)
def test_errors_keep_the_words_of_the_reference(kind: ParseKind, words: str) -> None:
    assert words in str(IdentifierParseError(kind, "x", "y"))


def test_values_that_would_not_print_back_cannot_be_built() -> None:
    with pytest.raises(ProcessIdParseError):
        ProcessId("a:b", "c", "d")
    with pytest.raises(ProcessIdParseError):
        PackageId("", "b")
    with pytest.raises(AddressParseError) as caught:
        Address("", ProcessId("a", "b", "c"))
    assert caught.value.kind is ParseKind.MissingNodeId


def test_processes_without_a_name_get_different_decimal_u64s() -> None:
    """C-008."""
    names = [ProcessId(None, "b", "c").process for _ in range(100)]
    assert all(0 <= int(name) < 2**64 and str(int(name)) == name for name in names)
    assert len(set(names)) == 100


def test_the_fresh_name_comes_from_whoever_was_appointed() -> None:
    token = fresh_name.set(lambda: 42)
    try:
        assert ProcessId(None, "b", "c").process == "42"
    finally:
        fresh_name.reset(token)


def test_identifiers_have_their_json_form() -> None:
    """C-009."""
    assert Shape[ProcessId](ProcessId).encode(ProcessId("http_server", "sys", "nectar")) == golden(
        "kernel/process_id"
    )
    assert Shape[Address](Address).encode(Address("alice.uq", "chess:chess:nectar")) == golden(
        "kernel/address"
    )
    package = Shape[PackageId](PackageId)
    assert package.encode(PackageId("chess", "nectar")) == golden("kernel/package_id")
    assert package.decode(golden("kernel/package_id")) == PackageId("chess", "nectar")
    assert package.decode(b'"chess:nectar"') == PackageId("chess", "nectar")


def test_a_process_id_is_made_of_itself_its_text_or_its_parts() -> None:
    process = ProcessId("a", "b", "c")
    assert to_process_id(process) is process
    assert to_process_id("a:b:c") == process
    assert to_process_id(("a", "b", "c")) == process
    with pytest.raises(TypeError, match="a process id is"):
        to_process_id(5)  # type: ignore[arg-type]


def test_equality_is_by_bytes_without_normalisation() -> None:
    assert ProcessId("\u00e9", "b", "c") != ProcessId("e\u0301", "b", "c")
    assert ProcessId("A", "b", "c") != ProcessId("a", "b", "c")


@pytest.mark.parametrize(
    ("segment", "safe"),
    [("http_server", True), ("a-b.C9", True), ("é", False), ("a b", False), ("", False), ("a\n", False)],
)
def test_only_plain_names_may_be_created(segment: str, safe: bool) -> None:
    assert is_safe(segment) is safe


@given(strategies.safe_segments())
def test_safe_segments_make_safe_ids(segment: str) -> None:
    assert ProcessId(segment, segment, segment).is_safe()
    assert not ProcessId(segment, "é", segment).is_safe()


@given(strategies.process_ids())
def test_a_process_id_that_is_printed_and_read_is_the_same(process: ProcessId) -> None:
    """C-001."""
    assert ProcessId.from_str(str(process)) == process


@given(strategies.package_ids())
def test_a_package_id_that_is_printed_and_read_is_the_same(package: PackageId) -> None:
    assert PackageId.from_str(str(package)) == package


@given(strategies.addresses())
def test_an_address_that_is_printed_and_read_is_the_same(address: Address) -> None:
    """C-005."""
    assert Address.from_str(str(address)) == address


_SOUP = st.text(st.sampled_from(list("ab:@/ \n\x00é\ud800")), max_size=12) | st.text(max_size=30)


@given(_SOUP)
def test_text_is_an_identifier_that_prints_back_or_an_error_that_can_be_shown(text: str) -> None:
    """C-002 to C-007."""
    for parse in (ProcessId.from_str, PackageId.from_str, Address.from_str):
        try:
            shown = str(parse(text))
        except IdentifierParseError as error:
            shown = f"{error.kind}: {error} {error!r}"
        else:
            assert shown == text
        assert shown.encode()


def test_a_huge_text_is_neither_kept_nor_repeated_in_the_error() -> None:
    huge = "x" * 1_000_000
    with pytest.raises(ProcessIdParseError) as caught:
        ProcessId.from_str(huge)
    assert len(str(caught.value)) < 400
    assert ProcessId.from_str(f"{huge}:b:c") is not ProcessId.from_str(f"{huge}:b:c")
    assert ProcessId.from_str("kept:b:c") is ProcessId.from_str("kept:b:c")


@pytest.mark.parametrize("kind", [Address, ProcessId, PackageId])
@pytest.mark.parametrize("text", [None, 5, b"a@b:c:d"])
def test_only_text_is_parsed(kind: type[Address | ProcessId | PackageId], text: str) -> None:
    with pytest.raises(TypeError, match=r"from_str takes text such as"):
        kind.from_str(text)
