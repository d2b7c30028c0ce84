"""The database, and which keys are in it: kv looks keys up and does not list them, so an index is kept beside them.

Both change in one transaction. Who calls waits for one call before the next.
"""

import json
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

from userland.process_lib import Address, kv

DATABASE = "browsed"
INDEX = "index"
MOST_KEYS = 2000
LONGEST_KEY = 200
LARGEST_VALUE = 1024 * 1024
PAGE = 50


class Refused(Exception):
    """`text` is for who asked."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Entry(NamedTuple):
    key: str
    size: int


class Shelf:
    def __init__(self, database: kv.Kv, sizes: dict[str, int]) -> None:
        self._database = database
        self._sizes = sizes
        self._keys = sorted(sizes)

    @classmethod
    async def open(cls, our: Address) -> "Shelf":
        """Raises `KvError`, `SendError`."""
        database = await kv.open(our.package_id, DATABASE)
        try:
            sizes = json.loads(await database.get(INDEX))
        except kv.KvError as error:
            if error.error != kv.KeyNotFound():
                raise
            sizes = {}
        return cls(database, sizes)

    def page(self, prefix: str, after: str, limit: int = PAGE) -> tuple[list[Entry], bool]:
        """Keys that begin with `prefix`, in order, behind `after`; and whether there are more."""
        start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after) if after else 0)
        found = []
        for key in self._keys[start : start + limit + 1]:
            if not key.startswith(prefix):
                break
            found.append(Entry(key, self._sizes[key]))
        return found[:limit], len(found) > limit

    def __len__(self) -> int:
        return len(self._keys)

    async def get(self, key: str) -> bytes:
        if key not in self._sizes:
            raise Refused(f"there is no key {key!r}", 404)
        return await self._database.get(_stored(key))

    async def set(self, key: str, value: bytes) -> None:
        """Durable when it returns."""
        if len(value) > LARGEST_VALUE:
            raise Refused(f"the value has {len(value)} bytes, {LARGEST_VALUE} at most", 413)
        if key not in self._sizes and len(self._keys) >= MOST_KEYS:
            raise Refused(f"there are {MOST_KEYS} keys already, which is the most that are kept here", 507)
        await self._change(self._sizes | {key: len(value)}, key, value)
        if self._sizes.get(key) is None:
            insort(self._keys, key)
        self._sizes[key] = len(value)

    async def delete(self, key: str) -> None:
        if key not in self._sizes:
            raise Refused(f"there is no key {key!r}", 404)
        await self._change({one: size for one, size in self._sizes.items() if one != key}, key, None)
        del self._sizes[key]
        self._keys.remove(key)

    async def _change(self, sizes: dict[str, int], key: str, value: bytes | None) -> None:
        tx = await self._database.begin_tx()
        if value is None:
            await self._database.delete(_stored(key), tx)
        else:
            await self._database.set(_stored(key), value, tx)
        await self._database.set(INDEX, json.dumps(sizes), tx)
        await self._database.commit_tx(tx)


def _stored(key: str) -> str:
    return f"value {key}"


def checked(key: str) -> str:
    """Raises `Refused`."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise Refused("the key is no Unicode text") from None
    if not key or size > LONGEST_KEY:
        raise Refused(f"a key has 1 to {LONGEST_KEY} bytes, not {size}")
    return key
