"""One line about everything that runs."""

from collections.abc import Sequence
from typing import Any

from .errors import DevelopError
from .pumps import Pump
from .stand import Stand


async def status_line(stand: Stand, pumps: Sequence[Pump]) -> str:
    """Return polls, entities, points stored and the anomaly state of every heat pump."""
    stand.polls.read()
    states = await stand.client.states()
    points = await stand.victoria.points()
    parts = []
    for pump in pumps:
        title = pump.flow.title
        entities = await pump.entities(stand.client)
        shown = [item["entity_id"] for item in entities.values() if item["entity_id"] in states]
        failed = stand.polls.failed[title]
        parts.append(
            f"{pump.label}: {stand.polls.succeeded[title]} polls"
            + (f" ({failed} failed)" if failed else "")
            + f", {len(shown)} entities, {points.get(pump.identity, 0)} points stored"
            + f", anomaly {_anomaly(entities, states)}"
        )
    return " | ".join(parts)


async def status_or_reason(stand: Stand, pumps: Sequence[Pump]) -> str:
    """Return the status line, or why there is none: a slow answer must not end everything."""
    try:
        return await status_line(stand, pumps)
    except DevelopError as error:
        return f"no status: {error}"


def _anomaly(entities: dict[str, dict[str, Any]], states: dict[str, dict[str, Any]]) -> str:
    if (item := entities.get("anomaly")) is None or item["entity_id"] not in states:
        return "missing"
    state = states[item["entity_id"]]
    learning = state["attributes"].get("learning_state", "no verdict yet")
    return f"{state['state']} ({learning})"
