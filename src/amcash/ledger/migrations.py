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


def pending(session: Session, database: str, *, any_ran: bool = True) -> list[Migration]:
    """Return what has not run yet.

    Args:
        session: an open transaction.
        database: the kind.
        any_ran: whether the table that says what ran is there.

    Raises:
        StoreUnusableError: the schema was written by a newer program, or a migration that ran has changed since.
    """
    mine = {item.number: item for item in known(database)}
    rows = session.run(_SELECT_APPLIED) if any_ran else ()
    applied = {number: (name, checksum) for number, name, checksum in rows}
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


def apply_next(session: Session, database: str) -> list[str]:
    """Run the first that has not run yet inside the caller's transaction, and return its name, if there was one.

    One transaction each: whatever is killed leaves whole migrations, and the next run does the rest. The caller's
    transaction keeps other programs out, so of two that migrate at once the second finds done what the first did.
    """
    for _ in session.run(_TABLE):
        pass
    for item in pending(session, database)[:1]:
        for _ in session.run(item.sql):
            pass
        session.run(
            "INSERT INTO migration VALUES (?, ?, ?, ?)",
            item.number,
            item.name,
            item.checksum,
            time.time_ns() // 1000,
        )
        return [item.name]
    return []
