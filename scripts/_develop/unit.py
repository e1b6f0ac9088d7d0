"""A simulated IoTaWatt unit with a password: added through its flow, its log compared afterwards."""

import asyncio
from dataclasses import dataclass
import secrets
import time
from typing import Any, Final

from custom_components.heat_pump_hub.simulator.iotawatt import MINUTE, IotawattUnit

from .client import Client
from .flow import Outcome, drive
from .processes import wait_until
from .pumps import Pump
from .stand import Stand
from .table import Table
from .tools import HOST
from .victoria import UNIT_SAMPLES

SUBENTRIES: Final = "/api/config/config_entries/subentries/flow"
SERIES: Final = ("Mains_1", "Mains_2", "Heat_Pump", "Voltage")
USER: Final = "user"
_DAY: Final = 86_400
_STEP_SECONDS: Final = 90.0
"""Reading takes a second, and 30 s are waited before a server is asked what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The unit, and how it was added."""

    simulated: IotawattUnit
    flow: Outcome
    pump: Pump

    @property
    def device(self) -> str:
        """Its name in its series."""
        return f"{HOST}:{self.simulated.port}"

    @property
    def password(self) -> str:
        """The password of :data:`USER`."""
        return self.simulated.passwords[USER]

    async def report(self, client: Client) -> dict[str, Any]:
        """Return what the diagnostics of its heat pump say of it. Raises ``DevelopError``."""
        (found,) = (await client.diagnostics(self.pump.entry_id))["iotawatt"]
        return dict(found)

    async def in_step(self, client: Client) -> dict[str, Any]:
        """Wait until its whole log is on the server; return what diagnostics say then.

        Raises ``DevelopError``.
        """
        shown: dict[str, Any] = {}

        async def there() -> bool:
            shown.update(await self.report(client))
            return shown["state"] == "in_step" and shown["last"] is not None

        await wait_until(there, _STEP_SECONDS, "the log of the IoTaWatt is in step", step=0.5)
        return shown


async def add_unit(stand: Stand, pump: Pump, *, days: int) -> Unit:
    """Start a unit with a log of some days, and add it to a heat pump. Raises ``DevelopError``."""
    simulated = IotawattUnit(
        begin=int(time.time()) - days * _DAY,
        passwords={"admin": secrets.token_hex(8), USER: secrets.token_hex(8)},
    )
    port = await asyncio.to_thread(simulated.start)
    flow = await drive(
        stand.client,
        SUBENTRIES,
        [pump.entry_id, "iotawatt"],
        {
            "user": {
                "host": f"{HOST}:{port}",
                "credentials": {"username": USER, "password": simulated.passwords[USER]},
            },
            "series": {"series": list(SERIES)},
        },
    )
    return Unit(simulated=simulated, flow=flow, pump=pump)


async def check_unit(stand: Stand, unit: Unit, shown: dict[str, Any], table: Table) -> None:
    """Compare the server with the unit's log, minute by minute. Raises ``DevelopError``."""
    steps = " > ".join([*unit.flow.steps, unit.flow.result["type"]])
    table.equal("IoTaWatt: added through its subentry flow", "user > series > create_entry", steps)
    last = shown["last"]
    first = -(-unit.simulated.begin // MINUTE) * MINUTE
    minutes = range(first, last, MINUTE)
    found = {
        one.labels["series"]: dict(zip(one.times, one.values, strict=True))
        for one in await stand.victoria.export(unit.pump.identity, UNIT_SAMPLES)
        if one.labels["device"] == unit.device
    }
    table.equal("IoTaWatt: series stored", sorted(SERIES), sorted(found))
    wrong = {
        name: sum(
            found.get(name, {}).get(minute * 1000) != unit.simulated.value(name, minute)
            for minute in minutes
        )
        for name in SERIES
    }
    table.holds(
        f"IoTaWatt: minutes of its log, {len(minutes)} of each series",
        "stored, to the value",
        "stored, to the value" if not any(wrong.values()) else f"wrong or missing: {wrong}",
        ok=bool(minutes) and not any(wrong.values()),
    )
    counted = {"sent": len(SERIES) * len(minutes), "resent": 0, "error": None}
    table.equal("IoTaWatt: counted", counted, {key: shown[key] for key in counted})
    seen = unit.simulated.logins.seen
    table.holds(
        "IoTaWatt: its password",
        "asked for, never sent",
        f"asked for {unit.simulated.logins.refused} times",
        ok=unit.simulated.logins.refused > 0 and not any(unit.password in one for one in seen),
    )
