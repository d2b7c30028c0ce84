from __future__ import annotations

import pytest

from runtime.command_error import CommandError
from runtime.password import AskedPassword, GivenPassword, PasswordVariable


def asked(*typed: str, terminal: bool = True) -> AskedPassword:
    answers = iter(typed)

    def ask(prompt: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    return AskedPassword(ask, lambda: terminal)


def test_a_password_is_typed_twice_at_the_first_boot_only() -> None:
    assert asked("sesame", "sesame").read(first_boot=True) == "sesame"
    assert asked("sesame").read(first_boot=False) == "sesame"


@pytest.mark.parametrize("typed", [(), ("",), ("a", "b"), ("a",)])
def test_what_is_not_typed_the_same_way_twice_is_refused(typed: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as caught:
        asked(*typed).read(first_boot=True)
    assert "nectar boot" in caught.value.next_command


def test_nothing_is_asked_without_a_terminal() -> None:
    with pytest.raises(CommandError, match="--password-env") as caught:
        asked("sesame", terminal=False).read(first_boot=False)
    assert caught.value.code == 1


def test_a_variable_is_read_once_and_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "sesame")
    assert PasswordVariable("PW").read(first_boot=True) == "sesame"
    with pytest.raises(CommandError, match="not set"):
        PasswordVariable("PW").read(first_boot=True)


def test_an_empty_variable_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "")
    with pytest.raises(CommandError, match="empty"):
        PasswordVariable("PW").read(first_boot=False)


def test_a_given_password_is_not_shown() -> None:
    given = GivenPassword("sesame")
    assert given.read(first_boot=True) == "sesame"
    assert "sesame" not in repr(given)
