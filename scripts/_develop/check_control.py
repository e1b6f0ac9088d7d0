"""Changes a number as its dialog does, and looks at what reached the heat pump."""

from typing import Any, Final

from .client import CommandError
from .pumps import Pump
from .stand import Stand
from .table import Table
from .wire import read_register

KEY: Final = "dhw_temperature_setpoint"
ADDRESS: Final = 1032
"""Of the domestic hot water setpoint, in whole °C (IDM Navigator 2.0 Modbus TCP document)."""
COOLDOWN: Final = 300


async def check_control(stand: Stand, pump: Pump, table: Table) -> None:
    """Write a new value, the same one again, and another one too early. Raises ``DevelopError``."""
    client, label = stand.client, pump.label
    entity_id = await pump.entity_id(client, KEY)
    before = float((await client.state(entity_id))["state"])
    table.equal(
        f"{label}: hot water setpoint, state and register agree",
        before,
        float(await read_register(pump.modbus_port, ADDRESS)),
    )

    value = before + 1
    table.equal(f"{label}: number.set_value", "accepted", await _set(stand, entity_id, value))
    shown = float((await client.state(entity_id))["state"])
    held = float(await read_register(pump.modbus_port, ADDRESS))
    table.equal(f"{label}: the state shows it", value, shown)
    table.equal(f"{label}: the register holds it (read past the integration)", value, held)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump))

    again = await _set(stand, entity_id, value)
    table.equal(f"{label}: the same value again", "accepted", again)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump))

    error = await _refusal(stand, entity_id, value + 1)
    seconds = _seconds_left(error)
    table.holds(
        f"{label}: another value within the cooldown",
        f"refused, with 1 to {COOLDOWN} s left in the message",
        "accepted" if error is None else error.message,
        ok=error is not None
        and error.translation_key == "cooldown"
        and seconds is not None
        and 1 <= seconds <= COOLDOWN
        and f"{seconds} s" in error.message,
    )
    held = float(await read_register(pump.modbus_port, ADDRESS))
    table.equal(f"{label}: the register still holds the first", value, held)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump))


async def _refusal(stand: Stand, entity_id: str, value: float) -> CommandError | None:
    try:
        await stand.client.set_number(entity_id, value)
    except CommandError as error:
        return error
    return None


async def _set(stand: Stand, entity_id: str, value: float) -> str:
    error = await _refusal(stand, entity_id, value)
    return "accepted" if error is None else error.message


def _seconds_left(error: CommandError | None) -> int | None:
    """Return the seconds in an error's placeholders, whatever their name."""
    if error is None:
        return None
    return next((int(text) for text in error.placeholders.values() if text.isdecimal()), None)


async def _writes(stand: Stand, pump: Pump) -> int:
    """Return how often the register was written: by the wire, or by the ledger inside."""
    if pump.modbus_port == stand.simulator.port:
        return len(stand.relay.writes(ADDRESS))
    writes: list[dict[str, Any]] = (await stand.client.diagnostics(pump.entry_id))["writes"]
    return sum(entry.get("count", 1) for entry in writes if entry["address"] == ADDRESS)
