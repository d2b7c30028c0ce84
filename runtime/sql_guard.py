"""What SQL statements of packages may do: everything within their database, nothing else (PROTOCOL 7.5, F-90)."""

from __future__ import annotations

import sqlite3

_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_ALTER_TABLE,
        sqlite3.SQLITE_ANALYZE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_DROP_VTABLE,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_UPDATE,
    }
)

# Those that only tell; the second kind takes the name of what it tells of.
_PRAGMAS = frozenset(
    {
        "application_id",
        "collation_list",
        "compile_options",
        "data_version",
        "encoding",
        "foreign_key_check",
        "freelist_count",
        "function_list",
        "integrity_check",
        "module_list",
        "page_count",
        "page_size",
        "pragma_list",
        "quick_check",
        "schema_version",
        "table_list",
        "user_version",
    }
)
_PRAGMAS_OF = frozenset(
    {
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

_MODULES = frozenset({"fts3", "fts4", "fts5", "fts5vocab", "geopoly", "rtree", "rtree_i32"})
_FUNCTIONS_DENIED = frozenset({"edit", "fts3_tokenizer", "load_extension", "readfile", "writefile"})
# Through it, raw pages of the file can be written.
_TABLES_DENIED = frozenset({"sqlite_dbpage"})

_USE_BEGIN_TX = "transactions are made with BeginTx and Commit"
_TEMPORARY = "a temporary table would not be there for the next statement"


class Guard:
    """SQLite asks it about each thing that a statement does, when the statement is prepared.

    `ours` is True while statements of our own are prepared, `vacuuming` while a VACUUM runs, which begins a
    transaction and attaches a file without a name. `refused` is why the last statement was denied.
    """

    def __init__(self) -> None:
        self.ours = False
        self.vacuuming = False
        self.refused: str | None = None

    def allows(
        self, action: int, first: str | None, second: str | None, _database: str | None, _inside: str | None
    ) -> int:
        """For `sqlite3.Connection.set_authorizer`."""
        if self.ours:
            return sqlite3.SQLITE_OK
        refused = self._refusal(action, first or "", second)
        if refused is None:
            return sqlite3.SQLITE_OK
        self.refused = refused
        return sqlite3.SQLITE_DENY

    def _refusal(self, action: int, first: str, second: str | None) -> str | None:
        if first.lower() in _TABLES_DENIED:
            return f"{first} is not for packages"
        if action in _ALLOWED:
            return None
        match action:
            case sqlite3.SQLITE_FUNCTION:
                name = second or ""
                return f"the function {name} leads out of the database" if name in _FUNCTIONS_DENIED else None
            case sqlite3.SQLITE_PRAGMA:
                return _pragma_refusal(first.lower(), second)
            case sqlite3.SQLITE_CREATE_VTABLE:
                module = (second or "").lower()
                return None if module in _MODULES else f"a virtual table of {module!r} is not for packages"
            case sqlite3.SQLITE_ATTACH:
                alone = self.vacuuming and not first
                return None if alone else "ATTACH leads out of the database"
            case sqlite3.SQLITE_DETACH:
                return "DETACH leads out of the database"
            case sqlite3.SQLITE_TRANSACTION if not self.vacuuming:
                return f"{first} is not for statements: {_USE_BEGIN_TX}"
            case sqlite3.SQLITE_TRANSACTION:
                return None
        return f"action {action} of SQLite is not for packages; {_TEMPORARY}"


def _pragma_refusal(name: str, value: str | None) -> str | None:
    if value is None and name in _PRAGMAS:
        return None
    if value is not None and name in _PRAGMAS_OF:
        return None
    shown = name if value is None else f"{name} = {value[:40]}"
    return f"PRAGMA {shown} changes or shows what is not a package's business"
