"""The names of later eras (PROTOCOL 0.3), in one table: later name -> the seed's name.

At run time every alias is made from here. The `TYPE_CHECKING` blocks beside the definitions say the same to a
type checker; tests/userland/process_lib/test_aliases.py keeps the two alike.
"""

from __future__ import annotations

from typing import TypeVar

METHODS = {
    "body": "ipc",
    "try_body": "try_ipc",
    "blob": "payload",
    "blob_mime": "payload_mime",
    "blob_bytes": "payload_bytes",
    "try_blob_bytes": "try_payload_bytes",
}
"""Of the builders."""

FUNCTIONS = {
    "get_blob": "get_payload",
    "has_blob": "has_payload",
    "last_blob": "last_payload",
    "make_blob": "make_payload",
    "get_typed_blob": "get_typed_payload",
    "set_on_panic": "set_on_exit",
    "get_on_panic": "get_on_exit",
    "our_capabilities": "get_capabilities",
}
"""Of the package."""

VALUES = {
    "LazyLoadBlob": "Payload",
}
"""Classes of the package and of `wit`."""

T = TypeVar("T")


def with_aliases(cls: type[T]) -> type[T]:
    """Give a builder class every alias of a method that it defines."""
    for later, name in METHODS.items():
        if name in vars(cls):
            setattr(cls, later, vars(cls)[name])
    return cls


def add_aliases(namespace: dict[str, object]) -> None:
    """Give a module every alias of a function or class that its namespace holds."""
    for later, name in (FUNCTIONS | VALUES).items():
        if name in namespace:
            namespace[later] = namespace[name]
