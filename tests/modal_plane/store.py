"""What outlives the plane: named objects and Dict entries, in SQLite."""

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from modal_proto import api_pb2 as api

from tests.modal_plane.errors import Missing, Taken
from tests.modal_plane.ids import fresh_id

__all__ = ["Named", "Store"]

COUNTED = 100_000  # where the service stops counting a Dict's entries

SCHEMA = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS object(
    id TEXT PRIMARY KEY, kind TEXT, environment TEXT, name TEXT, created REAL, data BLOB);
CREATE TABLE IF NOT EXISTS entry(
    dict TEXT, key BLOB, value BLOB, PRIMARY KEY(dict, key)) WITHOUT ROWID;
"""


class Named(NamedTuple):
    """A Dict, Volume or Secret."""

    id: str
    name: str
    created: float
    data: bytes


class Creation(Protocol):
    """What the requests that get or create an object have in common."""

    deployment_name: str
    environment_name: str
    object_creation_type: "api.ObjectCreationType.ValueType"


class Entry(Protocol):
    """A key and its value, pickled by the client."""

    key: bytes
    value: bytes


class Store:
    """The objects, by name and by id, and the entries of Dicts."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def get_or_create(self, kind: str, prefix: str, request: Creation, data: bytes = b"") -> Named:
        """Give the object that a request names, made as its creation type says.

        Raises:
            Missing: If it doesn't exist and shan't be created.
            Taken: If it exists and shan't.
        """
        mode, name = request.object_creation_type, request.deployment_name
        environment = request.environment_name or "main"
        nameless = mode in (api.OBJECT_CREATION_TYPE_EPHEMERAL, api.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP)
        found = None if nameless else self._find(kind, environment, name)
        if found and mode == api.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
            raise Taken(f"{kind} '{name}' already exists")
        if found and mode != api.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS:
            return found
        if not found and mode == api.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise Missing(f"{kind} '{name}' not found in environment '{environment}'")
        made = Named(found.id if found else fresh_id(prefix), name, time.time(), data)
        row = (made.id, kind, environment, name, made.created, data)
        self._db.execute("REPLACE INTO object VALUES(?,?,?,?,?,?)", row)
        return made

    def by_id(self, object_id: str) -> Named:
        """Give an object by its id.

        Raises:
            Missing: If there is none.
        """
        row = self._db.execute("SELECT id, name, created, data FROM object WHERE id=?", (object_id,)).fetchone()
        if not row:
            raise Missing(f"{object_id} not found")
        return Named(*row)

    def delete(self, object_id: str) -> None:
        self._db.execute("DELETE FROM object WHERE id=?", (object_id,))
        self.dict_clear(object_id)

    def _find(self, kind: str, environment: str, name: str) -> Named | None:
        query = "SELECT id, name, created, data FROM object WHERE kind=? AND environment=? AND name=? AND name<>''"
        row = self._db.execute(query, (kind, environment, name)).fetchone()
        return Named(*row) if row else None

    def dict_get(self, object_id: str, key: bytes) -> bytes | None:
        row = self._db.execute("SELECT value FROM entry WHERE dict=? AND key=?", (object_id, key)).fetchone()
        return row[0] if row else None

    def dict_update(self, object_id: str, entries: "list[Entry]", *, only_new: bool) -> bool:
        """Write entries in one step; keys that exist are left alone if only new ones may be made.

        Returns:
            Whether anything was written.
        """
        verb = "INSERT OR IGNORE" if only_new else "REPLACE"
        rows = [(object_id, entry.key, entry.value) for entry in entries]
        self._db.execute("BEGIN IMMEDIATE")
        written = self._db.executemany(f"{verb} INTO entry VALUES(?,?,?)", rows).rowcount
        self._db.execute("COMMIT")
        return written > 0

    def dict_pop(self, object_id: str, key: bytes) -> bytes | None:
        query = "DELETE FROM entry WHERE dict=? AND key=? RETURNING value"
        row = self._db.execute(query, (object_id, key)).fetchone()
        return row[0] if row else None

    def dict_len(self, object_id: str) -> int:
        count = self._db.execute("SELECT count(*) FROM entry WHERE dict=?", (object_id,)).fetchone()[0]
        return min(int(count), COUNTED)

    def dict_items(self, object_id: str) -> list[tuple[bytes, bytes]]:
        """Give the entries as they are now; what is written later doesn't show."""
        return self._db.execute("SELECT key, value FROM entry WHERE dict=?", (object_id,)).fetchall()

    def dict_clear(self, object_id: str) -> None:
        self._db.execute("DELETE FROM entry WHERE dict=?", (object_id,))
