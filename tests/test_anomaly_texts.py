"""Each monitor in a sentence, in both languages, as an owner reads it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import METRIC_SYSTEM, US_CUSTOMARY_SYSTEM, UnitSystem
import pytest

from custom_components.heat_pump_hub.anomaly_texts import AnomalyTexts
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.detection import Reason
from custom_components.heat_pump_hub.detection.verdict import MONITORS
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity
from custom_components.heat_pump_hub.units import difference, for_owner

NAMES: Final = {
    "flow_temperature": ("Flow temperature", "Vorlauftemperatur", Quantity.TEMPERATURE),
    "return_temperature": ("Return temperature", "Rücklauftemperatur", Quantity.TEMPERATURE),
    "dhw_temperature": ("Hot water temperature", "Warmwassertemperatur", Quantity.TEMPERATURE),
    "thermal_power": ("Thermal power", "Thermische Leistung", Quantity.POWER),
    "buffer_temperature": ("Buffer temperature", "Puffertemperatur", Quantity.TEMPERATURE),
    "high_pressure": ("High pressure", "Hochdruck", Quantity.PRESSURE),
    "superheat": ("Superheat", "Überhitzung", Quantity.TEMPERATURE_DIFFERENCE),
}
ALL = tuple(NAMES)[:5]
HEATING = {"unit": "°C", "mode": "heating"}

CASES: Final[dict[str, tuple[Mapping[str, Any], str, str]]] = {
    "range_high": (
        {"monitor": "range", "observed": 130, "expected": 120},
        "“Flow temperature” shows 130 °C; more than 120 °C is not possible there.",
        "„Vorlauftemperatur“ zeigt 130 °C; mehr als 120 °C ist dort nicht möglich.",
    ),
    "range_low": (
        {"monitor": "range", "observed": -60.5, "expected": -40},
        "“Flow temperature” shows −60.5 °C; less than −40.0 °C is not possible there.",
        "„Vorlauftemperatur“ zeigt −60,5 °C; weniger als −40,0 °C ist dort nicht möglich.",
    ),
    "range_many": (
        {"monitor": "range", "signals": ALL[:3]},
        (
            "“Flow temperature”, “Return temperature” and “Hot water temperature” show values that are "
            "not possible there."
        ),
        (
            "„Vorlauftemperatur“, „Rücklauftemperatur“ und „Warmwassertemperatur“ zeigen Werte, die dort "
            "nicht möglich sind."
        ),
    ),
    "spike": (
        {"monitor": "spike", "observed": 62, "expected": 31},
        "“Flow temperature” jumped from 31.0 °C to 62.0 °C and back at once.",
        "„Vorlauftemperatur“ sprang plötzlich von 31,0 °C auf 62,0 °C und gleich wieder zurück.",
    ),
    "jump": (
        {"monitor": "jump", "observed": 26.5, "expected": 31},
        (
            "“Flow temperature” went from 31.0 °C to 26.5 °C all at once and stayed there, although the "
            "heat pump had changed nothing."
        ),
        (
            "„Vorlauftemperatur“ wechselte plötzlich von 31,0 °C auf 26,5 °C und blieb dort, obwohl die "
            "Wärmepumpe nichts verändert hatte."
        ),
    ),
    "flatline": (
        {"monitor": "flatline", "observed": 1500, "expected": 150, "context": {"value": 31.2}},
        (
            "“Flow temperature” has shown 31.2 °C without any change for 25 hours; so far it never rested "
            "for more than 2 hours."
        ),
        (
            "„Vorlauftemperatur“ zeigt schon 25 Stunden lang unverändert 31,2 °C; bisher stand der Wert höchstens "
            "2 Stunden still."
        ),
    ),
    "flatline_running": (
        {"monitor": "flatline_running", "observed": 90, "expected": 9, "context": {"value": 31.2}},
        (
            "“Flow temperature” has shown 31.2 °C without any change during 90 minutes of compressor "
            "operation; so far it never rested for more than 9 minutes of it."
        ),
        (
            "„Vorlauftemperatur“ zeigt schon 90 Minuten Verdichterlaufzeit lang unverändert 31,2 °C; bisher stand "
            "der Wert dabei höchstens 9 Minuten still."
        ),
    ),
    "flatline_many": (
        {"monitor": "flatline", "signals": ALL, "observed": 5000},
        (
            "“Flow temperature”, “Return temperature”, “Hot water temperature”, “Thermal power” and 1 more "
            "have not changed for 3 days."
        ),
        (
            "„Vorlauftemperatur“, „Rücklauftemperatur“, „Warmwassertemperatur“, „Thermische Leistung“ und "
            "1 weitere haben sich schon 3 Tage lang nicht verändert."
        ),
    ),
    "frozen": (
        {"monitor": "frozen", "signals": ALL, "observed": 40, "expected": 3},
        (
            "The heat pump answers, but none of its values has changed for 40 minutes; so far that never "
            "took more than 3 minutes."
        ),
        (
            "Die Wärmepumpe antwortet, aber schon 40 Minuten lang hat sich keiner ihrer Werte verändert; bisher "
            "dauerte das höchstens 3 Minuten."
        ),
    ),
    "generic": (
        {"monitor": "generic", "observed": 80, "expected": 45},
        "“Flow temperature” shows 80.0 °C, which it never did before; usual is 45.0 °C.",
        "„Vorlauftemperatur“ zeigt 80,0 °C und damit mehr oder weniger als je zuvor; üblich ist 45,0 °C.",
    ),
    "relation_fast": (
        {
            "monitor": "relation_fast",
            "signals": ("thermal_power",),
            "observed": 4254.5,
            "expected": 5872.51,
            "tolerance": 800,
            "context": {"unit": "W", "relation": "thermal_power"},
        },
        "“Thermal power” is at 4254 W; 5873 W ± 800 W would be usual in this situation.",
        "„Thermische Leistung“ liegt bei 4254 W; üblich wären in dieser Lage 5873 W ± 800 W.",
    ),
    "relation_fast_gap": (
        {
            "monitor": "relation_fast",
            "signals": ("return_temperature", "flow_temperature"),
            "suspect": "return_temperature",
            "observed": 12.1,
            "expected": 4.4,
            "tolerance": 1,
            "context": {**HEATING, "relation": "spread"},
        },
        (
            "The difference between “Flow temperature” and “Return temperature” is 12.1 K; "
            "4.4 K ± 1.0 K would be usual in this situation."
        ),
        (
            "Der Unterschied zwischen „Vorlauftemperatur“ und „Rücklauftemperatur“ beträgt 12,1 K; "
            "üblich wären in dieser Lage 4,4 K ± 1,0 K."
        ),
    ),
    "relation_slow": (
        {
            "monitor": "relation_slow",
            "observed": 31,
            "expected": 35,
            "tolerance": 2,
            "context": {**HEATING, "relation": "flow_temperature"},
        },
        (
            "“Flow temperature” has been off for quite some time: it is at 31.0 °C, while 35.0 °C ± 2.0 K "
            "would be usual in this situation."
        ),
        (
            "„Vorlauftemperatur“ weicht seit längerem ab: Der Wert liegt bei 31,0 °C, üblich wären in dieser "
            "Lage 35,0 °C ± 2,0 K."
        ),
    ),
    "relation_slow_numbers_gap": (
        {
            "monitor": "relation_slow",
            "signals": ("flow_temperature", "return_temperature"),
            "observed": 2,
            "expected": 5,
            "tolerance": 1,
            "context": {**HEATING, "relation": "spread"},
        },
        (
            "The difference between “Flow temperature” and “Return temperature” has been off for quite some "
            "time: it is 2.0 K, while 5.0 K ± 1.0 K would be usual in this situation."
        ),
        (
            "Der Unterschied zwischen „Vorlauftemperatur“ und „Rücklauftemperatur“ weicht seit längerem ab: "
            "Er beträgt 2,0 K, üblich wären in dieser Lage 5,0 K ± 1,0 K."
        ),
    ),
    "relation_slow_plain": (
        {
            "monitor": "relation_slow",
            "observed": 34,
            "expected": 35,
            "tolerance": 2,
            "context": {**HEATING, "relation": "flow_temperature"},
        },
        "“Flow temperature” has been a little off for quite some time, judged by the other values.",
        (
            "„Vorlauftemperatur“ weicht seit längerem ein wenig von dem ab, was die anderen Werte erwarten "
            "lassen."
        ),
    ),
    "relation_slow_gap": (
        {
            "monitor": "relation_slow",
            "observed": 4.5,
            "expected": 5,
            "tolerance": 1,
            "context": {**HEATING, "relation": "spread"},
        },
        (
            "The difference between “Flow temperature” and “Return temperature” has been a little off for "
            "quite some time."
        ),
        (
            "Der Unterschied zwischen „Vorlauftemperatur“ und „Rücklauftemperatur“ weicht seit längerem ein "
            "wenig vom Üblichen ab."
        ),
    ),
    "relation_multi": (
        {"monitor": "relation_multi", "signals": ("flow_temperature", "thermal_power")},
        "“Flow temperature” and “Thermal power” have not gone together as usual for quite some time.",
        (
            "„Vorlauftemperatur“ und „Thermische Leistung“ passen seit längerem nicht mehr so zusammen wie "
            "üblich."
        ),
    ),
    "relation_flow_over": (
        {
            "monitor": "relation_flow_over",
            "observed": 9,
            "expected": 3,
            "context": {"unit": "K", "mode": "heating"},
        },
        "“Flow temperature” is 9.0 K above its set temperature; so far 3.0 K was the most.",
        "„Vorlauftemperatur“ liegt 9,0 K über dem Sollwert; bisher waren es höchstens 3,0 K.",
    ),
    "relation_flow_over_dhw": (
        {
            "monitor": "relation_flow_over",
            "observed": 19,
            "expected": 8,
            "context": {"unit": "K", "mode": "dhw"},
        },
        (
            "While hot water is heated, “Flow temperature” is 19.0 K above the tank temperature; so far "
            "8.0 K was the most."
        ),
        (
            "Bei der Warmwasserbereitung liegt „Vorlauftemperatur“ 19,0 K über der Speichertemperatur; "
            "bisher waren es höchstens 8,0 K."
        ),
    ),
    "relation_spread_over": (
        {
            "monitor": "relation_spread_over",
            "signals": ("flow_temperature", "return_temperature"),
            "observed": 12,
            "expected": 5,
            "context": {"unit": "K"},
        },
        (
            "“Flow temperature” is 12.0 K above “Return temperature”; so far 5.0 K was the most. Too little "
            "water may be flowing."
        ),
        (
            "„Vorlauftemperatur“ liegt 12,0 K über „Rücklauftemperatur“; bisher waren es höchstens 5,0 K. "
            "Möglicherweise fließt zu wenig Wasser."
        ),
    ),
    "relation_heat_need": (
        {
            "monitor": "relation_heat_need",
            "observed": 5.1,
            "expected": 3.2,
            "context": {"unit": "kWh/(K d)"},
        },
        (
            "For days, the house has needed more heat than the weather explains: 5.1 kWh per degree and day; "
            "usual are 3.2 kWh per degree and day."
        ),
        (
            "Seit Tagen braucht das Haus mehr Wärme, als das Wetter erklärt: 5,1 kWh je Grad und Tag; üblich "
            "sind 3,2 kWh je Grad und Tag."
        ),
    ),
    "cycle_starts_3h": (
        {"monitor": "cycle_starts_3h", "observed": 17, "expected": 4, "context": {"unit": "1"}},
        "The compressor started 17 times within three hours; so far 4 times was the most.",
        "Der Verdichter ist innerhalb von drei Stunden 17-mal gestartet; bisher war es höchstens 4-mal.",
    ),
    "cycle_starts_24h": (
        {"monitor": "cycle_starts_24h", "observed": 83, "expected": 15, "context": {"unit": "1"}},
        "The compressor started 83 times within 24 hours; so far 15 times was the most.",
        "Der Verdichter ist innerhalb von 24 Stunden 83-mal gestartet; bisher war es höchstens 15-mal.",
    ),
    "cycle_length": (
        {"monitor": "cycle_length", "observed": 15, "expected": 3, "context": {"unit": "1/h"}},
        "The compressor runs for only 4 minutes at a time; so far it ran for at least 20 minutes.",
        "Der Verdichter läuft jeweils nur 4 Minuten; bisher lief er mindestens 20 Minuten.",
    ),
    "cycle_length_new": (
        {"monitor": "cycle_length", "observed": 15, "expected": 0, "context": {"unit": "1/h"}},
        "The compressor runs for only 4 minutes at a time.",
        "Der Verdichter läuft jeweils nur 4 Minuten.",
    ),
    "cycle_defrost_interval": (
        {
            "monitor": "cycle_defrost_interval",
            "observed": 2.4,
            "expected": 1.2,
            "context": {"unit": "1/h"},
        },
        "The heat pump defrosts after only 25 minutes of operation; so far it was at least 50 minutes.",
        "Die Wärmepumpe taut schon nach 25 Minuten Betrieb ab; bisher war es frühestens nach 50 Minuten.",
    ),
    "cycle_defrost_interval_new": (
        {"monitor": "cycle_defrost_interval", "observed": 2.4, "expected": 0},
        "The heat pump defrosts after only 25 minutes of operation.",
        "Die Wärmepumpe taut schon nach 25 Minuten Betrieb ab.",
    ),
    "relation_flow_low": (
        {
            "monitor": "relation_flow_low",
            "signals": ("flow_rate", "circulation_pump_speed"),
            "observed": 13.04,
            "expected": 18.2,
            "context": {"unit": "L/min"},
        },
        "At the same speed of its pump, less water flows than before: 13.0 L/min; usual are 18.2 L/min.",
        (
            "Bei gleicher Drehzahl der Pumpe fließt weniger Wasser als bisher: 13,0 L/min; üblich sind "
            "18,2 L/min."
        ),
    ),
    "generic_rest": (
        {
            "monitor": "generic_rest",
            "signals": ("register_1071",),
            "suspect": "register_1071",
            "observed": 190,
            "expected": 35,
            "context": {"unit": "min"},
        },
        (
            "“register_1071” has not changed during 3 hours of compressor operation; so far it never rested "
            "for more than 35 minutes of it."
        ),
        (
            "„register_1071“ hat sich während 3 Stunden Verdichterlaufzeit nicht geändert; bisher stand der "
            "Wert dabei nie länger als 35 Minuten still."
        ),
    ),
    "generic_fast": (
        {
            "monitor": "generic_fast",
            "signals": ("register_1071",),
            "observed": 21.4,
            "expected": 40.2,
            "tolerance": 6.1,
            "context": {"unit": "%"},
        },
        "“register_1071” is at 21.4 %; 40.2 % ± 6.1 % would be usual in this situation.",
        "„register_1071“ liegt bei 21,4 %; üblich wären in dieser Lage 40,2 % ± 6,1 %.",
    ),
    "generic_slow": (
        {
            "monitor": "generic_slow",
            "signals": ("register_1071",),
            "observed": 41.4,
            "expected": 40.2,
            "tolerance": 6.1,
            "context": {"unit": "%"},
        },
        "“register_1071” has been a little off for quite some time, judged by the other values.",
        "„register_1071“ weicht seit längerem ein wenig von dem ab, was die anderen Werte erwarten lassen.",
    ),
    "cycle_run_cop": (
        {"monitor": "cycle_run_cop", "observed": 2.514, "expected": 3.3, "context": {"unit": "1"}},
        (
            "The last runs made less heat from their electricity than any before them at such temperatures: "
            "a COP of 2.51; so far it was at least 3.30."
        ),
        (
            "Die letzten Läufe machten aus ihrem Strom weniger Wärme als alle zuvor bei solchen "
            "Temperaturen: COP 2,51; bisher war er mindestens 3,30."
        ),
    ),
    "cycle_cop": (
        {"monitor": "cycle_cop", "observed": 2.514, "expected": 3.9, "context": {"unit": "1"}},
        (
            "On the last days, the heat pump made less heat from its electricity than usual at this outdoor "
            "temperature: a COP of 2.51 instead of 3.90."
        ),
        (
            "In den letzten Tagen machte die Wärmepumpe aus ihrem Strom weniger Wärme als bei dieser "
            "Außentemperatur üblich: COP 2,51 statt 3,90."
        ),
    ),
    "tank_cooling": (
        {"monitor": "tank_cooling", "observed": 2.9, "expected": 1.3, "context": {"unit": "%/h"}},
        (
            "The hot water cools down faster than usual while nobody draws any: it loses 2.9 % per hour of "
            "what it is warmer than its surroundings; usual are 1.3 % per hour."
        ),
        (
            "Das Warmwasser kühlt schneller aus als üblich, auch wenn niemand zapft: Es verliert 2,9 % je "
            "Stunde seiner Übertemperatur; üblich sind 1,3 % je Stunde."
        ),
    ),
    "tank_loss": (
        {"monitor": "tank_loss", "observed": 2.8, "expected": 0.6, "context": {"unit": "%/h"}},
        (
            "The hot water cools down faster than usual while nobody draws any: it loses 2.8 % per hour of "
            "what it is warmer than its surroundings; usual are 0.6 % per hour."
        ),
        (
            "Das Warmwasser kühlt schneller aus als üblich, auch wenn niemand zapft: Es verliert 2,8 % je "
            "Stunde seiner Übertemperatur; üblich sind 0,6 % je Stunde."
        ),
    ),
    "tank_runs": (
        {"monitor": "tank_runs", "observed": 9, "expected": 3, "context": {"unit": "1/d"}},
        "Hot water was heated 9 times within 24 hours; so far 3 times was the most.",
        "Das Warmwasser wurde innerhalb von 24 Stunden 9-mal geheizt; bisher war es höchstens 3-mal.",
    ),
    "tank_heat_up": (
        {"monitor": "tank_heat_up", "observed": 8.2, "expected": 3, "context": {"unit": "min/K"}},
        (
            "Hot water takes longer to heat than before: 8.2 minutes per degree; so far 3.0 minutes per "
            "degree was the most."
        ),
        (
            "Das Warmwasser braucht länger als bisher, um warm zu werden: 8,2 Minuten je Grad; bisher waren "
            "es höchstens 3,0 Minuten je Grad."
        ),
    ),
    "tank_balance": (
        {"monitor": "tank_balance", "observed": 180, "expected": 60, "context": {"unit": "min/d"}},
        (
            "Over the last three days, hot water took 3 hours of heating a day; so far 60 minutes was the "
            "most."
        ),
        (
            "In den letzten drei Tagen brauchte das Warmwasser täglich 3 Stunden Heizzeit; bisher waren es "
            "höchstens 60 Minuten."
        ),
    ),
    "tank_energy": (
        {"monitor": "tank_energy", "observed": 14, "expected": 7.5, "context": {"unit": "kWh/d"}},
        "For days, hot water has taken more energy than usual: 14.0 kWh a day; usual are 7.5 kWh a day.",
        (
            "Seit Tagen braucht das Warmwasser mehr Energie als üblich: 14,0 kWh am Tag; üblich sind 7,5 kWh "
            "am Tag."
        ),
    ),
    "heater_run": (
        {"monitor": "heater_run", "observed": 190, "expected": 20, "context": {"unit": "min"}},
        (
            "The backup heater has been on for 3 hours; at such temperatures it was never on for more than "
            "20 minutes so far."
        ),
        (
            "Der Heizstab ist schon 3 Stunden lang eingeschaltet; bei solchen Temperaturen war er es bisher "
            "höchstens 20 Minuten."
        ),
    ),
}


def reason(**more: Any) -> Reason:
    return Reason(
        **{
            "monitor": "relation_fast",
            "signals": ("flow_temperature",),
            "suspect": None,
            "observed": 0.0,
            "expected": 0.0,
            "tolerance": 0.0,
            "since": datetime(2026, 11, 20, 13, 5, tzinfo=UTC),
            **more,
        }
    )


async def texts_in(
    hass: HomeAssistant, language: str, system: UnitSystem = METRIC_SYSTEM
) -> AnomalyTexts:
    hass.config.units = system
    await hass.config.async_set_time_zone("Europe/Vienna")
    hass.config.language = language
    registry = er.async_get(hass)
    points = {}
    for key, (english, german, quantity) in NAMES.items():
        points[key] = Point(key=key, name=key, quantity=quantity, kind=Kind.ANALOG)
        name = german if language == "de" else english
        registry.async_get_or_create("sensor", DOMAIN, f"idm_{key}", original_name=name)
    texts = AnomalyTexts(hass, "idm", points)
    await texts.async_load()
    return texts


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("case", CASES)
async def test_each_monitor_is_a_sentence(hass: HomeAssistant, case: str, language: str) -> None:
    texts = await texts_in(hass, language)
    found, english, german = CASES[case]
    assert texts.statement(reason(**found)) == (german if language == "de" else english)


IMPERIAL: Final[dict[str, tuple[Mapping[str, Any], str]]] = {
    "range": (
        {"monitor": "range", "observed": 130, "expected": 120},
        "“Flow temperature” shows 266 °F; more than 248 °F is not possible there.",
    ),
    "spike": (
        {"monitor": "spike", "observed": 62, "expected": 31},
        "“Flow temperature” jumped from 87.8 °F to 144 °F and back at once.",
    ),
    "flatline": (
        {
            "monitor": "flatline",
            "observed": 1500,
            "expected": 150,
            "context": {"unit": "min", "value": 31.2},
        },
        (
            "“Flow temperature” has shown 88.2 °F without any change for 25 hours; so far it never rested "
            "for more than 2 hours."
        ),
    ),
    "a temperature and its tolerance": (
        {
            "observed": 31,
            "expected": 35,
            "tolerance": 2,
            "context": {**HEATING, "relation": "flow_temperature"},
        },
        "“Flow temperature” is at 87.8 °F; 95.0 °F ± 3.6 °F would be usual in this situation.",
    ),
    "a difference of temperatures": (
        {
            "signals": ("return_temperature", "flow_temperature"),
            "observed": 12,
            "expected": -4,
            "tolerance": 1,
            "context": {**HEATING, "relation": "spread"},
        },
        (
            "The difference between “Flow temperature” and “Return temperature” is 21.6 °F; "
            "−7.2 °F ± 1.8 °F would be usual in this situation."
        ),
    ),
    "a value that is a difference": (
        {
            "signals": ("superheat",),
            "observed": 15,
            "expected": 5,
            "tolerance": 2,
            "context": {"unit": "K", "relation": "superheat"},
        },
        "“Superheat” is at 27.0 °F; 9.0 °F ± 3.6 °F would be usual in this situation.",
    ),
    "above the setpoint": (
        {
            "monitor": "relation_flow_over",
            "observed": 10,
            "expected": 5,
            "context": {"unit": "K"},
        },
        "“Flow temperature” is 18.0 °F above its set temperature; so far 9.0 °F was the most.",
    ),
    "pressure": (
        {
            "signals": ("high_pressure",),
            "observed": 10,
            "expected": 20,
            "tolerance": 1,
            "context": {"unit": "bar", "relation": "high_pressure"},
        },
        "“High pressure” is at 145 psi; 290 psi ± 14.5 psi would be usual in this situation.",
    ),
    "power": (
        {
            "signals": ("thermal_power",),
            "observed": 4254.5,
            "expected": 5872.51,
            "tolerance": 800,
            "context": {"unit": "W", "relation": "thermal_power"},
        },
        "“Thermal power” is at 4254 W; 5873 W ± 800 W would be usual in this situation.",
    ),
    "per degree": (
        {"monitor": "tank_heat_up", "observed": 9, "expected": 3.6, "context": {"unit": "min/K"}},
        (
            "Hot water takes longer to heat than before: 5.0 minutes per degree Fahrenheit; so far 2.0 "
            "minutes per degree Fahrenheit was the most."
        ),
    ),
    "per degree and day": (
        {
            "monitor": "relation_heat_need",
            "observed": 9,
            "expected": 3.6,
            "context": {"unit": "kWh/(K d)"},
        },
        (
            "For days, the house has needed more heat than the weather explains: 5.0 kWh per degree "
            "Fahrenheit and day; usual are 2.0 kWh per degree Fahrenheit and day."
        ),
    ),
}


@pytest.mark.parametrize("case", IMPERIAL)
async def test_an_owner_reads_the_units_of_the_system(hass: HomeAssistant, case: str) -> None:
    texts = await texts_in(hass, "en", US_CUSTOMARY_SYSTEM)
    found, expected = IMPERIAL[case]
    assert texts.statement(reason(**found)) == expected


async def test_no_sentence_has_degrees_that_nobody_uses(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en", US_CUSTOMARY_SYSTEM)
    said = [texts.statement(reason(**found)) for found, _, _ in CASES.values()]
    assert not [one for one in said if "°C" in one or " K" in one]


@pytest.mark.parametrize(
    ("key", "wish", "expected"),
    [
        ("flow_temperature", "°F", "is at 50.0 °F; 68.0 °F ± 1.8 °F would"),
        ("flow_temperature", None, "is at 10.0 °C; 20.0 °C ± 1.0 K would"),
        ("thermal_power", "kW", "is at 4.25 kW; 5.87 kW ± 0.80 kW would"),
        ("high_pressure", "kPa", "is at 1000 kPa; 2000 kPa ± 100 kPa would"),
        ("high_pressure", "no unit of pressure", "is at 10.0 bar; 20.0 bar ± 1.0 bar would"),
    ],
)
async def test_a_unit_chosen_for_an_entity_is_read_in_its_sentence(
    hass: HomeAssistant, key: str, wish: str | None, expected: str
) -> None:
    texts = await texts_in(hass, "en")
    registry = er.async_get(hass)
    entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"idm_{key}")
    assert entity_id is not None
    registry.async_update_entity_options(
        entity_id, "sensor", {"unit_of_measurement": wish} if wish else None
    )
    unit, *numbers = {
        "flow_temperature": ("°C", 10, 20, 1),
        "thermal_power": ("W", 4254.5, 5872, 800),
        "high_pressure": ("bar", 10, 20, 1),
    }[key]
    found = reason(
        signals=(key,),
        **dict(zip(("observed", "expected", "tolerance"), numbers, strict=True)),
        context={"unit": unit, "relation": key},
    )
    assert expected in texts.statement(found)


def test_what_an_owner_reads_in_degrees_fahrenheit_is_a_difference_where_it_is_one() -> None:
    """Whoever chose °F for one entity reads it so, in a metric house, too."""
    unit, convert = for_owner(METRIC_SYSTEM, "K", "°F")
    assert (unit, convert(5)) == ("°F", 9)
    unit, convert = for_owner(METRIC_SYSTEM, "°C", "°F")
    assert (unit, convert(5)) == ("°F", 41)
    unit, convert = difference("°C", "°F")
    assert (unit, convert(5)) == ("°F", 9)
    assert difference("°C", "°C")[0] == "K"
    unit, convert = difference("bar", "psi")
    assert (unit, round(convert(1), 2)) == ("psi", 14.5)
    assert difference("min", "min")[0] == "min"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (
            METRIC_SYSTEM,
            {"observed": 12.123, "expected": 4.4, "tolerance": 1.0, "unit": "K"},
        ),
        (
            US_CUSTOMARY_SYSTEM,
            {"observed": 21.822, "expected": 7.92, "tolerance": 1.8, "unit": "°F"},
        ),
    ],
)
async def test_automations_get_the_same_numbers(
    hass: HomeAssistant, system: UnitSystem, expected: dict[str, Any]
) -> None:
    texts = await texts_in(hass, "en", system)
    found = reason(
        signals=("return_temperature", "flow_temperature"),
        observed=12.12345,
        expected=4.4,
        tolerance=1,
        context={**HEATING, "relation": "spread"},
    )
    assert texts.attributes(found) == expected


def test_no_monitor_is_forgotten() -> None:
    told = {found["monitor"] for found, _, _ in CASES.values()}
    assert set(MONITORS.values()) <= told
    assert {"range", "flatline", "flatline_running", "frozen", "spike", "jump"} <= told


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            [
                (
                    "“Flow temperature” is at 31.0 °C; 35.0 °C ± 2.0 K would be usual in this situation. "
                    "Since 20 November, 14:05, in heating mode."
                ),
                "Sensor or machine? A fault of this sensor would explain it best: “Flow temperature”.",
                (
                    "Possible causes: a wrong, badly placed or loose sensor, an iced or blocked heat source "
                    "(evaporator, fan, brine filter)."
                ),
            ],
        ),
        (
            "de",
            [
                (
                    "„Vorlauftemperatur“ liegt bei 31,0 °C; üblich wären in dieser Lage 35,0 °C ± 2,0 K. "
                    "Seit dem 20. November, 14:05 Uhr, im Heizbetrieb."
                ),
                (
                    "Fühler oder Maschine? Am besten würde es ein Fehler dieses Fühlers erklären: "
                    "„Vorlauftemperatur“."
                ),
                (
                    "Mögliche Ursachen: ein falscher, schlecht sitzender oder loser Fühler, eine vereiste "
                    "oder verstopfte Wärmequelle (Verdampfer, Ventilator, Solefilter)."
                ),
            ],
        ),
    ],
)
async def test_a_reason_has_a_time_a_suspect_and_causes(
    hass: HomeAssistant, language: str, expected: list[str]
) -> None:
    texts = await texts_in(hass, language)
    found = reason(
        observed=31,
        expected=35,
        tolerance=2,
        suspect="flow_temperature",
        context={**HEATING, "relation": "flow_temperature", "causes": "sensor,icing"},
    )
    assert texts.paragraphs([found]) == expected
    assert texts.explanation([found]) == " ".join(expected)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"monitor": "relation_slow"}, "That is open: no single sensor explains it."),
        ({"monitor": "tank_loss"}, "Rather the machine or the system."),
        ({"monitor": "frozen", "signals": ALL}, "Rather the controller or its connection."),
    ],
)
async def test_the_machine_is_blamed_in_general_words(
    hass: HomeAssistant, found: dict[str, Any], expected: str
) -> None:
    texts = await texts_in(hass, "en")
    assert texts.paragraphs([reason(**found)])[-1] == f"Sensor or machine? {expected}"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, "Since 20 November, 14:05."),
        ({"compressor_running": True}, "Since 20 November, 14:05, with the compressor running."),
        ({"compressor_running": False}, "Since 20 November, 14:05, with the compressor at rest."),
        ({"mode": "dhw"}, "Since 20 November, 14:05, while heating hot water."),
    ],
)
async def test_the_situation_is_told(
    hass: HomeAssistant, context: dict[str, Any], expected: str
) -> None:
    texts = await texts_in(hass, "en")
    told = texts.paragraphs([reason(monitor="range", context=context)])[0]
    assert told.endswith(f"there. {expected}")


async def test_many_reasons_are_three_and_a_number(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en")
    many = [
        reason(monitor="jump", signals=(key,), context={"causes": "pump"})
        for key in (*ALL, "unknown_key", "flow_temperature")
    ]
    told = texts.paragraphs(many)
    assert told[3] == "Further observations of this kind: 3."
    assert told[-1].count("circulation pump") == 1
    assert texts.statement(many[5]).startswith("“unknown_key” went from")


async def test_one_sensor_that_explains_several_reasons_is_the_suspect(
    hass: HomeAssistant,
) -> None:
    texts = await texts_in(hass, "en")
    both = {"signals": ("return_temperature", "flow_temperature")}
    found = [
        reason(**both, monitor="relation_slow", suspect="return_temperature"),
        reason(monitor="flatline", suspect="flow_temperature"),
        reason(monitor="spike", signals=("dhw_temperature",), suspect="dhw_temperature"),
    ]
    assert texts.paragraphs(found)[-1] == (
        "Sensor or machine? A fault of this sensor would explain it best: "
        "“Flow temperature” and “Hot water temperature”."
    )


async def test_what_was_found_in_two_ways_is_said_once(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en")
    spread = {"signals": ("flow_temperature", "return_temperature"), "observed": 9, "expected": 4}
    found = [
        reason(**spread, monitor="relation_slow", context={**HEATING, "relation": "spread"}),
        reason(**spread, monitor="relation_fast", context={**HEATING, "relation": "spread"}),
        reason(
            **spread,
            monitor="relation_fast",
            context={"unit": "°C", "mode": "dhw", "relation": "spread"},
        ),
        reason(monitor="tank_loss", signals=("dhw_temperature",), observed=2.9, expected=0.5),
        reason(monitor="tank_cooling", signals=("dhw_temperature",), observed=2.9, expected=0.9),
    ]
    told = texts.paragraphs(found)
    assert [paragraph.partition(" ")[0] for paragraph in told] == ["The", "The", "The", "Sensor"]
    assert "for quite some time" in told[0]
    assert "usual are 0.5" in told[1]
    assert "while heating hot water" in told[2]


def iced(number: int = 4) -> list[Reason]:
    """Return what a source that ices shows: most of it says the same, in other words."""
    source = {"signals": ("source_inlet_temperature", "source_outlet_temperature")}
    drop = {**source, "monitor": "relation_fast", "observed": 2.7, "expected": 1.6}
    return [
        reason(**drop, tolerance=0.2, context={**HEATING, "relation": "source_balance"}),
        reason(**drop, tolerance=0.3, context={**HEATING, "relation": "source_drop"}),
        *(
            reason(monitor="relation_slow", signals=(key,), context={**HEATING, "relation": key})
            for key in ALL[:number]
        ),
        reason(
            monitor="cycle_defrost_interval", observed=2, expected=1, context={"mode": "heating"}
        ),
    ]


@pytest.mark.parametrize(
    ("language", "often", "more", "further"),
    [
        (
            "en",
            "The heat pump defrosts after only 30 minutes",
            "Further observations of this kind: 3.",
            "Further observations: 3.",
        ),
        (
            "de",
            "Die Wärmepumpe taut schon nach 30 Minuten",
            "Weitere Beobachtungen dieser Art: 3.",
            "Weitere Beobachtungen: 3.",
        ),
    ],
)
async def test_another_kind_is_told_before_more_of_the_same(
    hass: HomeAssistant, language: str, often: str, more: str, further: str
) -> None:
    texts = await texts_in(hass, language)
    told = texts.paragraphs(iced())
    assert "2.7 K" in told[0] or "2,7 K" in told[0]
    assert sum("2.7 K" in one or "2,7 K" in one for one in told) == 1
    assert told[1].startswith(often)
    assert told[3] == more
    # of several kinds it is not said that they are of one
    others = [*iced(2), reason(monitor="jump"), reason(monitor="spike")]
    assert texts.paragraphs(others)[3] == further


async def test_what_was_accepted_is_told_last(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en")
    *same, _ = iced(2)
    accepted = reason(
        monitor="cycle_defrost_interval", observed=2, expected=1, context={"accepted": True}
    )
    assert texts.paragraphs([*same, accepted])[3] == "Further observations: 1."


async def test_without_reasons_nothing_is_said(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en")
    assert texts.paragraphs([]) == []
    assert texts.explanation([]) == ""


async def test_a_suspect_does_not_explain_what_the_machine_does(hass: HomeAssistant) -> None:
    texts = await texts_in(hass, "en")
    sensor = reason(suspect="flow_temperature", context={"causes": "sensor,refrigerant_loss"})
    machine = reason(monitor="cycle_defrost_interval", observed=2, context={"causes": "icing"})
    *_, blame, causes = texts.paragraphs([sensor, machine])
    assert blame == (
        "Sensor or machine? A fault of this sensor would explain some of it: “Flow temperature”. "
        "The rest points to the machine."
    )
    assert causes.index("refrigerant") < causes.index("sensor")
