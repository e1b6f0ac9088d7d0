"""Pictures of everything an owner sees: the flow, driven in the browser, pages and dialogs."""

import argparse
import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
import sys
from typing import Final

import aiohttp

from .browser import browser
from .errors import DevelopError
from .flow import DOMAIN
from .frontend import Frontend
from .home_assistant import LANGUAGES
from .processes import free_port, wait_until
from .shots_anomaly import shoot_anomaly
from .shots_companions import iotawatt, options
from .shots_families import FAMILIES, add_families, families_flows
from .signals import until_signalled
from .stand import Stand, running

_DIALOG: Final = 900
_PAGE: Final = 1000
_LONG_PAGE: Final = 1900
_LONGEST_PAGE: Final = 6400
_MACHINE: Final = (
    *("--zones", "1:2"),
    *("--features", "booster,cascade,isc,power_limit,pv_target,smart_grid_90,solar"),
)
"""As much as one machine can have: more texts to look at."""
_WRITE_SECONDS: Final = 30.0


async def shoot(folder: Path, language: str) -> list[str]:
    """Take all pictures in one language; return what looks like a key instead of a text.

    Raises :class:`DevelopError`.
    """
    await asyncio.to_thread(partial(folder.mkdir, parents=True, exist_ok=True))
    async with (
        running(language=language, simulator=_MACHINE) as stand,
        aiohttp.ClientSession() as session,
        browser(session, stand.folder) as page,
    ):
        frontend = Frontend(page, stand.client, folder, language)
        try:
            await frontend.log_in()
            await _flow(frontend, stand)
            await _demo_flow(frontend)
            await families_flows(frontend, stand)
            await _pages(frontend, stand)
            await _families_pages(frontend, stand)
        except DevelopError:
            await frontend.picture("failed-here")
            raise
        return frontend.raw


async def _flow(frontend: Frontend, stand: Stand) -> None:
    """Add the heat pump on its socket, with every kind of error on the way."""
    await frontend.open_flow()
    await frontend.picture("flow-maker")
    await frontend.choose(0)
    await frontend.step("connection")
    await frontend.picture("flow-connection")
    for host, port, name in (
        ("http://192.168.1.20", 502, "address"),
        ("127.0.0.1", free_port(), "refused"),
        ("127.0.0.1", int(stand.client.url.rpartition(":")[2]), "web-server"),
    ):
        await frontend.enter("host", host)
        await frontend.enter("port", str(port))
        await frontend.submit()
        # The error of the attempt before stays until this one has ended.
        await asyncio.sleep(0.5)
        await frontend.failed()
        await frontend.picture(f"flow-connection-{name}")
    await frontend.enter("host", "127.0.0.1")
    await frontend.enter("port", str(stand.relay.port))
    await frontend.submit()
    await frontend.step("found")
    await frontend.picture("flow-found")
    await frontend.submit()
    await frontend.step("history")
    await frontend.picture("flow-history")
    await frontend.enter("history_url", f"http://127.0.0.1:{free_port()}")
    await frontend.submit()
    await frontend.failed()
    await frontend.picture("flow-history-unreachable")
    await frontend.enter("history_url", stand.victoria.url)
    await frontend.submit()
    await frontend.done()
    await frontend.picture("flow-done")


async def _demo_flow(frontend: Frontend) -> None:
    await frontend.open_flow()
    await frontend.choose(-1)
    await frontend.step("demo")
    await frontend.picture("flow-demo")
    await frontend.submit()
    await frontend.step("found")
    await frontend.picture("flow-demo-found")


async def _pages(frontend: Frontend, stand: Stand) -> None:
    client = stand.client
    (entry,) = await client.command("config_entries/get", domain=DOMAIN)
    entities = {
        item["translation_key"]: item["entity_id"]
        for item in (await client.entities(entry["entry_id"])).values()
        if item["disabled_by"] is None
    }
    await frontend.size(_PAGE)
    await frontend.open(f"/config/integrations/integration/{DOMAIN}")
    await frontend.picture("integration")
    await _device_pages(frontend, stand, entry["entry_id"], _LONG_PAGE, "device")
    await frontend.size(_DIALOG)
    await frontend.open(f"/config/integrations/integration/{DOMAIN}")
    setpoint = entities["dhw_temperature_setpoint"]
    await frontend.more_info(setpoint)
    await frontend.picture("number")
    before = float((await client.state(setpoint))["state"])
    await frontend.set_number(before + 1)

    async def written() -> bool:
        return float((await client.state(setpoint))["state"]) == before + 1

    await wait_until(written, _WRITE_SECONDS, "the number is written from its dialog")
    await frontend.picture("number-written")
    await frontend.set_number(before + 2)
    await frontend.picture("number-cooldown")
    for key in ("anomaly", "operating_mode", "electrical_power"):
        if key in entities:
            await frontend.open(f"/config/integrations/integration/{DOMAIN}")
            await frontend.more_info(entities[key])
            await frontend.picture(f"dialog-{key.replace('_', '-')}")
    await _options(frontend, stand, entry["entry_id"])
    await frontend.size(_PAGE)
    await frontend.open("/config/repairs")
    await frontend.picture("repairs")
    await client.enable_all(entry["entry_id"])
    await _device_pages(frontend, stand, entry["entry_id"], _LONGEST_PAGE, "everything")


async def _families_pages(frontend: Frontend, stand: Stand) -> None:
    """Show the devices of the other makers, each with its entry."""
    async with AsyncExitStack() as stack:
        for family, pump in zip(FAMILIES[1:], await add_families(stand, stack), strict=True):
            await _device_pages(frontend, stand, pump.entry_id, _LONG_PAGE, family)


async def _device_pages(
    frontend: Frontend, stand: Stand, entry_id: str, height: int, name: str
) -> None:
    await frontend.size(height)
    for device_id, device in (await _devices(stand, entry_id)).items():
        await frontend.open(f"/config/devices/device/{device_id}")
        await frontend.picture(f"{name}-{_slug(device)}")


async def _options(frontend: Frontend, stand: Stand, entry_id: str) -> None:
    await frontend.open_options()
    await frontend.picture("options")
    await options(frontend, stand, entry_id)
    await iotawatt(frontend)


async def _devices(stand: Stand, entry_id: str) -> dict[str, str]:
    """Return the names of an entry's devices by id, the heat pump first."""
    used = {item["device_id"] for item in (await stand.client.entities(entry_id)).values()}
    found = await stand.client.command("config/device_registry/list")
    return {
        item["id"]: item["name_by_user"] or item["name"] for item in found if item["id"] in used
    }


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")


def main(arguments: list[str]) -> int:
    """Return the exit status: 0 if every picture was taken and no raw key was seen."""
    parser = argparse.ArgumentParser(
        prog="scripts/shots", description="Pictures of the flow, the pages and the dialogs."
    )
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--language", choices=LANGUAGES, help="only this one")
    parser.add_argument(
        "--anomaly", action="store_true", help="of a fault that was noticed, instead of all else"
    )
    options = parser.parse_args(arguments)
    take = shoot_anomaly if options.anomaly else shoot

    async def all_languages() -> list[str]:
        raw = []
        for language in [options.language] if options.language else LANGUAGES:
            found = await take(options.folder / language, language)
            raw += [f"{language}/{line}" for line in found]
        return raw

    try:
        raw = asyncio.run(until_signalled(all_languages()))
    except DevelopError as error:
        print(f"shots: {error}", file=sys.stderr)
        return 1
    for line in raw or ():
        print(f"looks like a key: {line}")
    return 0 if raw == [] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
