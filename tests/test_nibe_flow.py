"""A NIBE in the config flow: its model and the list of registers that it exports."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
import tempfile
from typing import Any
from unittest.mock import patch
import uuid

import aiohttp
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.driver import Layout
from custom_components.heat_pump_hub.drivers.nibe import NibeDriver
from custom_components.heat_pump_hub.drivers.nibe_map import Fault, entries
from custom_components.heat_pump_hub.drivers.nibe_points import PROBED, TYPES
from custom_components.heat_pump_hub.flow import nibe
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

pytestmark = pytest.mark.usefixtures("socket_enabled")

HEAD = "Title\tRegister type\tRegister\tDivision factor\tUnit\tSize of variable\tMin value\tMax value\n"
OUTDOOR = "Current outdoor temperature (BT1)\tMODBUS_INPUT_REGISTER\t1\t10\t°C\t2\t0\t0\n"
FLOW = "Supply line (BT2)\tMODBUS_INPUT_REGISTER\t12\t10\t°C\t2\t0\t0\n"
METER = "Energy meter (BE6)\tMODBUS_INPUT_REGISTER\t398\t100\tkWh\t6\t0\t0\n"
NIGHT = "Night cooling\tMODBUS_HOLDING_REGISTER\t227\t1\t\t4\t0\t1\n"
DANGER = "Sound\tMODBUS_HOLDING_REGISTER\t43234\t1\t\t4\t0\t1\n"

type Upload = Callable[[str | bytes], Awaitable[str]]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses between requests that a real pump needs."""
    monkeypatch.setitem(NibeDriver.__init__.__kwdefaults__ or {}, "spacing", 0.0)


@pytest.fixture
async def upload(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Upload:
    """Hand a file in as a browser does; return its id."""
    # Home Assistant keeps uploads in one folder of the machine: another suite would empty it.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert await async_setup_component(hass, "file_upload", {})
    client = await hass_client()

    async def upload(content: str | bytes) -> str:
        form = aiohttp.FormData()
        raw = content.encode() if isinstance(content, str) else content
        form.add_field("file", raw, filename="modbus_addresses.csv")
        response = await client.post("/api/file_upload", data=form)
        found: str = (await response.json())["file_id"]
        return found

    return upload


@pytest.fixture
async def port(hass: HomeAssistant) -> AsyncGenerator[int]:
    """Run a simulated ground source pump; return its port."""
    model = HeatPumpModel(seed=1, start=datetime(2026, 1, 15, tzinfo=UTC), circuits="ab")
    server = NibeServer(model)
    yield await server.start()
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)
    await server.stop()
    assert server.writes == []


async def found_form(hass: HomeAssistant, port: int) -> ConfigFlowResult:
    """Go to the page that shows what was found."""
    flow = hass.config_entries.flow
    menu = await flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    form = await flow.async_configure(menu["flow_id"], {"next_step_id": "nibe"})
    form = await flow.async_configure(
        form["flow_id"], {"host": "127.0.0.1", "port": port, "unit": 1}
    )
    assert form["step_id"] == "found"
    return form


async def changing_form(hass: HomeAssistant, entry: ConfigEntry, port: int) -> ConfigFlowResult:
    """Go to the same page of an entry that is changed."""
    flow = hass.config_entries.flow
    form = await flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    form = await flow.async_configure(
        form["flow_id"], {"host": "127.0.0.1", "port": port, "unit": 1}
    )
    assert form["step_id"] == "found"
    return form


async def submit(hass: HomeAssistant, form: ConfigFlowResult, **answer: Any) -> ConfigFlowResult:
    """Submit a form."""
    return await hass.config_entries.flow.async_configure(form["flow_id"], answer)


async def add(hass: HomeAssistant, port: int, **answer: Any) -> ConfigEntry:
    """Add the pump, and set it up; return its entry."""
    form = await submit(
        hass,
        await found_form(hass, port),
        identity="nibe",
        circuits=["a"],
        allow_control=True,
        **answer,
    )
    if form["step_id"] == "nibe_list":
        form = await submit(hass, form)
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry: ConfigEntry = result["result"]
    assert entry.state is ConfigEntryState.LOADED
    return entry


def layout(entry: ConfigEntry) -> Layout:
    """Return what the entry keeps of the machine."""
    return Layout.from_json(entry.data["layout"])


def test_every_model_can_be_chosen() -> None:
    assert tuple(TYPES) == nibe.MODELS
    assert TYPES["s1255"] == ("S1255", "s1155_s1255")
    assert TYPES["vvms325"] == ("VVM S325", "vvms320_vvms325")


async def test_the_chosen_model_decides_what_there_is(hass: HomeAssistant, port: int) -> None:
    entry = await add(hass, port, chosen_model="s735")
    assert entry.data["model"] == "S735"
    assert entry.title == "NIBE S735"
    machine = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "nibe"), entry.entry_id)
    assert machine is not None
    assert machine.model == "S735"
    known = set(entry.runtime_data.driver.points)
    assert "s735" in layout(entry).features
    assert "s1155_s1255" not in layout(entry).features
    assert "exhaust_air_temperature" not in known

    form = await changing_form(hass, entry, port)
    result = await submit(hass, await submit(hass, form, circuits=["a"], chosen_model="detected"))
    assert result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data["model"] == "S1155, S1255, S1156, S1256"
    assert "chosen_model" not in entry.data
    assert layout(entry).features >= {"s1155_s1255", "s1156_s1256", PROBED}
    assert known != set(entry.runtime_data.driver.points)


async def test_a_list_gives_exactly_its_values_with_its_titles(
    hass: HomeAssistant, port: int, upload: Upload
) -> None:
    text = HEAD + OUTDOOR + FLOW + METER + NIGHT + DANGER
    form = await found_form(hass, port)
    form = await submit(
        hass,
        form,
        identity="nibe",
        circuits=["a"],
        allow_control=True,
        chosen_model="s1255",
        register_list=await upload(text),
    )
    assert form["step_id"] == "nibe_list"
    assert form["description_placeholders"] == {
        "points": "4",
        "known": "2",
        "unknown": "2",
        "titles": "Energy meter (BE6), Night cooling",
        "dropped": "6",
    }
    form = await submit(hass, form)
    assert form["step_id"] == "history"
    entry: ConfigEntry = (await submit(hass, form))["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED

    registry = er.async_get(hass)
    names = {
        one.unique_id: (one.domain, one.original_name, one.disabled_by is not None)
        for one in er.async_entries_for_config_entry(registry, entry.entry_id)
    }
    assert names["nibe_input_398"] == ("sensor", "Energy meter (BE6) (398)", True)
    assert names["nibe_holding_227"] == ("number", "Night cooling (227)", True)
    assert names["nibe_outdoor_temperature"][0] == "sensor"
    assert {point.key for point in entry.runtime_data.driver.points.values()} == {
        "outdoor_temperature", "flow_temperature", "input_398", "holding_227"
    }  # fmt: skip


async def test_a_list_is_kept_replaced_and_dropped(
    hass: HomeAssistant, port: int, upload: Upload
) -> None:
    entry = await add(
        hass, port, chosen_model="detected", register_list=await upload(HEAD + OUTDOOR + METER)
    )
    assert [one.address for one in entries(layout(entry).features)] == [1, 398]

    async def change(**answer: Any) -> list[int]:
        form = await changing_form(hass, entry, port)
        assert form["data_schema"] is not None
        assert "keep_list" in form["data_schema"].schema
        form = await submit(hass, form, circuits=["a"], chosen_model="s1155", **answer)
        if form["step_id"] == "nibe_list":
            form = await submit(hass, form)
        assert (await submit(hass, form))["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        return [one.address for one in entries(layout(entry).features)]

    assert await change(keep_list=True) == [1, 398]
    new = await upload(HEAD + OUTDOOR + FLOW)
    assert await change(keep_list=True, register_list=new) == [1, 12]
    assert await change(keep_list=False) == []
    assert len(entry.runtime_data.driver.points) > 50


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        ("", "list_empty", {"line": "1"}),
        (HEAD + "a\n" * 10_001, "list_too_long", {"line": "10001"}),
        (b" " * (4 << 20) + b"  ", "list_too_long", {}),
        (HEAD + OUTDOOR + "nonsense\n", "list_not_register", {"line": "3"}),
        (HEAD + "x\tMODBUS_INPUT_REGISTER\t1\n", "list_columns", {"line": "2"}),
        (
            HEAD + OUTDOOR.replace("\t10\t", "\tten\t"),
            "list_value",
            {"line": "2", "column": "Division factor", "value": "ten"},
        ),
    ],
)
async def test_a_wrong_list_is_told_by_its_line_and_can_be_handed_in_again(
    hass: HomeAssistant,
    port: int,
    upload: Upload,
    content: str | bytes,
    error: str,
    told: dict[str, str],
) -> None:
    form = await found_form(hass, port)
    answer = {"identity": "nibe", "allow_control": True, "chosen_model": "detected"}
    form = await submit(hass, form, **answer, register_list=await upload(content))
    assert (form["step_id"], form["errors"]) == ("found", {"register_list": error})
    assert form["description_placeholders"] is not None
    assert told.items() <= form["description_placeholders"].items()
    form = await submit(hass, form, **answer, register_list=await upload(HEAD + OUTDOOR))
    assert form["step_id"] == "nibe_list"


async def test_an_upload_that_is_gone_is_told(hass: HomeAssistant, port: int) -> None:
    form = await submit(
        hass,
        await found_form(hass, port),
        identity="nibe",
        allow_control=True,
        chosen_model="detected",
        register_list=str(uuid.uuid4()),
    )
    assert form["errors"] == {"register_list": "list_gone"}


async def test_an_upload_whose_file_was_swept_away_is_told(
    hass: HomeAssistant, port: int, upload: Upload
) -> None:
    form, file_id = await found_form(hass, port), await upload(HEAD + OUTDOOR)
    with patch(f"{nibe.__name__}.process_uploaded_file", side_effect=FileNotFoundError(file_id)):
        form = await submit(
            hass,
            form,
            identity="nibe",
            allow_control=True,
            chosen_model="detected",
            register_list=file_id,
        )
    assert form["errors"] == {"register_list": "list_gone"}


async def test_a_wrong_identity_does_not_cost_the_upload(
    hass: HomeAssistant, port: int, upload: Upload
) -> None:
    form, file_id = await found_form(hass, port), await upload(HEAD + OUTDOOR)
    answer = {"allow_control": True, "chosen_model": "detected", "register_list": file_id}
    form = await submit(hass, form, identity="Wrong!", **answer)
    assert form["errors"] == {"identity": "identity_invalid"}
    form = await submit(hass, form, identity="nibe", **answer)
    assert form["step_id"] == "nibe_list"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_a_list_may_have_been_saved_by_a_spreadsheet(
    hass: HomeAssistant, port: int, upload: Upload, encoding: str
) -> None:
    text = HEAD + OUTDOOR + METER.replace("Energy meter", "Wärmezähler")
    form = await submit(
        hass,
        await found_form(hass, port),
        identity="nibe",
        allow_control=True,
        chosen_model="s1255",
        register_list=await upload(text.encode(encoding)),
    )
    assert form["description_placeholders"] is not None
    assert form["description_placeholders"]["titles"] == "Wärmezähler (BE6)"
    assert form["description_placeholders"]["known"] == "1"


async def test_a_long_list_does_not_fill_the_page(
    hass: HomeAssistant, port: int, upload: Upload
) -> None:
    lines = "".join(METER.replace("398", str(n)) for n in range(20_000, 20_060, 2))
    form = await submit(
        hass,
        await found_form(hass, port),
        identity="nibe",
        allow_control=True,
        chosen_model="s1255",
        register_list=await upload(HEAD + OUTDOOR + lines),
    )
    told = form["description_placeholders"]
    assert told is not None
    assert told["unknown"] == "30"
    assert told["titles"].count("Energy meter") == nibe._MOST_TITLES
    assert told["titles"].endswith(" …")
    assert told["dropped"] == "–"


def test_every_fault_of_a_list_has_its_words() -> None:
    """What is left out is no error."""
    assert {*Fault} - {Fault.FORBIDDEN, Fault.REPEATED} == nibe.LIST_ERRORS - {"gone"}
