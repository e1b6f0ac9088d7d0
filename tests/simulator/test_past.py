"""A machine with a past: healthy weeks, a fault, and a present that continues it."""

from datetime import UTC, datetime, timedelta
import json
from pathlib import Path

import pytest

from custom_components.heat_pump_hub.simulator import past as module
from custom_components.heat_pump_hub.simulator.__main__ import parse, write_past
from custom_components.heat_pump_hub.simulator.machine_faults import NAMES
from custom_components.heat_pump_hub.simulator.past import FIRST, begin, past, schedule
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

NOW = datetime(2026, 11, 20, 23, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEALTHY", timedelta(hours=6))


def test_every_fault_has_its_first_days() -> None:
    assert set(FIRST) == set(NAMES)


def test_the_fault_begins_after_the_healthy_time() -> None:
    start = begin("pump", NOW)
    model = HeatPumpModel(1, start, inner_step=60.0)
    fault = schedule(model, "pump", NOW)
    assert fault.onset - start == timedelta(hours=6)
    faults = [(time, dict(model.faults)) for time, _ in past(model, NOW)]
    assert model.now == NOW
    assert all(bool(found) is (time >= fault.onset) for time, found in faults)


def test_the_past_is_written_line_by_line(tmp_path: Path) -> None:
    options = parse(["--fault", "frozen", "--past", str(tmp_path / "past.jsonl")])
    model = HeatPumpModel(1, begin("frozen", NOW), inner_step=60.0)
    schedule(model, options.fault, NOW)
    write_past(model, NOW, options.past)
    lines = [json.loads(line) for line in options.past.read_text().splitlines()]
    times = [datetime.fromisoformat(time) for time, _ in lines]
    assert times == sorted(times)
    assert times[-1] == NOW
    assert lines[-1][1] == dict(model.state)
    # the last hours are all the same
    assert lines[-1][1]["flow_temperature"] == lines[-60][1]["flow_temperature"]


def test_a_past_need_not_be_written() -> None:
    model = HeatPumpModel(1, NOW - timedelta(hours=1), inner_step=60.0)
    write_past(model, NOW, None)
    assert model.now == NOW
