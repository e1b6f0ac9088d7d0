"""The ledger: what is kept, what is folded, what damage costs."""

from dataclasses import replace
from datetime import datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.heat_pump_hub.control import Asker, Entry, Ledger, Origin, Outcome
from custom_components.heat_pump_hub.control.ledger import DAYS, ENTRIES
from custom_components.heat_pump_hub.drivers.points import Wear

from .fakes import ANNA, NIGHT, NOON


def entry(minutes: float = 0, wear: Wear = Wear.EEPROM, **changes: Any) -> Entry:
    described: dict[str, Any] = {
        "time": NOON + timedelta(minutes=minutes),
        "key": "dhw_setpoint",
        "table": "holding",
        "address": 1032,
        "old": 45.0,
        "new": 48.0,
        "asked_by": ANNA,
        "wear": wear,
    }
    return Entry(**described | changes)


def ledger() -> Ledger:
    return Ledger()


def noted(book: Ledger, item: Entry, outcome: Outcome = Outcome.VERIFIED) -> Entry:
    book.add(item)
    book.settle(item, outcome)
    return item


def test_a_ledger_round_trips_through_json() -> None:
    book = ledger()
    noted(book, entry())
    noted(book, entry(1, new=True, old=None, asked_by=NIGHT), Outcome.NOT_ACCEPTED)
    noted(book, entry(2, Wear.CYCLIC, new=3, asked_by=Asker(origin=Origin.REFRESH)))
    noted(book, entry(3, Wear.CYCLIC, new=4, asked_by=Asker(origin=Origin.REFRESH)))
    noted(book, entry(4, new="off", old="heating"), Outcome.REFUSED)
    book.blocked["dhw_setpoint"] = 7
    data = json.loads(json.dumps(book.to_json()))
    other = ledger()
    other.restore(data)

    assert other.to_json() == data
    assert len(other.entries) == 4
    assert other.totals() == {"holding:1032": 4}


def test_only_the_last_thousand_are_kept_and_all_are_counted() -> None:
    book = ledger()
    for minute in range(ENTRIES + 5):
        noted(book, entry(minute / 100))

    assert len(book.entries) == ENTRIES
    assert book.entries[0].time == NOON + timedelta(minutes=0.05)
    assert book.totals() == {"holding:1032": ENTRIES + 5}


def test_a_day_is_the_owners() -> None:
    late = datetime.fromisoformat("2026-11-20T23:30:00+00:00")
    book = Ledger(ZoneInfo("Europe/Berlin"))
    noted(book, entry())
    noted(book, replace(entry(), time=late))

    assert book.daily() == {"holding:1032": {"2026-11-20": 1, "2026-11-21": 1}}


def test_the_counts_of_the_oldest_days_are_dropped() -> None:
    book = ledger()
    for day in range(DAYS + 10):
        noted(book, entry(day * 24 * 60))

    days = book.daily()["holding:1032"]
    assert len(days) == DAYS
    assert min(days) == (NOON + timedelta(days=10)).date().isoformat()
    assert book.totals() == {"holding:1032": DAYS + 10}


def test_a_refused_write_is_listed_and_not_counted() -> None:
    book = ledger()
    noted(book, entry(), Outcome.REFUSED)

    assert len(book.entries) == 1
    assert book.totals() == {"holding:1032": 0}
    assert book.daily() == {"holding:1032": {}}


def test_a_discarded_write_leaves_the_others() -> None:
    book = ledger()
    first, second = entry(), entry(1)
    book.add(first)
    book.add(second)
    book.discard(first)

    assert book.entries == (second,)
    assert book.totals() == {"holding:1032": 1}


@pytest.mark.parametrize("wear", [Wear.CYCLIC, Wear.VOLATILE])
def test_a_pv_automation_fills_one_line_a_day(wear: Wear) -> None:
    book = ledger()
    setting = noted(book, entry(-5))
    for minute in range(300):
        context = replace(NIGHT, context=f"c{minute}")
        noted(book, entry(minute, wear, new=minute, asked_by=context))

    assert len(book.entries) == 2
    assert book.entries[0] is setting
    folded = book.entries[1]
    assert (folded.count, folded.new) == (300, 299)
    assert (folded.time, folded.last) == (NOON, NOON + timedelta(minutes=299))
    assert folded.asked_by.context == "c299"
    assert book.totals() == {"holding:1032": 301}


@pytest.mark.parametrize(
    "other",
    [
        {"minutes": 24 * 60},
        {"asked_by": ANNA},
        {"key": "pv_production"},
    ],
)
def test_writes_that_differ_are_not_folded(other: dict[str, Any]) -> None:
    book = ledger()
    noted(book, entry(0, Wear.CYCLIC, asked_by=NIGHT))
    noted(book, entry(**{"wear": Wear.CYCLIC, "asked_by": NIGHT} | other))

    assert len(book.entries) == 2


def test_outcomes_and_settings_are_not_folded() -> None:
    book = ledger()
    noted(book, entry(0, Wear.CYCLIC))
    noted(book, entry(1, Wear.CYCLIC), Outcome.NOT_ACCEPTED)
    noted(book, entry(2, Wear.UNKNOWN))
    noted(book, entry(3, Wear.UNKNOWN))

    assert len(book.entries) == 4


GOOD = entry().to_json()


@pytest.mark.parametrize(
    "damage",
    [
        None,
        17,
        [],
        {},
        GOOD | {"time": "yesterday"},
        GOOD | {"time": None},
        GOOD | {"key": 5},
        GOOD | {"address": "1032"},
        GOOD | {"address": -1},
        GOOD | {"new": None},
        GOOD | {"new": float("nan")},
        GOOD | {"old": [1]},
        GOOD | {"asked_by": "anna"},
        GOOD | {"asked_by": {"user": 5}},
        GOOD | {"asked_by": {"origin": "ghost"}},
        GOOD | {"wear": "tear"},
        GOOD | {"outcome": "perhaps"},
        GOOD | {"count": 0},
        GOOD | {"count": True},
        GOOD | {"last": 5},
    ],
)
def test_damage_costs_only_the_entry(damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    book = ledger()
    book.restore({"ledger": [GOOD, damage, GOOD]})

    assert [item.to_json() for item in book.entries] == [GOOD, GOOD]
    assert "1 damaged" in caplog.text


@pytest.mark.parametrize(
    "damage", [{"ledger": 5, "counts": [], "blocked": "x"}, {}, {"ledger": {"a": 1}}]
)
def test_a_ledger_of_another_shape_is_empty(damage: dict[str, Any]) -> None:
    book = ledger()
    book.restore(damage)

    assert book.to_json() == {"ledger": [], "counts": {}, "blocked": {}}


def test_damaged_counts_cost_only_themselves() -> None:
    book = ledger()
    good = {"total": 5, "days": {"2026-11-20": 2}}
    book.restore(
        {
            "counts": {
                "holding:1": good,
                "holding:2": {"total": -1, "days": {}},
                "holding:3": {"total": 1, "days": {"someday": 1}},
                "holding:4": None,
            },
            "blocked": {"dhw_setpoint": 3, "boost": "many"},
        }
    )

    assert book.to_json()["counts"] == {"holding:1": good}
    assert book.blocked == {"dhw_setpoint": 3}
