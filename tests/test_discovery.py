"""Heat pumps in the network: found by a search or by DHCP, and followed to a new address."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv4Address
import json
from pathlib import Path
import socket
from typing import Any
from unittest.mock import AsyncMock, patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.device_tracker.const import CONNECTED_DEVICE_REGISTERED
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, format_mac
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

import custom_components.heat_pump_hub as integration
from custom_components.heat_pump_hub import discovery, whereabouts
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    Driver,
    Family,
    Identity,
    Layout,
    NoAnswerError,
)
from custom_components.heat_pump_hub.drivers.luxtronik.discovery import discover
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

MODULE = "custom_components.heat_pump_hub"
HOME, ELSEWHERE = "192.168.1.20", "192.168.1.77"
CARD = "000E8C112233"
"""Of a maker of network cards that Luxtronik controllers have, among others."""
SERIAL = "200114-0C3A7"
LUXTRONIK = Identity(
    manufacturer="Alpha Innotec",
    model="LWD 50A",
    firmware="V3.90.1",
    layout=Layout(circuits=("a",)),
    serial=SERIAL,
)
NIBE = Identity(
    manufacturer="NIBE",
    model="S735",
    layout=Layout(circuits=("a",)),
    fingerprint={"source": "exhaust air", "thermal_energy": 100.0},
)


class House:
    """A network whose machines live at addresses that a test decides."""

    def __init__(self) -> None:
        self.machines: dict[str, Identity | int] = {}
        """By IP address: what answers, or the port of 127.0.0.1 where it really is."""
        self.announced: list[Address] = []
        """What answers the search for Luxtronik controllers."""
        self.looks: list[str] = []
        self.searches = 0

    def family(self, key: str) -> Family:
        """Return a family whose machines are found in this house."""
        kind = family(key)

        async def probe(address: Address) -> Identity:
            self.looks.append(address.host)
            there = self.machines.get(address.host)
            if there is None:
                raise NoAnswerError("nobody there")
            if isinstance(there, Identity):
                return there
            return await kind.probe(Address(host="127.0.0.1", port=there, unit=kind.unit))

        def create(address: Address, layout: Layout, learned: Any) -> Driver:
            port = self.machines.get(address.host, 9)
            assert isinstance(port, int)
            return kind.create(
                Address(host="127.0.0.1", port=port, unit=kind.unit), layout, learned
            )

        return replace(kind, probe=probe, create=create)

    async def search(self, _hass: HomeAssistant) -> list[Address]:
        """Answer a search."""
        self.searches += 1
        return self.announced


@pytest.fixture
def house() -> Generator[House]:
    """Put a house around everything that looks at machines."""
    home = House()
    with (
        patch(f"{MODULE}.discovery.family", home.family),
        patch(f"{MODULE}.flow.base.family", home.family),
        patch(f"{MODULE}.family", home.family),
        patch(f"{MODULE}.flow.network.async_search", home.search),
        patch(f"{MODULE}.whereabouts.async_search", home.search),
    ):
        yield home


@pytest.fixture
async def no_setup(hass: HomeAssistant) -> AsyncGenerator[AsyncMock]:
    """Let entries load without reading a heat pump."""
    with (
        patch(f"{MODULE}.async_setup_entry", return_value=True) as setup,
        patch(f"{MODULE}.async_unload_entry", return_value=True),
    ):
        yield setup
        for entry in hass.config_entries.async_loaded_entries(DOMAIN):
            await hass.config_entries.async_unload(entry.entry_id)


def entry_of(
    hass: HomeAssistant, found: Identity = LUXTRONIK, *, host: str = HOME, card: str | None = None
) -> MockConfigEntry:
    """Return a machine that is set up, and perhaps its network card."""
    identity = found.serial or "nibe"
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=found.model,
        unique_id=identity,
        data={
            "family": "luxtronik" if found.serial else "nibe",
            "identity": identity,
            "host": host,
            "port": 8889 if found.serial else 502,
            "unit": 0 if found.serial else 1,
            "layout": found.layout.to_json(),
            "fingerprint": discovery.fingerprint(found),
        },
        options={"interval": 30},
    )
    entry.add_to_hass(hass)
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, identity)},
        connections={(CONNECTION_NETWORK_MAC, format_mac(card))} if card else set(),
    )
    return entry


def cards(hass: HomeAssistant, entry: MockConfigEntry) -> set[str]:
    """Return the network cards that are known of a machine."""
    return discovery.async_cards(hass, entry)


async def luxtronik(hass: HomeAssistant, option: str) -> ConfigFlowResult:
    """Choose Luxtronik, then how to find it; wait for a search to end."""
    flow = hass.config_entries.flow
    menu = await flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    menu = await flow.async_configure(menu["flow_id"], {"next_step_id": "luxtronik"})
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "luxtronik")
    assert menu["menu_options"] == ["search", "connection_own"]
    return await go_on(hass, menu, option)


async def go_on(hass: HomeAssistant, menu: ConfigFlowResult, option: str) -> ConfigFlowResult:
    """Choose an option of a menu; wait for a search to end."""
    flow = hass.config_entries.flow
    result = await flow.async_configure(menu["flow_id"], {"next_step_id": option})
    if result["type"] is FlowResultType.SHOW_PROGRESS:
        assert result["progress_action"] == "search"
        await hass.async_block_till_done()
        result = await flow.async_configure(menu["flow_id"])
    return result


def options_of(form: ConfigFlowResult) -> list[dict[str, str]]:
    """Return the machines among which an owner may choose."""
    assert form["data_schema"] is not None
    (field,) = form["data_schema"].schema.values()
    chosen: list[dict[str, str]] = field.config["options"]
    return chosen


# --- search ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_setup", "socket_enabled")
async def test_a_real_controller_is_found_by_a_real_search(hass: HomeAssistant) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        asked: int = free.getsockname()[1]
    model = HeatPumpModel(seed=1, start=datetime(2026, 1, 15, tzinfo=UTC), circuits="ab")
    server = LuxtronikServer(model, LuxtronikMachine(mixing=1), discovery_port=asked)
    port = await server.start()
    here = partial(discover, timeout=0.2, ports=(asked,), local="127.0.0.1")
    with (
        patch(f"{MODULE}.drivers.luxtronik.discovery.discover", here),
        patch(
            "homeassistant.components.network.async_get_ipv4_broadcast_addresses",
            return_value={IPv4Address("127.0.0.1")},
        ),
    ):
        form = await luxtronik(hass, "search")
        assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "pick")
        (option,) = options_of(form)
        assert option["value"] == "127.0.0.1"
        assert option["label"].endswith("(127.0.0.1)")
        assert option["label"] != "(127.0.0.1)"
        flow = hass.config_entries.flow
        form = await flow.async_configure(form["flow_id"], {"address": "127.0.0.1"})
        assert form["step_id"] == "found"
        form = await flow.async_configure(form["flow_id"], {"allow_control": True})
        result = await flow.async_configure(form["flow_id"], {})
    await server.stop()
    data = result["result"].data
    assert (data["host"], data["port"], data["unit"]) == ("127.0.0.1", port, 0)
    assert result["result"].unique_id == data["fingerprint"]["serial"]
    assert server.writes == []


@pytest.mark.usefixtures("no_setup")
async def test_nothing_found_offers_to_search_again_or_to_enter_the_address(
    hass: HomeAssistant, house: House
) -> None:
    menu = await luxtronik(hass, "search")
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "search_nothing")

    house.announced = [Address(host=HOME, port=8889, unit=0)]
    house.machines = {HOME: LUXTRONIK}
    form = await go_on(hass, menu, "search")
    assert options_of(form) == [{"value": HOME, "label": f"Alpha Innotec LWD 50A ({HOME})"}]

    assert house.searches == 2


@pytest.mark.usefixtures("no_setup", "house")
async def test_the_address_can_be_entered_after_a_search(hass: HomeAssistant) -> None:
    form = await go_on(hass, await luxtronik(hass, "search"), "connection_own")
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "connection_own")
    form = await luxtronik(hass, "connection_own")
    assert form["step_id"] == "connection_own"


@pytest.mark.usefixtures("no_setup")
async def test_a_search_that_fails_is_told_like_one_that_finds_nothing(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    with patch(f"{MODULE}.flow.network.async_search", side_effect=OSError("no network")):
        menu = await luxtronik(hass, "search")
    assert menu["step_id"] == "search_nothing"
    assert "no network" in caplog.text


@pytest.mark.usefixtures("no_setup")
async def test_one_that_is_busy_can_be_chosen_and_is_looked_at_again(
    hass: HomeAssistant, house: House
) -> None:
    house.announced = [Address(host=ELSEWHERE, port=8888, unit=0)]
    form = await luxtronik(hass, "search")
    assert options_of(form) == [{"value": ELSEWHERE, "label": ELSEWHERE}]

    flow = hass.config_entries.flow
    form = await flow.async_configure(form["flow_id"], {"address": ELSEWHERE})
    assert (form["step_id"], form["errors"]) == ("pick", {"base": "no_answer"})
    house.machines = {ELSEWHERE: LUXTRONIK}
    form = await flow.async_configure(form["flow_id"], {"address": ELSEWHERE})
    assert form["step_id"] == "found"


async def test_a_search_follows_a_machine_that_moved(
    hass: HomeAssistant, house: House, no_setup: AsyncMock
) -> None:
    entry = entry_of(hass)
    house.announced = [Address(host=ELSEWHERE, port=8888, unit=0)]
    house.machines = {ELSEWHERE: LUXTRONIK}
    menu = await luxtronik(hass, "search")
    assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "search_known")
    assert menu["description_placeholders"] == {"known": "LWD 50A"}
    assert (entry.data["host"], entry.data["port"]) == (ELSEWHERE, 8888)
    await hass.async_block_till_done()
    assert no_setup.call_count == 1


@pytest.mark.usefixtures("no_setup")
async def test_a_machine_that_answers_stays_where_it_is(hass: HomeAssistant, house: House) -> None:
    """It may have two network cards; and a second look would take one of its few connections."""
    entry = entry_of(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    house.announced = [
        Address(host=HOME, port=8889, unit=0),
        Address(host=ELSEWHERE, port=8889, unit=0),
    ]
    house.machines = {HOME: LUXTRONIK, ELSEWHERE: LUXTRONIK}
    menu = await luxtronik(hass, "search")
    assert menu["step_id"] == "search_known"
    assert entry.data["host"] == HOME
    assert house.looks == [ELSEWHERE]


@pytest.mark.usefixtures("no_setup")
@pytest.mark.parametrize(("stored", "then"), [(HOME, ELSEWHERE), ("pump.lan", "pump.lan")])
async def test_an_address_entered_by_hand_may_be_the_new_one_of_a_known_machine(
    hass: HomeAssistant, house: House, stored: str, then: str
) -> None:
    entry = entry_of(hass, host=stored)
    house.machines = {ELSEWHERE: LUXTRONIK}
    form = await luxtronik(hass, "connection_own")
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"host": ELSEWHERE, "port": 8889}
    )
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data["host"] == then


# --- DHCP --------------------------------------------------------------------------------------


@pytest.fixture
async def dhcp(hass: HomeAssistant) -> None:
    """Run Home Assistant's DHCP discovery; a test announces devices as a router's tracker does."""
    assert await async_setup_component(hass, "dhcp", {})


async def announce(hass: HomeAssistant, ip: str, mac: str = CARD, name: str = "") -> None:
    """Let a device appear in the network."""
    device: dict[str, str | None] = {"ip": ip, "mac": mac, "host_name": name}
    async_dispatcher_send(hass, CONNECTED_DEVICE_REGISTERED, device)
    await hass.async_block_till_done(wait_background_tasks=True)


@pytest.mark.usefixtures("dhcp", "no_setup")
@pytest.mark.parametrize(
    "mac", ["000E8C000001", "001999000001", "000982000001", "04D16E000001", "40ECF8000001"]
)
async def test_a_luxtronik_is_discovered_and_added(
    hass: HomeAssistant, house: House, mac: str
) -> None:
    house.machines = {HOME: LUXTRONIK}
    await announce(hass, HOME, mac)
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["step_id"] == "found"
    assert progress["context"]["title_placeholders"] == {
        "name": "Alpha Innotec LWD 50A",
        "host": HOME,
    }
    assert progress["context"]["unique_id"] == SERIAL

    flow = hass.config_entries.flow
    form = await flow.async_configure(progress["flow_id"], {"allow_control": True})
    result = await flow.async_configure(form["flow_id"], {})
    entry = result["result"]
    assert (entry.data["host"], entry.data["port"], entry.unique_id) == (HOME, 8889, SERIAL)


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_a_home_hub_is_discovered_by_its_name(hass: HomeAssistant, house: House) -> None:
    house.machines = {HOME: replace(NIBE, manufacturer="Daikin", model="Altherma 3")}
    await announce(hass, HOME, "AABBCC000001", "Homehub-524288-123456")
    (progress,) = hass.config_entries.flow.async_progress()
    assert progress["step_id"] == "found"
    flow = hass.config_entries.flow
    form = await flow.async_configure(
        progress["flow_id"], {"identity": "daikin", "allow_control": True}
    )
    entry = (await flow.async_configure(form["flow_id"], {}))["result"]
    assert (entry.data["family"], entry.data["port"], entry.data["unit"]) == ("daikin", 502, 1)
    assert entry.unique_id == "daikin"


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_other_devices_with_such_a_network_card_are_never_shown(
    hass: HomeAssistant, house: House
) -> None:
    await announce(hass, HOME)
    assert house.looks == [HOME, HOME]
    await announce(hass, ELSEWHERE, "AABBCC000001", "printer")
    assert house.looks == [HOME, HOME]
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_one_that_was_ignored_stays_ignored(hass: HomeAssistant, house: House) -> None:
    house.machines = {HOME: LUXTRONIK}
    await announce(hass, HOME)
    (progress,) = hass.config_entries.flow.async_progress()
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": "ignore"},
        data={"unique_id": progress["context"]["unique_id"], "title": "Luxtronik"},
    )
    assert hass.config_entries.flow.async_progress() == []
    house.machines = {ELSEWHERE: LUXTRONIK}
    await announce(hass, ELSEWHERE)
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("dhcp", "no_setup")
@pytest.mark.parametrize("stored", [HOME, "localhost"])
async def test_the_card_of_a_machine_that_is_set_up_is_remembered(
    hass: HomeAssistant, house: House, stored: str
) -> None:
    entry = entry_of(hass, host=stored)
    await hass.config_entries.async_setup(entry.entry_id)
    found = [(0, 0, 0, "", (HOME, 0))]
    with patch.object(hass.loop, "getaddrinfo", AsyncMock(return_value=found)):
        await announce(hass, HOME)
    assert house.looks == []
    assert hass.config_entries.flow.async_progress() == []
    assert cards(hass, entry) == {format_mac(CARD)}


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_a_machine_that_does_not_answer_teaches_no_card(
    hass: HomeAssistant, house: House
) -> None:
    """Another device may have its address for the moment."""
    entry = entry_of(hass)
    await announce(hass, HOME)
    assert cards(hass, entry) == set()
    assert house.looks == []


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_a_name_that_means_nothing_is_nobodys_address(
    hass: HomeAssistant, house: House
) -> None:
    entry_of(hass, host="pump.lan")
    house.machines = {HOME: replace(LUXTRONIK, serial="1-1")}
    with patch.object(hass.loop, "getaddrinfo", AsyncMock(side_effect=OSError("unknown"))):
        await announce(hass, HOME)
    assert len(hass.config_entries.flow.async_progress()) == 1


@pytest.mark.usefixtures("dhcp")
async def test_a_known_card_at_a_new_address_moves_the_entry(
    hass: HomeAssistant, house: House, no_setup: AsyncMock
) -> None:
    """Whatever the maker: the card is registered with the device."""
    mac = "AABBCC000009"
    entry = entry_of(hass, NIBE, card=mac)
    await hass.config_entries.async_setup(entry.entry_id)
    house.machines = {
        ELSEWHERE: replace(NIBE, fingerprint={**NIBE.fingerprint, "thermal_energy": 101.0})
    }
    await announce(hass, HOME, mac)
    assert house.looks == []
    await announce(hass, ELSEWHERE, mac)
    assert (entry.data["host"], entry.data["port"]) == (ELSEWHERE, 502)
    assert entry.state is ConfigEntryState.LOADED
    assert no_setup.call_count == 2
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("dhcp", "no_setup")
@pytest.mark.parametrize(
    "there",
    [
        None,
        replace(NIBE, fingerprint={**NIBE.fingerprint, "thermal_energy": 99.0}),
        replace(NIBE, fingerprint={"source": "ground source"}),
    ],
    ids=["silent", "counter fell", "other kind"],
)
async def test_an_entry_never_follows_to_another_machine(
    hass: HomeAssistant, house: House, there: Identity | None
) -> None:
    entry = entry_of(hass, NIBE, card=CARD)
    house.machines = {ELSEWHERE: there} if there else {}
    await announce(hass, ELSEWHERE)
    assert house.looks == [ELSEWHERE]
    assert entry.data["host"] == HOME
    assert hass.config_entries.flow.async_progress() == []


async def test_the_manifest_names_every_card_maker(hass: HomeAssistant) -> None:
    """Of the notes on Luxtronik; a hub of Daikin is known by its name."""
    path = Path(integration.__file__).with_name("manifest.json")
    matchers = json.loads(await hass.async_add_executor_job(path.read_text))["dhcp"]
    assert {"registered_devices": True} in matchers
    assert {one["macaddress"] for one in matchers if "macaddress" in one} == {
        "000E8C*", "001999*", "000982*", "04D16E*", "40ECF8*", "EC40F8*"
    }  # fmt: skip


# --- lost machines -----------------------------------------------------------------------------


async def check(hass: HomeAssistant, freezer: FrozenDateTimeFactory, times: int = 1) -> None:
    """Let so many checks pass."""
    for _ in range(times):
        freezer.tick(whereabouts.CHECK_INTERVAL + timedelta(seconds=1))
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_a_check_learns_the_card_of_a_machine_that_answers(
    hass: HomeAssistant, house: House, freezer: FrozenDateTimeFactory
) -> None:
    entry = entry_of(hass, NIBE)
    await announce(hass, HOME, "AABBCC000001")
    await hass.config_entries.async_setup(entry.entry_id)
    whereabouts.async_watch(hass)
    await check(hass, freezer)
    assert cards(hass, entry) == {"aa:bb:cc:00:00:01"}
    await check(hass, freezer)
    assert house.looks == []


@pytest.mark.usefixtures("dhcp", "no_setup", "house")
async def test_two_cards_at_one_address_teach_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = entry_of(hass, NIBE)
    await announce(hass, HOME, "AABBCC000001")
    await announce(hass, HOME, "AABBCC000002")
    await hass.config_entries.async_setup(entry.entry_id)
    whereabouts.async_watch(hass)
    await check(hass, freezer)
    assert cards(hass, entry) == set()


@pytest.mark.usefixtures("dhcp", "no_setup")
async def test_a_lost_machine_is_found_where_its_card_was_seen(
    hass: HomeAssistant, house: House, freezer: FrozenDateTimeFactory
) -> None:
    """It answered nobody yet when DHCP announced it."""
    entry = entry_of(hass, NIBE, card=CARD)
    await announce(hass, ELSEWHERE)
    assert house.looks == [ELSEWHERE]
    house.machines = {ELSEWHERE: NIBE}
    with patch.object(hass.config_entries, "async_schedule_reload") as reload:
        whereabouts.async_watch(hass)
        entry.mock_state(hass, ConfigEntryState.SETUP_ERROR)
        await check(hass, freezer)
        assert entry.data["host"] == HOME, "one missed check is no loss"
        await check(hass, freezer)
    assert entry.data["host"] == ELSEWHERE
    reload.assert_called_once_with(entry.entry_id)
    assert house.searches == 0


@pytest.mark.usefixtures("no_setup")
async def test_a_lost_luxtronik_is_searched_at_most_once_an_hour(
    hass: HomeAssistant, house: House, freezer: FrozenDateTimeFactory
) -> None:
    entry, other = entry_of(hass), entry_of(hass, NIBE, host="192.168.1.30")
    for lost in (entry, other):
        lost.mock_state(hass, ConfigEntryState.SETUP_ERROR)
    stranger = replace(LUXTRONIK, serial="1-1")
    house.announced = [
        Address(host=host, port=8889, unit=0) for host in ("192.168.1.30", HOME, ELSEWHERE)
    ]
    house.machines = {ELSEWHERE: stranger}
    whereabouts.async_watch(hass)
    whereabouts.async_watch(hass)
    await check(hass, freezer, 36)
    assert house.searches == 3
    assert set(house.looks) == {ELSEWHERE}
    assert entry.data["host"] == HOME

    house.machines = {ELSEWHERE: LUXTRONIK}
    with patch.object(hass.config_entries, "async_schedule_reload") as reload:
        await check(hass, freezer, 12)
    assert entry.data["host"] == ELSEWHERE
    reload.assert_called_once_with(entry.entry_id)


@pytest.mark.usefixtures("no_setup")
async def test_checks_do_not_pile_up_and_end_with_the_last_entry(
    hass: HomeAssistant, house: House, freezer: FrozenDateTimeFactory
) -> None:
    entry = entry_of(hass)
    whereabouts.async_watch(hass)
    watch = hass.data[whereabouts._DATA]
    watch._checking = True
    await check(hass, freezer, 4)
    assert house.searches == 0
    watch._checking = False
    await hass.config_entries.async_remove(entry.entry_id)
    await check(hass, freezer)
    assert whereabouts._DATA not in hass.data


@pytest.mark.usefixtures("socket_enabled", "dhcp")
async def test_a_real_luxtronik_moves_and_keeps_its_entities(
    hass: HomeAssistant, house: House
) -> None:
    model = HeatPumpModel(seed=5, start=datetime(2026, 1, 15, 6, tzinfo=UTC), circuits="ab")
    server = LuxtronikServer(model, LuxtronikMachine(mixing=1))
    port = await server.start()
    house.machines = {HOME: port}
    form = await luxtronik(hass, "connection_own")
    flow = hass.config_entries.flow
    form = await flow.async_configure(form["flow_id"], {"host": HOME, "port": 8889})
    form = await flow.async_configure(form["flow_id"], {"allow_control": True})
    entry = (await flow.async_configure(form["flow_id"], {}))["result"]
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    registry = er.async_get(hass)
    before = {
        one.unique_id: one.entity_id
        for one in er.async_entries_for_config_entry(registry, entry.entry_id)
    }
    await announce(hass, HOME)
    assert cards(hass, entry) == {format_mac(CARD)}

    house.machines = {ELSEWHERE: port}
    await announce(hass, ELSEWHERE)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert entry.data["host"] == ELSEWHERE
    assert entry.state is ConfigEntryState.LOADED
    after = er.async_entries_for_config_entry(registry, entry.entry_id)
    assert {one.unique_id: one.entity_id for one in after} == before
    assert cards(hass, entry) == {format_mac(CARD)}
    await hass.config_entries.async_unload(entry.entry_id)
    await server.stop()
    assert server.writes == []
