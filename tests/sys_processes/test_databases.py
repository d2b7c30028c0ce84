from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.address import PackageId, ProcessId
from sys_processes._databases import (
    IDLE_SECONDS,
    LONGEST_NAME,
    MOST_BYTES,
    MOST_OPEN,
    MOST_STEPS,
    BadName,
    NoSuchTransaction,
    TooMuch,
    Transactions,
    database,
    owns,
    right,
)
from sys_processes.devices import DatabaseName
from tests.support.golden import golden

CHESS = PackageId("chess", "nectar")
GAMES = DatabaseName(CHESS, "games")
OTHER = DatabaseName(CHESS, "other")
WHITE, BLACK = ProcessId("white", "chess", "nectar"), ProcessId("black", "chess", "nectar")


@pytest.mark.parametrize("db", ["games", "a.b-c_D9", "..a", "x" * LONGEST_NAME])
def test_a_safe_segment_is_a_name(db: str) -> None:
    assert database(CHESS, db) == DatabaseName(CHESS, db)


@pytest.mark.parametrize(
    "db", ["", ".", "..", "a/b", "/a", "a\0b", "ä", "a b", "a:b", "x" * (LONGEST_NAME + 1)]
)
def test_anything_else_is_none(db: str) -> None:
    with pytest.raises(BadName, match="no name of a database"):
        database(CHESS, db)


def test_a_database_belongs_to_its_package() -> None:
    assert owns(WHITE, GAMES)
    assert not owns(ProcessId("white", "chess", "other"), GAMES)


def test_rights_name_package_and_database() -> None:
    assert right("read", GAMES).encode() == golden("kv/right_to_read")
    assert right("write", GAMES).encode() == golden("kv/right_to_write")


def test_steps_come_out_in_order_and_once() -> None:
    transactions: Transactions[str] = Transactions()
    number = transactions.begin(WHITE, GAMES, 0)
    transactions.add(number, WHITE, GAMES, "a", 1, 0)
    transactions.add(number, WHITE, GAMES, "b", 1, 0)
    assert transactions.take(number, WHITE, GAMES, 0) == ["a", "b"]
    with pytest.raises(NoSuchTransaction):
        transactions.take(number, WHITE, GAMES, 0)


def test_a_transaction_is_of_one_process_and_one_database() -> None:
    transactions: Transactions[str] = Transactions()
    number = transactions.begin(WHITE, GAMES, 0)
    for owner, name, asked in ((BLACK, GAMES, number), (WHITE, OTHER, number), (WHITE, GAMES, number + 1)):
        with pytest.raises(NoSuchTransaction, match=f"no transaction {asked}"):
            transactions.add(asked, owner, name, "x", 1, 0)
        with pytest.raises(NoSuchTransaction):
            transactions.take(asked, owner, name, 0)
    assert transactions.take(number, WHITE, GAMES, 0) == []


def test_what_nobody_touches_for_five_minutes_is_dropped() -> None:
    transactions: Transactions[str] = Transactions()
    idle = transactions.begin(WHITE, GAMES, 0)
    used = transactions.begin(WHITE, GAMES, 0)
    transactions.add(used, WHITE, GAMES, "a", 1, 200)
    assert transactions.drop_idle(0) == IDLE_SECONDS
    assert transactions.drop_idle(IDLE_SECONDS) == 200 + IDLE_SECONDS
    assert len(transactions) == 1
    with pytest.raises(NoSuchTransaction):
        transactions.take(idle, WHITE, GAMES, IDLE_SECONDS)
    with pytest.raises(NoSuchTransaction):
        transactions.take(used, WHITE, GAMES, 200 + IDLE_SECONDS)
    assert transactions.drop_idle(200 + IDLE_SECONDS) is None


def test_those_of_a_process_or_a_database_are_dropped_together() -> None:
    transactions: Transactions[str] = Transactions()
    for owner, name in ((WHITE, GAMES), (WHITE, OTHER), (BLACK, GAMES)):
        transactions.begin(owner, name, 0)
    assert transactions.owners() == [WHITE, BLACK]
    assert transactions.drop_of(WHITE) == 2
    assert transactions.owners() == [BLACK]
    transactions.drop_in(OTHER)
    assert len(transactions) == 1
    transactions.drop_in(GAMES)
    assert len(transactions) == 0


def test_a_process_has_so_many_transactions_and_others_do_not_suffer() -> None:
    transactions: Transactions[str] = Transactions()
    for _ in range(MOST_OPEN):
        transactions.begin(WHITE, GAMES, 0)
    with pytest.raises(TooMuch, match="commit one first"):
        transactions.begin(WHITE, GAMES, 0)
    transactions.begin(BLACK, GAMES, 0)


def test_a_transaction_that_is_full_stays_as_it_is() -> None:
    transactions: Transactions[int] = Transactions()
    number = transactions.begin(WHITE, GAMES, 0)
    transactions.add(number, WHITE, GAMES, 1, MOST_BYTES, 0)
    with pytest.raises(TooMuch, match="holds 1 writes of 67108864 bytes"):
        transactions.add(number, WHITE, GAMES, 2, 1, 0)
    assert transactions.take(number, WHITE, GAMES, 0) == [1]
    number = transactions.begin(WHITE, GAMES, 0)
    for step in range(MOST_STEPS):
        transactions.add(number, WHITE, GAMES, step, 0, 0)
    with pytest.raises(TooMuch):
        transactions.add(number, WHITE, GAMES, 2, 0, 0)


OWNERS, NAMES = st.sampled_from([WHITE, BLACK]), st.sampled_from([GAMES, OTHER])


@given(
    st.lists(
        st.tuples(OWNERS, NAMES, st.integers(1, 4), st.sampled_from(["begin", "add", "take"])), max_size=20
    )
)
def test_no_process_ever_reaches_the_transaction_of_another(
    calls: list[tuple[ProcessId, DatabaseName, int, str]],
) -> None:
    transactions: Transactions[ProcessId] = Transactions()
    for owner, name, number, call in calls:
        try:
            match call:
                case "begin":
                    transactions.begin(owner, name, 0)
                case "add":
                    transactions.add(number, owner, name, owner, 1, 0)
                case _:
                    assert set(transactions.take(number, owner, name, 0)) <= {owner}
        except NoSuchTransaction:
            pass
