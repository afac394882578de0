"""Numbered, checksummed changes of the schema, as SQL files; this file alone runs them and knows what ran."""

import hashlib
import time
from dataclasses import dataclass
from importlib import resources

from amcash.ledger.store import Session, StoreUnusableError

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number      INTEGER NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    checksum    TEXT    NOT NULL,
    applied_at  BIGINT  NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `0001_ledger.sql`."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known(database: str) -> list[Migration]:
    """Return this program's migrations for a kind of database, in order."""
    folder = resources.files("amcash.ledger") / "sql" / database
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return [Migration(int(item.name[:4]), item.name[:-4], item.read_text("utf-8")) for item in files]


def pending(session: Session, database: str) -> list[Migration]:
    """Return what has not run yet.

    Raises:
        StoreUnusableError: the schema was written by a newer program, or a migration that ran has changed since.
    """
    mine = {item.number: item for item in known(database)}
    applied = {number: (name, checksum) for number, name, checksum in session.run(_SELECT_APPLIED)}
    for number, (name, checksum) in applied.items():
        if number not in mine:
            raise StoreUnusableError(
                f"this ledger was written by a newer amcash (its schema is {name}); "
                "upgrade amcash: pip install --upgrade amcash"
            )
        if mine[number].checksum != checksum:
            raise StoreUnusableError(
                f"migration {name} in this ledger differs from this program's; restore the program that made it"
            )
    return [item for number, item in sorted(mine.items()) if number not in applied]


_SELECT_APPLIED = "SELECT number, name, checksum FROM migration ORDER BY number"


def apply(session: Session, database: str) -> list[str]:
    """Run what has not run yet inside the caller's transaction and return the names."""
    for _ in session.run(_TABLE):
        pass
    names = []
    for item in pending(session, database):
        for _ in session.run(item.sql):
            pass
        session.run(
            "INSERT INTO migration VALUES (?, ?, ?, ?)",
            item.number,
            item.name,
            item.checksum,
            time.time_ns() // 1000,
        )
        names.append(item.name)
    return names
