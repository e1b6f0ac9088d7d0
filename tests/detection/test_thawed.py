"""What an air source gives just after defrosts, when there is no frost that could vary."""

import json
from random import Random

import numpy as np
import pytest

from custom_components.heat_pump_hub.detection import load
from custom_components.heat_pump_hub.detection.situation import Situation
from custom_components.heat_pump_hub.detection.state import DamagedError
from custom_components.heat_pump_hub.detection.thawed import Thaw, Thawed

load()
KEYS = (
    "source_inlet_temperature", "flow_temperature", "compressor_frequency",
    "evaporation_temperature", "suction_gas_temperature", "source_outlet_temperature",
    "thermal_power",
)  # fmt: skip
CYCLE = 80.0
"""Minutes between defrosts."""


def live(
    thawed: Thawed, days: float, *, seed: int = 1, period: float = 1.0, clogged: float = 0.0,
    wrong: float = 0.0, heater: bool = False, keys: tuple[str, ...] = KEYS,
) -> list[Thaw]:  # fmt: skip
    """Defrost every 80 minutes; frost is as thick as it likes by the end of each."""
    dice = Random(seed)
    situation = Situation()
    found: list[Thaw] = []
    frost = 0.0
    for step in range(int(days * 1440 / period)):
        minute = step * period
        phase = minute % CYCLE
        if phase < period:
            thick = dice.uniform(1.0, 6.0)
        mode = "defrost" if phase < 5 else "heating"
        frost = thick * phase / CYCLE
        situation.update(
            {"operating_mode": mode, "backup_heater_running": heater}, period, running=True
        )
        source = 1.0 + 3.0 * np.sin(minute / 700)
        flow, speed = 36.0 - source / 2, 45.0 + 15.0 * np.sin(minute / 311)
        gap = 4.0 + speed / 15 + frost + 5.0 * clogged
        values = {
            "source_inlet_temperature": source,
            "flow_temperature": flow,
            "compressor_frequency": speed,
            "evaporation_temperature": source - gap + wrong,
            "suction_gas_temperature": source - gap + 6.0,
            "source_outlet_temperature": source - 3.0 * (1.0 + clogged),
            "thermal_power": speed * 110.0 * (1.0 - 0.02 * frost - 0.3 * clogged),
        }
        array = np.array(
            [values[key] + dice.gauss(0, 0.05) if key in keys else np.nan for key in KEYS]
        )
        usual = not clogged and not wrong
        if (thaw := thawed.observe(array, situation, period, learning=usual)) is not None:
            found.append(thaw)
    return found


@pytest.fixture(params=[1.0, 5.0])
def weeks(request: pytest.FixtureRequest) -> tuple[Thawed, float]:
    """Return what learned for six weeks, and its period in minutes."""
    thawed = Thawed(KEYS)
    found = live(thawed, 42, period=request.param)
    assert found
    assert max(thaw.ratio for thaw in found) < 0.8
    return thawed, request.param


def test_little_that_clogs_shows_after_two_defrosts(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    found = live(thawed, 1, seed=2, period=period, clogged=0.1)
    assert [thaw.ratio >= 1 for thaw in found[1:]].count(True) >= len(found) - 3
    last = found[-1]
    assert set(last.signals) <= set(KEYS)
    assert {"source_inlet_temperature", "thermal_power"} <= set(last.signals)
    assert last.observed > last.expected + 0.2


def test_what_shows_less_trouble_than_usual_is_none(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    assert max(thaw.ratio for thaw in live(thawed, 1, seed=3, period=period, clogged=-0.1)) < 0.8


def test_one_sensor_alone_is_not_the_source(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    found = live(thawed, 1, seed=4, period=period, wrong=-2.0)
    assert max(thaw.ratio for thaw in found) < 1


def test_with_the_heater_nothing_is_judged(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    assert live(thawed, 1, period=period, clogged=0.2, heater=True) == []


def test_signals_may_be_missing() -> None:
    keys = KEYS[:4]
    thawed = Thawed(KEYS)
    assert max(thaw.ratio for thaw in live(thawed, 30, keys=keys)) < 0.8
    found = live(thawed, 1, seed=2, clogged=0.15, keys=keys)
    assert max(thaw.ratio for thaw in found) >= 1
    assert found[-1].signals == ("source_inlet_temperature", "evaporation_temperature")
    assert live(Thawed(()), 1) == []


def test_normal_is_learned_and_what_adds_up_forgotten(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    assert max(thaw.ratio for thaw in live(thawed, 1, seed=2, period=period, clogged=0.1)) >= 1
    thawed.accept()
    thawed.forget()
    assert thawed.value == 0
    assert max(thaw.ratio for thaw in live(thawed, 1, seed=2, period=period, clogged=0.1)) < 1


def test_saved_is_restored_bit_for_bit_or_refused(weeks: tuple[Thawed, float]) -> None:
    thawed, period = weeks
    saved = json.loads(json.dumps(thawed.to_json()))
    again = Thawed(KEYS)
    again.restore(saved)
    assert again.to_json() == saved
    assert live(again, 2, seed=5, period=period) == live(thawed, 2, seed=5, period=period)
    assert json.dumps(again.to_json()) == json.dumps(thawed.to_json())
    for name, damage in (
        ("n", -1), ("weights", "AAAA"), ("mean", ""), ("second", None), ("numbers", 3),
        ("limit", None), ("times", [0.0, 0.0, 0.0, -1.0]), ("sums", [1.0]),
    ):  # fmt: skip
        with pytest.raises(DamagedError):
            Thawed(KEYS).restore({**saved, name: damage})
    empty = Thawed(KEYS)
    empty.restore(json.loads(json.dumps(Thawed(KEYS).to_json())))
    assert empty.moments.n == 0
