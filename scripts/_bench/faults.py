"""Every fault of a link on every family, outages of an hour, a day of polls; time is scaled.

``lux_shi`` is a Luxtronik both ways whose Smart Home Interface fails, ``lux_both`` one whose
two ways fail at once; ``map`` is a Lambda by its register map.
"""

import asyncio
from collections.abc import Sequence
import gc
import logging
from pathlib import Path
import time

from homeassistant.core import HomeAssistant

from custom_components.heat_pump_hub.simulator.faults import Fault

from .fault_rig import KINDS, SINGLE, Lines, Outcome, Rig, befall, cases, rig, short_timeouts
from .figures import Figure
from .house import house, resident_mb

TIMEOUT = 0.3
INTERVAL = 1.0
"""Seconds that stand for a minute in an outage."""
POLLS_OF_AN_HOUR = 60
POLLS_OF_A_DAY = 2880
FAULT_EVERY = 40


async def run(*, short: bool = False) -> list[Figure]:
    """Print the matrix; measure outages and a day."""
    figures: list[Figure] = []
    with short_timeouts(TIMEOUT):
        async with house() as hass:
            logging.disable(logging.NOTSET)
            logging.lastResort = None
            outcomes = [outcome for key in KINDS for outcome in await _matrix(hass, key)]
            _show(outcomes)
            figures += _summary(outcomes)
        polls = 8 if short else POLLS_OF_AN_HOUR
        for silent in (False, True):
            async with house() as hass:
                logging.disable(logging.NOTSET)
                figures += await _outage(hass, silent=silent, polls=polls)
        async with house() as hass:
            logging.disable(logging.NOTSET)
            figures += await _day(hass, POLLS_OF_A_DAY // (20 if short else 1))
    return figures


async def _matrix(hass: HomeAssistant, key: str) -> list[Outcome]:
    async with rig(hass, key) as found:
        return [await befall(found, case) for case in cases(key)]


def _show(outcomes: Sequence[Outcome]) -> None:
    """Print a line a fault, with what it did to each family."""
    print("polls to heal / wrong values / log lines / most connects a poll")
    names = list(dict.fromkeys(outcome.fault for outcome in outcomes))
    found = {(outcome.fault, outcome.family): outcome for outcome in outcomes}
    width = max(map(len, names))
    print(" " * width, *(f"{key:>12}" for key in KINDS))
    for name in names:
        cells = []
        for key in KINDS:
            one = found.get((name, key))
            cell = "-"
            if one is not None:
                cell = f"{one.polls_to_heal}/{one.wrong_values}/{len(one.lines)}/{one.connects}"
                cell += "" if one.ok else " !"
            cells.append(f"{cell:>12}")
        print(f"{name:<{width}}", *cells)
    print(flush=True)


def _summary(outcomes: Sequence[Outcome]) -> list[Figure]:
    return [
        Figure("faults x families that kept every promise",
               sum(one.ok for one in outcomes), len(outcomes), "", least=True),
        Figure("polls until a fault was healed, worst",
               max(one.polls_to_heal or 99 for one in outcomes), 2, "polls"),
        Figure("wrong values shown", sum(one.wrong_values for one in outcomes), 0, ""),
        Figure("connection attempts in an interval, worst, each way of a machine",
               max(one.connects / KINDS[one.family].ways for one in outcomes), 1, ""),
    ]  # fmt: skip


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _rigs(hass: HomeAssistant, stack: list[object], interval: float) -> list[Rig]:
    found = []
    for key in SINGLE:
        context = rig(hass, key, interval=interval)
        stack.append(context)
        found.append(await context.__aenter__())
    return found


async def _leave(stack: list[object]) -> None:
    for context in reversed(stack):
        await context.__aexit__(None, None, None)  # type: ignore[attr-defined]


async def _outage(hass: HomeAssistant, *, silent: bool, polls: int) -> list[Figure]:
    """All at once are away for an hour, by their own timers."""
    stack: list[object] = []
    rigs = await _rigs(hass, stack, INTERVAL)
    kind = "silent" if silent else "refused"
    try:
        with Lines() as log:
            since = time.monotonic()
            for one in rigs:
                if silent:
                    one.befallen.set_fault(Fault.SILENT)
                else:
                    await one.befallen.pause()
            gone: dict[str, float] = {}
            before = {one.key: one.coordinator.driver.traffic.connects for one in rigs}
            while time.monotonic() - since < polls * INTERVAL:
                await asyncio.sleep(0.01)
                for one in rigs:
                    if not one.coordinator.last_update_success:
                        gone.setdefault(one.key, time.monotonic() - since)
            connects = max(
                one.coordinator.driver.traffic.connects - before[one.key] for one in rigs
            )
            lasted = time.monotonic() - since
            since = time.monotonic()
            for one in rigs:
                one.befallen.clear()
                await one.befallen.resume()
            back: dict[str, float] = {}
            while len(back) < len(rigs) and time.monotonic() - since < 10 * INTERVAL:
                await asyncio.sleep(0.01)
                for one in rigs:
                    if one.coordinator.last_update_success:
                        back.setdefault(one.key, time.monotonic() - since)
        late = max(gone.get(one.key, 99.0) for one in rigs)
        healed = max(back.get(one.key, 99.0) for one in rigs)
        return [
            Figure(f"{kind} outage: unavailable after / (interval + time-out)",
                   late / (INTERVAL + TIMEOUT), 1.2, "x", f"{late:.2f} s of {polls} intervals"),
            Figure(f"{kind} outage: available again after", healed / INTERVAL, 2.2, "polls"),
            Figure(f"{kind} outage: log lines a heat pump", len(log.lines) / len(rigs), 2, ""),
            Figure(f"{kind} outage: connection attempts an interval",
                   connects / (lasted / INTERVAL), 1.05, ""),
        ]  # fmt: skip
    finally:
        await _leave(stack)


async def _day(hass: HomeAssistant, polls: int) -> list[Figure]:
    """Poll all as often as in a day, with a fault now and then; count what grows."""
    stack: list[object] = []
    rigs = await _rigs(hass, stack, 3600.0)
    faults = [fault for fault in Fault if fault is not Fault.SINGLE_BYTES]
    try:
        wrong = 0

        async def live(one: Rig, count: int) -> None:
            nonlocal wrong
            for number in range(count):
                if number % FAULT_EVERY == FAULT_EVERY - 1:
                    fault = faults[number // FAULT_EVERY % len(faults)]
                    if one.key != "luxtronik" or fault.value not in (
                        "wrong_transaction", "wrong_unit", "wrong_function", "short",
                    ):  # fmt: skip
                        one.proxy.one_shot(fault, 2)
                one.coordinator._settings_due = number % 20 == 0  # noqa: SLF001
                await one.coordinator.async_refresh()
                wrong += len(one.wrong())

        async def everyone(count: int) -> tuple[float, int, int]:
            await asyncio.gather(*(live(one, count) for one in rigs))
            for one in rigs:
                await one.poll()
            await asyncio.sleep(1)
            gc.collect()
            return resident_mb(), _open_files(), len(asyncio.all_tasks())

        first = await everyone(polls // 4)
        last = await everyone(polls - polls // 4)
        return [
            Figure("a day: memory grown in its last three quarters", last[0] - first[0], 3.0, "MB",
                   f"{polls} polls of {len(rigs)} heat pumps"),
            Figure("a day: file descriptors grown", last[1] - first[1], 0, ""),
            Figure("a day: tasks grown", last[2] - first[2], 0, ""),
            Figure("a day: wrong values shown", wrong, 0, ""),
        ]  # fmt: skip
    finally:
        await _leave(stack)
