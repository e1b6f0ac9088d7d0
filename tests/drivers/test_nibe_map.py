"""The list a NIBE pump exports becomes exactly that map."""

from contextlib import suppress

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import nibe_points as table
from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.modbus import Codec
from custom_components.heat_pump_hub.drivers.nibe import NibeDriver
from custom_components.heat_pump_hub.drivers.nibe_map import (
    FORBIDDEN,
    Entry,
    ExportError,
    Fault,
    PumpMap,
    entries,
    import_export,
)
from custom_components.heat_pump_hub.drivers.points import Quantity, Tier, Wear
from custom_components.heat_pump_hub.simulator.nibe_table import MODELS, rows

HEADER = (
    "Title\tRegister type\tRegister\tDivision factor\tUnit\tSize of variable"
    "\tMin value\tMax value\tDefault value"
)


def export(*lines: str, header: str = HEADER) -> str:
    """Return a list as a pump writes it; columns are separated by ``|`` here."""
    return "\n".join([header, *(line.replace("|", "\t") for line in lines)]) + "\n"


def driver_of(found: PumpMap, *models: str, circuits: str = "a") -> NibeDriver:
    """Return a driver for a list."""
    features = found.features | frozenset(models)
    layout = Layout(circuits=tuple(circuits), features=features)
    # what a configuration entry keeps
    return NibeDriver(Address(host="", port=1), Layout.from_json(layout.to_json()))


OUTDOOR = "Current outdoor temperature (BT1)|MODBUS_INPUT_REGISTER|1|10|°C|2|0|0|0"


def test_both_ways_to_write_a_size() -> None:
    """Older firmware numbers the sizes, newer names them."""
    numbers = import_export(
        export(*(f"x|MODBUS_INPUT_REGISTER|{10 * n}|1||{n}|0|0|0" for n in range(1, 7)))
    )
    names = ("s8", "s16", "s32", "u8", "u16", "u32")
    named = import_export(
        export(
            *(
                f"x|MODBUS_INPUT_REGISTER|{10 * n}|1||{name}|0|0|0"
                for n, name in enumerate(names, start=1)
            ),
            header=HEADER + "\t",
        )
    )
    assert numbers == named
    assert [entry.codec for entry in named.entries] == [
        Codec.INT8, Codec.INT16, Codec.INT32, Codec.UINT8, Codec.UINT16, Codec.UINT32
    ]  # fmt: skip


def test_a_list_gives_exactly_its_lines() -> None:
    """Known lines keep their meaning, others are named by their title; nothing is added."""
    found = import_export(
        export(
            OUTDOOR,
            "Supply line (EP21-BT2)|MODBUS_INPUT_REGISTER|4|10|°C|2|0|0|0",
            "Brine in (BT10)|MODBUS_INPUT_REGISTER|10|10|°C|2|0|0|0",
            "Oil temperature (BT29)|MODBUS_INPUT_REGISTER|86|10|°C|2|0|0|0",
            "Energy meter (BE6)|MODBUS_INPUT_REGISTER|398|100|kWh|6|0|0|0",
            "Room setpoint|MODBUS_HOLDING_REGISTER|206|10|°C|2|50|300|200",
            "Night cooling 1|MODBUS_HOLDING_REGISTER|227|1||4|0|1|0",
            "Modulation|MODBUS_INPUT_REGISTER|313|10||2|0|0|0",
            "Timer (EME)|MODBUS_INPUT_REGISTER|582|60|min|5|0|0|0",
        )
    )
    driver = driver_of(found, "s1155_s1255")
    registers = {(r.table, r.address): r for r in driver._registers.values()}
    assert len(registers) == len(found.entries) == 9
    keys = {where: register.point.key for where, register in registers.items()}
    assert keys["input", 1] == "outdoor_temperature"
    assert keys["input", 10] == "source_inlet_temperature"
    assert keys["holding", 206] == "circuit_a_room_temperature_setpoint"
    # climate system 2 is on the list of every pump; this one has none
    assert keys["input", 4] == "input_4"
    meter = registers["input", 398]
    assert meter.point.key == "input_398"
    assert meter.point.name == "input_register"
    assert meter.point.placeholders == {"title": "Energy meter (BE6)", "address": "398"}
    assert meter.point.quantity is Quantity.ENERGY
    assert meter.point.tier is Tier.SETTING
    assert meter.decode(meter.as_field().decode([0xBAB4, 0x000E])) == 9653.0
    night = registers["holding", 227].point
    assert (night.wear, night.minimum, night.maximum, night.step) == (Wear.UNKNOWN, 0, 1, 1)
    assert not night.enabled
    assert registers["input", 313].point.quantity is Quantity.FACTOR
    assert registers["input", 582].scale == pytest.approx(1 / 3600)
    listed = {entry.address for entry in found.entries}
    for block in driver.blocks(Tier):
        assert set(range(block.start, block.start + block.count)) <= listed | {399}


def test_what_the_list_says_wins_over_the_table() -> None:
    """Size, factor and limits of that pump; another unit is another value."""
    found = import_export(
        export(
            OUTDOOR,
            "Flow|MODBUS_INPUT_REGISTER|40|100|l/m|u16|0|0|0",
            "Power|MODBUS_INPUT_REGISTER|2166|1||u32|0|0|0",
            "Hot water start|MODBUS_HOLDING_REGISTER|59|10|°C|s16|50|550|450",
            "Return line?|MODBUS_INPUT_REGISTER|7|1|%|u8|0|0|0",
        )
    )
    registers = {r.address: r for r in driver_of(found, "s1155_s1255")._registers.values()}
    assert (registers[40].codec, registers[40].scale) == (Codec.UINT16, 0.01)
    assert registers[40].point.key == "flow_rate"
    assert registers[2166].point.key == "instantaneous_used_power"
    point = registers[59].point
    assert (point.key, point.minimum, point.maximum) == ("hot_water_start_normal", 5, 55)
    assert registers[7].point.key == "input_7"


def test_one_address_means_what_that_kind_of_pump_has_there() -> None:
    """30020 is the source of an exhaust air pump and an accessory of a ground source one."""
    found = import_export(export(OUTDOOR, "Exh. air (BT20)|MODBUS_INPUT_REGISTER|19|10|°C|2|0|0|0"))
    assert "source_inlet_temperature" in driver_of(found, "s735").points
    assert "exhaust_air_temperature" in driver_of(found, "s1155_s1255").points


@pytest.mark.parametrize("model", MODELS)
def test_the_list_of_a_known_model_gives_its_known_map(model: str) -> None:
    """Every line has its meaning, and it is the same as without a list."""
    codes = {"S8": 1, "S16": 2, "S32": 3, "U8": 4, "U16": 5, "U32": 6}
    tables = ("INPUT", "HOLDING")
    found = import_export(
        export(
            *(
                f"{row.key}|MODBUS_{tables[row.holding]}_REGISTER|{row.address}"
                f"|{round(row.factor)}||{codes[row.type.name]}|0|0|0"
                for row in rows()
                if model in row.models.split()
            )
        )
    )
    driver = driver_of(found, model, circuits="abcdefgh")
    without = Layout(circuits=tuple("abcdefgh"), features=frozenset({model}))
    assert driver.points == NibeDriver(Address(host="", port=1), without).points


def test_a_long_list_is_read_in_short_blocks() -> None:
    """However many registers in a row a list names."""
    lines = [f"x|MODBUS_INPUT_REGISTER|{n}|1||{5 if n % 3 else 2}|0|0|0" for n in range(1, 100)]
    blocks = driver_of(import_export(export(OUTDOOR, *lines)), "s735").blocks(Tier)
    assert [block.count for block in blocks] == [20, 20, 20, 20, 19]


def test_dangerous_and_repeated_lines_are_dropped_and_named() -> None:
    """The two registers that restart pumps are left out, whatever a list says."""
    found = import_export(
        export(
            OUTDOOR,
            "Min speed GP1|MODBUS_HOLDING_REGISTER|3242|1|%|4|1|100|1",
            "Sound|MODBUS_HOLDING_REGISTER|43234|1||4|0|1|0",
            OUTDOOR,
            "Wide|MODBUS_HOLDING_REGISTER|3232|1||6|0|0|0",
        )
    )
    assert [entry.address for entry in found.entries] == [1]
    assert [(problem.line, problem.fault) for problem in found.dropped] == [
        (3, Fault.FORBIDDEN), (4, Fault.FORBIDDEN), (5, Fault.REPEATED), (6, Fault.FORBIDDEN)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x|MODBUS_COIL|1|1||2|0|0|0", "Register type: 'MODBUS_COIL'"),
        ("x|MODBUS_INPUT_REGISTER|1|1||7|0|0|0", "Size of variable: '7'"),
        ("x|MODBUS_INPUT_REGISTER|one|1||2|0|0|0", "Register: 'one'"),
        ("x|MODBUS_INPUT_REGISTER|70000|1||2|0|0|0", "Register: '70000'"),
        ("x|MODBUS_INPUT_REGISTER|65535|1||6|0|0|0", "Register: '65535'"),
        ("x|MODBUS_INPUT_REGISTER|1|0||2|0|0|0", "Division factor: '0'"),
        ("x|MODBUS_INPUT_REGISTER|1|1||2|a|0|0", "Min value: 'a'"),
        ("x|MODBUS_INPUT_REGISTER|1|1||2|0|b|0", "Max value: 'b'"),
        ("x|MODBUS_INPUT_REGISTER|1|1||2", "columns"),
        ("something else", "not_register"),
    ],
)
def test_an_error_names_its_line(line: str, why: str) -> None:
    """An owner can find what is wrong."""
    with pytest.raises(ExportError, match=f"line 3: .*{why}") as error:
        import_export(export(OUTDOOR, line))
    assert [problem.line for problem in error.value.problems] == [3]


def test_all_errors_are_named_at_once_but_not_without_end() -> None:
    """A wrong file does not fill the screen."""
    with pytest.raises(ExportError) as error:
        import_export(export(*["x|MODBUS_INPUT_REGISTER|1|1||9|0|0|0"] * 50))
    assert len(error.value.problems) == 20


@pytest.mark.parametrize("text", ["", "Title\tRegister", "\x00\x01", "a,b,c\n" * 20_000])
def test_what_is_no_list_is_refused(text: str) -> None:
    """Nothing found is an error too."""
    with pytest.raises(ExportError):
        import_export(text)


def test_commas_byte_order_mark_and_blank_lines() -> None:
    """A spreadsheet that saved the list once more does no harm."""
    text = (
        "\ufeffTitle,Register type\r\n"
        '"Max, heating",MODBUS_INPUT_REGISTER,141,100,Hz,5,0,0,0\r\n\r\n'
    )
    (entry,) = import_export(text).entries
    assert entry == Entry(False, 141, Codec.UINT16, 100, 0, 0, "Hz", "Max, heating")


ENTRIES = st.builds(
    Entry,
    st.booleans(),
    st.one_of(st.integers(0, 65000), st.sampled_from(sorted(FORBIDDEN))),
    st.sampled_from([c for c in Codec if c not in (Codec.FLOAT32, Codec.TEXT)]),
    st.sampled_from([1, 10, 60, 100]),
    st.integers(-100, 100),
    st.integers(-100, 100),
    st.sampled_from(["", "°C", "kWh", "l/m", "min", "%RH", "odd"]),
    st.text(max_size=30),
)


@given(ENTRIES)
def test_an_entry_survives_the_configuration(entry: Entry) -> None:
    """What a layout keeps is what was imported."""
    assert entries([entry.feature, "s735", "register of something"]) == [entry]


@given(st.lists(ENTRIES, max_size=40))
def test_no_list_makes_the_driver_touch_a_dangerous_register(found: list[Entry]) -> None:
    """Even if the configuration was edited by hand."""
    unique = {(entry.holding, entry.address): entry for entry in found}
    layout = Layout(circuits=("a",), features=frozenset(e.feature for e in unique.values()))
    outdoor = Entry(False, 1, Codec.INT16, 10, 0, 0, "°C", "BT1")
    layout = Layout(circuits=("a",), features=layout.features | {outdoor.feature})
    for register in table.registers(layout):
        assert FORBIDDEN.isdisjoint(range(register.address, register.end + 1))


@given(st.text())
def test_any_text_is_a_list_or_an_error(text: str) -> None:
    """Nothing else comes out."""
    with suppress(ExportError):
        assert import_export(text).entries
