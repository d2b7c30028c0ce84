"""Keeps SQL databases of packages in the node's `Databases` (PROTOCOL 7.5).

The requests of one process happen in the order sent, those of others beside them. What changes something is
acknowledged when it is durable. Rights are looked at when a request's turn comes, so that `Open` counts for what was
sent right behind it.
"""

from __future__ import annotations

from kernel.address import Address, ProcessId
from kernel.codec import Err, Malformed
from kernel.message import Message, Payload
from kernel.ports import Init
from kernel.syscalls import current
from sys_processes._crew import serve_in_turns
from sys_processes._database_desk import TROUBLES, Desk, Heard, common_error
from sys_processes._databases import Transactions, database
from sys_processes._serve import Answer, Outcome
from sys_processes.devices import DatabaseName, Databases, NoDatabase, Statement
from sys_processes.sqlite.core import (
    BadParameters,
    early_failure,
    is_early,
    kind_of_right,
    missing,
    parameters,
    rows_as_json,
    size_of,
    statement_of,
    wrong_door,
)
from sys_processes.sqlite.protocol import (
    EARLY_FAILURE,
    MIME,
    SQLITE_REQUEST,
    SQLITE_RESPONSE,
    AddCapFailed,
    Backup,
    BeganTx,
    BeginTx,
    Commit,
    DiskError,
    InvalidParameters,
    MalformedRequest,
    MismatchingPackageId,
    New,
    NoReadCap,
    Ok,
    Open,
    Query,
    Read,
    RemoveDb,
    Rows,
    SqlError,
    SqliteAction,
    SqliteError,
    SqliteRequest,
    SqliteResponse,
    Write,
)


def _answer(response: SqliteResponse, payload: Payload | None = None) -> Answer:
    return Answer(SQLITE_RESPONSE.encode(response), payload)


_OK = _answer(Ok())


class _Sqlite:
    def __init__(self, databases: Databases, desk: Desk[Statement]) -> None:
        self._databases = databases
        self._desk = desk

    def decode(self, message: Message) -> Heard[SqliteRequest]:
        return self._desk.decode(message, SQLITE_REQUEST)

    async def handle(self, message: Message, heard: Heard[SqliteRequest]) -> Outcome:
        return self._desk.enter(message, heard, self._serve, _too_many)

    async def _serve(self, source: ProcessId, request: SqliteRequest, payload: Payload | None) -> Answer:
        action = request.action
        try:
            name = database(request.package_id, request.db)
            refused = self._refused(source, name, action)
            if refused is not None:
                return _refusal(action, refused)
            return await self._do(source, name, action, payload)
        except BadParameters as error:
            current().print_to_terminal(2, f"parameters of {source} were refused: {error}")
            return _refusal(action, InvalidParameters())
        except TROUBLES as error:
            current().print_to_terminal(2, f"a request of {source} was refused: {error}")
            return _refusal(action, common_error(error) or SqlError(str(error)))

    def _refused(self, source: ProcessId, name: DatabaseName, action: SqliteAction) -> SqliteError | None:
        kind = kind_of_right(action)
        if kind is None:
            return None if self._desk.may_make(source, name) else MismatchingPackageId()
        return wrong_door(action) if self._desk.may(kind, source, name) else missing(kind)

    async def _do(
        self, source: ProcessId, name: DatabaseName, action: SqliteAction, payload: Payload | None
    ) -> Answer:
        match action:
            case Open() | New():
                await self._databases.make(name)
                return _OK if self._desk.give_rights(source, name) else _refusal(action, AddCapFailed())
            case RemoveDb():
                await self._databases.remove(name)
                self._desk.removed(name)
            case Query() | Read():
                statement = statement_of(action), parameters(payload)
                rows = await self._databases.query(name, statement, rows_as_json)
                return _answer(Rows(), Payload(MIME, rows))
            case Write():
                await self._write(source, name, (statement_of(action), parameters(payload)), action.tx_id)
            case BeginTx():
                await self._check_exists(name)
                return _answer(BeganTx(self._desk.begin(source, name)))
            case Commit(tx_id):
                await self._databases.write(name, self._desk.take(tx_id, source, name))
            case Backup():
                await self._check_exists(name)
        return _OK

    async def _check_exists(self, name: DatabaseName) -> None:
        if not await self._databases.exists(name):
            raise NoDatabase(name)

    async def _write(
        self, source: ProcessId, name: DatabaseName, statement: Statement, tx_id: int | None
    ) -> None:
        if tx_id is None:
            await self._databases.write(name, [statement])
        else:
            self._desk.add(tx_id, source, name, statement, size_of(*statement))

    def malformed(self, error: Malformed) -> bytes:
        return _answer(Err(MalformedRequest())).ipc

    def foreign(self) -> bytes:
        return _answer(Err(NoReadCap())).ipc

    def failed(self, error: Exception) -> bytes:
        return _answer(Err(DiskError(f"{type(error).__name__}: {error}"))).ipc


def _refusal(action: SqliteAction, error: SqliteError) -> Answer:
    """In the words of the era that spells the action so."""
    if is_early(action):
        return Answer(EARLY_FAILURE.encode(Err(early_failure(error))))
    return _answer(Err(error))


def _too_many(request: SqliteRequest, error: DiskError) -> Answer:
    return _refusal(request.action, error)


def make(databases: Databases) -> Init:
    """The `init` of the process. Transactions outlive a restart of it."""
    transactions: Transactions[Statement] = Transactions()

    async def init(our: Address) -> None:
        desk = Desk(transactions, databases)
        desk.open()
        await serve_in_turns(_Sqlite(databases, desk))

    return init
