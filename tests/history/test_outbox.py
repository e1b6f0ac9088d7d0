"""Frames go to the disk when they have to, and not before."""

import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Event
import time

import pytest

from custom_components.heat_pump_hub.history import shelf
from custom_components.heat_pump_hub.history.codec import Coding, coding_of, decompress
from custom_components.heat_pump_hub.history.entry import Entry
from custom_components.heat_pump_hub.history.journal_file import (
    DamagedJournalError,
    JournalError,
    JournalFile,
)
from custom_components.heat_pump_hub.history.outbox import Outbox

from .conftest import Thread, frame, line

NOW = int(time.time()) * 1000
MUCH = 1 << 20

type Make = Callable[..., Outbox]


@pytest.fixture
async def make(file: JournalFile, thread: Thread) -> AsyncIterator[Make]:
    """Make outboxes that are closed afterwards."""
    made: list[Outbox] = []

    def outbox(**more: object) -> Outbox:
        # a long run reaches these tests long after this module was imported
        more.setdefault("clock", lambda: NOW / 1000)
        made.append(Outbox("idm-keller", file, thread, **more))  # type: ignore[arg-type]
        return made[-1]

    yield outbox
    thread.error = None
    for one in made:
        await one.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def firsts(entries: list[Entry]) -> list[int]:
    return [entry.first - NOW for entry in entries]


async def taken(outbox: Outbox) -> list[Entry]:
    return await outbox.take(MUCH, Coding.ZSTD)


async def test_what_is_not_verified_in_time_goes_to_the_disk(make: Make, file: JournalFile) -> None:
    outbox = make(spill_after=0.05)
    for number in range(3):
        outbox.put(frame(2, first=NOW + number))
    assert outbox.on_disk == 0
    entries = await taken(outbox)
    outbox.hold(entries[:1], 0.0)
    await outbox.release(entries[:1])
    await until(lambda: outbox.on_disk == outbox.size)
    assert len(file.rows()) == 2
    assert outbox.samples == 4
    outbox.give_back()
    again = await taken(outbox)
    assert firsts(again) == [1, 2]
    assert again[0].body == frame(2, first=NOW + 1).body
    await outbox.release(again)
    assert (file.rows(), outbox.size, outbox.samples) == ([], 0, 0)


async def test_an_old_poll_goes_to_the_disk_at_once(make: Make, file: JournalFile) -> None:
    outbox = make(spill_after=45.0)
    outbox.put(frame(2, first=NOW - 60_000))
    await until(lambda: outbox.on_disk)
    assert len(file.rows()) == 1


async def test_an_old_poll_does_not_wait_for_a_young_one(make: Make, file: JournalFile) -> None:
    outbox = make(spill_after=45.0)
    outbox.put(frame(2, first=NOW))
    outbox.put(frame(2, first=NOW - 60_000))
    await until(lambda: outbox.on_disk)
    assert [row.first for row in file.rows()] == [NOW - 60_000]


async def test_a_poll_that_comes_while_the_disk_is_busy_holds_up_no_other(
    make: Make, thread: Thread
) -> None:
    outbox = make(spill_after=0.2)
    busy = Event()
    thread.executor.submit(busy.wait)
    outbox.put(frame(1, first=NOW - 60_000))
    outbox.put(frame(1, first=NOW - 150))
    await until(lambda: "add" in thread.jobs)
    outbox._spill_after = 3600.0
    last = frame(1, first=NOW)
    outbox.put(last)
    busy.set()
    await until(lambda: outbox.size - outbox.on_disk == len(last.body))


async def test_closing_brings_everything_to_the_disk(
    make: Make, file: JournalFile, thread: Thread
) -> None:
    outbox = make()
    for number in range(4):
        outbox.put(frame(1, first=NOW + number))
    entries = await taken(outbox)
    outbox.hold(entries[:2], 0.0)
    assert await outbox.close()
    # Whoever is still busy with them changes nothing any more.
    outbox.hold(entries[2:], 0.0)
    await outbox.release(entries)
    outbox.give_back(entries)
    await outbox.park(entries[0], None, [line(0)], "late")
    assert len(file.rows()) == 4
    later = make()
    await later.load()
    assert (later.samples, later.oldest) == (4, NOW)
    assert firsts(await taken(later)) == [0, 1, 2, 3]


async def test_what_was_left_goes_before_what_is_new(make: Make) -> None:
    first = make()
    first.put(frame(1, first=NOW))
    await first.close()
    second = make()
    second.put(frame(1, first=NOW + 9))
    await second.load()
    assert firsts(await taken(second)) == [0, 9]


async def test_release_during_a_spill_leaves_nothing_behind(
    make: Make, file: JournalFile, thread: Thread
) -> None:
    outbox = make()
    for number in range(3):
        outbox.put(frame(1, first=NOW + number))
    entries = await taken(outbox)
    spill = asyncio.create_task(outbox.spill(everything=True))
    await until(lambda: "add" in thread.jobs)
    await outbox.release(entries[:2])
    await spill
    assert [row.first for row in file.rows()] == [NOW + 2]
    assert outbox.on_disk == entries[2].size


async def test_the_coding_is_changed_if_the_server_needs_another(make: Make) -> None:
    outbox = make()
    outbox.put(frame(2, first=NOW))
    outbox.put(frame(3000, first=NOW + 1))
    await outbox.spill(everything=True)
    outbox.put(frame(2, first=NOW + 2))
    entries = await outbox.take(MUCH, Coding.GZIP)
    assert {coding_of(entry.body or b"") for entry in entries} == {Coding.GZIP}
    assert decompress(entries[2].body or b"") == decompress(frame(2, first=NOW + 2).body)
    await outbox.release(entries)
    assert (outbox.size, outbox.samples) == (0, 0)


async def test_too_much_drops_the_oldest_and_counts_them(
    make: Make, file: JournalFile, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(frame(1, first=NOW).body)
    outbox = make(limit_bytes=3 * size + size // 2)
    for number in range(2):
        outbox.put(frame(1, first=NOW + number))
    await outbox.spill(everything=True)
    for number in range(2, 5):
        outbox.put(frame(1, first=NOW + number))
    assert (outbox.samples, outbox.dropped, outbox.oldest) == (3, 2, NOW + 2)
    await outbox.spill(everything=True)
    assert [row.first for row in file.rows()] == [NOW + 2, NOW + 3, NOW + 4]
    assert len(caplog.records) == 1


async def test_the_newest_is_kept_whatever_its_size(make: Make) -> None:
    outbox = make(limit_bytes=1)
    outbox.put(frame(1, first=NOW))
    outbox.put(frame(10, first=NOW + 1))
    assert firsts(await taken(outbox)) == [1]


async def test_what_is_in_flight_is_not_dropped(make: Make) -> None:
    outbox = make(limit_bytes=1)
    outbox.put(frame(1, first=NOW))
    entries = await taken(outbox)
    outbox.put(frame(1, first=NOW + 1))
    outbox.put(frame(1, first=NOW + 2))
    outbox.give_back()
    assert firsts(entries) == [0]
    assert outbox.dropped == 1


async def test_what_is_too_old_is_dropped(make: Make) -> None:
    outbox = make(days=1, settled_after=0)
    old = frame(2, first=NOW - 86_400_000 - 5_000)
    outbox.put(frame(1, first=NOW - 1000))
    outbox.put(old)
    outbox.put(frame(1, first=NOW))
    outbox.put_aside(await taken(outbox), 1e12)
    outbox.put(frame(1, first=NOW))
    assert (outbox.dropped, outbox.samples) == (2, 3)


async def test_a_clock_that_is_set_costs_nothing(make: Make) -> None:
    now = [NOW / 1000]
    outbox = make(days=1, clock=lambda: now[0])
    outbox.put(frame(1, first=NOW))
    outbox.put_aside(await taken(outbox), 1e12)
    outbox.put(frame(1, first=NOW + 1))
    # Ten years ahead: what waits looks old, to the outbox and by the retention of the server.
    now[0] += 3650 * 86_400
    ahead = NOW + 3650 * 86_400_000
    outbox.put(frame(1, first=ahead))
    assert outbox.put_old_aside(ahead - 1, 1e12) == 0
    now[0] -= 3650 * 86_400
    outbox.put(frame(1, first=NOW + 2))
    assert (outbox.dropped, outbox.samples) == (0, 4)
    assert firsts(await taken(outbox)) == [0, 1, ahead - NOW, 2]


async def test_what_was_sampled_before_the_clock_was_set_is_given_up(make: Make) -> None:
    now = [10.0]
    outbox = make(clock=lambda: now[0])
    outbox.put(frame(1, first=9_000))
    outbox.put(frame(1, first=10_000))
    assert outbox.samples == 2
    now[0] = NOW / 1000
    outbox.put(frame(1, first=NOW))
    # No server takes samples of 1970.
    assert (outbox.dropped, outbox.samples) == (2, 1)


async def test_times_that_come_twice_are_counted_apart(make: Make) -> None:
    outbox = make()
    for first in (0, 10, 20, 30, 15, 25, 40, 50):
        outbox.put(frame(1, first=NOW + first))
    outbox.hold(await taken(outbox), 1.0)
    groups = []
    while group := outbox.due(2.0, MUCH):
        groups.append(firsts(group))
        await outbox.release(group)
    # Nothing else lies in the span of a group.
    assert groups == [[0, 10], [20], [30], [15], [25], [40, 50]]


async def test_a_disk_that_fails_is_told_tried_again_and_loses_nothing(
    make: Make, thread: Thread, file: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "RETRY_DISK", 0.01)
    told: list[JournalError | None] = []
    outbox = make(spill_after=0.01, on_trouble=told.append)
    thread.error = JournalError("disk is full")
    outbox.put(frame(2, first=NOW))
    await until(lambda: len(told) > 1)
    assert str(told[0]) == "disk is full"
    thread.error = None
    await until(lambda: told[-1] is None)
    assert len(file.rows()) == 1
    assert outbox.samples == 2


async def test_memory_is_bounded_while_the_disk_fails(make: Make, thread: Thread) -> None:
    size = len(frame(1, first=NOW).body)
    outbox = make(limit_memory=2 * size + size // 2)
    outbox.put(frame(1, first=NOW))
    await outbox.spill(everything=True)
    thread.error = JournalError("disk is full")
    outbox.put(frame(1, first=NOW + 1))
    assert not await outbox.spill(everything=True)
    for number in range(2, 5):
        outbox.put(frame(1, first=NOW + number))
    thread.error = None
    # What is on the disk takes no memory and stays.
    assert firsts(await taken(outbox)) == [0, 3, 4]
    assert outbox.dropped == 2


async def test_rows_that_could_not_be_removed_are_removed_later(
    make: Make, thread: Thread, file: JournalFile
) -> None:
    outbox = make()
    outbox.put(frame(1, first=NOW))
    await outbox.spill(everything=True)
    entries = await taken(outbox)
    thread.error = JournalError("read-only")
    await outbox.release(entries)
    thread.error = None
    outbox.put(frame(1, first=NOW + 1))
    await outbox.spill(everything=True)
    assert [row.first for row in file.rows()] == [NOW + 1]


async def test_rows_that_are_missing_are_lost_and_counted(make: Make, file: JournalFile) -> None:
    told: list[JournalError | None] = []
    outbox = make(on_trouble=told.append)
    outbox.put(frame(3, first=NOW))
    await outbox.spill(everything=True)
    file.remove([row.id for row in file.rows()])
    assert await taken(outbox) == []
    assert (outbox.dropped, outbox.samples) == (3, 0)
    assert isinstance(told[0], DamagedJournalError)


async def test_a_lost_disk_costs_what_was_on_it_only(make: Make) -> None:
    outbox = make()
    outbox.put(frame(1, first=NOW))
    await outbox.spill(everything=True)
    outbox.put(frame(1, first=NOW + 1))
    outbox.lose_disk()
    assert (outbox.dropped, outbox.samples, outbox.on_disk) == (1, 1, 0)
    assert firsts(await taken(outbox)) == [1]


async def test_nothing_is_written_during_a_pause(make: Make, thread: Thread) -> None:
    outbox = make(spill_after=0.0)
    outbox.paused = True
    outbox.put(frame(1, first=NOW))
    await asyncio.sleep(0.02)
    assert not await outbox.spill(everything=True)
    assert thread.jobs == []
    outbox.paused = False
    assert await outbox.spill()
    assert thread.jobs == ["add"]


async def test_neighbours_are_due_together_and_others_apart(make: Make) -> None:
    outbox = make()
    for number in range(5):
        outbox.put(frame(2, first=NOW + number))
    entries = await taken(outbox)
    outbox.hold(entries[:2], 1.0)
    outbox.hold(entries[3:4], 1.0)
    outbox.hold(entries[4:], 2.0)
    assert firsts(outbox.due(1.5, MUCH)) == [0, 1]
    assert firsts(outbox.due(1.5, 3)) == [0]
    assert outbox.first_held == 1.0
    await outbox.release(entries[:2])
    assert firsts(outbox.due(1.5, MUCH)) == [3]
    assert firsts(outbox.due(2.0, MUCH)) == [3, 4]


async def test_a_frame_that_was_damaged_costs_only_itself(make: Make) -> None:
    outbox = make()
    for number in range(3):
        outbox.put(frame(2, first=NOW + number))
    outbox._waiting[1].body = frame(2).body[:-5]
    assert firsts(await outbox.take(MUCH, Coding.GZIP)) == [0, 2]
    assert (outbox.samples, outbox.dropped) == (4, 2)
