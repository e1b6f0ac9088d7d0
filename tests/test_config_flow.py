"""The config flow: every path an owner can take, and every mistake."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData, section
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.heat_pump_hub import config_flow
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers import FAMILIES, family
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    DriverError,
    Family,
    Identity,
    Layout,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    UnsupportedModelError,
    WrongProtocolError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity
from custom_components.heat_pump_hub.flow import base, fields, history, nibe
from custom_components.heat_pump_hub.history.companion_rules import FaultKind
from custom_components.heat_pump_hub.history.server import (
    AuthRejectedError,
    CertificateError,
    EncryptionError,
    HistoryError,
    NobodyListensError,
    NotVictoriaMetricsError,
    OverloadedError,
    UnknownNameError,
    UnreachableError,
)
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics as Client
from custom_components.heat_pump_hub.older_entities import KEYS
from custom_components.heat_pump_hub.simulator.daikin import DaikinServer
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.idm_values import IdmMachine
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel
from custom_components.heat_pump_hub.simulator.server import RegisterServer

from .servers import VictoriaMetrics, free_port

MODULE = "custom_components.heat_pump_hub"
URL = "http://victoria:8428"
CONNECTION = {"host": "192.168.1.20", "port": 502, "unit": 1}
LOGIN = {"history_username": "owner", "history_password": "secret"}
FOUND = Identity(
    manufacturer="IDM",
    model="Navigator 2.0",
    firmware="20.24",
    layout=Layout(circuits=("a", "b"), zones={"1": ("1", "2", "3")}, features=frozenset({"solar"})),
    fingerprint={"type": "aero", "energy_total": 4200.0},
)
LAYOUT = {"circuits": ["a", "b"], "zones": {"1": ["1", "2", "3"]}, "features": ["solar"]}
MACHINE = {
    "layout": LAYOUT,
    "fingerprint": {"type": "aero", "energy_total": 4200.0},
    "manufacturer": "IDM",
    "model": "Navigator 2.0",
    "firmware": "20.24",
}
OPTIONS = {
    "interval": 30,
    "allow_control": True,
    "cooldown": 300,
    "history_names": "canonical",
    "journal_days": 14,
    "history_everything": False,
}
REPORTS = {"reports": False, "report_format": "csv", "report_days": 30}
COMPANIONS = {
    "companions": None,
    "companion_rules": None,
    "meter_power": None,
    "meter_energy": None,
    "meter_preferred": False,
}


class FakeHeatPump:
    """Answers probes as it is told, and keeps the addresses that were asked."""

    def __init__(self) -> None:
        self.identity = FOUND
        self.error: Exception | None = None
        self.silent = False
        self.asked: list[Address] = []
        self.on_probe: Callable[[], None] = lambda: None

    async def probe(self, address: Address) -> Identity:
        self.asked.append(address)
        self.on_probe()
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return self.identity


def no_driver(*_: object) -> Any:
    raise AssertionError("a flow never creates a driver")


@pytest.fixture
def heat_pump() -> Generator[FakeHeatPump]:
    """Stand in for the family behind every address."""
    fake = FakeHeatPump()
    family = Family(
        key="idm",
        manufacturer="IDM",
        port=502,
        unit=1,
        interval=30,
        probe=fake.probe,
        create=no_driver,
    )
    with patch(f"{MODULE}.flow.base.family", return_value=family):
        yield fake


@pytest.fixture(autouse=True)
async def setup_entry(hass: HomeAssistant) -> AsyncGenerator[AsyncMock]:
    """Let entries load and unload without a heat pump."""
    with (
        patch(f"{MODULE}.async_setup_entry", return_value=True) as setup,
        patch(f"{MODULE}.async_unload_entry", return_value=True),
    ):
        yield setup
        for entry in hass.config_entries.async_loaded_entries(DOMAIN):
            await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture
def history_check() -> Generator[AsyncMock]:
    """Stand in for the question to the history server."""
    with patch(f"{MODULE}.archive.VictoriaMetrics.check") as check:
        yield check


def idm_entry(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    """Return an IDM heat pump that is set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="IDM Navigator 2.0",
        unique_id="idm",
        data={"family": "idm", "identity": "idm", **CONNECTION, **MACHINE, **data},
        options=OPTIONS,
    )
    entry.add_to_hass(hass)
    return entry


def demo_entry(hass: HomeAssistant) -> MockConfigEntry:
    """Return a demo heat pump that is set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Demo",
        data={"family": "idm", "demo": True, **MACHINE},
        options=OPTIONS | {"interval": 5},
    )
    entry.add_to_hass(hass)
    return entry


async def choose(hass: HomeAssistant, option: str) -> ConfigFlowResult:
    """Start a flow and choose a maker; the address will be entered."""
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert menu["type"] is FlowResultType.MENU
    result = await submit(hass, menu, {"next_step_id": option})
    if result["type"] is FlowResultType.MENU:
        result = await submit(hass, result, {"next_step_id": "connection_own"})
    return result


async def submit(
    hass: HomeAssistant, form: ConfigFlowResult, user_input: Mapping[str, Any]
) -> ConfigFlowResult:
    """Submit a form."""
    result = await hass.config_entries.flow.async_configure(form["flow_id"], dict(user_input))
    await hass.async_block_till_done()
    return result


def suggestions(form: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form are filled with; those of sections at the top level."""
    assert form["data_schema"] is not None
    filled: dict[str, Any] = {}
    schemas = [form["data_schema"].schema]
    while schemas:
        for marker, field in schemas.pop().items():
            if isinstance(field, section):
                schemas.append(field.schema.schema)
            elif (marker.description or {}).get("suggested_value") is not None:
                filled[marker.schema] = marker.description["suggested_value"]
            elif callable(marker.default):
                filled[marker.schema] = marker.default()
            else:
                filled[marker.schema] = None
    return filled


def shows(form: ConfigFlowResult, step: str, **errors: str) -> None:
    """Assert that a form is of this step, with these errors."""
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, step)
    assert form["errors"] == errors


async def test_every_family_can_be_chosen(hass: HomeAssistant) -> None:
    menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})

    assert menu["menu_options"] == [*FAMILIES, "map", "demo"]
    for option in menu["menu_options"]:
        assert hasattr(config_flow.HeatPumpHubConfigFlow, f"async_step_{option}")


async def test_heat_pump_without_history_server(
    hass: HomeAssistant, heat_pump: FakeHeatPump, setup_entry: AsyncMock
) -> None:
    form = await choose(hass, "idm")
    shows(form, "connection")
    assert suggestions(form) == {"host": None, "port": 502, "unit": 1}

    form = await submit(hass, form, CONNECTION | {"host": " 192.168.1.20 "})
    shows(form, "found")
    assert heat_pump.asked == [Address(host="192.168.1.20", port=502, unit=1)]
    assert suggestions(form) == {
        "identity": "idm",
        "circuits": ["a", "b"],
        "zones": ["1"],
        "allow_control": True,
    }
    assert form["description_placeholders"] == {
        "manufacturer": "IDM",
        "model": "Navigator 2.0",
        "firmware": "20.24",
        "circuits": "A, B",
        "more": "",
    }

    form = await submit(hass, form, suggestions(form))
    shows(form, "history")

    result = await submit(hass, form, {"history_names": "canonical"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "IDM Navigator 2.0"
    assert result["data"] == {"family": "idm", "identity": "idm", **CONNECTION, **MACHINE}
    assert result["options"] == OPTIONS
    assert result["result"].unique_id == "idm"
    assert setup_entry.await_count == 1


async def test_owner_decides_what_belongs_to_the_heat_pump(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)
    choices = {
        "identity": "cellar",
        "circuits": ["g", "a"],
        "zones": ["10", "1"],
        "allow_control": False,
    }
    form = await submit(hass, form, choices)
    result = await submit(hass, form, {"history_names": "forerunner"})

    assert result["data"]["identity"] == result["result"].unique_id == "cellar"
    assert result["data"]["layout"] == {
        "circuits": ["a", "g"],
        "zones": {"1": ["1", "2", "3"], "10": ["1", "2", "3", "4", "5", "6"]},
        "features": ["solar"],
    }
    assert result["options"] == OPTIONS | {"allow_control": False, "history_names": "forerunner"}


async def test_heat_pump_without_parts_and_firmware(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    heat_pump.identity = Identity(manufacturer="IDM", model="Navigator 10", layout=Layout())
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)

    placeholders = form["description_placeholders"]
    assert placeholders is not None
    assert [placeholders[key] for key in ("firmware", "circuits")] == ["–"] * 2
    form = await submit(hass, form, suggestions(form))
    result = await submit(hass, form, {"history_names": "canonical"})
    assert result["data"]["layout"] == {"circuits": [], "zones": {}, "features": []}
    assert result["data"]["firmware"] is None


@pytest.mark.parametrize(
    ("error", "field", "key"),
    [
        (NameNotFoundError("x"), "host", "name_not_found"),
        (LinkRefusedError("x"), "base", "refused_idm"),
        (NoAnswerError("x"), "base", "no_answer"),
        (TimeoutError(), "base", "no_answer"),
        (LinkLostError("x"), "base", "connection_lost"),
        (WrongProtocolError("x"), "base", "not_modbus"),
        (WrongUnitError("x"), "unit", "wrong_unit"),
        (NotThisFamilyError("x"), "base", "not_this_family"),
        (UnsupportedModelError("x"), "base", "unsupported_model"),
        (BusyError("x"), "base", "busy"),
        (RefusedError("x", 4), "base", "cannot_connect"),
        (DriverError("x"), "base", "cannot_connect"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_probe_errors_are_told_and_the_form_can_be_sent_again(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    field: str,
    key: str,
) -> None:
    heat_pump.error = error
    typed = {"host": "pump.lan", "port": 1502, "unit": 7}
    form = await submit(hass, await choose(hass, "idm"), typed)

    shows(form, "connection", **{field: key})
    assert suggestions(form) == typed
    assert "Traceback" not in caplog.text

    heat_pump.error = None
    shows(await submit(hass, form, typed), "found")


async def test_unexpected_error_is_logged(
    hass: HomeAssistant, heat_pump: FakeHeatPump, caplog: pytest.LogCaptureFixture
) -> None:
    heat_pump.error = ZeroDivisionError("a bug of ours")
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)

    shows(form, "connection", base="unknown")
    assert "a bug of ours" in caplog.text
    heat_pump.error = None
    shows(await submit(hass, form, CONNECTION), "found")


async def test_probe_that_never_ends_is_cut_off(
    hass: HomeAssistant, heat_pump: FakeHeatPump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PROBE_TIMEOUT", 0.0)
    heat_pump.silent = True
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)

    shows(form, "connection", base="no_answer")


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("", "host_empty"),
        ("   ", "host_empty"),
        ("http://192.168.1.20", "host_is_url"),
        ("192.168.1.20/index.html", "host_is_url"),
        ("192.168.1.20:502", "host_with_port"),
        ("pump.lan:502", "host_with_port"),
        ("192.168.1", "host_invalid"),
        ("192.168.1.256", "host_invalid"),
        ("my pump", "host_invalid"),
        ("pump..lan", "host_invalid"),
        ("-pump", "host_invalid"),
        ("x" * 254, "host_invalid"),
    ],
)
async def test_host_that_cannot_be_one(
    hass: HomeAssistant, heat_pump: FakeHeatPump, host: str, key: str
) -> None:
    form = await submit(hass, await choose(hass, "idm"), CONNECTION | {"host": host})

    shows(form, "connection", host=key)
    assert heat_pump.asked == []
    assert suggestions(form)["host"] == host
    shows(await submit(hass, form, CONNECTION), "found")


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("IDM-Pump.Fritz.Box", "idm-pump.fritz.box"),
        ("heat_pump", "heat_pump"),
        ("wärmepumpe.local", "wärmepumpe.local"),
        ("pump.lan.", "pump.lan."),
        ("FE80::1", "fe80::1"),
        ("[fe80::1]", "fe80::1"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
async def test_host_that_can_be_one(
    hass: HomeAssistant, heat_pump: FakeHeatPump, typed: str, host: str
) -> None:
    shows(await submit(hass, await choose(hass, "idm"), CONNECTION | {"host": typed}), "found")
    assert [address.host for address in heat_pump.asked] == [host]


@pytest.mark.parametrize("change", [{"port": 0}, {"port": 65536}, {"unit": -1}, {"unit": 256}])
async def test_port_and_unit_have_limits(
    hass: HomeAssistant, heat_pump: FakeHeatPump, change: dict[str, int]
) -> None:
    form = await choose(hass, "idm")
    with pytest.raises(InvalidData):
        await submit(hass, form, CONNECTION | change)
    assert heat_pump.asked == []


async def test_configured_address_is_not_asked_again(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    idm_entry(hass)
    result = await submit(hass, await choose(hass, "idm"), CONNECTION)

    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert heat_pump.asked == []


async def test_second_heat_pump_gets_a_free_identity(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    idm_entry(hass)
    demo_entry(hass)
    MockConfigEntry(domain=DOMAIN, unique_id="idm_2", data={"identity": "idm_2"}).add_to_hass(hass)
    form = await submit(hass, await choose(hass, "idm"), CONNECTION | {"unit": 2})

    assert suggestions(form)["identity"] == "idm_3"


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        ("idm", "identity_taken"),
        ("", "identity_invalid"),
        ("Cellar", "identity_invalid"),
        ("demo-1", "identity_invalid"),
        ("wärme", "identity_invalid"),
        ("cellar\n", "identity_invalid"),
        ("x" * 65, "identity_invalid"),
    ],
)
async def test_identity_that_cannot_be_used(
    hass: HomeAssistant, heat_pump: FakeHeatPump, identity: str, key: str
) -> None:
    idm_entry(hass)
    form = await submit(hass, await choose(hass, "idm"), CONNECTION | {"unit": 2})
    typed = suggestions(form) | {"identity": identity, "circuits": ["c"]}
    form = await submit(hass, form, typed)

    shows(form, "found", identity=key)
    assert suggestions(form) == typed
    shows(await submit(hass, form, typed | {"identity": "idm_2"}), "history")


async def test_identity_taken_by_another_flow_meanwhile(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)
    form = await submit(hass, form, suggestions(form))
    idm_entry(hass, host="192.168.1.21")
    result = await submit(hass, form, {"history_names": "canonical"})

    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


async def test_serial_number_is_the_identity(hass: HomeAssistant, heat_pump: FakeHeatPump) -> None:
    heat_pump.identity = replace(FOUND, serial="123456")
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)
    assert "identity" not in suggestions(form)
    form = await submit(hass, form, suggestions(form))
    result = await submit(hass, form, {"history_names": "canonical"})
    assert result["data"]["identity"] == result["result"].unique_id == "123456"
    assert result["data"]["fingerprint"]["serial"] == "123456"

    again = await submit(hass, await choose(hass, "idm"), CONNECTION | {"host": "pump.lan"})
    assert (again["type"], again["reason"]) == (FlowResultType.ABORT, "already_configured")


async def at_history(hass: HomeAssistant) -> ConfigFlowResult:
    """Return the history form of a new heat pump."""
    form = await submit(hass, await choose(hass, "idm"), CONNECTION)
    return await submit(hass, form, suggestions(form))


async def test_history_server_with_login(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    form = await at_history(hass)
    result = await submit(
        hass,
        form,
        {
            "history_url": f" {URL}/ ",
            "history_names": "canonical",
            "credentials": {**LOGIN, "history_verify_ssl": False},
        },
    )

    assert history_check.await_count == 1
    assert result["data"] == {
        "family": "idm",
        "identity": "idm",
        **CONNECTION,
        **MACHINE,
        "history_url": URL,
        **LOGIN,
        "history_verify_ssl": False,
    }


@pytest.mark.parametrize("verify", [True, False])
async def test_certificate_is_checked_unless_the_owner_says_no(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock, verify: bool
) -> None:
    form = await at_history(hass)
    with patch(f"{MODULE}.archive.async_get_clientsession") as session:
        await submit(
            hass,
            form,
            {
                "history_url": URL,
                "history_names": "canonical",
                "credentials": {"history_verify_ssl": verify},
            },
        )
    session.assert_called_once_with(hass, verify_ssl=verify)


async def test_history_server_that_never_answers_is_cut_off(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    history_check: AsyncMock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "HISTORY_TIMEOUT", 0.0)
    history_check.side_effect = asyncio.Event().wait
    typed = {"history_url": URL, "history_names": "canonical"}
    form = await submit(hass, await at_history(hass), typed)

    shows(form, "history", base="history_unreachable")


async def test_a_name_that_does_not_resolve_is_told_at_the_address(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    history_check.side_effect = UnknownNameError("x")
    typed = {"history_url": URL, "history_names": "canonical"}
    form = await submit(hass, await at_history(hass), typed)
    shows(form, "history", history_url="history_name_not_found")


async def test_login_is_in_sight_once_it_matters(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    def collapsed(form: ConfigFlowResult) -> bool:
        assert form["data_schema"] is not None
        credentials: section = form["data_schema"].schema["credentials"]
        return credentials.options["collapsed"]

    form = await at_history(hass)
    assert collapsed(form)
    history_check.side_effect = AuthRejectedError("x")
    form = await submit(hass, form, {"history_url": URL, "history_names": "canonical"})
    assert not collapsed(form)

    entry = idm_entry(hass, host="192.168.1.21", history_url=URL, **LOGIN)
    form = await submit(hass, await entry.start_reconfigure_flow(hass), CONNECTION)
    assert not collapsed(await submit(hass, form, suggestions(form)))


async def test_login_inside_the_url_moves_to_its_fields(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    typed = {"history_url": "https://owner:secret@victoria/vm", "history_names": "canonical"}
    result = await submit(hass, await at_history(hass), typed)

    data = result["data"]
    assert data["history_url"] == "https://victoria/vm"
    assert (data["history_username"], data["history_password"]) == ("owner", "secret")
    assert data["history_verify_ssl"] is True


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (UnreachableError("x"), "history_unreachable"),
        (NobodyListensError("x"), "history_refused"),
        (CertificateError("x"), "history_certificate"),
        (EncryptionError("x"), "history_encryption"),
        (TimeoutError(), "history_unreachable"),
        (AuthRejectedError("x"), "history_auth"),
        (NotVictoriaMetricsError("x"), "history_not_victoriametrics"),
        (OverloadedError("x"), "history_overloaded"),
        (HistoryError("x"), "history_unreachable"),
        (ZeroDivisionError("x"), "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_history_errors_are_told_and_the_form_can_be_sent_again(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    history_check: AsyncMock,
    error: Exception,
    key: str,
) -> None:
    history_check.side_effect = error
    typed = {
        "history_url": URL,
        "history_names": "forerunner",
        "credentials": {**LOGIN, "history_verify_ssl": True},
    }
    form = await submit(hass, await at_history(hass), typed)

    shows(form, "history", base=key)
    assert suggestions(form) == {
        "history_url": URL,
        "history_names": "forerunner",
        **LOGIN,
        "history_tenant": None,
        "history_verify_ssl": True,
    }
    history_check.side_effect = None
    result = await submit(hass, form, typed)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("address", "tenant", "right", "key"),
    [
        ("", "7:3", {"url": ""}, "history_no_tenants"),
        ("/vmui", None, {"url": ""}, "history_path"),
        ("/vmui", "7:3", {"url": "/nowhere"}, "history_not_victoriametrics"),
    ],
)
async def test_what_is_too_much_of_an_address_is_named(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    address: str,
    tenant: str | None,
    right: dict[str, str],
    key: str,
) -> None:
    async def check(client: Client) -> None:
        if (client.url, client._query) != (URL + right["url"], f"{URL}/api/v1/query"):
            raise NotVictoriaMetricsError("x")

    credentials = {"history_verify_ssl": True} | ({"history_tenant": tenant} if tenant else {})
    typed = {
        "history_url": URL + address,
        "history_names": "canonical",
        "credentials": credentials,
    }
    with patch(f"{MODULE}.archive.VictoriaMetrics.check", check):
        form = await submit(hass, await at_history(hass), typed)
    shows(form, "history", base=key)


@pytest.mark.parametrize("url", ["victoria:8428", "ftp://victoria", "http://", "http://[::1"])
async def test_history_url_that_is_none(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock, url: str
) -> None:
    typed = {"history_url": url, "history_names": "canonical"}
    form = await submit(hass, await at_history(hass), typed)

    shows(form, "history", history_url="history_url_invalid")
    assert history_check.await_count == 0
    result = await submit(hass, form, {"history_names": "canonical"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "history_url" not in result["data"]


async def test_real_history_server_is_asked_and_nothing_is_stored(
    hass: HomeAssistant, heat_pump: FakeHeatPump, victoria_metrics: VictoriaMetrics
) -> None:
    typed = {"history_url": victoria_metrics.url, "history_names": "canonical"}
    result = await submit(hass, await at_history(hass), typed)

    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert await victoria_metrics.count() == 0


class FakeDemo:
    """A demo heat pump that only remembers whether it runs."""

    running = True

    def stop(self) -> None:
        self.running = False


@pytest.fixture
async def fake_demo() -> AsyncGenerator[FakeDemo]:
    """Stand in for the simulator."""
    demo = FakeDemo()
    with patch(f"{MODULE}.flow.demo._start_demo", return_value=(demo, 45678)):
        yield demo


async def test_demo_heat_pump(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fake_demo: FakeDemo
) -> None:
    form = await choose(hass, "demo")
    shows(form, "demo")
    assert suggestions(form) == {"name": "Demo heat pump", "interval": 5}

    form = await submit(hass, form, {"name": " Try out ", "interval": 2})
    shows(form, "found")
    assert heat_pump.asked == [Address(host="127.0.0.1", port=45678, unit=1)]
    assert not fake_demo.running
    assert "identity" not in suggestions(form)

    form = await submit(hass, form, suggestions(form))
    result = await submit(hass, form, {"history_names": "canonical"})
    assert result["title"] == "Try out"
    assert result["data"] == {"family": "idm", "demo": True, **MACHINE}
    assert result["options"] == OPTIONS | {"interval": 2}
    assert result["result"].unique_id is None


async def test_several_demo_heat_pumps(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fake_demo: FakeDemo
) -> None:
    for _ in range(2):
        form = await choose(hass, "demo")
        form = await submit(hass, form, {**suggestions(form), "interval": 300})
        form = await submit(hass, form, suggestions(form))
        result = await submit(hass, form, {"history_names": "canonical"})
        assert result["title"] == "Demo heat pump"

    assert len(hass.config_entries.async_entries(DOMAIN)) == 2


async def test_a_demo_heat_pump_has_a_name(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fake_demo: FakeDemo
) -> None:
    form = await submit(hass, await choose(hass, "demo"), {"name": " ", "interval": 5})
    shows(form, "demo", name="name_empty")
    shows(await submit(hass, form, {"name": " Mine ", "interval": 5}), "found")


async def test_demo_heat_pump_that_does_not_answer_is_stopped(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fake_demo: FakeDemo
) -> None:
    heat_pump.error = NoAnswerError("x")
    form = await submit(hass, await choose(hass, "demo"), {"name": "Demo", "interval": 5})

    shows(form, "demo", base="demo_failed")
    assert not fake_demo.running
    heat_pump.error = None
    shows(await submit(hass, form, {"name": "Demo", "interval": 5}), "found")


async def test_demo_heat_pump_that_does_not_start(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    fake_demo: FakeDemo,
    caplog: pytest.LogCaptureFixture,
) -> None:
    form = await choose(hass, "demo")
    with patch(f"{MODULE}.flow.demo._start_demo", side_effect=OSError("no port")):
        form = await submit(hass, form, {"name": "Demo", "interval": 5})

    shows(form, "demo", base="demo_failed")
    assert "no port" in caplog.text
    shows(await submit(hass, form, {"name": "Demo", "interval": 5}), "found")


@asynccontextmanager
async def simulated(**machine: Any) -> AsyncGenerator[IdmServer]:
    """Run a simulated IDM heat pump on a real socket."""
    model = HeatPumpModel(1, datetime(2026, 1, 15, tzinfo=UTC), circuits="ac")
    server = IdmServer(model, IdmMachine(circuits="AC", zones={1: 3}, **machine))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_simulated_heat_pump_is_found_and_nothing_is_written_to_it(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with simulated() as server:
        form = await choose(hass, "idm")
        form = await submit(hass, form, {"host": "127.0.0.1", "port": server.port, "unit": 1})
        shows(form, "found")
        assert suggestions(form) == {
            "identity": "idm",
            "circuits": ["a", "c"],
            "zones": ["1"],
            "allow_control": True,
        }
        form = await submit(hass, form, suggestions(form))
        result = await submit(hass, form, {"history_names": "canonical"})
        assert result["title"] == "IDM Navigator 2.0"
        assert result["data"]["layout"]["zones"] == {"1": ["1", "2", "3"]}

        form = await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": result["result"].entry_id}
        )
        form = await submit(hass, form, suggestions(form))
        form = await submit(hass, form, suggestions(form))
        result = await submit(hass, form, {})
        assert result["reason"] == "reconfigure_successful"

        assert server.requests
        assert server.writes == []
        assert {request.function_code for request in server.requests} <= {3, 4}
        # The server hears of the end of a connection a turn of the loop later.
        async with asyncio.timeout(5):
            while server.connections:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        (Fault.WEB_SERVER, "not_modbus"),
        (Fault.DROP, "connection_lost"),
    ],
)
async def test_simulated_fault_is_told_and_the_form_can_be_sent_again(
    hass: HomeAssistant,
    socket_enabled: None,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    key: str,
) -> None:
    async with simulated() as server:
        proxy = FaultProxy("127.0.0.1", server.port)
        proxy.fault = fault
        await proxy.start()
        typed = {"host": "127.0.0.1", "port": proxy.port, "unit": 1}
        form = await submit(hass, await choose(hass, "idm"), typed)
        shows(form, "connection", base=key)
        assert "Traceback" not in caplog.text

        proxy.clear()
        shows(await submit(hass, form, typed), "found")
        await proxy.stop()


async def test_closed_port_wrong_unit_and_old_controller(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    form = await choose(hass, "idm")
    typed = {"host": "127.0.0.1", "port": free_port(), "unit": 1}
    form = await submit(hass, form, typed)
    shows(form, "connection", base="refused_idm")

    async with simulated() as server:
        form = await submit(hass, form, typed | {"port": server.port, "unit": 9})
        shows(form, "connection", unit="wrong_unit")
    async with simulated(navigator="1.7") as server:
        form = await submit(hass, form, typed | {"port": server.port})
        shows(form, "connection", base="unsupported_model")


async def test_real_luxtronik_is_known_by_its_serial_number(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    model = HeatPumpModel(seed=1, start=datetime(2026, 1, 15, tzinfo=UTC), circuits="ab")
    server = LuxtronikServer(model, LuxtronikMachine(mixing=1))
    port = await server.start()
    try:
        form = await choose(hass, "luxtronik")
        shows(form, "connection_own")
        assert suggestions(form) == {"host": None, "port": 8889}
        form = await submit(hass, form, {"host": "127.0.0.1", "port": port})
        shows(form, "found")
        assert suggestions(form).keys() == {"circuits", "allow_control"}
        result = await submit(hass, form, suggestions(form))
        result = await submit(hass, result, {})
    finally:
        await server.stop()

    entry = result["result"]
    assert entry.data["family"] == "luxtronik"
    assert entry.data["identity"] == entry.unique_id == entry.data["fingerprint"]["serial"]
    assert entry.data["unit"] == 0
    assert server.writes == []


@pytest.mark.parametrize(
    ("key", "make", "asked"),
    [
        ("nibe", NibeServer, {"identity", "circuits", "chosen_model", "register_list"}),
        ("daikin", DaikinServer, {"identity"}),
    ],
)
async def test_other_makers_with_modbus_are_added(
    hass: HomeAssistant,
    socket_enabled: None,
    key: str,
    make: type[RegisterServer],
    asked: set[str],
) -> None:
    model = HeatPumpModel(seed=1, start=datetime(2026, 1, 15, tzinfo=UTC), circuits="ab")
    server = make(model)
    port = await server.start()
    try:
        form = await choose(hass, key)
        shows(form, "connection")
        assert suggestions(form) == {"host": None, "port": 502, "unit": 1}
        form = await submit(hass, form, {"host": "127.0.0.1", "port": port, "unit": 1})
        shows(form, "found")
        proposed = suggestions(form)
        assert proposed.keys() == asked | {"allow_control"}
        proposed.pop("register_list", None)
        result = await submit(hass, form, proposed)
        result = await submit(hass, result, {})
    finally:
        await server.stop()

    entry = result["result"]
    assert entry.data["family"] == entry.data["identity"] == key
    assert server.writes == []


@pytest.mark.parametrize("feature", ["shi", "shi_1502"])
async def test_a_smart_home_interface_is_shown(
    hass: HomeAssistant, heat_pump: FakeHeatPump, feature: str
) -> None:
    heat_pump.identity = replace(FOUND, layout=Layout(features=frozenset({feature})))
    form = await submit(hass, await choose(hass, "luxtronik"), {"host": "192.168.1.20", "port": 1})
    told = form["description_placeholders"]
    assert told is not None
    assert told["more"] == "\n- Smart Home Interface: ✓"


async def test_a_port_that_is_closed_is_told_in_the_words_of_the_family(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    form = await choose(hass, "luxtronik")
    form = await submit(hass, form, {"host": "127.0.0.1", "port": free_port()})
    shows(form, "connection_own", base="refused_own")


async def test_real_demo_heat_pump(hass: HomeAssistant, socket_enabled: None) -> None:
    form = await submit(hass, await choose(hass, "demo"), {"name": "Demo", "interval": 5})

    shows(form, "found")
    assert suggestions(form)["circuits"] == ["a", "b"]


async def test_reconfigure_changes_address_parts_and_history(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    entry = idm_entry(hass)
    form = await entry.start_reconfigure_flow(hass)
    shows(form, "connection")
    assert suggestions(form) == CONNECTION

    heat_pump.identity = replace(
        FOUND,
        manufacturer="who knows brands better",
        firmware="20.30",
        layout=Layout(circuits=("a", "b", "c")),
        fingerprint={"type": "aero", "energy_total": 4300.0},
    )
    form = await submit(hass, form, CONNECTION | {"host": "192.168.1.99"})
    shows(form, "found")
    assert suggestions(form) == {"circuits": ["a", "b"], "zones": ["1"]}

    form = await submit(hass, form, {"circuits": ["a", "c"], "zones": ["1", "2"]})
    shows(form, "history")
    assert suggestions(form) == {
        "history_url": None,
        "history_username": None,
        "history_password": None,
        "history_tenant": None,
        "history_verify_ssl": True,
    }

    result = await submit(hass, form, {"history_url": URL})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert dict(entry.data) == {
        "family": "idm",
        "identity": "idm",
        **CONNECTION,
        **MACHINE,
        "host": "192.168.1.99",
        "firmware": "20.30",
        "fingerprint": {"type": "aero", "energy_total": 4300.0},
        "layout": {
            "circuits": ["a", "c"],
            "zones": {"1": ["1", "2", "3"], "2": ["1", "2", "3", "4", "5", "6"]},
            "features": [],
        },
        "history_url": URL,
        "history_username": None,
        "history_password": None,
        "history_verify_ssl": True,
    }
    assert entry.options == OPTIONS
    assert entry.unique_id == "idm"


async def at_reconfigured_history(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """Return the history form of a heat pump that is being changed."""
    form = await submit(hass, await entry.start_reconfigure_flow(hass), CONNECTION)
    return await submit(hass, form, suggestions(form))


@pytest.mark.parametrize(
    ("credentials", "password"),
    [
        ({"history_username": "owner"}, "secret"),
        ({"history_username": "owner", "history_password": "other"}, "other"),
        ({"history_username": "guest"}, None),
        ({}, None),
    ],
)
async def test_stored_password_stays_with_its_user(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    history_check: AsyncMock,
    credentials: dict[str, str],
    password: str | None,
) -> None:
    entry = idm_entry(hass, history_url=URL, history_verify_ssl=False, **LOGIN)
    form = await at_reconfigured_history(hass, entry)
    assert suggestions(form) == {
        "history_url": URL,
        "history_username": "owner",
        "history_password": None,
        "history_tenant": None,
        "history_verify_ssl": False,
    }

    typed = {"history_url": URL, "credentials": {"history_verify_ssl": False} | credentials}
    await submit(hass, form, typed)
    assert entry.data["history_password"] == password


async def test_reconfigure_removes_the_history_server(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    entry = idm_entry(hass, history_url=URL, history_verify_ssl=True, **LOGIN)
    result = await submit(hass, await at_reconfigured_history(hass, entry), {})

    assert result["reason"] == "reconfigure_successful"
    assert not any(key.startswith("history_") for key in entry.data)


async def test_reconfigure_recovers_from_errors(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    entry = idm_entry(hass)
    heat_pump.error = LinkRefusedError("x")
    typed = CONNECTION | {"host": "192.168.1.99"}
    form = await submit(hass, await entry.start_reconfigure_flow(hass), typed)

    shows(form, "connection", base="refused_idm")
    assert suggestions(form) == typed
    assert entry.data["host"] == "192.168.1.20"
    heat_pump.error = None
    shows(await submit(hass, form, typed), "found")


async def test_reconfigure_to_the_address_of_another_heat_pump(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    entry = idm_entry(hass)
    other = CONNECTION | {"unit": 2}
    MockConfigEntry(domain=DOMAIN, unique_id="idm_2", data=other).add_to_hass(hass)
    result = await submit(hass, await entry.start_reconfigure_flow(hass), other)

    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data["unit"] == 1


@pytest.mark.parametrize(
    "fingerprint",
    [
        {"type": "terra", "energy_total": 5000.0},
        {"type": "aero", "energy_total": 4199.0},
        {"type": 3.0, "energy_total": 5000.0},
    ],
)
async def test_different_machine_is_asked_about_and_overwrites_nothing(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fingerprint: dict[str, float | str]
) -> None:
    entry = idm_entry(hass)
    before = dict(entry.data)
    heat_pump.identity = replace(FOUND, fingerprint=fingerprint)
    typed = CONNECTION | {"host": "192.168.1.99"}
    menu = await submit(hass, await entry.start_reconfigure_flow(hass), typed)

    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "different_machine")
    assert menu["menu_options"] == ["connection", "found"]
    assert (menu["description_placeholders"] or {})["title"] == "IDM Navigator 2.0"
    form = await submit(hass, menu, {"next_step_id": "connection"})
    shows(form, "connection")
    assert dict(entry.data) == before

    menu = await submit(hass, form, typed)
    form = await submit(hass, menu, {"next_step_id": "found"})
    form = await submit(hass, form, suggestions(form))
    await submit(hass, form, {})
    assert entry.data["fingerprint"] == fingerprint
    assert entry.data["identity"] == entry.unique_id == "idm"


async def test_other_serial_number_is_a_different_machine(
    hass: HomeAssistant, heat_pump: FakeHeatPump
) -> None:
    entry = idm_entry(hass, fingerprint={"serial": "1"})
    heat_pump.identity = replace(FOUND, serial="2")
    menu = await submit(hass, await entry.start_reconfigure_flow(hass), CONNECTION)

    assert menu["step_id"] == "different_machine"


@pytest.mark.parametrize(
    ("host", "state"),
    [
        ("192.168.1.20", ConfigEntryState.NOT_LOADED),
        ("192.168.1.99", ConfigEntryState.LOADED),
    ],
)
@pytest.mark.parametrize("error", [None, BusyError("x")])
async def test_heat_pump_has_one_connection_while_it_is_probed(
    hass: HomeAssistant,
    heat_pump: FakeHeatPump,
    host: str,
    state: ConfigEntryState,
    error: Exception | None,
) -> None:
    entry = idm_entry(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    states: list[ConfigEntryState] = []
    heat_pump.on_probe = lambda: states.append(entry.state)
    heat_pump.error = error
    form = await entry.start_reconfigure_flow(hass)
    await submit(hass, form, CONNECTION | {"host": host})

    assert states == [state]
    assert entry.state is ConfigEntryState.LOADED


async def test_reconfigure_of_the_demo_is_its_history(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    entry = demo_entry(hass)
    form = await entry.start_reconfigure_flow(hass)
    shows(form, "history")
    assert "history_names" not in suggestions(form)

    result = await submit(hass, form, {"history_url": URL})
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["history_url"] == URL
    assert entry.data["layout"] == LAYOUT
    assert heat_pump.asked == []


async def test_new_login_after_it_was_rejected(
    hass: HomeAssistant, history_check: AsyncMock
) -> None:
    entry = idm_entry(hass, history_url=URL, history_verify_ssl=True, **LOGIN)
    form = await entry.start_reauth_flow(hass)
    shows(form, "reauth_confirm")
    assert suggestions(form) == {"history_username": "owner", "history_password": None}
    assert (form["description_placeholders"] or {})["url"] == URL

    typed = {"history_username": "owner", "history_password": "new"}
    for error, key in ((AuthRejectedError("x"), "history_auth"), (OSError("x"), "unknown")):
        history_check.side_effect = error
        form = await submit(hass, form, typed)
        shows(form, "reauth_confirm", base=key)
        assert suggestions(form) == typed
    assert entry.data["history_password"] == "secret"

    history_check.side_effect = None
    result = await submit(hass, form, typed)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert entry.data["history_password"] == "new"
    assert entry.data["host"] == "192.168.1.20"


async def test_new_token_after_it_was_rejected(
    hass: HomeAssistant, history_check: AsyncMock
) -> None:
    entry = idm_entry(hass, history_url=URL, **LOGIN)
    form = await entry.start_reauth_flow(hass)
    result = await submit(hass, form, {"history_password": "token"})
    assert result["reason"] == "reauth_successful"
    assert (entry.data["history_username"], entry.data["history_password"]) == (None, "token")


async def test_stored_token_stays_where_nothing_else_is_typed(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    entry = idm_entry(hass, history_url=URL, history_username=None, history_password="token")
    form = await at_reconfigured_history(hass, entry)
    await submit(hass, form, {"history_url": URL, "credentials": {"history_verify_ssl": True}})
    assert entry.data["history_password"] == "token"


async def test_stored_token_goes_to_no_other_server(
    hass: HomeAssistant, heat_pump: FakeHeatPump, history_check: AsyncMock
) -> None:
    entry = idm_entry(hass, history_url=URL, history_username=None, history_password="token")
    form = await at_reconfigured_history(hass, entry)
    other = {"history_url": "http://elsewhere:8428", "credentials": {"history_verify_ssl": True}}
    await submit(hass, form, other)
    assert entry.data["history_url"] == "http://elsewhere:8428"
    assert entry.data["history_password"] is None


async def test_new_login_counts_for_all_heat_pumps_with_the_old_one(
    hass: HomeAssistant, history_check: AsyncMock, setup_entry: AsyncMock
) -> None:
    entry = idm_entry(hass, history_url=URL, **LOGIN)
    same, other = (
        MockConfigEntry(domain=DOMAIN, data={"history_url": url, **LOGIN})
        for url in (URL, "http://elsewhere")
    )
    same.add_to_hass(hass)
    other.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    setup_entry.reset_mock()
    form = await entry.start_reauth_flow(hass)
    await submit(hass, form, {"history_username": "owner", "history_password": "new"})

    assert same.data["history_password"] == "new"
    assert other.data["history_password"] == "secret"
    assert {call.args[1] for call in setup_entry.await_args_list} == {entry, same}


async def test_login_before_there_was_one(hass: HomeAssistant, history_check: AsyncMock) -> None:
    entry = idm_entry(hass, history_url=URL, history_username=None, history_password=None)
    form = await entry.start_reauth_flow(hass)
    result = await submit(hass, form, LOGIN)

    assert result["reason"] == "reauth_successful"
    assert entry.data["history_username"] == "owner"


async def test_options(hass: HomeAssistant, setup_entry: AsyncMock) -> None:
    entry = idm_entry(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert suggestions(form) == OPTIONS | REPORTS | COMPANIONS

    chosen = {
        "interval": 10,
        "allow_control": False,
        "cooldown": 3600,
        "history_names": "forerunner",
        "history_everything": True,
        "journal_days": 30,
    }
    reports = {"reports": True, "report_format": "xlsx", "report_days": 365}
    result = await hass.config_entries.options.async_configure(
        form["flow_id"], chosen | {"daily_reports": reports}
    )
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == chosen | reports
    assert isinstance(entry.options["interval"], int)
    assert isinstance(entry.options["journal_days"], int)
    assert setup_entry.await_count == 2


@pytest.mark.parametrize(
    "change", [{"interval": 9}, {"interval": 301}, {"cooldown": 59}, {"cooldown": 3601}]
)
async def test_options_have_limits(hass: HomeAssistant, change: dict[str, int]) -> None:
    entry = idm_entry(hass)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS | change)


def others(hass: HomeAssistant) -> None:
    """Let there be entities of others."""
    hass.states.async_set("sensor.pv", "5.2", {"unit_of_measurement": "kW"})
    hass.states.async_set("switch.pump", "on")
    hass.states.async_set("sensor.meter", "800", {"unit_of_measurement": "W"})
    hass.states.async_set("sensor.count", "12.5", {"unit_of_measurement": "MWh"})
    hass.states.async_set("sensor.gone", "unavailable")
    hass.states.async_set("sensor.weather", "sunny")
    registry = er.async_get(hass)
    for name, unit in (("asleep", None), ("cellar", "kW"), ("attic", "°C")):
        registry.async_get_or_create(
            "sensor", "other", name, suggested_object_id=name, unit_of_measurement=unit
        )


@pytest.mark.parametrize(
    ("name", "given", "error"),
    [
        ("companion_entities", {"companions": ["sensor.pv", "sensor.none"]}, "entity_unknown"),
        ("companion_entities", {"companions": ["sensor.weather"]}, "companion_no_number"),
        ("companion_entities", {"companions": ["sensor.own"]}, "companion_is_own"),
        ("companion_entities", {"companions": ["sensor.gone", "sensor.asleep"]}, None),
        ("electricity_meter", {"meter_power": "sensor.none"}, "entity_unknown"),
        ("electricity_meter", {"meter_power": "sensor.count"}, "meter_no_power"),
        ("electricity_meter", {"meter_power": "sensor.weather"}, "meter_no_power"),
        ("electricity_meter", {"meter_power": "sensor.attic"}, "meter_no_power"),
        ("electricity_meter", {"meter_power": "sensor.own"}, "meter_is_own"),
        ("electricity_meter", {"meter_power": "sensor.cellar"}, None),
        ("electricity_meter", {"meter_power": "sensor.asleep"}, None),
        ("electricity_meter", {"meter_power": "sensor.gone"}, None),
        ("electricity_meter", {"meter_energy": "sensor.meter"}, "meter_no_energy"),
    ],
)
async def test_entities_that_cannot_be_it_are_named(
    hass: HomeAssistant, name: str, given: dict[str, Any], error: str | None
) -> None:
    entry = idm_entry(hass)
    others(hass)
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, "x", config_entry=entry, suggested_object_id="own"
    )
    form = await hass.config_entries.options.async_init(entry.entry_id)
    if name == "electricity_meter":
        given = given | {"meter_preferred": False}
    form = await hass.config_entries.options.async_configure(
        form["flow_id"], OPTIONS | {name: given}
    )
    if error is None:
        assert entry.options == OPTIONS | given
        return
    shows(form, "init", base=error)
    (chosen, *_) = given.values()
    named = chosen[-1] if isinstance(chosen, list) else chosen
    assert form["description_placeholders"] == {"entity": named}
    assert entry.options == OPTIONS


async def test_entities_that_were_chosen_once_may_be_gone(hass: HomeAssistant) -> None:
    entry = idm_entry(hass)
    old = {"companions": ["sensor.none"], "meter_power": "sensor.none", "meter_preferred": False}
    hass.config_entries.async_update_entry(entry, options=OPTIONS | old)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS | {"interval": 60})
    assert entry.options == OPTIONS | old | {"interval": 60}


async def test_companions_and_meter_are_kept_and_can_be_emptied(hass: HomeAssistant) -> None:
    entry = idm_entry(hass)
    others(hass)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    entities = {"companions": ["sensor.pv", "switch.pump"], "companion_rules": "pump: group=pump"}
    meter = {"meter_power": "sensor.meter", "meter_energy": "sensor.count", "meter_preferred": True}
    both = {"companion_entities": entities, "electricity_meter": meter}
    await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS | both)
    assert entry.options == OPTIONS | entities | meter

    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert suggestions(form) == OPTIONS | REPORTS | entities | meter
    # A page without these sections leaves them as they are.
    await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS)
    assert entry.options == OPTIONS | entities | meter
    form = await hass.config_entries.options.async_init(entry.entry_id)
    empty = {"companion_entities": {}, "electricity_meter": {"meter_preferred": False}}
    await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS | empty)
    assert entry.options == OPTIONS | {"meter_preferred": False}


async def test_a_rule_that_is_none_is_told_by_its_line(hass: HomeAssistant) -> None:
    entry = idm_entry(hass)
    others(hass)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    entities = {"companions": ["sensor.pv"], "companion_rules": "# mine\npump: model=x"}
    form = await hass.config_entries.options.async_configure(
        form["flow_id"], OPTIONS | {"interval": 77, "companion_entities": entities}
    )
    shows(form, "init", base="rules_reserved")
    assert form["description_placeholders"] == {"line": "2", "text": "model"}
    # What was typed is still there.
    assert suggestions(form) == OPTIONS | REPORTS | COMPANIONS | {"interval": 77} | entities
    assert entry.options == OPTIONS
    entities["companion_rules"] = ""
    await hass.config_entries.options.async_configure(
        form["flow_id"], OPTIONS | {"companion_entities": entities}
    )
    assert entry.options == OPTIONS | entities


async def test_a_heat_pump_is_not_its_own_meter(hass: HomeAssistant) -> None:
    entry = idm_entry(hass)
    others(hass)
    own = er.async_get(hass).async_get_or_create("sensor", DOMAIN, "x", config_entry=entry)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    meter = {"meter_power": "sensor.meter", "meter_energy": own.entity_id, "meter_preferred": True}
    form = await hass.config_entries.options.async_configure(
        form["flow_id"], OPTIONS | {"electricity_meter": meter}
    )
    shows(form, "init", base="meter_is_own")
    meter.pop("meter_energy")
    await hass.config_entries.options.async_configure(
        form["flow_id"], OPTIONS | {"electricity_meter": meter}
    )
    assert entry.options == OPTIONS | meter


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_fault_of_a_rule_is_translated(hass: HomeAssistant, language: str) -> None:
    texts = await async_get_translations(hass, language, "options", {DOMAIN}, config_flow=True)
    prefix = f"component.{DOMAIN}.options.error."
    found = {key.removeprefix(prefix) for key in texts if key.startswith(prefix)}
    assert found == {f"rules_{kind}" for kind in FaultKind} | {
        "companion_is_own",
        "companion_no_number",
        "entity_unknown",
        "meter_is_own",
        "meter_no_energy",
        "meter_no_power",
        "learn_from_own",
        "learn_from_twice",
        "learn_from_unit",
    }


async def test_only_the_demo_is_polled_every_second(hass: HomeAssistant) -> None:
    entry = demo_entry(hass)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS | {"interval": 1})

    assert entry.options["interval"] == 1
    form = await hass.config_entries.options.async_init(entry.entry_id)
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(
            form["flow_id"], OPTIONS | {"interval": 0}
        )


async def test_families_without_a_forerunner_are_not_asked_for_its_names(
    hass: HomeAssistant,
) -> None:
    entry = MockConfigEntry(domain=DOMAIN, data={"family": "other"}, options=OPTIONS)
    entry.add_to_hass(hass)
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert "history_names" not in suggestions(form)

    chosen = {key: OPTIONS[key] for key in suggestions(form) if key in OPTIONS}
    await hass.config_entries.options.async_configure(form["flow_id"], chosen)
    assert entry.options == OPTIONS


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_error_and_abort_is_translated(hass: HomeAssistant, language: str) -> None:
    texts = await async_get_translations(hass, language, "config", {DOMAIN}, config_flow=True)
    tables = (fields.PROBE_ERRORS, fields.HISTORY_ERRORS)
    keys = {key for table in tables for _, key in table.values()}
    keys |= {*fields.OWN_PROTOCOL_ERRORS.values()}
    keys |= {key for words in fields.MAKER_ERRORS.values() for key in words.values()}
    keys |= {"unknown", "demo_failed", "name_empty", "identity_invalid", "identity_taken"}
    keys |= {f"list_{key}" for key in nibe.LIST_ERRORS}
    keys |= {"host_empty", "host_is_url", "host_with_port", "host_invalid", "map_unusable"}
    keys |= {"history_no_tenants", "history_path"}

    translated = {
        key.rpartition(".")[2]
        for key in texts
        if key.startswith(f"component.{DOMAIN}.config.error")
    }
    assert translated == keys


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_field_is_translated(
    hass: HomeAssistant, heat_pump: FakeHeatPump, fake_demo: FakeDemo, language: str
) -> None:
    entry = idm_entry(hass)
    forms = [await choose(hass, "idm"), await choose(hass, "demo"), await choose(hass, "map")]
    forms.append(await submit(hass, forms[0], CONNECTION | {"unit": 2}))
    forms.append(await submit(hass, forms[-1], suggestions(forms[-1])))
    listed = {"circuits": ["a"], "features": ["register input 1 int16 10 0 0 °C BT1"]}
    pump = idm_entry(hass, family="nibe", layout=listed, unit=7)
    form = await pump.start_reconfigure_flow(hass)
    forms.append(await submit(hass, form, CONNECTION | {"unit": 8}))
    forms.append(await entry.start_reauth_flow(hass))
    with patch(f"{MODULE}.flow.base.family", family):
        forms.append(await choose(hass, "luxtronik"))
    found = [Address(host="192.168.1.30", port=8889, unit=0)]
    with (
        patch(f"{MODULE}.flow.network.async_search", return_value=found),
        patch(f"{MODULE}.flow.network.async_look", return_value=None),
    ):
        menu = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
        menu = await submit(hass, menu, {"next_step_id": "luxtronik"})
        await submit(hass, menu, {"next_step_id": "search"})
        forms.append(await hass.config_entries.flow.async_configure(menu["flow_id"]))
    shown = {f"{form['step_id']}.{field}" for form in forms for field in suggestions(form)}
    points = {
        key: Point(key=key, name=key, quantity=Quantity.TEMPERATURE, kind=Kind.ANALOG)
        for key in KEYS
    }
    with patch(f"{MODULE}.flow.options.learnable", return_value=points):
        options = await hass.config_entries.options.async_init(entry.entry_id)
    shown |= {f"init.{field}" for field in suggestions(options)}
    options = await hass.config_entries.options.async_configure(
        options["flow_id"], OPTIONS | {"learn_from_entities": True}
    )
    shown |= {f"learn_from.{field}" for field in suggestions(options)}

    texts = await async_get_translations(hass, language, "config", {DOMAIN}, config_flow=True)
    texts |= await async_get_translations(hass, language, "options", {DOMAIN}, config_flow=True)
    for kind in ("data", "data_description"):
        translated = {
            f"{path[4]}.{path[-1]}" for key in texts if (path := key.split("."))[-2] == kind
        }
        assert translated == shown


async def test_forms_reach_the_browser(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, heat_pump: FakeHeatPump
) -> None:
    await async_setup_component(hass, "config", {})
    client = await hass_client()
    path = "/api/config/config_entries/flow"
    menu = await (await client.post(path, json={"handler": DOMAIN})).json()
    typed: list[dict[str, Any]] = [
        {"next_step_id": "idm"},
        CONNECTION,
        {"identity": "idm", "allow_control": True},
    ]
    fields: list[list[str]] = []
    for user_input in typed:
        response = await client.post(f"{path}/{menu['flow_id']}", json=user_input)
        fields.append([field["name"] for field in (await response.json())["data_schema"]])

    assert fields == [
        ["host", "port", "unit"],
        ["identity", "circuits", "zones", "allow_control"],
        ["history_url", "history_names", "credentials"],
    ]
