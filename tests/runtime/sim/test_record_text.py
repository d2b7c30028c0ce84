"""Lines of a record in words: one line each, cut where they are long."""

from __future__ import annotations

import pytest

from runtime.record import lines
from runtime.record.lines import Line
from runtime.sim.record_text import described, line_text, said_text
from tests.runtime.record.test_lines import EVERY, SAID


@pytest.mark.parametrize("line", EVERY, ids=lambda line: type(line).__name__)
def test_every_line_is_one_line_of_words(line: Line):
    text = line_text(line, 1.0)
    assert "\n" not in text
    assert type(line).__name__ not in text or isinstance(line, lines.Record)


def test_times_count_from_the_beginning():
    began = next(line for line in EVERY if isinstance(line, lines.Began))
    assert line_text(began, 0.25) == "0.750000 app:app:me 1.0: begins"


def test_a_message_is_told_with_all_that_is_compared():
    assert said_text(SAID) == (
        "sends a Request to alice.uq@app:app:me, waits 5 s, ipc 'abc', metadata 'm', "
        "payload text/plain 'abc', capability n@a:b:c^x"
    )


def test_long_bytes_are_cut_and_named_by_size_and_digest():
    digest = lines.Digest(1000, "ab" * 32, "y" * 200)
    text = said_text(lines.Said(SAID.to, False, True, None, digest, None, [], None))
    assert text == (
        f"sends a Response to alice.uq@app:app:me, inherits, ipc '{'y' * 120}...' (1000 bytes, abababababab)"
    )


def test_a_failed_wait_is_told_with_what_it_raised():
    failed = next(line for line in EVERY if isinstance(line, lines.GoesOn))
    assert described(failed) == "goes on: code, which raises SpawnError"
