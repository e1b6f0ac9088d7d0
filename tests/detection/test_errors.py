"""What a single wrong sensor would do to all expectations at once."""

import json
from typing import Any

import numpy as np
import pytest

from custom_components.heat_pump_hub.detection import load, state
from custom_components.heat_pump_hub.detection.arrays import Array
from custom_components.heat_pump_hub.detection.basis import FEATURES, Relation
from custom_components.heat_pump_hub.detection.blame import told_by_all
from custom_components.heat_pump_hub.detection.ceilings import BLOCK
from custom_components.heat_pump_hub.detection.errors import LEAST, Errors
from custom_components.heat_pump_hub.detection.relations import MULTI, Model

load()
SIGNALS = (
    "flow_temperature", "return_temperature", "evaporation_temperature", "outdoor_temperature",
    "dhw_temperature", "thermal_power",
)  # fmt: skip
RELATIONS = (
    Relation("spread", "flow_temperature", "return_temperature"),
    Relation("thermal_power", "thermal_power"),
    Relation("evaporation_temperature", "evaporation_temperature"),
    Relation("outdoor_gap", "outdoor_temperature", "evaporation_temperature"),
)
SHIFTS = np.array(
    [[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 1.0, -1.0], [0, 0, 0, 1.0], [0.0] * 4, [0, 1.0, 0, 0]]
)
ONES = np.ones(4)
ALL = np.ones(4, dtype=bool)


def made() -> Errors:
    return Errors(RELATIONS, SIGNALS, 1.0)


class Weather:
    """Moves the spread and the power together, by far more than either sensor is off by."""

    def __init__(self) -> None:
        self.dice = np.random.default_rng(7)
        self.now = 0.0

    def window(self) -> Array:
        self.now += 0.1 * (self.dice.normal() - 0.2 * self.now)
        own = 0.05 * self.dice.normal(size=4)
        found: Array = np.array([self.now, self.now, 0.0, 0.0]) + own
        return found


def live(errors: Errors, weather: Weather, days: int, *, off: Array | None = None) -> None:
    """Live days of 48 windows; ``off`` is what is added."""
    for index in range(days * 48):
        z = weather.window() + (0.0 if off is None else off)
        errors.take(z, ALL, 5.0, learning=True)
        if index % 24 == 21:
            errors.solve(SHIFTS, ONES, ALL)
        if index % 2:
            errors.age(60.0)


def test_weather_is_taken_off_what_a_sensor_shows() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 42)
    assert errors.limit.known
    assert errors.loudest()[1] < 0.9
    # Less than the weather does to the spread, and not in the power.
    live(errors, weather, 1, off=np.array([-0.4, 0.0, 0.0, 0.0]))
    place, ratio = errors.loudest()
    assert ratio > 1
    assert errors.sensors[place] in ("flow_temperature", "return_temperature")
    # Which of the two, nobody can say from a difference alone.
    assert errors.named(SHIFTS, ONES) is None


def test_sensor_that_two_relations_share_is_named() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    live(errors, weather, 1, off=np.array([0.0, 0.0, 0.5, -0.5]))
    assert errors.sensors[errors.loudest()[0]] == "evaporation_temperature"
    assert errors.named(SHIFTS, ONES) == ("evaporation_temperature", 1.0)
    # The other way round is no error of that sensor.
    errors.forget(accept=False)
    assert errors.loudest()[1] == 0
    live(errors, weather, 1, off=np.array([0.0, 0.0, 0.5, 0.5]))
    told = errors.named(SHIFTS, ONES)
    assert told is None or told[0] != "evaporation_temperature"


def test_weather_explains_but_does_not_alarm_and_the_tank_does_neither() -> None:
    errors, weather = made(), Weather()
    assert errors.sensors == SIGNALS[:4]
    live(errors, weather, 20)
    live(errors, weather, 1, off=np.array([0.0, 0.0, 0.0, 1.0]))
    assert errors.named(SHIFTS, ONES) == ("outdoor_temperature", 1.0)
    assert errors.sensors[errors.loudest()[0]] != "outdoor_temperature"
    nothing = Errors((), SIGNALS, 1.0)
    nothing.solve(SHIFTS[:, :0], np.ones(0), np.ones(0, dtype=bool))
    nothing.take(np.ones(0), np.ones(0, dtype=bool), 5.0, learning=True)
    assert nothing.loudest() == (0, 0.0)
    assert nothing.named(SHIFTS[:, :0], np.ones(0)) is None


def test_little_is_said_of_little() -> None:
    errors, weather = made(), Weather()
    for _ in range(LEAST - 1):
        errors.take(weather.window(), ALL, 5.0, learning=True)
    errors.solve(SHIFTS, ONES, ALL)
    assert not errors.weights.any()
    errors.take(weather.window(), ALL, 5.0, learning=True)
    errors.solve(SHIFTS, ONES, ALL)
    assert errors.weights.any()
    # No block is old enough to be trusted.
    errors.take(np.array([9.0, 0, 0, 0]), ALL, 60.0, learning=False)
    assert errors.loudest() == (0, 0.0)
    errors.age(BLOCK)
    assert not errors.limit.known
    # What is not usable any more tells nothing.
    errors.solve(SHIFTS, ONES, np.zeros(4, dtype=bool))
    assert not errors.weights.any()


def test_window_that_lacks_a_part_says_nothing() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    before, known = errors.mean.copy(), errors.n
    errors.take(np.array([5.0, 0, 0, 0]), np.array([1, 0, 1, 1], dtype=bool), 5.0, learning=True)
    assert (errors.mean == before).all()
    assert errors.n == known


def test_nothing_is_learned_while_alarmed() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    second, blocks = errors.second.copy(), errors.limit.blocks.copy()
    errors.take(np.full(4, 3.0), ALL, 5.0, learning=False)
    assert (errors.second == second).all()
    assert (errors.limit.blocks == blocks).all()
    assert errors.mean.any()


def test_owner_says_that_it_is_normal() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    off = np.array([0.0, 0.0, 0.5, -0.5])
    for _ in range(48):
        errors.take(weather.window() + off, ALL, 5.0, learning=False)
    assert errors.loudest()[1] > 1
    errors.forget(accept=True)
    for _ in range(48):
        errors.take(weather.window() + off, ALL, 5.0, learning=False)
    assert 0 < errors.loudest()[1] < 1


def restored(errors: Errors, **changes: Any) -> Errors:
    twin = made()
    part = json.loads(json.dumps(errors.to_json())) | changes
    twin.restore(part, len(RELATIONS), None, frozenset())
    return twin


def test_restart_changes_nothing() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    twin = restored(errors)
    assert json.dumps(twin.to_json()) == json.dumps(errors.to_json())
    for index in range(100):
        z = weather.window()
        for one in (errors, twin):
            one.take(z, ALL, 5.0, learning=True)
            if index % 24 == 21:
                one.solve(SHIFTS, ONES, ALL)
            one.age(30.0)
    assert json.dumps(twin.to_json()) == json.dumps(errors.to_json())
    assert twin.named(SHIFTS, ONES) == errors.named(SHIFTS, ONES)


def test_changed_signal_costs_only_what_was_told() -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    twin = made()
    saved = json.loads(json.dumps(errors.to_json()))
    twin.restore(saved, 4, np.array([0, 1, -1, -1]), frozenset({"evaporation_temperature"}))
    assert twin.loudest() == (0, 0.0)
    assert twin.n == errors.n
    assert (twin.second[:2, :2] == errors.second[:2, :2]).all()
    assert not twin.second[2:].any()
    assert not twin.limit.blocks[:, 2].any()
    assert (twin.limit.blocks[:, :2] == errors.limit.blocks[:, :2]).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"sensors": 7}, {"n": -1}, {"second": "AAAA"}, {"mean": ""}, {"weights": ""},
        {"values": [1.0]}, {"used": 7}, {"used": [9]}, {"used": ["a"]}, {"limit": None},
        {"ran": -1.0}, {"aged": None},
    ],
)  # fmt: skip
def test_damage_is_refused(damage: dict[str, Any]) -> None:
    errors, weather = made(), Weather()
    live(errors, weather, 20)
    with pytest.raises(state.DamagedError):
        restored(errors, **damage)


def test_no_part_is_refused() -> None:
    with pytest.raises(state.DamagedError):
        made().restore(None, 4, None, frozenset())


def test_model_tells_the_sensor_and_its_relations() -> None:
    model = Model("heating", RELATIONS, SIGNALS)
    model.learned, model.windows = 1e5, 2000
    model.usable[:] = True
    model.last = (np.array([5.0, 8e3, -3.0, 4.0]), np.array([5.0, 8e3, -3.5, 4.5]), np.zeros(4))
    weather = Weather()
    live(model.errors, weather, 20)
    assert not [one for one in model.deviations() if one.monitor == MULTI]
    live(model.errors, weather, 1, off=np.array([0.0, 0.0, 0.5, -0.5]))
    (found,) = [one for one in model.deviations() if one.monitor == MULTI]
    assert found.sensor == "evaporation_temperature"
    assert found.ratio > 1
    assert set(found.rows) == {2, 3}
    assert 0 < found.tolerance < 0.15
    model.forget(MULTI, "", accept=False)
    assert not [one for one in model.deviations() if one.monitor == MULTI]


def test_state_of_a_version_without_them_is_taken_over() -> None:
    model = Model("heating", RELATIONS, SIGNALS)
    model.windows = 40
    model.moments.learn(np.zeros(len(SIGNALS) + FEATURES), np.ones(len(SIGNALS) + FEATURES))
    saved = json.loads(json.dumps(model.to_json()))
    del saved["errors"]
    twin = Model("heating", RELATIONS, SIGNALS)
    twin.restore(saved)
    assert twin.windows == 40
    assert twin.errors.n == 0


@pytest.mark.parametrize(
    ("key", "others", "machine"),
    [
        ("source_outlet_temperature", ("source_inlet_temperature", "evaporation_temperature"), -1),
        ("suction_gas_temperature", ("source_inlet_temperature", "evaporation_temperature"), 1),
    ],
)
def test_first_sign_of_a_fault_of_the_machine_is_no_wrong_sensor(
    key: str, others: tuple[str, str], machine: float
) -> None:
    signals = (others[0], key, others[1])
    relations = (
        Relation("source_drop", signals[0], signals[1]),
        Relation("outlet_gap", signals[1], signals[2]),
        Relation("source_outlet_temperature", signals[1]),
    )
    dice = np.random.default_rng(3)
    for sign, suspect in ((machine, None), (-machine, key)):
        model = Model("heating", relations, signals)
        assert told_by_all(model) is None
        model.last = (np.zeros(3), np.zeros(3), np.zeros(3))
        for index in range(600):
            off = np.array([-1.0, 1.0, 1.0]) * sign if index > 550 else 0.0
            z = dice.normal(size=3) * 0.2 + off
            model.errors.take(z, np.ones(3, dtype=bool), 5.0, learning=index < 550)
            if index == 500:
                scale = model.scale(np.zeros(3), lasting=True)
                model.errors.solve(model.shifts(), scale, np.ones(3, dtype=bool))
        assert told_by_all(model) == suspect
