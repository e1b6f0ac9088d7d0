"""Register map files: what they may say, and where exactly a mistake is."""

from collections.abc import Mapping
from pathlib import Path
import re
from typing import Any

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest
import yaml

from custom_components.heat_pump_hub.drivers.mapped import (
    MapError,
    PumpMap,
    family_of,
    parse_map,
    title_of,
)
from custom_components.heat_pump_hub.drivers.mapped.meanings import (
    CIRCUIT_KEYS,
    MACHINE_KEYS,
    ROOM_KEYS,
    Meaning,
)
from custom_components.heat_pump_hub.drivers.mapped.nodes import LONGEST
from custom_components.heat_pump_hub.drivers.mapped.words import TYPES, UNITS
from custom_components.heat_pump_hub.drivers.modbus import Codec
from custom_components.heat_pump_hub.drivers.points import (
    HOT_WATER,
    MACHINE,
    OPERATING_MODES,
    UNITS as UNIT_OF,
    Kind,
    Part,
    PartKind,
    Point,
    Quantity,
    Tier,
    Wear,
    is_canonical,
)

HEAD = """map: 1
maker: Acme
model: One
detect:
  - {address: 0, type: s16}
points:
  - {key: outdoor_temperature, address: 0, type: s16, scale: 0.1, unit: °C}
"""


def parsed(*points: str, head: str = HEAD) -> PumpMap:
    """Return a map with one sure point and these."""
    return parse_map(head + "".join(f"  - {{{point}}}\n" for point in points), "acme.yaml")


def point(text: str) -> Point:
    """Return the point that a line makes."""
    return parsed(text).points[-1].register.point


def mistakes(text: str, name: str = "acme.yaml", load: Any = None) -> list[str]:
    """Return what is wrong with a map: line, column and text."""
    with pytest.raises(MapError) as caught:
        parse_map(text, name, load)
    return [f"{p.line}:{p.column} {p.text}" for p in caught.value.problems]


def wrong(*points: str) -> list[str]:
    """Return the texts of the mistakes in points, which begin in line 8."""
    found = mistakes(HEAD + "".join(f"  - {{{point}}}\n" for point in points))
    assert all(re.match(r"(\d+):\d+ ", line) for line in found)
    assert all(int(line.split(":")[0]) >= 8 for line in found)
    return [line.split(" ", 1)[1] for line in found]


# -- what a map says -------------------------------------------------------------------


def test_the_head_says_how_a_machine_is_reached() -> None:
    pump = parse_map(
        HEAD.replace(
            "detect:",
            "title: {en: Heat pump, de: Wärmepumpe}\nport: 1502\nunit: 3\ninterval: 60\nlongest: 10\n"
            "spacing: 0.05\ntls: yes\nsingle_writes: true\ntable: holding\nword_order: high_first\n"
            "detect:",
        ),
        "acme.yaml",
    )
    family = family_of(pump)
    assert (family.key, family.manufacturer) == ("map", "Acme")
    assert (family.port, family.unit, family.interval) == (1502, 3, 60)
    assert (pump.wire.spacing, pump.wire.tls, pump.wire.single_writes) == (0.05, True, True)
    assert pump.longest == 10
    assert pump.points[0].register.table == "holding"
    assert pump.points[0].register.high_first
    assert title_of(pump.titles, "de") == "Wärmepumpe"
    assert title_of(pump.titles, "fr") == "Heat pump"


def test_what_the_head_leaves_out_is_usual() -> None:
    pump = parsed()
    assert (pump.port, pump.unit, pump.interval, pump.longest) == (502, 1, 30, 40)
    assert (pump.wire.spacing, pump.wire.tls, pump.wire.single_writes) == (0, False, False)
    assert pump.points[0].register.table == "input"
    assert title_of(pump.titles, "de") == "Acme One"
    assert pump.anchor == "outdoor_temperature"
    assert pump.circuits == ()


def test_a_reading_needs_little() -> None:
    register = parsed("key: flow_temperature, address: 0x10, type: s16, scale: 0.01, unit: °C")
    flow = register.points[-1].register
    assert flow.point == Point(
        key="flow_temperature",
        name="flow_temperature",
        quantity=Quantity.TEMPERATURE,
        kind=Kind.ANALOG,
        decimals=2,
        enabled=True,
    )
    assert (flow.address, flow.codec, flow.decode(2150)) == (16, Codec.INT16, 21.5)


def test_units_become_those_of_the_vocabulary() -> None:
    pump = parsed(
        "key: thermal_power, address: 1, scale: 0.1, unit: kW",
        "key: electrical_energy, address: 2, type: u32, unit: MWh",
        "key: flow_rate, address: 4, scale: 0.01, unit: m³/h",
        "key: return_temperature, address: 5, type: s16, scale: 0.1, unit: °F",
        "key: compressor_hours, address: 6, type: u32, unit: min",
        "key: high_pressure, address: 8, unit: kPa",
        "key: battery_soc, address: 9, table: holding, unit: '%', write: cyclic, min: 0, max: 100",
    )
    registers = {p.register.point.key: p.register for p in pump.points}
    assert registers["thermal_power"].decode(55) == 5500
    assert registers["electrical_energy"].decode(3) == 3000
    assert registers["flow_rate"].decode(120) == pytest.approx(20.0)
    assert registers["return_temperature"].decode(860) == pytest.approx(30.0)
    assert registers["compressor_hours"].decode(90) == 1.5
    assert registers["high_pressure"].decode(1500) == 15.0
    assert registers["battery_soc"].point.quantity is Quantity.BATTERY


def test_a_setting_is_written_in_the_unit_of_the_vocabulary() -> None:
    pump = parsed(
        "key: power_limit, address: 1, table: holding, unit: kW, scale: 0.1, write: cyclic,"
        " min: 0, max: 25, step: 0.5, default: -1"
    )
    register = pump.points[-1].register
    limit = register.point
    assert (limit.minimum, limit.maximum, limit.step, limit.default) == (0, 25000, 500, -1000)
    assert (limit.wear, limit.tier, limit.kind) == (Wear.CYCLIC, Tier.MEASUREMENT, Kind.SETPOINT)
    assert register.encode(12500) == [125]


def test_settings_are_read_seldom_and_commands_never() -> None:
    text = "key: x, name: X, address: 1, table: holding, min: 1, max: 2, step: 1, write: "
    assert point(text + "eeprom").tier is Tier.SETTING
    assert point(text + "unknown").wear is Wear.UNKNOWN
    assert point(text + "ram").tier is Tier.MEASUREMENT
    assert point(text + "ram, read: settings").tier is Tier.SETTING
    command = point(
        "key: x, name: X, address: 1, table: holding, bool: true, write: ram, read: never"
    )
    assert not command.readable


def test_numbers_without_a_unit() -> None:
    assert point("key: x, name: X, address: 1").quantity is Quantity.COUNT
    assert point("key: x, name: X, address: 1, scale: 0.1").quantity is Quantity.FACTOR
    assert point("key: x, name: X, address: 1, type: f32").decimals == 2
    assert point("key: x, name: X, address: 1, quantity: code").kind is Kind.STATE
    assert point("key: x, name: X, address: 1, unit: '%', quantity: humidity").unit == "%"
    assert point("key: x, name: X, address: 1, kind: counter").kind is Kind.COUNTER
    assert point("key: cop, address: 1, scale: 0.01").quantity is Quantity.FACTOR
    assert point("key: fault_code, address: 1").quantity is Quantity.CODE
    assert point("key: x, name: X, address: 1, scale: 0.01, decimals: 1").decimals == 1


def test_states_have_words() -> None:
    register = parsed("key: x, name: X, address: 1, enum: {0: off, 1: on, 2: 'off', -1: odd}")
    found = register.points[-1].register
    assert found.point.options == {0: "off", 1: "on", 0xFFFF: "odd"}
    assert [found.decode(raw) for raw in (0, 1, 2, 0xFFFF)] == ["off", "on", "off", "odd"]
    mode = point("key: operating_mode, address: 1, enum: {4: heating, 5: dhw}")
    assert mode.options == OPERATING_MODES
    assert mode.writable_options is None
    chosen = point(
        "key: mode, part: circuit_a, address: 1, table: holding, type: s16, write: eeprom,"
        " enum: {0x8000: none, 0: off, 1: party}, writable: [off, party]"
    )
    assert chosen.writable_options == {"off", "party"}
    assert chosen.options == {-0x8000: "none", 0: "off", 1: "party"}
    assert (
        point(
            "key: smart_grid_mode, address: 1, table: holding, write: cyclic, default: normal,"
            " enum: {1: normal, 2: locked}"
        ).default
        == "normal"
    )


def test_flags_have_numbers_or_a_bit() -> None:
    def flag(text: str) -> Any:
        return parsed(f"key: fault, address: 1, {text}").points[-1].register

    assert [flag("bool: true").decode(raw) for raw in (0, 1)] == [False, True]
    other = flag("type: s16, bool: {on: [3, 0xFFFF], off: 0}")
    assert [other.decode(raw) for raw in (0, 3, -1)] == [False, True, True]
    assert [flag("bit: 15").decode(raw) for raw in (0x8000, 0x7FFF)] == [True, False]
    switch = point(
        "key: x, name: X, address: 1, table: holding, bool: true, write: ram, default: off".replace(
            "ram", "cyclic"
        )
    )
    assert switch.default is False


def test_sentinels_may_be_given_with_or_without_sign() -> None:
    head = HEAD.replace("detect:", "sentinels: [0x8000, -1]\ndetect:")
    pump = parsed(
        "key: a, name: A, address: 1, type: s16",
        "key: b, name: B, address: 2",
        "key: c, name: C, address: 3, type: u8",
        "key: d, name: D, address: 4, sentinels: [7]",
        "key: e, name: E, address: 5, sentinels: []",
        "key: f, name: F, address: 6, type: f32",
        head=head,
    )
    found = {p.register.point.key: p.register.sentinels for p in pump.points}
    assert found["a"] == {-0x8000, -1}
    assert found["b"] == {0x8000, 0xFFFF}
    assert found["c"] == {0, 0xFF}
    assert found["d"] == {7}
    assert found["e"] == frozenset()
    assert found["f"] == {0x8000, -1}


def test_parts_give_keys_names_and_labels() -> None:
    pump = parsed(
        "key: dhw_temperature, address: 1, unit: °C",
        "key: flow_temperature, part: circuit_b, address: 2, unit: °C",
        "key: temperature, part: zone_2, room: 3, address: 3, unit: °C",
        "key: own, part: zone_2, address: 4, name: {en: Own, de: Eigen}",
    )
    dhw, flow, room, own = (p.register.point for p in pump.points[1:])
    assert (dhw.part, dhw.name) == (HOT_WATER, "dhw_temperature")
    assert (flow.key, flow.name) == ("circuit_b_flow_temperature", "flow_temperature")
    assert flow.labels == {"circuit": "b"}
    assert (room.key, room.name) == ("zone_2_room_3_temperature", "zone_room_temperature")
    assert room.labels == {"zone": "2", "room": "3"}
    assert room.placeholders == {"room": "3"}
    assert (own.key, own.name, own.part) == ("zone_2_own", "mapped", Part(PartKind.ZONE, "2"))
    assert is_canonical(room) and is_canonical(flow) and not is_canonical(own)
    assert pump.circuits == ("b",)


def test_a_physical_range_may_be_given() -> None:
    register = parsed("key: cop, address: 1, scale: 0.1, valid: [0, 20]").points[-1].register
    assert register.plausible == (0, 20)


@pytest.mark.parametrize(
    ("keys", "part", "room"),
    [
        (MACHINE_KEYS, "machine", ""),
        (CIRCUIT_KEYS, "circuit_a", ""),
        (ROOM_KEYS, "zone_1", ", room: 1"),
    ],
)
def test_shared_keys_are_those_of_the_vocabulary(
    keys: Mapping[str, Meaning], part: str, room: str
) -> None:
    for key, meaning in keys.items():
        if key == "outdoor_temperature":
            continue  # every map of these tests has it
        where = "" if part == "machine" else f", part: {part}"
        made = point(f"key: {key}, address: 1, table: holding{room}, {sample(meaning)}{where}")
        assert is_canonical(made), key
        assert made.quantity is meaning.quantity
        assert made.kind is meaning.kind
        assert made.enabled
        if part == "machine":
            assert made.part == (HOT_WATER if key.startswith("dhw_") else MACHINE)


def sample(meaning: Meaning) -> str:
    """Return the fields that a shared key needs."""
    write = ", write: eeprom" if not meaning.reading else ""
    if meaning.quantity is Quantity.STATE:
        return f"enum: {{0: {next(iter((meaning.options or {0: 'some'}).values()))}}}{write}"
    if meaning.quantity is Quantity.FLAG:
        return f"bool: true{write}"
    unit = UNIT_OF[meaning.quantity]
    fields = f"unit: '{unit}'" if unit else "type: s16"
    return f"{fields}{write}" + (", min: 0, max: 9" if write else "")


# -- what is wrong with it -------------------------------------------------------------


def test_all_mistakes_are_told_at_once_each_with_its_line() -> None:
    text = (
        "map: 2\nmaker: Acme\nunit: 300\nspaceing: 0.1\ndetect: []\npoints:\n"
        "  - key: Flow\n    adress: 3\n    name: Flow\n"
        "  - {key: flow_temperature, address: 70000, unit: W}\n"
    )
    assert mistakes(text) == [
        "1:1 the map lacks “model”",
        "1:6 “map” has to be between 1 and 1",
        "3:7 “unit” has to be between 1 and 255",
        "4:1 the map has no field “spaceing”; did you mean “spacing”?",
        "7:5 the point lacks “address”",
        "7:10 “Flow” is no key: small letters a to z, digits, underscores",
        "8:5 the point has no field “adress”; did you mean “address”?",
        "10:38 “address” has to be between 0 and 65535",
        "10:51 this is a temperature: it needs a unit of: °C, °F",
    ]


def test_a_mistake_is_one_readable_line() -> None:
    with pytest.raises(MapError, match=r"acme\.yaml, line 1, column 1: the map lacks “maker”"):
        parse_map("map: 1", "acme.yaml")
    with pytest.raises(MapError, match=r"acme\.yaml: the file has more than"):
        parse_map("#" * (LONGEST + 1), "acme.yaml")


def test_only_the_first_fifty_mistakes_are_told() -> None:
    text = "points:\n" + "  - {}\n" * 60
    assert len(mistakes(text)) == 50


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "1:1", "no register map"),
        ("[]", "1:1", "no register map"),
        ("just words", "1:1", "no register map"),
        ("a: b: c", "1:5", "not YAML"),
        ("a: 1\n\tb: 2", "2:1", "not YAML"),
        ("a: &x 1", "1:4", "anchors"),
        ("a: &x [1]\nb: *x", "1:4", "anchors"),
        ("a: *x", "1:4", "aliases"),
        ("a: !include other.yaml", "1:4", "tags"),
        ("a: !!python/object/apply:os.system [ls]", "1:4", "tags"),
        ("a: " + "[" * 20, "1:11", "nested too deeply"),
        ("a: 1\nb: \x07", "2:4", "not allowed"),
        ("a: 1\n---\nb: 2", "2:1", "not YAML"),
        ("points: [" + "1," * 120_000 + "]", "1:", "too many values"),
        ("? [a]\n: 1", "1:3", "has to have a name"),
        ("maker: a\nmaker: b", "2:1", "“maker” is given twice, first in line 1"),
        ("maker: [a]", "1:8", "has to be a text"),
        ("maker: ''", "1:8", "has to be a text"),
        ("points: 1", "1:9", "has to be a list"),
        ("points: [1]", "1:10", "has to be a list of fields"),
        ("tls: perhaps", "1:6", "one of true, yes"),
        ("interval: 10.5", "1:11", "whole number"),
        ("interval: soon", "1:11", "has to be a number"),
        ("interval: .inf", "1:11", "has to be a number"),
        ("interval: 1e999", "1:11", "has to be a number"),
        ("interval: 0xZ", "1:11", "has to be a number"),
        ("title: {english: a}", "1:9", "is no language"),
        ("title: []", "1:8", "has to be a text"),
        ("title: {}", "1:8", "or one a language"),
        ("detect: [{type: s16}]", "1:10", "the check lacks “address”"),
        ("detect: [{address: 1, min: 3, max: 1}]", "1:28", "“min” is greater than “max”"),
        ("serial: {type: text}", "1:9", "“serial” lacks “address”"),
        ("serial: {address: 1, registers: 2}", "1:33", "only for the type text"),
        ("modules: []", "1:10", "has to be a list of fields"),
        ("modules: {Big: {address: 1}}", "1:11", "is no key"),
        ("modules: {big: {}}", "1:16", "the module “big” lacks “address”"),
        ("sentinels: [a]", "1:13", "list of numbers"),
        ("extends: other.yaml", "1:10", "cannot be extended here"),
    ],
)  # fmt: skip
def test_what_no_map_may_be(text: str, where: str, why: str) -> None:
    found = mistakes(text)
    assert [line for line in found if line.startswith(where) and why in line], found


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("key: x, address: 1", "not one of the keys all makers share: add a “name”"),
        ("key: outdor_temperature, address: 1", "did you mean “outdoor_temperature”?"),
        ("key: cop, address: 1, name: COP", "is a shared key and has its name already"),
        ("key: x, name: X, address: 1, part: garage", "“part” has to be one of machine"),
        ("key: x, name: X, address: 1, room: 1", "“room” needs a part such as zone_1"),
        (
            "key: circuit_a_x, name: X, address: 1, part: circuit_a",
            "the part stands in “part” already: the key is “x”",
        ),
        ("key: x, name: X, address: 65535, type: u32", "between 0 and 65534"),
        ("key: x, name: X, address: 1, type: int16", "one of u8, s8, u16, s16"),
        ("key: x, name: X, address: 1, write: ram, min: 1, max: 2", "input registers cannot be"),
        ("key: x, name: X, address: 1, read: never", "neither read nor written"),
        (
            "key: cop, address: 1, table: holding, write: ram, min: 0, max: 1",
            "this shared key is a reading",
        ),
        ("key: power_limit, address: 1, unit: W", "this shared key is a setting: it needs “write”"),
        ("key: x, name: X, address: 1, unit: °C, bool: true", "“unit” and “bool” exclude"),
        ("key: outdoor_temperature_average, address: 1", "it needs a unit of: °C, °F"),
        ("key: operating_mode, address: 1", "this is a state: it needs “enum”"),
        ("key: fault, address: 1", "this is on or off: it needs “bool” or “bit”"),
        ("key: cop, address: 1, unit: °C", "this is a factor: it needs no unit"),
        ("key: x, name: X, address: 1, unit: parsec", "“unit” has to be one of"),
        ("key: fan_speed, address: 1, unit: parsec", "“unit” has to be one of"),
        ("key: electrical_energy, address: 1, unit: Wh, kind: analog", "is of the kind counter"),
        ("key: x, name: X, address: 1, scale: 0", "“scale” must not be 0"),
        ("key: fault, address: 1, bool: true, scale: 2", "states and flags are not scaled"),
        ("key: fault, address: 1, bool: true, offset: 2", "states and flags are not scaled"),
        ("key: x, name: X, address: 1, sentinels: [70000]", "70000 does not fit into the type"),
        ("key: x, name: X, address: 1, writable: [a]", "“writable” needs “enum”"),
        ("key: x, name: X, address: 1, enum: {}", "has to list numbers and their states"),
        ("key: x, name: X, address: 1, enum: {one: a}", "“one” is no whole number that fits"),
        ("key: x, name: X, address: 1, enum: {99999: a}", "“99999” is no whole number that fits"),
        ("key: x, name: X, address: 1, enum: {1: On Fire}", "a state is a word of small letters"),
        (
            "key: operating_mode, address: 1, enum: {1: heatin}",
            "one of off, heating, dhw, defrost, cooling, pool, utility_lock, other; did you mean “heating”?",
        ),
        (
            "key: x, name: X, address: 1, table: holding, write: ram, enum: {1: eco}, writable: [ecco]",
            "“ecco” is no state of “enum”; did you mean “eco”?",
        ),
        (
            "key: x, name: X, address: 1, table: holding, write: cyclic, enum: {1: eco}, default: no",
            "“no” is no state of “enum”",
        ),
        ("key: fault, address: 1, bit: 16", "“bit” has to be between 0 and 15"),
        ("key: fault, address: 1, bool: 3", "“bool” has to be true, or say what is on and off"),
        ("key: fault, address: 1, bool: {on: 1}", "“bool” lacks “off”"),
        ("key: fault, address: 1, bool: {on: 1, off: 1}", "1 is both on and off"),
        ("key: fault, address: 1, bool: {on: 1, off: [0.5]}", "“off” has to be a whole number"),
        ("key: fault, address: 1, bool: {on: 1, off: 0, odd: 2}", "“bool” has no field “odd”"),
        (
            "key: x, name: X, address: 1, table: holding, bit: 1, write: ram",
            "a single bit cannot be written",
        ),
        ("key: x, name: X, address: 1, table: holding, write: ram", "needs “min” and “max”"),
        (
            "key: x, name: X, address: 1, table: holding, write: ram, min: 2, max: 1",
            "“min” has to be below “max”",
        ),
        (
            "key: x, name: X, address: 1, table: holding, write: ram, min: 1, max: 2, step: 0",
            "“step” has to be above 0",
        ),
        ("key: x, name: X, address: 1, min: 1", "only for numbers that can be written"),
        ("key: x, name: X, address: 1, default: 1", "only for what is written cyclically"),
        ("key: x, name: X, address: 1, valid: [1]", "has to be two numbers"),
        ("key: x, name: X, address: 1, valid: [2, 1]", "the lower one first"),
        ("key: x, name: X, address: 1, module: x", "there is no module “x”"),
        ("key: x, name: '', address: 1", "“name” has to be a text"),
        ("key: x, name: X, address: 1, enabled: maybe", "“enabled” has to be one of"),
        ("key: outdoor_temperature, address: 9, unit: °C", "is given twice, first in line 7"),
        ("key: x, name: X, address: 0, type: u32", "share the input register 0"),
        (
            "key: x, name: X, address: 0, type: f32",
            "“x” and “outdoor_temperature” (line 7) share the input register 0",
        ),
    ],
)
def test_what_no_point_may_be(fields: str, why: str) -> None:
    found = wrong(fields)
    assert [text for text in found if why in text], found


def test_two_settings_never_share_a_register() -> None:
    first = "name: X, address: 5, table: holding, write: ram, min: 1, max: 2"
    assert "share the holding register 5" in wrong(f"key: a, {first}", f"key: b, {first}")[0]
    assert parsed(f"key: a, {first}", "key: b, name: B, address: 5, table: holding")


def test_a_point_is_needed_that_every_machine_has() -> None:
    text = HEAD.replace("points:", "modules: {more: {address: 5}}\npoints:").replace(
        "unit: °C", "unit: °C, module: more"
    )
    assert mistakes(text) == ["8:3 a point is needed that every machine has: without a module"]
    nothing = HEAD.replace("detect:\n  - {address: 0, type: s16}", "detect: []")
    assert mistakes(nothing) == ["4:9 at least one register has to be checked"]


# -- extending -------------------------------------------------------------------------

OWN = """map: 1
extends: base.yaml
interval: 60
remove: [fault_code]
points:
  - {key: outdoor_temperature, address: 7, unit: °C}
  - {key: cop, address: 8}
"""
BASE = HEAD + "  - {key: fault_code, address: 3}\n"


def test_a_map_may_extend_another() -> None:
    pump = parse_map(OWN, "own.yaml", {"base.yaml": BASE}.__getitem__)
    assert (pump.maker, pump.interval) == ("Acme", 60)
    found = {p.register.point.key: p.register.address for p in pump.points}
    assert found == {"outdoor_temperature": 7, "cop": 8}


def test_mistakes_name_the_file_they_are_in() -> None:
    with pytest.raises(MapError) as caught:
        parse_map(
            OWN.replace("address: 8", "address: x"),
            "own.yaml",
            {"base.yaml": BASE.replace("One", "[]")}.__getitem__,
        )
    assert [(p.file, p.line) for p in caught.value.problems] == [("base.yaml", 3), ("own.yaml", 7)]


@pytest.mark.parametrize(
    ("own", "base", "why"),
    [
        (OWN.replace("fault_code", "unheard"), BASE, "has no point “unheard”"),
        (OWN, "extends: third.yaml\n" + BASE, "itself extends another map"),
        (OWN.replace("base.yaml", "own.yaml"), BASE, "cannot be extended here"),
        (OWN.replace("base.yaml", "none.yaml"), BASE, "cannot be read"),
        (OWN, "a: b: c", "not YAML"),
        (OWN, BASE.replace("points:", "pints:"), "has no field “pints”"),
        (OWN.replace("points:", "points: 3\nx:"), BASE, "no field “x”"),
    ],
)
def test_what_cannot_be_extended(own: str, base: str, why: str) -> None:
    def load(name: str) -> str:
        if name != "base.yaml":
            raise FileNotFoundError(name)
        return base

    found = mistakes(own, "own.yaml", load)
    assert [line for line in found if why in line], found


# -- against anything ------------------------------------------------------------------

MAPS = Path(__file__).resolve().parents[2] / "custom_components/heat_pump_hub/maps"
WHOLE = (MAPS / "lambda.yaml").read_text("utf-8")


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text() | st.binary(max_size=80).map(lambda raw: raw.decode("latin-1")))
@example("\ud800")
@example("{" * 5000)
@example("- " * 5000)
@example("a: 1_000e_")
@example("%YAML 9.9\n---\na: 1")
def test_any_text_is_a_map_or_a_map_error(text: str) -> None:
    told = "any.yaml"
    try:
        parse_map(text, "any.yaml")
    except MapError as err:
        told = str(err)
    assert told.startswith("any.yaml")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
_POINT_FIELDS = [
    *("key", "name", "part", "room", "address", "table", "type", "word_order", "scale", "offset"),
    *("unit", "quantity", "kind", "read", "write", "min", "max", "step", "default", "enum"),
    *("writable", "bool", "bit", "sentinels", "valid", "decimals", "module", "alone", "enabled"),
    "diagnostic",
]
_WORDS = st.sampled_from(
    [
        *UNITS,
        *TYPES,
        *MACHINE_KEYS,
        "holding",
        "eeprom",
        "cyclic",
        "never",
        "circuit_a",
        "zone_1",
        "true",
    ]
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(_POINT_FIELDS), _VALUES | _WORDS | st.integers(0, 9)),
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(["detect", "modules", "serial", "sentinels", "title"]), _VALUES
    ),
)
def test_any_fields_are_a_map_or_a_map_error(points: list[Any], head: dict[str, Any]) -> None:
    data = {
        "map": 1,
        "maker": "A",
        "model": "B",
        "detect": [{"address": 1}],
        "points": points,
    } | head
    problems: tuple[Any, ...] = ()
    try:
        made = len(parse_map(yaml.safe_dump(data, allow_unicode=True), "any.yaml").points)
    except MapError as err:
        problems, made = err.problems, len(points)
    assert made == len(points)
    assert all(problem.line for problem in problems)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_broken_line_of_a_whole_map_is_the_line_that_is_told(data: st.DataObject) -> None:
    """What is changed into nonsense is found where it was changed."""
    lines = WHOLE.splitlines()
    numbered = [
        i for i, line in enumerate(lines) if re.match(r"    (address|scale|min|max): ", line)
    ]
    index = data.draw(st.sampled_from(numbered))
    lines[index] = re.sub(r": .*", ": nonsense", lines[index])
    found = mistakes("\n".join(lines), "lambda.yaml")
    assert any(line.startswith(f"{index + 1}:") for line in found)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(TYPES)),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from([0.01, 0.1, 0.5, 1.0, 10.0]),
    st.sampled_from([0.0, -40.0, 5.0]),
    st.integers(0, 0xFFFE),
    st.booleans(),
    st.integers(1, 120),
)
def test_what_a_map_says_comes_back(
    type_: str, unit: str, scale: float, offset: float, address: int, high: bool, raw: int
) -> None:
    """A map made by a program is read as it was meant, and what is written is what is read."""
    one = {
        "key": "some",
        "name": "Some",
        "address": address,
        "type": type_,
        "unit": unit,
        "scale": scale,
        "offset": offset,
        "table": "holding",
        "word_order": "high_first" if high else "low_first",
        "write": "eeprom",
        "min": -1e6,
        "max": 1e6,
        "decimals": 6,
    }
    data = {"map": 1, "maker": "A", "model": "B", "detect": [{"address": 1}], "points": [one]}
    (found,) = parse_map(yaml.safe_dump(data, allow_unicode=True), "made.yaml").points
    register = found.register
    assert (register.address, register.codec, register.high_first) == (address, TYPES[type_], high)
    quantity, factor, shift = UNITS[unit]
    assert register.point.quantity is quantity
    value = (raw * scale + offset) * factor + shift
    assert raw * register.scale + register.offset == pytest.approx(value, rel=1e-9, abs=1e-9)
    words = register.encode(value)
    assert register.as_field().decode(words) == pytest.approx(raw, rel=1e-6)
