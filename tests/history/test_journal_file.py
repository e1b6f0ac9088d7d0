"""What was stored is there after a crash, and a damaged file costs only itself."""

from contextlib import closing
from pathlib import Path
import sqlite3
import subprocess
import sys

import pytest

from custom_components.heat_pump_hub.history import journal_file
from custom_components.heat_pump_hub.history.journal_file import (
    DamagedJournalError,
    JournalError,
    JournalFile,
    Record,
)
from custom_components.heat_pump_hub.history.tally import Tally

# What was lost once is lost: no second go.
pytestmark = pytest.mark.flaky(reruns=0)

ONE = Tally({1: 1, 2: 1})
TWO = Tally({1: 10})


def reopened(file: JournalFile) -> JournalFile:
    """Close a file and open it anew."""
    file.close()
    again = JournalFile(file.path)
    assert again.open() is None
    return again


def test_a_file_of_the_first_versions_goes_on(file: JournalFile) -> None:
    file.add([(1, 1, ONE, b"a", 7)])
    file.close()
    with closing(sqlite3.connect(file.path)) as db:
        db.execute("ALTER TABLE frame DROP COLUMN number")
    assert file.open() is None
    file.add([(2, 2, ONE, b"b", 9)])
    assert [(row.first, row.number) for row in file.rows()] == [(1, 0), (2, 9)]


def test_frames_come_back_oldest_first(file: JournalFile) -> None:
    first = file.add([(2_000, 2_000, ONE, b"b", 0)])
    second = file.add([(1_000, 1_000, TWO, b"a", 0), (3_000, 3_500, ONE, b"ccc", 0)])
    again = reopened(file)
    rows = again.rows()
    assert [row.id for row in rows] == [second[0], *first, second[1]]
    assert [(row.first, row.last, row.size) for row in rows] == [
        (1_000, 1_000, 1),
        (2_000, 2_000, 1),
        (3_000, 3_500, 3),
    ]
    assert [row.tally.counts for row in rows] == [TWO.counts, ONE.counts, ONE.counts]
    assert again.bodies([*first, second[1]]) == [b"b", b"ccc"]
    again.close()


def test_removed_frames_are_gone(file: JournalFile) -> None:
    ids = file.add([(1, 1, ONE, b"a", 0), (2, 2, ONE, b"b", 0)])
    file.remove(ids[:1])
    assert [row.id for row in file.rows()] == ids[1:]
    with pytest.raises(KeyError):
        file.bodies(ids)
    file.remove(ids)
    assert file.rows() == []
    assert file.add([(1, 1, ONE, b"a", 0)])
    assert len(file.rows()) == 1


def test_a_killed_process_leaves_what_it_stored(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite"
    program = (
        "import os, pathlib, sys\n"
        "from custom_components.heat_pump_hub.history.journal_file import JournalFile\n"
        "from custom_components.heat_pump_hub.history.tally import Tally\n"
        "file = JournalFile(pathlib.Path(sys.argv[1])); file.open()\n"
        "for n in range(50): file.add([(n, n, Tally({1: 1}), b'x' * 1000, 0)])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    file = JournalFile(path)
    assert file.open() is None
    assert [row.first for row in file.rows()] == list(range(50))
    file.close()


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"This is no database at all. " * 400),
        lambda path: path.write_bytes(
            (content := path.read_bytes())[:5000] + b"\xff" * 9000 + content[14_000:]
        ),
    ],
    ids=["other file", "overwritten"],
)
def test_a_damaged_file_is_set_aside(file: JournalFile, harm: object) -> None:
    file.add([(number, number, ONE, b"x" * 3000, 0) for number in range(20)])
    file.close()
    assert callable(harm)
    harm(file.path)
    again = JournalFile(file.path)
    aside = again.open()
    assert aside is not None
    assert aside.exists()
    assert again.rows() == []
    again.add([(1, 1, ONE, b"a", 0)])
    assert len(again.rows()) == 1
    again.delete()
    assert list(file.path.parent.iterdir()) == []


def test_a_file_of_a_later_version_is_set_aside(file: JournalFile) -> None:
    file.close()
    db = sqlite3.connect(file.path)
    db.execute("PRAGMA user_version=99")
    db.close()
    again = JournalFile(file.path)
    assert again.open() is not None
    again.close()


def test_a_file_that_is_damaged_while_open_says_so(file: JournalFile) -> None:
    file.add([(number, number, ONE, b"x" * 3000, 0) for number in range(20)])
    file.close()
    content = file.path.read_bytes()
    file.path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    # As long as nobody checks it as a whole, it opens.
    checked, journal_file.CHECKED_SIZE = journal_file.CHECKED_SIZE, 0  # type: ignore[misc]
    try:
        again = JournalFile(file.path)
        assert again.open() is None
        with pytest.raises(DamagedJournalError):
            again.bodies([row.id for row in again.rows()])
    finally:
        journal_file.CHECKED_SIZE = checked  # type: ignore[misc]
        again.close()


def test_a_disk_that_does_not_take_it_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where a folder should be")
    file = JournalFile(tmp_path / "journal" / "one.sqlite")
    with pytest.raises(JournalError) as caught:
        file.open()
    assert not isinstance(caught.value, DamagedJournalError)
    with pytest.raises(JournalError):
        file.add([(1, 1, ONE, b"a", 0)])
    (tmp_path / "journal").unlink()
    assert file.add([(1, 1, ONE, b"a", 0)])
    file.close()


def test_a_full_disk_stores_all_of_a_call_or_nothing(file: JournalFile) -> None:
    file.add([(1, 1, ONE, b"a", 0)])
    assert file._db is not None
    file._db.execute("PRAGMA max_page_count=12")
    with pytest.raises(JournalError):
        file.add([(2, 2, TWO, b"b", 0), (3, 3, Tally({5: 5}), b"c" * 100_000, 0)])
    assert [row.first for row in file.rows()] == [1]
    file._db.execute("PRAGMA max_page_count=100000")
    file.add([(3, 3, Tally({5: 5}), b"c" * 100_000, 0)])
    assert [row.tally.counts for row in file.rows()] == [ONE.counts, {5: 5}]


def test_the_record_forgets_the_oldest(file: JournalFile) -> None:
    for number in range(6):
        file.add_record(Record(number, number, bytes(100)), oldest=2, limit=300)
    found = file.records(0, 9, count=9)
    assert [record.first for _, record in found] == [3, 4, 5]
    assert [record.first for _, record in file.records(4, 4, count=9)] == [4]
    assert [record.first for _, record in file.records(0, 9, after=found[0][0])] == [4]


def test_what_is_parked_is_bounded(file: JournalFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "PARKED_ROWS", 2)
    for number in range(4):
        file.park([b"%d" % number], "why")
    assert file.parked() == [("why", b"2"), ("why", b"3")]
