"""``scripts/bench NAME [--json]``.

Names: poll, load, setup, memory, faults, history, backfill, iotawatt, detection, or
all.

``--kill N`` (10), for history, with ``--scale`` of hold, W and the server's flush (0.2; 1 is as in
a house), seconds from ``--poll`` to poll and several ``--rigs`` side by side; ``--part`` measures
one part only, ``--log FILE`` tells how far it is.
``--family`` idm (the default), nibe, daikin, luxtronik or all, for poll.
Detection needs ``--data DIR`` (recordings and public benchmarks) or ``--seeds N`` (simulated
heat pumps: ``--first``, ``--days``, ``--period``, ``--cache DIR``, ``--any-season``,
``--processes``, ``--record FILE``,
``--no-faults``) or ``--cost``, and is left out of all without them.
"""

import argparse
import asyncio
from importlib import import_module
from pathlib import Path
import sys
from typing import Any

from .figures import Figure, show

FAMILIES = ("idm", "nibe", "daikin", "luxtronik")

NAMES = (
    "poll",
    "load",
    "setup",
    "memory",
    "faults",
    "history",
    "backfill",
    "iotawatt",
    "detection",
)
MODULES = {"detection": "detector"}
"""Where a bench is not called like its module."""


def main() -> int:
    """Run one bench; return 0 if every limit is kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--family", choices=(*FAMILIES, "all"), help="for poll; default: idm")
    parser.add_argument("--kill", type=int, default=10, help="kills, for history")
    parser.add_argument("--part", choices=("cost", "kills", "faults"), help="one part of history")
    parser.add_argument("--scale", type=float, default=0.2, help="of hold, W and flush")
    parser.add_argument("--poll", type=float, default=0.02, help="seconds between two polls")
    parser.add_argument(
        "--rigs", type=int, default=2, help="heat pumps at once, each with a server"
    )
    parser.add_argument("--log", type=Path, help="where history tells how far it is")
    parser.add_argument("--data", type=Path, help="recordings and benchmarks, for detection")
    parser.add_argument("--seeds", type=int, default=0, help="simulated heat pumps, for detection")
    parser.add_argument("--first", type=int, default=5000, help="the first seed")
    parser.add_argument("--days", type=float, default=100.0)
    parser.add_argument("--period", type=float, default=60.0, help="seconds between samples")
    parser.add_argument("--cache", type=Path, help="keeps what was simulated")
    parser.add_argument("-j", "--processes", type=int, default=1, help="heat pumps at a time")
    parser.add_argument("--record", type=Path, help="gets a line of JSON of each heat pump")
    parser.add_argument("--any-season", action="store_true", help="not only winters")
    parser.add_argument("--short", action="store_true", help="shorter outages, for faults")
    parser.add_argument("--cost", action="store_true", help="what the detector costs")
    parser.add_argument("--no-faults", action="store_true", help="count false alarms only")
    arguments = parser.parse_args()
    fleet = arguments.seeds > 0
    if arguments.name == "detection" and not (arguments.data or fleet or arguments.cost):
        parser.error("detection needs --data DIR, --seeds N or --cost")
    figures: list[Figure] = []
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        options: dict[str, Any] = {}
        if name == "history":
            options |= {
                "kills": arguments.kill,
                "part": arguments.part,
                "scale": arguments.scale,
                "interval": arguments.poll,
                "rigs": arguments.rigs,
                "log": arguments.log,
            }
        elif name == "poll":
            options["family_key"] = arguments.family or "idm"
        elif name == "faults":
            options["short"] = arguments.short
        elif name == "detection":
            if arguments.cost:
                figures += import_module(".detector_cost", __package__).figures()
            if fleet:
                figures += _fleet(arguments)
            if arguments.data is None:
                continue
            options["data"] = arguments.data
        module = import_module(f".{MODULES.get(name, name)}", __package__)
        figures += asyncio.run(module.run(**options))
    show(figures, as_json=arguments.as_json)
    return 0 if all(figure.ok for figure in figures) else 1


def _fleet(arguments: argparse.Namespace) -> list[Figure]:
    from . import fleet

    return fleet.run(
        range(arguments.first, arguments.first + arguments.seeds),
        days=arguments.days, period=arguments.period, folder=arguments.cache,
        faults=not arguments.no_faults, winter=not arguments.any_season,
        verbose=not arguments.as_json, processes=arguments.processes, record=arguments.record,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
