"""A heat pump in memory, with points of every kind, and a way to set it up."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import (
    AiohttpClientMocker,
    AiohttpClientMockResponse,
)

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    Family,
    Identity,
    Layout,
    Traffic,
)
from custom_components.heat_pump_hub.drivers.points import (
    HOT_WATER,
    Failure,
    Kind,
    Part,
    PartKind,
    Point,
    Quantity,
    Snapshot,
    Tier,
    Value,
    Wear,
)

CIRCUIT_A = Part(PartKind.CIRCUIT, "a")
ZONE_1 = Part(PartKind.ZONE, "1")
MODES = {0: "off", 1: "comfort", 2: "eco", 9: "service"}


def _reading(key: str, quantity: Quantity, **more: Any) -> Point:
    return Point(
        key=key, name=more.pop("name", key), quantity=quantity, **{"kind": Kind.ANALOG} | more
    )


def _setting(key: str, quantity: Quantity, **more: Any) -> Point:
    defaults = {"kind": Kind.SETPOINT, "tier": Tier.SETTING, "wear": Wear.EEPROM, "enabled": True}
    return Point(key=key, name=more.pop("name", key), quantity=quantity, **defaults | more)


POINTS = {
    point.key: point
    for point in (
        _reading("outdoor_temperature", Quantity.TEMPERATURE, enabled=True),
        _reading("electrical_power", Quantity.POWER, decimals=0, enabled=True),
        _reading("superheat", Quantity.TEMPERATURE_DIFFERENCE, enabled=True),
        _reading("flow_rate", Quantity.FLOW_RATE, enabled=True),
        _reading("cop", Quantity.FACTOR, decimals=2, enabled=True),
        _reading("electricity_price", Quantity.PRICE, enabled=True),
        _reading("heating_today", Quantity.ENERGY, enabled=True),
        _reading("electrical_energy", Quantity.ENERGY, kind=Kind.COUNTER, enabled=True),
        _reading("compressor_starts", Quantity.COUNT, kind=Kind.COUNTER, decimals=0, enabled=True),
        _reading("fault_code", Quantity.CODE, kind=Kind.STATE, diagnostic=True, enabled=True),
        _reading("operating_mode", Quantity.STATE, kind=Kind.STATE, options=MODES, enabled=True),
        _reading("fault", Quantity.FLAG, kind=Kind.STATE, enabled=True),
        _reading("supply_voltage", Quantity.VOLTAGE),
        _setting(
            "dhw_temperature_setpoint",
            Quantity.TEMPERATURE,
            part=HOT_WATER,
            minimum=35,
            maximum=60,
            step=1,
            decimals=0,
        ),
        _setting(
            "circuit_a_heating_curve_slope",
            Quantity.FACTOR,
            name="heating_curve_slope",
            part=CIRCUIT_A,
            minimum=0.1,
            maximum=3.5,
            step=0.05,
            decimals=2,
            labels={"circuit": "a"},
        ),
        _reading(
            "circuit_a_flow_temperature",
            Quantity.TEMPERATURE,
            name="flow_temperature",
            part=CIRCUIT_A,
            enabled=True,
            labels={"circuit": "a"},
        ),
        _reading(
            "zone_1_room_2_temperature",
            Quantity.TEMPERATURE,
            name="room_temperature",
            part=ZONE_1,
            enabled=True,
            placeholders={"room": "2"},
            labels={"zone": "1", "room": "2"},
        ),
        _setting(
            "system_mode",
            Quantity.STATE,
            kind=Kind.STATE,
            options=MODES,
            writable_options=frozenset({"off", "comfort", "eco"}),
        ),
        _setting("dhw_boost", Quantity.FLAG, kind=Kind.STATE, wear=Wear.VOLATILE),
        _setting(
            "pv_surplus",
            Quantity.POWER,
            wear=Wear.CYCLIC,
            tier=Tier.MEASUREMENT,
            minimum=0,
            default=-1.0,
            decimals=0,
        ),
        _setting(
            "acknowledge_faults",
            Quantity.FLAG,
            kind=Kind.STATE,
            wear=Wear.VOLATILE,
            readable=False,
        ),
    )
}

VALUES: dict[str, Value] = {
    "outdoor_temperature": 3.5,
    "electrical_power": 1500,
    "superheat": 5.2,
    "flow_rate": 18.4,
    "cop": 3.71,
    "electricity_price": 92.5,
    "heating_today": 12.5,
    "electrical_energy": 4200.5,
    "compressor_starts": 812,
    "fault_code": 0,
    "operating_mode": "comfort",
    "fault": False,
    "supply_voltage": 231.0,
    "dhw_temperature_setpoint": 48,
    "circuit_a_heating_curve_slope": 0.6,
    "circuit_a_flow_temperature": 31.2,
    "zone_1_room_2_temperature": 21.4,
    "system_mode": "eco",
    "dhw_boost": False,
    "pv_surplus": 0,
}


class FakeDriver:
    """A driver that reads from, and writes to, dictionaries a test may change."""

    def __init__(self, points: Mapping[str, Point], learned: Mapping[str, Any] | None) -> None:
        self.points = points
        self.traffic = Traffic()
        self.values: dict[str, Value] = dict(VALUES)
        self.failed: dict[str, Failure] = {}
        self.unknown_codes: dict[str, int] = {}
        self.error: DriverError | None = None
        self.write_error: DriverError | None = None
        self.deaf = False
        """Takes writes without acting on them."""
        self.reads: list[frozenset[Tier]] = []
        self.writes: list[tuple[str, Value]] = []
        self.hold: Callable[[], Any] | None = None
        """Awaited before a read answers."""
        self.known: dict[str, Any] = dict(learned or {})
        self.closed = False

    def expect(self, fingerprint: Mapping[str, float | str]) -> None:
        self.expected = dict(fingerprint)

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        asked = frozenset(tiers)
        self.reads.append(asked)
        if self.hold is not None:
            await self.hold()
        if self.error is not None:
            raise self.error
        keys = {key for key, point in self.points.items() if point.tier in asked}
        return Snapshot(
            time=datetime.now(UTC),
            values={
                key: value
                for key, value in self.values.items()
                if key in keys and key not in self.failed and key not in self.unknown_codes
            },
            failed={key: why for key, why in self.failed.items() if key in keys},
            unknown_codes={k: code for k, code in self.unknown_codes.items() if k in keys},
            tiers=asked,
        )

    async def read_point(self, key: str) -> Value | None:
        if self.error is not None:
            raise self.error
        return self.values.get(key)

    async def write(self, key: str, value: Value) -> None:
        self.writes.append((key, value))
        if self.write_error is not None:
            raise self.write_error
        if not self.deaf and self.points[key].readable:
            self.values[key] = value

    def register(self, key: str) -> tuple[str, int]:
        return "holding", list(self.points).index(key)

    def learned(self) -> dict[str, Any]:
        return dict(self.known)

    def report(self) -> dict[str, Any]:
        return {"plan": "everything"}

    async def close(self) -> None:
        self.closed = True


class FakeFamily:
    """Makes drivers and remembers them, newest last."""

    def __init__(self) -> None:
        self.drivers: list[FakeDriver] = []
        self.addresses: list[Address] = []
        self.learned: list[Mapping[str, Any] | None] = []
        self.prepare: Callable[[FakeDriver], None] = lambda _driver: None
        self.points: Mapping[str, Point] = POINTS

    @property
    def driver(self) -> FakeDriver:
        return self.drivers[-1]

    def create(
        self, address: Address, layout: Layout, learned: Mapping[str, Any] | None
    ) -> FakeDriver:
        driver = FakeDriver(self.points, learned)
        self.prepare(driver)
        self.drivers.append(driver)
        self.addresses.append(address)
        self.learned.append(learned)
        return driver

    async def probe(self, address: Address) -> Identity:
        raise NotImplementedError

    def family(self, key: str) -> Family:
        assert key == "idm"
        return Family(
            key="idm",
            manufacturer="IDM",
            port=502,
            unit=1,
            interval=30,
            probe=self.probe,
            create=self.create,
            read_back=(0.0,),
        )


@contextmanager
def families(fake: FakeFamily) -> Generator[None]:
    """Let every entry be a heat pump in memory, whose detector nobody needs."""
    with (
        TemporaryDirectory() as folder,
        patch("custom_components.heat_pump_hub.family", fake.family),
        # The test plugin's configuration folder is one for all tests.
        patch("custom_components.heat_pump_hub.guard_file.STORAGE_DIR", folder),
        patch("custom_components.heat_pump_hub.anomaly.LOAD_DELAY", 1e9),
    ):
        yield


def make_entry(*, data: Mapping[str, Any] | None = None, **more: Any) -> MockConfigEntry:
    """Return the entry of a heat pump as the config flow makes it."""
    return MockConfigEntry(
        **{
            "domain": DOMAIN,
            "title": "Cellar",
            "entry_id": "01FIXED0000000000000000000",
            "unique_id": "idm",
            "version": 1,
            "minor_version": 1,
            "data": {
                "family": "idm",
                "host": "192.168.1.20",
                "port": 502,
                "unit": 1,
                "identity": "idm",
                "layout": {"circuits": ["a"], "zones": {"1": ["2"]}, "features": []},
                "manufacturer": "IDM",
                "model": "Navigator 2.0",
                "firmware": "20.24",
                **(data or {}),
            },
            "options": {"interval": 30, "allow_control": True, "cooldown": 300},
        }
        | more
    )


async def set_up(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Add an entry and set it up."""
    if entry.entry_id not in {other.entry_id for other in hass.config_entries.async_entries()}:
        entry.add_to_hass(hass)  # type: ignore[attr-defined]
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


def entity_id(hass: HomeAssistant, platform: str, key: str, identity: str = "idm") -> str:
    """Return the entity of a point."""
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{identity}_{key}")
    assert found is not None, key
    return found


def state(hass: HomeAssistant, platform: str, key: str) -> str:
    """Return what the entity of a point shows."""
    found = hass.states.get(entity_id(hass, platform, key))
    assert found is not None, key
    return found.state


def unavailable(hass: HomeAssistant) -> set[str]:
    """Return the entities that are unavailable; answers to an anomaly are while there is none."""
    return {s.entity_id for s in hass.states.async_all() if s.state == STATE_UNAVAILABLE}


HISTORY_URL = "http://victoria:8428"


def history_server(
    mock: AiohttpClientMocker, *, flags: str = '-dedup.minScrapeInterval="1ms"', **answer: Any
) -> None:
    """Be a VictoriaMetrics at :data:`HISTORY_URL` that answers writes as told, 204 by default.

    Canaries are found there, and nothing else is asked about by a test that is short.
    """
    mock.clear_requests()
    mock.post(f"{HISTORY_URL}/api/v1/import", **({"status": 204} | answer))

    async def query(method: str, url: Any, _data: Any) -> AiohttpClientMockResponse:
        metric = {"coding": "zstd"}
        result = {"data": {"result": [{"metric": metric, "value": [0, "1"]}]}}
        return AiohttpClientMockResponse(method, url, json=result)

    mock.get(f"{HISTORY_URL}/api/v1/query", side_effect=query)
    mock.get(f"{HISTORY_URL}/flags", text=flags)
