"""The journal keeps what was polled, and never costs the heat pump anything."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
import time

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.points import Snapshot, Tier
from custom_components.heat_pump_hub.history import journal as journals
from custom_components.heat_pump_hub.history.journal import Journal
from custom_components.heat_pump_hub.history.journal_file import JournalFile, Record
from custom_components.heat_pump_hub.history.record import pack, unpack

from .conftest import at, frame
from .test_outbox import until

NOW = int(time.time()) * 1000
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**31), 2**32), st.floats(-1e6, 1e6), st.text(max_size=5)
)


def poll(index: int) -> Snapshot:
    """Return one of polls that are half a minute apart; every tenth reads settings."""
    values: dict[str, float | str | bool] = {"outdoor_temperature": index / 10, "fault": False}
    if index % 10 == 0:
        values["curve"] = "flat"
    codes = {"mode": 42} if index % 7 == 0 else {}
    tiers = frozenset(Tier) if index % 10 == 0 else frozenset({Tier.MEASUREMENT})
    return Snapshot(time=at(NOW + 30_000 * index), values=values, unknown_codes=codes, tiers=tiers)


@pytest.fixture
def executor() -> AsyncIterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(1)
    yield executor  # type: ignore[misc]
    executor.shutdown()


@pytest.fixture
async def make(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> AsyncIterator[Callable[..., Journal]]:
    """Make journals of one file."""
    made: list[Journal] = []

    def journal(**more: object) -> Journal:
        made.append(Journal(tmp_path / "one.sqlite", "idm", executor, **more))  # type: ignore[arg-type]
        made[-1].keys = None
        return made[-1]

    yield journal
    for one in made:
        await one.close()


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def read(journal: Journal, first: int = 0, last: int = 1000) -> list[Snapshot]:
    """Return what was recorded of polls."""
    begin, end = (at(NOW + 30_000 * index) for index in (first, last))
    return [snapshot async for snapshot in journal.snapshots(begin, end)]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_read_back_is_what_was_polled(rows: list[dict[str, float | str | bool]]) -> None:
    polls = [Snapshot(time=at(NOW + 7 * i), values=row) for i, row in enumerate(rows)]
    back = list(unpack(pack(polls)))
    assert back == polls
    assert [[type(v) for v in one.values.values()] for one in back] == [
        [type(one.values[key]) for key in back[i].values] for i, one in enumerate(polls)
    ]


def test_only_wanted_points_are_recorded() -> None:
    [back] = unpack(pack([poll(0)], {"fault"}))
    assert (back.values, back.unknown_codes) == ({"fault": False}, {})


@pytest.mark.parametrize(
    "body",
    [b"nothing of the kind", pack([poll(1)]).body[:-4]],
    ids=["no batch", "cut off"],
)
def test_a_damaged_batch_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        list(unpack(Record(0, 0, body)))


async def test_polls_are_recorded_in_batches_and_come_back(make: Callable[..., Journal]) -> None:
    journal = make()
    await journal.open()
    polls = [poll(index) for index in range(journals.BATCH_POLLS * 2 + 5)]
    for one in polls:
        journal.take(one)
        # A batch is written meanwhile, as polls are half a minute apart.
        if journal._tasks:
            await until(lambda: not journal._tasks)
    assert len(journal._batch) < journals.BATCH_POLLS
    assert await read(journal) == polls
    assert await read(journal, 10, 70) == polls[10:71]
    await journal.close()
    later = make()
    await later.open()
    assert await read(later) == polls


async def test_slow_polls_do_not_wait_for_a_batch_to_be_full(make: Callable[..., Journal]) -> None:
    journal = make()
    await journal.open()
    journal.take(poll(0))
    journal.take(poll(int(journals.BATCH_SECONDS // 30)))
    await until(lambda: not journal._batch)
    assert len(await read(journal)) == 2


async def test_what_is_too_old_is_forgotten(make: Callable[..., Journal]) -> None:
    late = [NOW / 1000]
    journal = make(days=1, clock=lambda: late[0], settled_after=0)
    await journal.open()
    journal.take(poll(0))
    await journal.flush()
    late[0] += 90_000
    journal.take(poll(3000))
    await journal.flush()
    assert await read(journal, 0, 4000) == [poll(3000)]


async def test_a_clock_that_is_set_costs_nothing_of_the_record(
    make: Callable[..., Journal],
) -> None:
    late = [NOW / 1000]
    journal = make(days=1, clock=lambda: late[0])
    await journal.open()
    journal.take(poll(0))
    await journal.flush()
    # Ten years ahead, and right again.
    late[0] += 3650 * 86_400
    journal.take(poll(10))
    await journal.flush()
    late[0] -= 3650 * 86_400
    journal.take(poll(20))
    await journal.flush()
    assert await read(journal, 0, 4000) == [poll(0), poll(10), poll(20)]


async def test_a_backup_gets_one_whole_file(make: Callable[..., Journal], tmp_path: Path) -> None:
    journal = make()
    await journal.open()
    journal.take(poll(0))
    journal.outbox.put(frame(2, first=NOW))
    await journal.pause()
    assert names(tmp_path) == ["one.sqlite"]
    before = (tmp_path / "one.sqlite").read_bytes()
    journal.take(poll(1))
    journal.outbox.put(frame(2, first=NOW + 1))
    await journal.flush()
    assert (tmp_path / "one.sqlite").read_bytes() == before
    await journal.resume()
    await journal.flush()

    copy = JournalFile(tmp_path / "restored.sqlite")
    copy.path.write_bytes(before)
    assert copy.open() is None
    assert [row.first for row in copy.rows()] == [NOW]
    assert len(copy.records(0, 2 * NOW)) == 1
    copy.close()
    assert await read(journal) == [poll(0), poll(1)]


async def test_a_damaged_file_is_set_aside_and_told(
    make: Callable[..., Journal], tmp_path: Path
) -> None:
    (tmp_path / "one.sqlite").write_bytes(b"no database " * 1000)
    told: list[Path] = []
    journal = make(on_damaged=told.append)
    await journal.open()
    assert [path.read_bytes()[:11] for path in told] == [b"no database"]
    journal.take(poll(0))
    await journal.flush()
    assert await read(journal) == [poll(0)]


async def test_damage_while_it_runs_costs_what_was_on_the_disk(
    make: Callable[..., Journal], tmp_path: Path
) -> None:
    told: list[Path] = []
    journal = make(on_damaged=told.append)
    await journal.open()
    journal.outbox.put(frame(2, first=NOW))
    await journal.pause()
    (tmp_path / "one.sqlite").write_bytes(b"no database " * 1000)
    await journal.resume()
    journal.outbox.put(frame(3, first=NOW + 1))
    await journal.flush()
    await until(lambda: told)
    await until(lambda: not journal._tasks)
    await journal.flush()
    assert (journal.outbox.samples, journal.outbox.dropped) == (3, 2)
    assert journal.outbox.on_disk > 0


async def test_a_tally_that_cannot_be_read_is_damage(
    make: Callable[..., Journal], tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    first = make()
    await first.open()
    first.outbox.put(frame(2, first=NOW))
    await first.close()
    file = JournalFile(tmp_path / "one.sqlite")
    file.open()
    with file._transaction() as db:
        db.execute("UPDATE tally SET text = 'nonsense'")
    file.close()
    told: list[Path] = []
    second = make(on_damaged=told.append)
    await second.open()
    assert len(told) == 1
    assert second.outbox.samples == 0


async def test_a_batch_that_cannot_be_read_is_left_out(
    make: Callable[..., Journal], caplog: pytest.LogCaptureFixture
) -> None:
    journal = make()
    await journal.open()
    for index in range(3):
        journal.take(poll(index))
        await journal.flush()
    with journal._file._transaction() as db:
        db.execute("UPDATE record SET body = x'00' WHERE id = 2")
    assert await read(journal) == [poll(0), poll(2)]
    assert "cannot be read" in caplog.text


async def test_a_disk_that_does_not_work_is_told_and_costs_the_record_only(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_UNWRITTEN", 4)
    (tmp_path / "journal").write_text("in the way")
    told: list[str | None] = []
    journal = Journal(tmp_path / "journal" / "one.sqlite", "idm", executor, on_failing=told.append)
    journal.keys = None
    await journal.open()
    assert told[-1] is not None
    for index in range(9):
        journal.take(poll(index))
    journal.outbox.put(frame(2, first=NOW))
    await journal.flush()
    assert journal.outbox.samples == 2
    (tmp_path / "journal").unlink()
    await journal.flush()
    assert told[-1] is None
    assert [one.time for one in await read(journal)] == [poll(i).time for i in range(5, 9)]
    await journal.close()


async def test_what_could_not_be_kept_is_said(
    tmp_path: Path, executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "journal").write_text("in the way")
    journal = Journal(tmp_path / "journal" / "one.sqlite", "idm", executor)
    await journal.open()
    journal.outbox.put(frame(2, first=NOW))
    await journal.close()
    assert "2 samples could not be kept" in caplog.text


def test_times_are_whole_milliseconds() -> None:
    odd = Snapshot(time=datetime.fromisoformat("2026-11-20T10:00:00.123456+00:00"), values={})
    [back] = unpack(pack([odd]))
    assert odd.time - back.time == timedelta(microseconds=456)
