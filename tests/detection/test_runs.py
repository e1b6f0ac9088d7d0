"""What runs show: less heat for the electricity, and less water at the same speed of the pump."""

from datetime import UTC, datetime
import json
from random import Random

import pytest

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict
from custom_components.heat_pump_hub.detection.daily import Day
from custom_components.heat_pump_hub.detection.runs import FLOW_LOW, RUN_COP, Runs
from custom_components.heat_pump_hub.detection.situation import Situation
from custom_components.heat_pump_hub.detection.state import DamagedError
from custom_components.heat_pump_hub.simulator.sampler import Sampler
from custom_components.heat_pump_hub.simulator.variant import Variant


def live(
    runs: Runs, days: int, *, begin: int = 0, efficiency: float = 0.45, water: float = 1.0,
    period: float = 5.0, without: str = "",
) -> list[Day]:  # fmt: skip
    """Let it run 40 minutes of each hour, at temperatures that change with the day."""
    dice = Random(begin)
    situation = Situation()
    found: list[Day] = []
    for step in range(int(days * 1440 / period)):
        minute = step * period
        on = minute % 60 < 40
        mode = ("dhw" if minute // 60 % 12 == 5 else "heating") if on else "off"
        situation.update({"operating_mode": mode}, period, on)
        source = 2.0 + 6.0 * ((begin + minute / 1440) % 3)
        flow = 50.0 if mode == "dhw" else 38.0 - source / 3
        cop = efficiency * (flow + 273.15) / (flow - source + 10.0)
        speed = 100.0 if mode == "dhw" else 60.0 + 20.0 * (minute // 1440 % 2)
        values: dict[str, float | int | str | bool | None] = {
            "operating_mode": mode,
            "source_inlet_temperature": source,
            "flow_temperature": flow + dice.gauss(0, 0.2),
            "thermal_power": 6000.0 + dice.gauss(0, 100) if on else 0.0,
            "electrical_power": 6000.0 / cop + dice.gauss(0, 20) if on else 8.0,
            "circulation_pump_speed": speed if on else 0.0,
            "flow_rate": water * speed * 0.2 + dice.gauss(0, 0.2) if on else 0.0,
        }
        values.pop(without, None)
        found += runs.observe(values, situation, period, learning=True)
    return found


@pytest.fixture
def weeks() -> Runs:
    runs = Runs()
    assert all(day.ratio < 0.95 for day in live(runs, 40))
    return runs


def worst(days: list[Day], name: str) -> Day:
    return max((day for day in days if day.name == name), key=lambda day: day.ratio)


def test_less_heat_for_the_electricity_shows_after_three_runs(weeks: Runs) -> None:
    day = worst(live(weeks, 1, begin=40, efficiency=0.32), RUN_COP)
    assert day.ratio >= 1
    assert 0 < day.observed < day.expected - day.limit


def test_other_temperatures_are_no_other_machine(weeks: Runs) -> None:
    assert worst(live(weeks, 12, begin=41), RUN_COP).ratio < 0.95


def test_less_water_at_the_same_speed_shows_after_two_days(weeks: Runs) -> None:
    day = worst(live(weeks, 5, begin=40, water=0.8), FLOW_LOW)
    assert day.ratio >= 1
    assert day.observed < day.expected - day.limit
    assert 8 < day.observed < 18


@pytest.mark.parametrize("period", [1.0, 15.0])
def test_any_period(period: float) -> None:
    runs = Runs()
    assert all(day.ratio < 0.95 for day in live(runs, 20, period=period))
    found = live(runs, 4, begin=20, period=period, efficiency=0.3, water=0.7)
    assert worst(found, RUN_COP).ratio >= 1
    assert worst(found, FLOW_LOW).ratio >= 1


@pytest.mark.parametrize("without", ["thermal_power", "electrical_power", "flow_temperature"])
def test_without_a_value_there_is_no_coefficient(without: str) -> None:
    assert not [day for day in live(Runs(), 3, without=without) if day.name == RUN_COP]


@pytest.mark.parametrize("without", ["flow_rate", "circulation_pump_speed"])
def test_without_a_value_there_is_no_flow(without: str) -> None:
    assert not [day for day in live(Runs(), 3, without=without) if day.name == FLOW_LOW]


def test_heater_spoils_a_run() -> None:
    runs, situation = Runs(), Situation()
    values: dict[str, float | int | str | bool | None] = {
        "operating_mode": "heating", "backup_heater_running": True, "thermal_power": 5000.0,
        "electrical_power": 2000.0, "flow_temperature": 35.0, "outdoor_temperature": -3.0,
    }  # fmt: skip
    for _ in range(40):
        situation.update(values, 5.0, running=True)
        assert runs.observe(values, situation, 5.0, learning=True) == []
    assert runs.run[0] == 0
    values["backup_heater_running"] = False
    for _ in range(4):
        situation.update(values, 5.0, running=True)
        runs.observe(values, situation, 5.0, learning=True)
    assert runs.run[0] > 0
    runs.interrupt()
    assert runs.run[0] == 0


def test_normal_is_learned(weeks: Runs) -> None:
    found = live(weeks, 5, begin=40, efficiency=0.32, water=0.8)
    for name in (RUN_COP, FLOW_LOW):
        for gauge in {day.gauge for day in found if day.name == name and day.ratio >= 1}:
            weeks.accept(gauge)
    again = live(weeks, 5, begin=45, efficiency=0.32, water=0.8)
    assert all(day.ratio < 1 for day in again)
    weeks.accept("unknown")


def test_saved_runs_are_restored_or_refused(weeks: Runs) -> None:
    live(weeks, 1)
    saved = json.loads(json.dumps(weeks.to_json()))
    again = Runs()
    again.restore(saved)
    assert again.to_json() == saved
    assert live(again, 3, begin=41) == live(weeks, 3, begin=41)
    damages: tuple[dict[str, object], ...] = (
        {"norms": 3}, {"gauges": {}}, {"run": [1]}, {"run": [-1, 0, 0, 0]}, {"losses": None},
        {"water": {}}, {"numbers": [1]},
    )  # fmt: skip
    for damage in damages:
        with pytest.raises(DamagedError):
            Runs().restore({**saved, **damage})


def machine(seed: int) -> tuple[list[Signal], Sampler]:
    keys = (
        "outdoor_temperature", "flow_temperature", "return_temperature", "dhw_temperature",
        "source_inlet_temperature", "electrical_power", "thermal_power", "flow_rate",
        "circulation_pump_speed", "operating_mode", "compressor_running", "defrosting",
        "backup_heater_running",
    )  # fmt: skip
    variant = Variant.draw(Random(seed), "brine", inverter=True)
    start = datetime(2025, 11, 20, tzinfo=UTC)
    sampler = Sampler(seed, start, period=300.0, variant=variant, keys=keys)
    states = {"operating_mode", "compressor_running", "defrosting", "backup_heater_running"}
    units = {"flow_rate": "L/min", "circulation_pump_speed": "%"}
    return [
        Signal(key, "state" if key in states else "analog", units.get(key)) for key in keys
    ], sampler


def test_clogged_strainer_of_a_simulated_machine_is_told() -> None:
    signals, sampler = machine(9310)
    detector = Detector(signals)
    assert not any(detector.observe(*sample).alarm for sample in sampler.days(30))
    verdict: Verdict | None = None
    seen: set[str] = set()
    for moment, values in sampler.days(8):
        flow = values["flow_rate"]
        assert isinstance(flow, float)
        values["flow_rate"] = round(0.8 * flow, 1)
        verdict = detector.observe(moment, values)
        for reason in verdict.reasons:
            seen.add(reason.monitor)
            if reason.monitor == "relation_flow_low":
                assert reason.signals[0] == "flow_rate"
                assert "strainer" in str(reason.context["causes"])
    assert "relation_flow_low" in seen
