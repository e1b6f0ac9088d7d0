"""A heat pump by its register map file: chosen, added, read, written; and what if the file is wrong."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
import json
from pathlib import Path
import shutil
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
import pytest

from custom_components.heat_pump_hub import map_files
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.discovery import async_look
from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.mapped.meanings import (
    CIRCUIT_KEYS,
    MACHINE_KEYS,
    ROOM_KEYS,
)
from custom_components.heat_pump_hub.drivers.points import Quantity
from custom_components.heat_pump_hub.simulator.lambda_pump import LambdaMachine, LambdaServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

pytestmark = pytest.mark.usefixtures("socket_enabled")

PACKAGE = Path(map_files.__file__).parent


@pytest.fixture
async def server(hass: HomeAssistant) -> AsyncGenerator[LambdaServer]:
    """Start a simulated Lambda with one circuit; entries are unloaded before it ends."""
    model = HeatPumpModel(seed=5, start=datetime(2026, 1, 15, 6, tzinfo=UTC), circuits="a")
    modules = frozenset({"e_manager", "boiler", "buffer", "circuit_a"})
    server = LambdaServer(model, LambdaMachine(modules=modules), read_back_delay=(0.0, 0.0))
    await server.start()
    yield server
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)
    await server.stop()


@pytest.fixture
def own(hass: HomeAssistant) -> Path:
    """Return the owner's folder for maps."""
    place = map_files.folder(hass)
    place.mkdir(parents=True)
    return place


async def at_maps(hass: HomeAssistant) -> ConfigFlowResult:
    """Start a flow and go to the choice of a map."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    return await hass.config_entries.flow.async_configure(menu["flow_id"], {"next_step_id": "map"})


async def submit(hass: HomeAssistant, form: ConfigFlowResult, **fields: Any) -> ConfigFlowResult:
    """Send a form."""
    return await hass.config_entries.flow.async_configure(form["flow_id"], fields)


def offered(form: ConfigFlowResult) -> dict[str, str]:
    """Return the labels of the maps that a form offers, by file."""
    assert form["data_schema"]
    (selector,) = form["data_schema"].schema.values()
    return {option["value"]: option["label"] for option in selector.config["options"]}


async def added(hass: HomeAssistant, server: LambdaServer, name: str) -> ConfigEntry:
    """Add the simulated heat pump with a map, as its owner would."""
    form = await submit(hass, await at_maps(hass), map=name)
    assert form["step_id"] == "connection", form["errors"]
    form = await submit(hass, form, host="127.0.0.1", port=server.port, unit=1)
    assert form["step_id"] == "found", form["errors"]
    form = await submit(hass, form, identity="lambda", circuits=["a"], allow_control=True)
    assert form["step_id"] == "history"
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry: ConfigEntry = result["result"]
    return entry


def shown(hass: HomeAssistant, registry: er.EntityRegistry, platform: str, key: str) -> str:
    """Return the state of an entity."""
    entity_id = registry.async_get_entity_id(platform, DOMAIN, f"lambda_{key}")
    assert entity_id, key
    state = hass.states.get(entity_id)
    assert state, key
    return state.state


async def test_a_shipped_map_adds_a_heat_pump_with_everything(
    hass: HomeAssistant,
    entity_registry: er.EntityRegistry,
    device_registry: dr.DeviceRegistry,
    server: LambdaServer,
) -> None:
    entry = await added(hass, server, "lambda.yaml")
    assert entry.state is ConfigEntryState.LOADED
    assert entry.title == "Lambda Eureka-Luft"
    assert (entry.data["family"], entry.data["map"]) == ("map", "lambda.yaml")
    assert entry.data["layout"]["circuits"] == ["a"]
    assert "boiler" in entry.data["layout"]["features"]
    assert server.writes == []

    outdoor = float(shown(hass, entity_registry, "sensor", "outdoor_temperature"))
    assert outdoor == pytest.approx(server.value("ambient.outdoor"), abs=0.3)
    assert shown(hass, entity_registry, "sensor", "dhw_operating_state") in {
        "standby",
        "dhw",
    }
    names = {
        entity.unique_id: entity.original_name
        for entity in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    }
    assert names["lambda_state"] == "State of the refrigerant circuit"
    assert not [key for key, name in names.items() if not name or "{" in name]
    assert not [key for key in names if "circuit_b" in key or "solar" in key]
    (machine,) = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    parts = dr.async_entries_for_parent_device(device_registry, machine.id)
    assert machine.name == "Lambda Eureka-Luft"
    assert {part.name for part in parts} == {"Hot water", "Circuit A"}


async def test_a_setting_is_written_once_and_read_back(
    hass: HomeAssistant, entity_registry: er.EntityRegistry, server: LambdaServer
) -> None:
    await added(hass, server, "lambda.yaml")
    entity_id = entity_registry.async_get_entity_id(
        "number", DOMAIN, "lambda_dhw_temperature_setpoint"
    )
    assert entity_id
    for _ in range(2):
        await hass.services.async_call(
            "number", "set_value", {"entity_id": entity_id, "value": 52.5}, blocking=True
        )
    assert shown(hass, entity_registry, "number", "dhw_temperature_setpoint") == "52.5"
    assert [(write.address, write.words) for write in server.writes] == [(2050, (525,))]
    mode = entity_registry.async_get_entity_id("select", DOMAIN, "lambda_circuit_a_mode")
    assert mode
    await hass.services.async_call(
        "select", "select_option", {"entity_id": mode, "option": "summer"}, blocking=True
    )
    assert server.value("circuit_a.mode") == 6


async def test_names_follow_the_language_of_the_house(
    hass: HomeAssistant, entity_registry: er.EntityRegistry, server: LambdaServer
) -> None:
    hass.config.language = "de"
    assert offered(await at_maps(hass))["lambda.yaml"].startswith("Lambda, Firmware ab")
    await added(hass, server, "lambda.yaml")
    entity_id = entity_registry.async_get_entity_id("sensor", DOMAIN, "lambda_state")
    assert entity_id
    entity = entity_registry.async_get(entity_id)
    assert entity
    assert entity.original_name == "Zustand des Kältekreises"


async def test_own_files_come_first_and_broken_ones_are_marked(
    hass: HomeAssistant, own: Path
) -> None:
    (own / "mine.yaml").write_text(
        "map: 1\nextends: lambda.yaml\ntitle: Mine\npoints:\n"
        "  - {key: extra, name: Extra, address: 1500}\n"
    )
    (own / "broken.yaml").write_text("map: 1\nmaker: A\n  model: B\n")
    (own / "lambda_older.yaml").write_text("map: 1\nextends: lambda.yaml\ntitle: My older\n")
    (own / "notes.txt").write_text("no map")
    (own / ".hidden.yaml").write_text("no map")
    found = offered(await at_maps(hass))
    assert list(found) == ["broken.yaml", "lambda_older.yaml", "mine.yaml", "lambda.yaml"]
    assert found["broken.yaml"] == "⚠ broken.yaml"
    assert found["mine.yaml"] == "Mine"
    assert found["lambda_older.yaml"] == "My older"


async def test_a_broken_file_tells_its_line_and_can_be_mended(
    hass: HomeAssistant, own: Path
) -> None:
    file = own / "mine.yaml"
    text = "map: 1\nextends: lambda.yaml\npoints:\n  - {key: extra, name: Extra, address: x}\n"
    file.write_text(text)
    form = await submit(hass, await at_maps(hass), map="mine.yaml")
    assert form["errors"] == {"map": "map_unusable"}
    assert form["description_placeholders"] == {
        "folder": str(own),
        "problems": "\n- mine.yaml, line 4, column 40: “address” has to be a number",
    }
    file.write_text(text.replace("x}", "1500}"))
    form = await submit(hass, form, map="mine.yaml")
    assert form["step_id"] == "connection"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "map: 1\nextends: lambda.yaml\nprot: 502\n",
            (
                "mine.yaml, Zeile 3, Spalte 1: in der Registerdatei gibt es kein Feld „prot“; "
                "meinten Sie „port“?"
            ),
        ),
        (
            "map: 1\nextends: gone.yaml\n",
            (
                "mine.yaml, Zeile 2, Spalte 10: „gone.yaml“ ist nicht lesbar: "
                "in {folder} gibt es keine gone.yaml"
            ),
        ),
        (
            "- a list",
            (
                "mine.yaml, Zeile 1, Spalte 1: das ist keine Registerdatei: Sie muss mit "
                "Feldern wie „maker:“ beginnen"
            ),
        ),
        (
            "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
            "mine.yaml: die Datei ist nicht UTF-8 (Byte 0)",
        ),
    ],
)
async def test_mistakes_are_told_in_the_language_of_the_house(
    hass: HomeAssistant, own: Path, text: str, told: str
) -> None:
    hass.config.language = "de"
    (own / "mine.yaml").write_text(text, "latin-1")
    form = await submit(hass, await at_maps(hass), map="mine.yaml")
    assert form["description_placeholders"]
    assert f"\n- {told.format(folder=own)}" in form["description_placeholders"]["problems"]


async def test_a_map_that_cannot_be_opened_is_told(hass: HomeAssistant, own: Path) -> None:
    (own / "mine.yaml").write_text("map: 1\n")
    with (
        patch.object(Path, "read_text", side_effect=PermissionError("not yours")),
        pytest.raises(map_files.MapUnusableError) as caught,
    ):
        await map_files.async_mapped_family(hass, "mine.yaml")
    assert caught.value.problems == ["mine.yaml: the file cannot be read: not yours"]


def test_the_sentences_of_the_driver_are_those_of_the_translations() -> None:
    from custom_components.heat_pump_hub.drivers.mapped.sentences import ENGLISH

    texts = json.loads((PACKAGE / "translations/en.json").read_text("utf-8"))["common"]
    own = {key: text for key, text in texts.items() if key.startswith("map_")}
    assert own == {f"map_{key}": text for key, text in ENGLISH.items()}


async def test_a_file_that_is_wrong_at_setup_is_told_and_heals_by_itself(
    hass: HomeAssistant,
    own: Path,
    server: LambdaServer,
    issue_registry: ir.IssueRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    file = own / "mine.yaml"
    shutil.copy(PACKAGE / "maps/lambda.yaml", file)
    entry = await added(hass, server, "mine.yaml")
    ids = {e.unique_id for e in er.async_entries_for_config_entry(entity_registry, entry.entry_id)}
    good = file.read_text("utf-8")

    file.write_text(good.replace("address: 1004", "address: 100400"), "utf-8")
    assert await hass.config_entries.async_reload(entry.entry_id) is False
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "map_unusable"
    (issue,) = issue_registry.issues.values()
    assert issue.translation_placeholders
    assert "mine.yaml, line 35" in issue.translation_placeholders["problems"]
    assert issue.translation_placeholders["file"] == "mine.yaml"

    file.unlink()
    await hass.config_entries.async_reload(entry.entry_id)
    (issue,) = issue_registry.issues.values()
    assert issue.translation_placeholders
    assert "there is no mine.yaml" in issue.translation_placeholders["problems"]

    file.write_text(good, "utf-8")
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert issue_registry.issues == {}
    after = {
        e.unique_id for e in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    }
    assert after == ids


async def test_a_removed_heat_pump_leaves_no_repair(
    hass: HomeAssistant, server: LambdaServer, own: Path, issue_registry: ir.IssueRegistry
) -> None:
    file = own / "mine.yaml"
    shutil.copy(PACKAGE / "maps/lambda.yaml", file)
    entry = await added(hass, server, "mine.yaml")
    file.unlink()
    await hass.config_entries.async_reload(entry.entry_id)
    assert issue_registry.issues
    await hass.config_entries.async_remove(entry.entry_id)
    assert issue_registry.issues == {}


async def test_reconfigure_may_change_the_map(hass: HomeAssistant, server: LambdaServer) -> None:
    entry = await added(hass, server, "lambda.yaml")
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert form["step_id"] == "map"
    form = await submit(hass, form, map="lambda_older.yaml")
    assert form["step_id"] == "connection"
    form = await submit(hass, form, host="127.0.0.1", port=server.port, unit=1)
    assert form["step_id"] == "found"
    form = await submit(hass, form, circuits=["a"])
    result = await submit(hass, form)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["map"] == "lambda_older.yaml"
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("../secret.yaml", None, "has no folders"),
        ("/etc/passwd", None, "has no folders"),
        (".yaml", None, "has no folders"),
        ("a\x00.yaml", None, "has no folders"),
        ("none.yaml", None, "there is no none.yaml"),
        ("latin.yaml", b"maker: W\xe4rme", "the file is not UTF-8 (byte 8)"),
        ("long.yaml", b"#" * (2 * 1024 * 1024 + 1), "the file is too long"),
        ("many.yaml", b"points:\n" + b"  - {}\n" * 40, "… (+"),
        ("out.yaml", b"extends: ../other.yaml", "has no folders"),
    ],
)
async def test_what_is_no_map_file(
    hass: HomeAssistant, own: Path, name: str, content: bytes | None, why: str
) -> None:
    (own.parent / "other.yaml").write_text("map: 1")
    if content is not None:
        (own / name).write_bytes(content)
    with pytest.raises(map_files.MapUnusableError) as caught:
        await map_files.async_mapped_family(hass, name)
    assert why in "\n".join(caught.value.problems)
    assert len(caught.value.problems) <= 11


async def test_a_moved_machine_is_recognised_by_its_map(
    hass: HomeAssistant, server: LambdaServer
) -> None:
    address = Address(host="127.0.0.1", port=server.port)
    found = await async_look(hass, "map", address, "lambda.yaml")
    assert found
    assert found.manufacturer == "Lambda"
    assert await async_look(hass, "map", address, "none.yaml") is None


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_shared_key_has_a_name(language: str) -> None:
    texts = json.loads((PACKAGE / f"translations/{language}.json").read_text("utf-8"))["entity"]
    for keys, prefix in ((MACHINE_KEYS, ""), (CIRCUIT_KEYS, ""), (ROOM_KEYS, "zone_room_")):
        for key, meaning in keys.items():
            name = f"{prefix}{key}"
            numbers = ("number", "sensor")
            setting, reading = {
                Quantity.FLAG: ("switch", "binary_sensor"),
                Quantity.STATE: ("select", "sensor"),
            }.get(meaning.quantity, numbers)
            if meaning.setting:
                assert name in texts[setting], (setting, name)
            if meaning.reading:
                assert name in texts[reading], (reading, name)
    for platform in ("binary_sensor", "button", "number", "select", "sensor", "switch"):
        assert texts[platform]["mapped"]["name"] == "{title}"


def test_states_of_the_shipped_maps_have_words() -> None:
    from custom_components.heat_pump_hub.drivers.mapped import parse_map

    text = (PACKAGE / "maps/lambda.yaml").read_text("utf-8")
    texts = json.loads((PACKAGE / "translations/en.json").read_text("utf-8"))["entity"]
    for found in parse_map(text, "lambda.yaml").points:
        point = found.register.point
        if point.options:
            platform = "select" if point.writable else "sensor"
            assert set(point.options.values()) <= set(texts[platform][point.name]["state"]), (
                point.key
            )
