"""Reads the command line of ``scripts/develop``."""

import argparse
import asyncio
from pathlib import Path
import sys

from custom_components.heat_pump_hub.simulator.machine_faults import NAMES

from .check import check
from .errors import DevelopError
from .home_assistant import LANGUAGES
from .live import live
from .signals import until_signalled

INTERRUPTED = 130
FAMILIES = ("idm", "luxtronik", "nibe", "daikin", "map")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options. Raises ``SystemExit`` on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="scripts/develop",
        description="Home Assistant with a simulated heat pump and its history, until Ctrl-C.",
    )
    parser.add_argument(
        "--check", action="store_true", help="check the main job unattended, print a table, end"
    )
    parser.add_argument(
        "--pump", choices=(*FAMILIES, "all"), default="idm", help="which heat pumps to add"
    )
    parser.add_argument(
        "--fault", choices=NAMES, help="45 healthy days and the first days of this are its past"
    )
    parser.add_argument("--language", choices=LANGUAGES, default="en")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="put all files there and keep them"
    )
    parser.add_argument(
        "--seconds", type=_seconds, help="how long the heat pumps are watched (with --check: 60)"
    )
    options = parser.parse_args(arguments)
    if options.fault and (options.check or options.pump != "idm"):
        parser.error("--fault is for the IDM alone, live")
    return options


def _seconds(text: str) -> float:
    seconds = float(text)
    # Settings are read again after ten minutes, which the check does not reckon with.
    if not 0 < seconds <= 300:
        raise argparse.ArgumentTypeError("1 to 300")
    return seconds


def main(arguments: list[str]) -> int:
    """Return the exit status: 0 if all is well."""
    options = parse(arguments)
    families = FAMILIES if options.pump == "all" else (options.pump,)
    try:
        if options.check:
            held = asyncio.run(
                until_signalled(
                    check(
                        language=options.language,
                        keep=options.keep,
                        seconds=options.seconds or 60.0,
                        families=families,
                    )
                )
            )
            return INTERRUPTED if held is None else int(not held)
        asyncio.run(
            until_signalled(
                live(
                    language=options.language,
                    keep=options.keep,
                    seconds=options.seconds,
                    fault=options.fault,
                    families=families,
                )
            )
        )
    except DevelopError as error:
        print(f"develop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
