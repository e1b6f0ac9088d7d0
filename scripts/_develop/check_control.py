"""Changes a number as its dialog does, and looks at what reached the heat pump."""

import asyncio
from typing import Any, Final

from .client import CommandError
from .pumps import Pump, Setting
from .stand import Stand
from .table import Table
from .wire import read_parameter, read_register

_AFTER_WRITE: Final = 5.0
"""Seconds after which the poll of settings that follows a write is over."""


async def check_control(stand: Stand, pump: Pump, table: Table) -> None:
    """Change every setting of a heat pump that is to be checked. Raises ``DevelopError``."""
    for number, setting in enumerate(pump.settings):
        if number:
            await asyncio.sleep(_AFTER_WRITE)
        await _check_setting(stand, pump, setting, table)


async def _check_setting(stand: Stand, pump: Pump, setting: Setting, table: Table) -> None:
    """Write a new value, the same one again, and another one too early."""
    client = stand.client
    label = pump.label if len(pump.settings) == 1 else f"{pump.label}, {setting.key}"
    entity_id = await pump.entity_id(client, setting.key)
    before = float((await client.state(entity_id))["state"])
    table.equal(f"{label}: setpoint, state and register agree", before, await _held(pump, setting))

    value = before + 1
    table.equal(f"{label}: number.set_value", "accepted", await _set(stand, entity_id, value))
    shown = float((await client.state(entity_id))["state"])
    held = await _held(pump, setting)
    table.equal(f"{label}: the state shows it", value, shown)
    table.equal(f"{label}: the register holds it (read past the integration)", value, held)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump, setting))

    again = await _set(stand, entity_id, value)
    table.equal(f"{label}: the same value again", "accepted", again)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump, setting))
    if setting.cooldown is None:
        return

    error = await _refusal(stand, entity_id, value + 1)
    seconds = _seconds_left(error)
    table.holds(
        f"{label}: another value within the cooldown",
        f"refused, with 1 to {setting.cooldown} s left in the message",
        "accepted" if error is None else error.message,
        ok=error is not None
        and error.translation_key == "cooldown"
        and seconds is not None
        and 1 <= seconds <= setting.cooldown
        and f"{seconds} s" in error.message,
    )
    held = await _held(pump, setting)
    table.equal(f"{label}: the register still holds the first", value, held)
    table.equal(f"{label}: writes of that register", 1, await _writes(stand, pump, setting))


async def _held(pump: Pump, setting: Setting) -> float:
    """Return what the machine holds, in the unit of the entity."""
    if setting.parameter:
        raw = await read_parameter(pump.modbus_port, setting.address)
    else:
        raw = await read_register(pump.modbus_port + setting.port_offset, setting.address)
    return raw / setting.factor


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


async def _writes(stand: Stand, pump: Pump, setting: Setting) -> int:
    """Return how often the register was written: by the wire, or by the ledger inside."""
    if pump.relayed:
        return len(stand.relay.writes(setting.address))
    writes: list[dict[str, Any]] = (await stand.client.diagnostics(pump.entry_id))["writes"]
    return sum(entry.get("count", 1) for entry in writes if entry["address"] == setting.address)
