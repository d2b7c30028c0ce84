"""The part of what was printed that somebody asked for (PROTOCOL 4.6, Debug)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernel.debug import LONGEST_LINE, MOST_PRINTED, MOST_SHOWN, AskLog, LoggedLine, LogIs
from kernel.ports import Line


def log_for(question: AskLog, kept: Sequence[Line]) -> LogIs:
    """Out of the lines that the console keeps, oldest first."""
    first, last = (kept[0].number, kept[-1].number) if kept else (1, 0)
    after = question.after
    if after is not None and after > last:
        # The one who asks saw the lines of a console that is gone: the node was started anew.
        after = 0
    asked = [line for line in kept if (after is None or line.number > after) and _wanted(question, line)]
    most = min(question.most, MOST_SHOWN)
    if after is None:
        asked = asked[len(asked) - min(most, len(asked)) :]
        fitting = _fitting(reversed(asked))[::-1]
        return LogIs(_logged(fitting), last, len(asked) - len(fitting))
    fitting = _fitting(asked[:most])
    upto = last if len(fitting) == len(asked) else fitting[-1].number if fitting else after
    return LogIs(_logged(fitting), upto, max(0, first - after - 1))


def _wanted(question: AskLog, line: Line) -> bool:
    by = question.process
    if by is not None and not line.source.endswith(f"@{by}"):
        return False
    return question.level is None or line.verbosity <= question.level


def _fitting(lines: Iterable[Line]) -> list[Line]:
    """The first of them, as many as an answer has room for."""
    room = MOST_PRINTED
    fitting: list[Line] = []
    for line in lines:
        room -= min(len(line.text), LONGEST_LINE)
        if room < 0:
            break
        fitting.append(line)
    return fitting


def _logged(lines: Iterable[Line]) -> tuple[LoggedLine, ...]:
    return tuple(
        LoggedLine(line.time, line.source, _level(line.verbosity), _text(line.text)) for line in lines
    )


def _level(verbosity: int) -> int:
    """A process may have given any."""
    return min(max(0, verbosity), 3)


def _text(text: str) -> str:
    """With each half surrogate, which does not travel, spelled out."""
    cut = text[:LONGEST_LINE].encode("utf-8", "backslashreplace").decode()
    return cut if len(text) <= LONGEST_LINE else f"{cut}… ({len(text) - LONGEST_LINE} characters more)"
