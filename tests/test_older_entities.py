"""Names that older integrations give, and what they are taken for."""

from collections.abc import Iterable, Mapping
import json
from pathlib import Path

import pytest

from custom_components.heat_pump_hub.drivers.points import OPERATING_MODES, Kind, Point, Quantity
from custom_components.heat_pump_hub.older_entities import KEYS, Candidate, propose

TEXTS = Path(__file__).parent.parent / "custom_components/heat_pump_hub/translations"
QUANTITIES = {
    "electrical_power": Quantity.POWER,
    "thermal_power": Quantity.POWER,
    "compressor_frequency": Quantity.FREQUENCY,
    "superheat": Quantity.TEMPERATURE_DIFFERENCE,
    "flow_rate": Quantity.FLOW_RATE,
    "high_pressure": Quantity.PRESSURE,
    "low_pressure": Quantity.PRESSURE,
    "expansion_valve_position": Quantity.RATIO,
    "fan_speed": Quantity.ROTATION,
    "circulation_pump_speed": Quantity.RATIO,
    "compressor_running": Quantity.FLAG,
    "defrosting": Quantity.FLAG,
    "dhw_charging": Quantity.FLAG,
    "backup_heater_running": Quantity.FLAG,
    "operating_mode": Quantity.STATE,
}
POINTS = {
    key: Point(
        key=key,
        name=key,
        quantity=QUANTITIES.get(key, Quantity.TEMPERATURE),
        kind=Kind.ANALOG,
        options=OPERATING_MODES if key == "operating_mode" else None,
    )
    for key in KEYS
}


def fits(point: Point, candidate: Candidate) -> bool:
    if point.quantity is Quantity.FLAG:
        return candidate.entity_id.startswith("binary_sensor.")
    if candidate.unit in ("kW", "l/h", "°F"):
        return point.unit == {"kW": "W", "l/h": "L/min", "°F": "°C"}[candidate.unit]
    return candidate.entity_id.startswith("sensor.") and candidate.unit == point.unit


def named(
    integration: str, names: Iterable[tuple[str, str | None]], device: str = "pump"
) -> list[Candidate]:
    """Return entities by the names that their integration gives them, and their units."""
    return [
        Candidate(
            entity_id=f"{'binary_sensor' if unit == 'flag' else 'sensor'}.{device}_{number}",
            integration=integration,
            entry="entry",
            device=device,
            unit=None if unit == "flag" else unit,
            name=name,
        )
        for number, (name, unit) in enumerate(names)
    ]


def understood(candidates: Iterable[Candidate]) -> dict[str, str | None]:
    """Return the names that were proposed, by key."""
    some = list(candidates)
    by_id = {one.entity_id: one.name or one.translation_key or one.entity_id for one in some}
    return {key: by_id[entity_id] for key, entity_id in propose(POINTS, some, fits).items()}


NIBE = [
    ("BT1 Average", "°C"),
    ("BT1 Outdoor Temperature", "°C"),
    ("EB23-BT2 Supply temp S4", "°C"),
    ("BT2 Supply temp S1", "°C"),
    ("Calc. Supply S1", "°C"),
    ("BT25 Ext. Supply", "°C"),
    ("BT22 Supply air temp.", "°C"),
    ("EQ1-BT64 Cool Supply Temp", "°C"),
    ("EP23-BT3 Return temp S4", "°C"),
    ("EB100-EP14-BT3 Return temp", "°C"),
    ("BT82 HW Comfort Return Temp", "°C"),
    ("BT6 HW Load", "°C"),
    ("BT7 HW Top", "°C"),
    ("EB100-EP14-BT10 Brine In Temp", "°C"),
    ("EB100-EP14-BT11 Brine Out Temp", "°C"),
    ("EB100-EP14-BT12 Condensor Out", "°C"),
    ("EB100-EP14-BT14 Hot Gas Temp", "°C"),
    ("EB100-EP14-BT15 Liquid Line", "°C"),
    ("EB100-EP14-BT17 Suction", "°C"),
    ("Compressor Frequency, Request", "Hz"),
    ("Compressor Frequency, Actual", "Hz"),
    ("Max Compressor Frequency, Heating", "Hz"),
    ("compr. in power", "kW"),
    ("compr. in power mean", "kW"),
    ("Int. el.add. Power", "kW"),
    ("EP14-GP2 Brine Pump Status EP14", "%"),
    ("Supply Pump Speed EP14", "%"),
]
LUXTRONIK = [
    ("Außentemperatur", "°C"),
    ("Mitteltemperatur", "°C"),
    ("Vorlauf", "°C"),
    ("Rücklauf", "°C"),
    ("Rücklauf Soll", "°C"),
    ("Rücklauf extern", "°C"),
    ("Wärmequelle Eingang", "°C"),
    ("Wärmequelle Ausgang", "°C"),
    ("Heissgastemperatur", "°C"),
    ("Sauggas", "°C"),
    ("Verdichterheizung", "°C"),
    ("Überhitzung", "K"),
    ("Überhitzung Soll", "K"),
    ("Hochdruck", "bar"),
    ("Niederdruck", "bar"),
    ("Verdichterfrequenz", "Hz"),
    ("Zieldrehzahl Verdichter", "Hz"),
    ("Durchfluss", "l/h"),
    ("Aktuelle Heizleistung", "kW"),
    ("Aktuelle Leistungsaufnahme", "kW"),
    ("Warmwasser Ist", "°C"),
    ("Warmwasser Soll", "°C"),
    ("Verdichterheizung", "flag"),
    ("Verdichter 2", "flag"),
    ("Verdichter", "flag"),
    ("Abtau Ventil", "flag"),
    ("Boilerladepumpe", "flag"),
    ("Zusätzlicher Wärmeerzeuger", "flag"),
]
IDM = [
    ("temp_outside", "°C"),
    ("temp_outside_average", "°C"),
    ("temp_heat_storage", "°C"),
    ("temp_cold_storage", "°C"),
    ("temp_water_heater_bottom", "°C"),
    ("temp_water_heater_top", "°C"),
    ("temp_water_heater_tap", "°C"),
    ("temp_water_target", "°C"),
    ("temp_flow_current_circuit_a", "°C"),
    ("temp_flow_target_circuit_a", "°C"),
    ("temp_hgl_flow", "°C"),
    ("temp_heat_pump_flow", "°C"),
    ("temp_heat_pump_return", "°C"),
    ("temp_heat_source_input", "°C"),
    ("temp_heat_source_output", "°C"),
    ("power_current", "kW"),
    ("power_current_draw", "kW"),
    ("power_solar_pv_production", "kW"),
]
LAMBDA = [
    ("Ambient Temperature", "°C"),
    ("HP1 Flow Line Temperature", "°C"),
    ("HP1 Return Line Temperature", "°C"),
    ("HP1 Volume Flow Heat Sink", "l/h"),
    ("HP1 Volume Flow Energy Source", "L/min"),
    ("HP1 Energy Source Inlet Temperature", "°C"),
    ("HP1 Energy Source Outlet Temperature", "°C"),
    ("HP1 Condensation Temperature", "°C"),
    ("HP1 Evaporation Temperature", "°C"),
    ("HP1 Inverter Power Consumption", "W"),
    ("HP1 Actual Heating Capacity", "kW"),
    ("HP1 Heating Max Output Power 15C", "kW"),
    ("HP1 Expansion Valve Opening Angle", "%"),
    ("HC1 Flow Line Temperature", "°C"),
    ("BOIL1 Actual High Temperature", "°C"),
    ("BOIL1 Actual Low Temperature", "°C"),
    ("BUFF1 Actual Low Temperature", "°C"),
]
STIEBEL = [
    ("Outdoor Temperature", "°C"),
    ("Flow Temperature WP1", "°C"),
    ("Return Temperature WP1", "°C"),
    ("Actual Temperature Buffer", "°C"),
    ("Target Temperature Buffer", "°C"),
    ("Actual Temperature HK 1", "°C"),
    ("Actual Temperature Water", "°C"),
    ("Target Temperature Water", "°C"),
    ("Hot Gas Temperature WP1", "°C"),
    ("High Pressure WP1", "bar"),
    ("Low Pressure WP1", "bar"),
    ("Volume Stream WP1", "L/min"),
    ("Compressor", "flag"),
]
ALTHERMA = [
    ("Outdoor air temp.(R1T)", "°C"),
    ("O/U Heat Exch. Mid-Temp.(R5T)", "°C"),
    ("Discharge pipe temp.", "°C"),
    ("Leaving water temp. after BUH (R2T)", "°C"),
    ("Leaving water temp. before BUH (R1T)", "°C"),
    ("Inlet water temp.(R4T)", "°C"),
    ("DHW tank temp. (R5T)", "°C"),
    ("DHW setpoint", "°C"),
    ("LW setpoint (main)", "°C"),
    ("Flow sensor (l/min)", "L/min"),
    ("Defrost Operation", "flag"),
]
GERMAN = [
    ("Aussen Temperatur", "°C"),
    ("WP Vorlauftemperatur", "°C"),
    ("WP Ruecklauftemperatur", "°C"),
    ("Vorlauf Ist HK A", "°C"),
    ("Vorlauf Solltemperatur", "°C"),
    ("Soleeintritt", "°C"),
    ("Soleaustritt", "°C"),
    ("Brauchwasser", "°C"),
    ("Pufferspeicher", "°C"),
    ("Heißgas", "°C"),
    ("Volumenstrom", "l/h"),
    ("Lüfterdrehzahl", "rpm"),
    ("Elektrische Leistung", "W"),
    ("Wärmeleistung", "W"),
]


@pytest.mark.parametrize(
    ("integration", "names", "expected"),
    [
        (
            "nibe_heatpump",
            NIBE,
            {
                "outdoor_temperature": "BT1 Outdoor Temperature",
                "flow_temperature": "BT2 Supply temp S1",
                "return_temperature": "EB100-EP14-BT3 Return temp",
                "electrical_power": "compr. in power",
                "compressor_frequency": "Compressor Frequency, Actual",
                "dhw_temperature": "BT7 HW Top",
                "source_inlet_temperature": "EB100-EP14-BT10 Brine In Temp",
                "source_outlet_temperature": "EB100-EP14-BT11 Brine Out Temp",
                "hot_gas_temperature": "EB100-EP14-BT14 Hot Gas Temp",
                "suction_gas_temperature": "EB100-EP14-BT17 Suction",
                "circulation_pump_speed": "Supply Pump Speed EP14",
            },
        ),
        (
            "luxtronik2",
            LUXTRONIK,
            {
                "outdoor_temperature": "Außentemperatur",
                "flow_temperature": "Vorlauf",
                "return_temperature": "Rücklauf",
                "electrical_power": "Aktuelle Leistungsaufnahme",
                "thermal_power": "Aktuelle Heizleistung",
                "compressor_frequency": "Verdichterfrequenz",
                "compressor_running": "Verdichter",
                "dhw_temperature": "Warmwasser Ist",
                "source_inlet_temperature": "Wärmequelle Eingang",
                "source_outlet_temperature": "Wärmequelle Ausgang",
                "hot_gas_temperature": "Heissgastemperatur",
                "suction_gas_temperature": "Sauggas",
                "superheat": "Überhitzung",
                "flow_rate": "Durchfluss",
                "high_pressure": "Hochdruck",
                "low_pressure": "Niederdruck",
                "defrosting": "Abtau Ventil",
                "dhw_charging": "Boilerladepumpe",
                "backup_heater_running": "Zusätzlicher Wärmeerzeuger",
            },
        ),
        (
            "idm_heatpump",
            IDM,
            {
                "outdoor_temperature": "temp_outside",
                "flow_temperature": "temp_heat_pump_flow",
                "return_temperature": "temp_heat_pump_return",
                "electrical_power": "power_current_draw",
                "thermal_power": "power_current",
                "dhw_temperature": "temp_water_heater_top",
                "dhw_temperature_bottom": "temp_water_heater_bottom",
                "source_inlet_temperature": "temp_heat_source_input",
                "source_outlet_temperature": "temp_heat_source_output",
                "buffer_temperature": "temp_heat_storage",
            },
        ),
        (
            "lambda_heat_pumps",
            LAMBDA,
            {
                "outdoor_temperature": "Ambient Temperature",
                "flow_temperature": "HP1 Flow Line Temperature",
                "return_temperature": "HP1 Return Line Temperature",
                "electrical_power": "HP1 Inverter Power Consumption",
                "thermal_power": "HP1 Actual Heating Capacity",
                "dhw_temperature": "BOIL1 Actual High Temperature",
                "dhw_temperature_bottom": "BOIL1 Actual Low Temperature",
                "source_inlet_temperature": "HP1 Energy Source Inlet Temperature",
                "source_outlet_temperature": "HP1 Energy Source Outlet Temperature",
                "evaporation_temperature": "HP1 Evaporation Temperature",
                "condensation_temperature": "HP1 Condensation Temperature",
                "flow_rate": "HP1 Volume Flow Heat Sink",
                "expansion_valve_position": "HP1 Expansion Valve Opening Angle",
            },
        ),
        (
            "stiebel_eltron_isg",
            STIEBEL,
            {
                "outdoor_temperature": "Outdoor Temperature",
                "flow_temperature": "Flow Temperature WP1",
                "return_temperature": "Return Temperature WP1",
                "compressor_running": "Compressor",
                "dhw_temperature": "Actual Temperature Water",
                "hot_gas_temperature": "Hot Gas Temperature WP1",
                "flow_rate": "Volume Stream WP1",
                "high_pressure": "High Pressure WP1",
                "low_pressure": "Low Pressure WP1",
                "buffer_temperature": "Actual Temperature Buffer",
            },
        ),
        (
            "mqtt",
            ALTHERMA,
            {
                "outdoor_temperature": "Outdoor air temp.(R1T)",
                "flow_temperature": "Leaving water temp. before BUH (R1T)",
                "return_temperature": "Inlet water temp.(R4T)",
                "dhw_temperature": "DHW tank temp. (R5T)",
                "hot_gas_temperature": "Discharge pipe temp.",
                "flow_rate": "Flow sensor (l/min)",
                "defrosting": "Defrost Operation",
            },
        ),
        (
            "modbus",
            GERMAN,
            {
                "outdoor_temperature": "Aussen Temperatur",
                "flow_temperature": "WP Vorlauftemperatur",
                "return_temperature": "WP Ruecklauftemperatur",
                "electrical_power": "Elektrische Leistung",
                "thermal_power": "Wärmeleistung",
                "dhw_temperature": "Brauchwasser",
                "source_inlet_temperature": "Soleeintritt",
                "source_outlet_temperature": "Soleaustritt",
                "hot_gas_temperature": "Heißgas",
                "flow_rate": "Volumenstrom",
                "fan_speed": "Lüfterdrehzahl",
                "buffer_temperature": "Pufferspeicher",
            },
        ),
    ],
    ids=["nibe", "luxtronik", "idm", "lambda", "stiebel eltron", "altherma", "german"],
)
def test_names_of_older_integrations(
    integration: str, names: list[tuple[str, str]], expected: Mapping[str, str]
) -> None:
    assert understood(named(integration, names)) == expected
    assert understood(reversed(named(integration, names))) == expected


def keyed(entity_id: str, key: str | None = None, name: str | None = None) -> Candidate:
    return Candidate(
        entity_id=entity_id,
        integration="luxtronik2",
        entry="entry",
        unit="°C",
        translation_key=key,
        name=name,
    )


def test_a_translation_key_says_what_a_short_name_does_not() -> None:
    water = keyed("sensor.water", "dhw_temperature", "Temperatur")
    # "flow out" is what leaves the house: the return
    back = keyed("sensor.back", "flow_out_temperature", "Flow Out")
    wanted = keyed("sensor.wanted", "flow_out_temperature_target", "Rücklauf")
    assert propose(POINTS, [wanted, water, back], fits) == {
        "dhw_temperature": "sensor.water",
        "return_temperature": "sensor.back",
    }


def test_an_entity_id_speaks_where_names_do_not() -> None:
    slug = keyed("sensor.heizung_rucklauf", name="Temperatur 2")
    assert propose(POINTS, [slug], fits) == {"return_temperature": slug.entity_id}
    better = keyed("sensor.t3", name="Rücklauf")
    assert propose(POINTS, [slug, better], fits) == {"return_temperature": "sensor.t3"}
    # what its name rules out, its id cannot bring back
    wanted = keyed("sensor.rucklauf", name="Solltemperatur")
    assert propose(POINTS, [wanted], fits) == {}


def test_one_entity_is_proposed_once() -> None:
    both = keyed("sensor.a", name="Hot gas, suction side")
    assert propose(POINTS, [both], fits) == {"hot_gas_temperature": "sensor.a"}


def test_a_unit_that_does_not_fit_is_no_match() -> None:
    assert understood(named("nibe", [("Flow temperature", "K"), ("Hot gas", "bar")])) == {}


def test_all_are_of_one_older_heat_pump() -> None:
    weather = named("mqtt", [("Outdoor temperature", "°C"), ("Fan speed", "rpm")], "weather")
    small = named("nibe", [("Outdoor temperature", "°C"), ("Flow temperature", "°C")], "small")
    modbus = named("modbus", GERMAN, "modbus")
    # a weather station alone is no heat pump
    assert propose(POINTS, weather, fits) == {}
    found = propose(POINTS, [*weather, *modbus], fits)
    assert {entity_id.partition("_")[0] for entity_id in found.values()} == {"sensor.modbus"}
    # nor is a heat pump's own integration outdone by many other entities
    found = propose(POINTS, [*modbus, *small, *weather], fits)
    assert found == {"outdoor_temperature": "sensor.small_0", "flow_temperature": "sensor.small_1"}


def test_devices_of_one_older_heat_pump_belong_together() -> None:
    water = named("luxtronik2", [("Warmwasser", "°C")], "water")
    heating = named("luxtronik2", [("Vorlauf", "°C")], "heating")
    assert understood([*water, *heating]) == {
        "flow_temperature": "Vorlauf",
        "dhw_temperature": "Warmwasser",
    }


@pytest.mark.parametrize(
    ("options", "proposed"),
    [
        (frozenset(["off", "heating", "dhw"]), True),
        (frozenset(["heating", "hot_water", "evu"]), False),
        (frozenset[str](), False),
    ],
)
def test_modes_are_proposed_only_where_they_have_our_names(
    options: frozenset[str], proposed: bool
) -> None:
    others = named("qube", GERMAN)
    mode = Candidate("sensor.mode", "qube", "entry", "pump", name="Mode", options=options)
    assert ("operating_mode" in propose(POINTS, [mode, *others], fits)) is proposed


@pytest.mark.parametrize("language", ["en", "de"])
def test_fields_are_named_like_our_entities(language: str) -> None:
    texts = json.loads((TEXTS / f"{language}.json").read_text("utf-8"))
    labels = texts["options"]["step"]["learn_from"]["data"]
    assert labels.keys() == set(KEYS)
    for key, label in labels.items():
        if not key.startswith("dhw_"):  # these stand on a device of their own
            names = {every[key]["name"] for every in texts["entity"].values() if key in every}
            assert label in names
