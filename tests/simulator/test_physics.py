"""The model is one history for one seed, and its heat pump behaves like one."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.heat_pump_hub.simulator.clock import Clock
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER

DAY = 86_400.0
COUNTERS = (
    "thermal_energy",
    "electrical_energy",
    "heating_energy",
    "dhw_energy",
    "defrost_energy",
    "cooling_energy",
    "heating_electrical_energy",
    "backup_heater_energy",
    "backup_heater_hours",
    "compressor_hours",
    "compressor_starts",
    "defrost_count",
)


def number(model: HeatPumpModel, key: str) -> float:
    return float(model.state[key])


def history(seed: int, hours: int = 6) -> list[dict[str, object]]:
    model = HeatPumpModel(seed, WINTER)
    shown: list[dict[str, object]] = []
    for _ in range(hours):
        model.advance(3600)
        shown.append(dict(model.state))
    return shown


def test_one_seed_is_one_history() -> None:
    assert history(7) == history(7)
    assert history(7) != history(8)


def test_reading_and_slicing_do_not_change_the_history() -> None:
    calm, nervous = HeatPumpModel(3, WINTER), HeatPumpModel(3, WINTER)
    calm.advance(3600)
    for _ in range(1440):
        nervous.advance(2.5)
        assert nervous.state is nervous.state
    assert dict(calm.state) == dict(nervous.state)
    assert calm.now == nervous.now == WINTER + timedelta(hours=1)


def test_step_must_be_positive() -> None:
    with pytest.raises(ValueError, match="inner step"):
        HeatPumpModel(1, WINTER, inner_step=0)


def test_a_winter_day_has_defrosts_and_hot_water() -> None:
    model = HeatPumpModel(1, WINTER)
    before = dict(model.state)
    modes: set[object] = set()
    for _ in range(24 * 60):
        model.advance(60)
        modes.add(model.state["operating_mode"])
        assert 18.0 < number(model, "room_temperature") < 25.0
        assert 25.0 < number(model, "dhw_temperature") < 60.0
    assert {"heating", "dhw", "defrost", "off"} <= modes
    assert number(model, "defrost_count") > float(before["defrost_count"])
    assert number(model, "dhw_energy") > float(before["dhw_energy"])
    assert 0 < number(model, "compressor_starts") - float(before["compressor_starts"]) < 25


def test_heat_is_electricity_times_cop() -> None:
    model = HeatPumpModel(2, WINTER)
    heat = power = 0.0
    seen = 0
    for _ in range(24 * 60):
        model.advance(60)
        if model.state["operating_mode"] not in {"heating", "dhw"}:
            continue
        seen += 1
        cop = number(model, "cop")
        electrical = number(model, "electrical_power")
        assert 1.5 < cop < 7.0
        assert number(model, "thermal_power") == pytest.approx(electrical * cop, rel=0.01)
        flow = number(model, "flow_rate") / 60.0 * 4186.0
        heat += number(model, "thermal_power")
        power += flow * (number(model, "flow_temperature") - number(model, "return_temperature"))
    assert seen > 500
    # What the water carries is what the machine says it gives, over a day.
    assert power == pytest.approx(heat, rel=0.08)


def test_counters_follow_the_power_and_never_fall() -> None:
    model = HeatPumpModel(4, WINTER)
    first = dict(model.state)
    last = first
    joules = 0.0
    for _ in range(8640):
        model.advance(10)
        joules += number(model, "electrical_power") * 10.0
        state = dict(model.state)
        for key in COUNTERS:
            assert float(state[key]) >= float(last[key]), key
        last = state
    used = float(last["electrical_energy"]) - float(first["electrical_energy"])
    assert used == pytest.approx(joules / 3.6e6, rel=0.001)
    assert 15.0 < used < 80.0


def test_summer_needs_no_heating() -> None:
    model = HeatPumpModel(1, datetime(2025, 7, 20, tzinfo=UTC))
    before = number(model, "heating_energy")
    model.advance(3 * DAY)
    assert number(model, "heating_energy") == before
    assert number(model, "outdoor_temperature") > 10.0


def test_cooling_machine_cools_in_summer() -> None:
    model = HeatPumpModel(1, datetime(2025, 7, 20, tzinfo=UTC), cooling=True)
    model.set("circuit_a_mode", "manual_cooling")
    model.set("circuit_b_mode", "off")
    modes: set[object] = set()
    for _ in range(600):
        model.advance(60)
        modes.add(model.state["operating_mode"])
    assert "cooling" in modes
    assert number(model, "cooling_energy") > 0.5
    assert number(model, "buffer_temperature") < 24.0
    assert model.state["circuit_a_active_mode"] == "cooling"


def test_heating_curve_and_shift_raise_the_flow() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=9))
    model.set("circuit_a_mode", "normal")
    model.advance(60)
    before = number(model, "circuit_a_flow_temperature_setpoint")
    model.set("circuit_a_heating_curve_shift", 5.0)
    model.advance(60)
    shifted = number(model, "circuit_a_flow_temperature_setpoint")
    assert shifted == pytest.approx(before + 5.0, abs=0.5)
    model.set("circuit_a_heating_curve_slope", 0.8)
    model.advance(60)
    assert number(model, "circuit_a_flow_temperature_setpoint") > shifted + 5.0
    model.set("circuit_a_external_room_temperature", 28.0)
    model.advance(60)
    assert number(model, "circuit_a_flow_temperature_setpoint") < shifted + 9.0


def test_circuit_modes() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=12))
    for mode, setpoint in (("normal", 22.0), ("eco", 18.0), ("time_program", 22.0)):
        model.set("circuit_a_mode", mode)
        model.advance(10)
        assert model.state["circuit_a_room_temperature_setpoint"] == setpoint
        assert model.state["circuit_a_active_mode"] == "heating"
    model.set("circuit_a_mode", "manual_heating")
    model.advance(10)
    assert model.state["circuit_a_flow_temperature_setpoint"] == 45.0
    model.set("circuit_a_mode", "manual_cooling")
    model.advance(10)
    assert model.state["circuit_a_active_mode"] == "off"
    model.set("circuit_a_mode", "normal")
    model.set("circuit_a_heating_limit", -30.0)
    model.advance(10)
    assert model.state["circuit_a_active_mode"] == "off"


def test_system_modes() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=10))
    model.set("system_mode", "standby")
    model.advance(DAY)
    assert model.state["operating_mode"] == "off"
    assert number(model, "dhw_temperature") < 45.0
    model.set("system_mode", "hot_water_only")
    model.advance(1200)
    assert model.state["operating_mode"] == "dhw"
    model.set("system_mode", "heating_cooling_only")
    model.advance(1200)
    assert model.state["operating_mode"] == "heating"
    model.set("system_mode", "away")
    model.advance(10)
    assert model.state["circuit_a_room_temperature_setpoint"] == 18.0


def test_hot_water_follows_its_setpoint_and_requests() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=1))
    before = number(model, "backup_heater_energy")
    model.set("system_mode", "standby")
    model.set("request_dhw", 1.0)
    model.advance(1200)
    assert model.state["dhw_charging"] is True
    model.set("request_dhw", 0.0)
    model.set("system_mode", "automatic")
    model.set("dhw_temperature_setpoint", 56.0)
    model.advance(4 * 3600)
    assert number(model, "dhw_temperature") > 52.0
    assert number(model, "backup_heater_energy") > before
    model.set("request_dhw_once", 1.0)
    model.advance(2 * 3600)
    assert model.settings["request_dhw_once"] == 0.0


def test_surplus_and_smart_grid_store_more() -> None:
    plain, sunny, forced = (HeatPumpModel(1, WINTER + timedelta(hours=11)) for _ in range(3))
    sunny.set("pv_surplus", 3000.0)
    forced.set("smart_grid_mode", "forced")
    for model in (plain, sunny, forced):
        model.advance(5400)
    assert number(sunny, "flow_temperature_setpoint") > number(plain, "flow_temperature_setpoint")
    assert number(sunny, "dhw_temperature") > number(plain, "dhw_temperature") + 1.0
    assert number(forced, "dhw_temperature") == number(sunny, "dhw_temperature")
    forced.set("smart_grid_mode", "recommended")
    forced.advance(60)
    assert number(forced, "flow_temperature_setpoint") < number(sunny, "flow_temperature_setpoint")


def test_utility_lock_stops_the_machine() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=8))
    model.advance(1800)
    assert model.state["compressor_running"] is True
    model.set("smart_grid_mode", "locked")
    model.advance(60)
    assert model.state["operating_mode"] == "utility_lock"
    assert model.state["compressor_running"] is False


def test_power_limit_is_kept() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=6))
    model.set("power_limit", 1500.0)
    model.advance(1200)
    for _ in range(60):
        model.advance(60)
        if model.state["operating_mode"] in {"heating", "dhw"}:
            assert number(model, "electrical_power") < 2100.0


def test_outside_inputs_are_used() -> None:
    model = HeatPumpModel(1, WINTER)
    model.set("external_outdoor_temperature", 31.5)
    assert model.state["outdoor_temperature"] == 31.5
    model.set("external_outdoor_temperature", None)
    model.set("circuit_a_mode", "off")
    model.set("circuit_b_mode", "off")
    model.advance(60)
    assert model.state["heating_request"] is False
    model.set("request_heating", 1.0)
    model.advance(60)
    assert model.state["flow_temperature_setpoint"] == 40.0
    model.set("flow_request", 37.0)
    model.advance(60)
    assert model.state["flow_temperature_setpoint"] == 37.0


def test_bitter_cold_brings_the_heater() -> None:
    model = HeatPumpModel(1, WINTER)
    model.set("bivalence_point", 40.0)
    model.set("flow_request", 58.0)
    before = number(model, "backup_heater_energy")
    powers = [0.0]
    for _ in range(60):
        model.advance(60)
        if model.state["backup_heater_running"]:
            powers.append(number(model, "electrical_power"))
    assert max(powers) > 4000.0
    assert number(model, "backup_heater_energy") > before


def test_unknown_settings_are_refused() -> None:
    model = HeatPumpModel(1, WINTER)
    with pytest.raises(KeyError):
        model.set("colour", 1.0)
    with pytest.raises(ValueError, match="cannot be"):
        model.set("system_mode", "turbo")
    with pytest.raises(ValueError, match="cannot be"):
        model.set("circuit_a_mode", "turbo")
    with pytest.raises(TypeError, match="not a number"):
        model.number("system_mode")


def test_stuck_and_offset_sensors() -> None:
    model = HeatPumpModel(1, WINTER)
    stuck = model.state["outdoor_temperature"]
    model.inject("stuck:outdoor_temperature")
    honest = HeatPumpModel(1, WINTER)
    model.inject("offset:return_temperature", 4.0)
    for each in (model, honest):
        each.advance(7200)
    assert model.state["outdoor_temperature"] == stuck != honest.state["outdoor_temperature"]
    assert number(model, "return_temperature") == pytest.approx(
        number(honest, "return_temperature") + 4.0
    )
    model.clear("stuck:outdoor_temperature")
    assert model.state["outdoor_temperature"] == honest.state["outdoor_temperature"]
    model.clear()
    assert dict(model.state) == dict(honest.state)


def test_frozen_display_stands_still_while_the_machine_runs() -> None:
    model = HeatPumpModel(1, WINTER)
    shown = dict(model.state)
    model.inject("frozen")
    model.advance(7200)
    assert dict(model.state) == shown
    model.clear("frozen")
    assert dict(model.state) != shown


def test_a_fault_stops_the_machine_until_it_is_cleared() -> None:
    model = HeatPumpModel(1, WINTER + timedelta(hours=8))
    model.advance(1800)
    model.inject("fault", 227)
    model.advance(120)
    assert (model.state["fault"], model.state["fault_code"]) == (True, 227)
    assert model.state["compressor_running"] is False
    model.clear("fault")
    model.advance(900)
    assert model.state["compressor_running"] is True


def test_faults_of_the_machine_cost_what_they_cost() -> None:
    def day(fault: str | None, severity: float = 1.0) -> HeatPumpModel:
        model = HeatPumpModel(5, WINTER)
        if fault is not None:
            model.inject(fault, severity)
        model.advance(DAY)
        return model

    honest = day(None)
    leak = day("refrigerant_leak", 0.4)
    assert number(leak, "electrical_energy") > number(honest, "electrical_energy") + 3.0
    icing = day("icing", 3.0)
    assert number(icing, "defrost_count") > number(honest, "defrost_count") + 3
    loss = day("dhw_loss", 8.0)
    assert number(loss, "dhw_energy") > number(honest, "dhw_energy") + 3.0
    heater = day("heater_stuck")
    assert number(heater, "backup_heater_hours") > number(honest, "backup_heater_hours") + 20
    honest, pump = HeatPumpModel(5, WINTER), HeatPumpModel(5, WINTER)
    pump.inject("pump", 0.6)
    for model in (honest, pump):
        model.advance(8 * 3600)
    assert 0 < number(pump, "flow_rate") < 0.6 * number(honest, "flow_rate")
    with pytest.raises(ValueError, match="no such fault"):
        honest.inject("gremlins")
    with pytest.raises(ValueError, match="no such fault"):
        honest.inject("stuck:colour")


def test_clock_follows_the_wall_at_its_pace() -> None:
    now = 100.0
    model = HeatPumpModel(1, WINTER)
    clock = Clock(model, speed=30.0, monotonic=lambda: now)
    assert not clock.tick()
    now += 0.9
    assert not clock.tick()
    now += 0.6
    assert clock.tick()
    assert model.now == WINTER + timedelta(seconds=40)
    now += 1.0
    assert clock.tick()
    assert model.now == WINTER + timedelta(seconds=70)
    now += 1_000_000.0
    assert clock.tick()
    # After a long sleep it makes up one hour of steps, not a year.
    assert model.now == WINTER + timedelta(seconds=70 + 3600)
