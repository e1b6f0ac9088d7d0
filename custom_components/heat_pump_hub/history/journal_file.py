"""The journal on disk: one SQLite file a heat pump, for one thread.

WAL with ``synchronous=FULL``: what a call has stored survives a power cut. Every call
raises :class:`JournalError` if the disk does not take it, :class:`DamagedJournalError` if the
file cannot be read.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
import sqlite3
import time
from typing import Final

from .tally import Tally

CHECKED_SIZE: Final = 64 * 1024 * 1024
"""Bytes up to which a file is checked as a whole when it is opened."""
PARKED_ROWS: Final = 1000
_VERSION: Final = 1
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_SCHEMA: Final = """
CREATE TABLE tally (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE frame (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
    tally INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,
    number INTEGER NOT NULL DEFAULT 0);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
    size INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE parked (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, reason TEXT NOT NULL, line BLOB NOT NULL);
"""


class JournalError(Exception):
    """The disk does not take it now: it is full, read-only or failing."""


class DamagedJournalError(JournalError):
    """The file is damaged, or of a later version."""


@dataclass(frozen=True, slots=True)
class Row:
    """A frame without its body."""

    id: int
    first: int
    """Oldest and newest sample, ms since 1970."""
    last: int
    tally: Tally
    size: int
    number: int
    """Its place in the order of all frames, stored or not; 0: unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """A batch of snapshots."""

    first: int
    last: int
    body: bytes


class JournalFile:
    """One file, to be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._tally_ids: dict[str, int] = {}

    def open(self) -> Path | None:
        """Open or make the file; return where a damaged one was put."""
        aside = None
        try:
            self._open()
        except DamagedJournalError:
            aside = self.set_aside()
        return aside

    def set_aside(self) -> Path:
        """Give a damaged file another name and begin a new one; return that name."""
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(time.time())}")
        try:
            for suffix in ("-wal", "-shm", ""):
                found = self.path.with_name(self.path.name + suffix)
                if found.exists():
                    found.rename(aside.with_name(aside.name + suffix))
        except OSError as err:
            raise JournalError(str(err)) from err
        self._open()
        return aside

    def add(self, frames: Sequence[tuple[int, int, Tally, bytes, int]]) -> list[int]:
        """Store frames (first, last, tally, body, number) at once; return their ids."""
        ids = []
        learned: dict[str, int] = {}
        with self._transaction() as db:
            for first, last, tally, body, place in frames:
                number = self._tally_ids.get(tally.text) or learned.get(tally.text)
                if number is None:
                    cursor = db.execute("INSERT INTO tally (text) VALUES (?)", (tally.text,))
                    number = learned[tally.text] = cursor.lastrowid or 0
                cursor = db.execute(
                    "INSERT INTO frame (first, last, tally, size, body, number)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (first, last, number, len(body), body, place),
                )
                ids.append(cursor.lastrowid or 0)
        self._tally_ids |= learned
        return ids

    def rows(self) -> list[Row]:
        """Return all frames, oldest first."""
        with self._guarded() as db:
            tallies = {
                number: Tally.from_text(text)
                for number, text in db.execute("SELECT id, text FROM tally")
            }
            return [
                Row(row, first, last, tallies[tally], size, number)
                for row, first, last, tally, size, number in db.execute(
                    "SELECT id, first, last, tally, size, number FROM frame"
                    " ORDER BY number, first, id"
                )
            ]

    def bodies(self, ids: Sequence[int]) -> list[bytes]:
        """Return bodies in the order of their ids. Raises ``KeyError`` if one is missing."""
        with self._guarded() as db:
            found: dict[int, bytes] = dict(
                db.execute(
                    f"SELECT id, body FROM frame WHERE id IN ({','.join('?' * len(ids))})",  # noqa: S608 - question marks
                    ids,
                )
            )
        return [found[number] for number in ids]

    def remove(self, ids: Iterable[int]) -> None:
        """Forget frames, and which series they had once none is left."""
        with self._transaction() as db:
            db.executemany("DELETE FROM frame WHERE id = ?", ((number,) for number in ids))
            empty = db.execute("SELECT 1 FROM frame LIMIT 1").fetchone() is None
            if empty:
                db.execute("DELETE FROM tally")
        if empty:
            self._tally_ids.clear()

    def park(self, lines: Iterable[bytes], reason: str) -> None:
        """Keep lines that a server refuses, the newest :data:`PARKED_ROWS` of them."""
        now = time.time_ns() // 1_000_000
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO parked (time, reason, line) VALUES (?, ?, ?)",
                ((now, reason, line) for line in lines),
            )
            db.execute(
                "DELETE FROM parked WHERE id <= (SELECT max(id) FROM parked) - ?", (PARKED_ROWS,)
            )

    def parked(self) -> list[tuple[str, bytes]]:
        """Return reason and line of all that is parked."""
        with self._guarded() as db:
            return db.execute("SELECT reason, line FROM parked ORDER BY id").fetchall()

    def add_record(self, record: Record, *, oldest: int, limit: int) -> None:
        """Store a batch of snapshots; forget those before ``oldest`` (ms) or beyond ``limit`` bytes."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO record (first, last, size, body) VALUES (?, ?, ?, ?)",
                (record.first, record.last, len(record.body), record.body),
            )
            db.execute("DELETE FROM record WHERE last < ?", (oldest,))
            (total,) = db.execute("SELECT sum(size) FROM record").fetchone()
            while total is not None and total > limit:
                number, size = db.execute(
                    "SELECT id, size FROM record ORDER BY id LIMIT 1"
                ).fetchone()
                db.execute("DELETE FROM record WHERE id = ?", (number,))
                total -= size

    def records(
        self, first: int, last: int, *, after: int = 0, count: int = 1
    ) -> list[tuple[int, Record]]:
        """Return id and content of up to ``count`` batches that touch a time (ms), after an id."""
        with self._guarded() as db:
            return [
                (number, Record(begin, end, body))
                for number, begin, end, body in db.execute(
                    "SELECT id, first, last, body FROM record"
                    " WHERE id > ? AND last >= ? AND first <= ? ORDER BY id LIMIT ?",
                    (after, first, last, count),
                )
            ]

    def close(self) -> None:
        """Bring everything into the one file and close it; it may be opened again."""
        if self._db is not None:
            db, self._db = self._db, None
            db.close()

    def delete(self) -> None:
        """Delete the file, and those that were set aside."""
        self.close()
        for found in self.path.parent.glob(f"{self.path.name}*"):
            found.unlink(missing_ok=True)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            whole = self.path.exists() and self.path.stat().st_size <= CHECKED_SIZE
        except OSError as err:
            raise JournalError(str(err)) from err
        with _errors():
            db = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=5
            )
        try:
            with _errors():
                self._prepare(db, whole=whole)
        except JournalError:
            db.close()
            raise
        self._db = db

    def _prepare(self, db: sqlite3.Connection, *, whole: bool) -> None:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise DamagedJournalError(f"version {version}")
        if version == 0:
            with closing(db.cursor()) as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.split(";"):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA user_version={_VERSION}")
                cursor.execute("COMMIT")
        elif whole and (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise DamagedJournalError(said)
        columns = {name for _, name, *_ in db.execute("PRAGMA table_info(frame)")}
        if "number" not in columns:
            # As the first versions made it; they would go on with this, too.
            db.execute("ALTER TABLE frame ADD COLUMN number INTEGER NOT NULL DEFAULT 0")
        self._tally_ids = dict(db.execute("SELECT text, id FROM tally"))

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            # A file that could not be opened, or was set aside, may be possible again.
            self._open()
        assert self._db is not None
        with _errors():
            yield self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


@contextmanager
def _errors() -> Iterator[None]:
    """Translate what SQLite raises."""
    try:
        yield
    except sqlite3.DatabaseError as err:
        code = getattr(err, "sqlite_errorcode", 0) & 0xFF
        kind = DamagedJournalError if code in _DAMAGED else JournalError
        raise kind(str(err)) from err
    except ValueError as err:
        raise DamagedJournalError(str(err)) from err
