"""The ring of what could be returned to nobody (DESIGN section 2)."""

from __future__ import annotations

from kernel.address import Address
from kernel.dead_letters import KEPT_BYTES, DeadLetter, DeadLetters
from kernel.message import KernelMessage, Payload, Request

A = Address.from_str("alice.uq@a:test:test")


def letter(number: int, size: int) -> DeadLetter:
    message = KernelMessage(number, A, A, None, Request(ipc=b"12345"), Payload(None, bytes(size - 5)))
    return DeadLetter(0.0, A.process, message, "why")


def kept(letters: DeadLetters) -> list[int]:
    return [one.message.id for one in letters.all()]


def test_the_oldest_go_when_all_together_are_too_big():
    letters = DeadLetters()
    half = KEPT_BYTES // 2
    letters.add(letter(1, half))
    letters.add(letter(2, half))
    assert kept(letters) == [1, 2]
    letters.add(letter(3, 6))
    assert kept(letters) == [2, 3]
    assert letters.total == 3


def test_the_last_one_stays_whatever_its_size():
    letters = DeadLetters()
    letters.add(letter(1, 10))
    letters.add(letter(2, KEPT_BYTES + 1))
    assert kept(letters) == [2]
    letters.add(letter(3, 10))
    assert kept(letters) == [3]
