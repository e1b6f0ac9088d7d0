"""Goes through a config or options flow as its owner would: what is proposed, and some answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .client import Client
from .errors import DevelopError

DOMAIN: Final = "heat_pump_hub"
CONFIG: Final = "/api/config/config_entries/flow"
OPTIONS: Final = "/api/config/config_entries/options/flow"
_LONGEST: Final = 12
MAP: Final = "lambda.yaml"
"""The register map of the simulated heat pump that has one."""

type Answers = Mapping[str, str | Mapping[str, Any]]
"""By step: the choice of a menu, or the fields of a form that differ from what is proposed."""


@dataclass(slots=True)
class Outcome:
    """How a flow ended."""

    steps: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def entry_id(self) -> str:
        """The config entry that was made."""
        entry_id: str = self.result["result"]["entry_id"]
        return entry_id

    @property
    def title(self) -> str:
        """Its title."""
        title: str = self.result["title"]
        return title


def proposed(schema: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a form is filled with when it opens."""
    values: dict[str, Any] = {}
    for item in schema:
        suggested = (item.get("description") or {}).get("suggested_value")
        if item.get("type") == "expandable":
            values[item["name"]] = proposed(item["schema"])
        elif suggested is not None:
            values[item["name"]] = suggested
        elif "default" in item:
            values[item["name"]] = item["default"]
    return values


async def drive(client: Client, path: str, handler: str | list[str], answers: Answers) -> Outcome:
    """Start a flow and go to its end.

    Raises :class:`DevelopError` if it aborts, shows an error or does not end.
    """
    outcome = Outcome()
    step = await client.request("POST", path, json={"handler": handler})
    for _ in range(_LONGEST):
        if step["type"] == "create_entry":
            outcome.result = step
            return outcome
        if step["type"] == "abort":
            raise DevelopError(f"the flow ended after {outcome.steps}: {step['reason']}")
        name = step["step_id"]
        if step.get("errors"):
            raise DevelopError(f"the flow does not accept {name}: {step['errors']}")
        outcome.steps.append(name)
        answer = answers.get(name, {})
        if isinstance(answer, str):
            data: dict[str, Any] = {"next_step_id": answer}
        elif step["type"] == "form":
            data = proposed(step["data_schema"]) | dict(answer)
        else:
            raise DevelopError(f"the flow asks {name} ({step['type']}), and there is no answer")
        step = await client.request("POST", f"{path}/{step['flow_id']}", json=data)
    raise DevelopError(f"the flow does not end: {outcome.steps}")


async def add_modbus(client: Client, family: str, port: int, history_url: str) -> Outcome:
    """Add a heat pump of a family with Modbus, with history. Raises ``DevelopError``."""
    return await drive(
        client,
        CONFIG,
        DOMAIN,
        {
            "user": family,
            "map": {"map": MAP},
            "connection": {"host": "127.0.0.1", "port": port},
            "history": {"history_url": history_url},
        },
    )


async def add_luxtronik(client: Client, port: int, history_url: str) -> Outcome:
    """Add the Luxtronik behind a port of this machine, with history. Raises ``DevelopError``."""
    return await drive(
        client,
        CONFIG,
        DOMAIN,
        {
            "user": "luxtronik",
            "luxtronik": "connection_own",
            "connection_own": {"host": "127.0.0.1", "port": port},
            "history": {"history_url": history_url},
        },
    )


async def add_demo(client: Client, history_url: str) -> Outcome:
    """Add the demo heat pump, with history. Raises ``DevelopError``."""
    return await drive(
        client, CONFIG, DOMAIN, {"user": "demo", "history": {"history_url": history_url}}
    )


async def set_interval(client: Client, entry_id: str, seconds: int) -> Outcome:
    """Change how often a heat pump is read, through its options. Raises ``DevelopError``."""
    return await drive(client, OPTIONS, entry_id, {"init": {"interval": seconds}})
