"""What the sensors of the simulated machine show: its physics, noise and resolution."""

from typing import TYPE_CHECKING

from .machine import opening, pressure

if TYPE_CHECKING:
    from .physics import HeatPumpModel, StateValue


def measure(model: HeatPumpModel, noise: tuple[float, ...], step: int) -> dict[str, StateValue]:
    """Return every canonical value; ``noise`` is looked up by ``step``."""
    size = len(noise)
    scale = model.variant.noise
    index = step * 31 % size

    def seen(value: float, spread: float = 0.04) -> float:
        """Return a value as a sensor shows it, in tenths."""
        nonlocal index
        index = (index + 1) % size
        return round(value + scale * spread * noise[index], 1)

    gas = model.refrigeration
    running = model.mode != "off"
    outdoor = model.weather.temperature
    brine = model.variant.source == "brine"
    source = gas.brine if brine else outdoor - 0.004 * model.frequency
    sun = 0.01 * model.variant.sun * model.weather.sun
    external = model.settings["external_outdoor_temperature"]
    electrical = model.compressor_and_pumps + model.heater
    thermal = gas.thermal + (model.heater if running else 0.0)
    room = model.building.room
    state: dict[str, StateValue] = {
        "outdoor_temperature": external
        if isinstance(external, float)
        else seen(outdoor + sun, 0.08),
        "outdoor_temperature_average": seen(model.outdoor_average, 0.0),
        "outdoor_humidity": seen(model.weather.humidity, 0.3),
        "flow_temperature": seen(model.flow),
        "flow_temperature_setpoint": round(model.target, 1),
        "return_temperature": seen(model.return_),
        "buffer_temperature": seen(model.buffer.temperature),
        "room_temperature": seen(room),
        "dhw_temperature": seen(model.tank.top),
        "dhw_temperature_bottom": seen(model.tank.bottom),
        "dhw_tap_temperature": seen(model.tank.top - 1.5 if model.draw else 24.0, 0.2),
        "dhw_temperature_setpoint": model.number("dhw_temperature_setpoint"),
        "source_inlet_temperature": seen(source, 0.08),
        "source_outlet_temperature": seen(gas.source_outlet, 0.08),
        "evaporation_temperature": seen(gas.evaporation, 0.1),
        "condensation_temperature": seen(gas.condensation, 0.1),
        "suction_gas_temperature": seen(gas.suction_gas, 0.1),
        "hot_gas_temperature": seen(gas.hot_gas, 0.15),
        "superheat": max(0.0, seen(gas.suction_gas - gas.evaporation, 0.1)),
        "high_pressure": round(pressure(gas.condensation), 2),
        "low_pressure": round(pressure(gas.evaporation), 2),
        "system_pressure": seen(1.6 + 0.004 * (model.buffer.temperature - 30.0), 0.005),
        "expansion_valve_position": seen(opening(gas, model.frequency), 0.3) if running else 0.0,
        "compressor_frequency": seen(model.frequency, 0.1) if running else 0.0,
        "fan_speed": round(350.0 + 6.0 * model.frequency)
        if running and model.mode != "defrost" and not brine
        else 0,
        "circulation_pump_speed": round(min(100.0, model.pump_speed)),
        "flow_rate": seen(model.water_flow, 0.1) if running else 0.0,
        "electrical_power": round(electrical, 1),
        "thermal_power": round(thermal, 1),
        "cop": round(thermal / electrical, 3) if running and thermal > 0.0 else 0.0,
        "inverter_temperature": seen(outdoor + 12.0 + 0.3 * model.frequency, 0.2),
        "supply_voltage": seen(231.0, 0.8),
        "supply_current": round(electrical / 231.0, 2),
        "operating_mode": "utility_lock" if model.utility_lock else model.mode,
        "compressor_running": running,
        "defrosting": model.mode == "defrost",
        "dhw_charging": model.mode == "dhw",
        "backup_heater_running": model.heater > 0.0,
        "reversing_valve": model.mode in {"defrost", "cooling"},
        "utility_lock": model.utility_lock,
        "fault": "fault" in model.faults,
        "fault_code": int(model.faults.get("fault", 0)),
        "heating_request": model.heating_wanted,
        "cooling_request": model.cooling_wanted,
        "dhw_request": model.dhw_wanted,
        "room_humidity": seen(44.0 + 0.1 * (outdoor - 5.0), 0.2),
        "source_kind": model.variant.source,
    }
    _add_counters(model, state)
    for circuit in model.circuits:
        active = circuit.active != "off"
        state |= {
            circuit.prefix + "mode": str(model.settings[circuit.prefix + "mode"]),
            circuit.prefix + "active_mode": circuit.active,
            circuit.prefix + "flow_temperature": seen(circuit.flow),
            circuit.prefix + "flow_temperature_setpoint": round(
                circuit.target if active else 0.0, 1
            ),
            circuit.prefix + "room_temperature": seen(room + circuit.room_offset),
            circuit.prefix + "room_temperature_setpoint": circuit.setpoint,
            circuit.prefix + "pump_running": active,
        }
    return state


def _add_counters(model: HeatPumpModel, state: dict[str, StateValue]) -> None:
    """Add what never falls."""
    thermal, electrical = model.thermal_energy, model.electrical_energy
    for mode in ("heating", "dhw", "cooling", "defrost"):
        state[f"{mode}_energy"] = round(thermal[mode], 3)
        state[f"{mode}_electrical_energy"] = round(electrical[mode], 3)
    useful = thermal["heating"] + thermal["dhw"] + thermal["cooling"] + model.heater_energy
    state["thermal_energy"] = round(useful, 3)
    state["electrical_energy"] = round(sum(electrical.values()) + model.heater_energy, 3)
    state["backup_heater_energy"] = round(model.heater_energy, 3)
    state["backup_heater_hours"] = round(model.heater_hours, 2)
    state["compressor_hours"] = round(model.compressor_hours, 2)
    state["compressor_starts"] = model.compressor_starts
    state["defrost_count"] = model.defrost_count
