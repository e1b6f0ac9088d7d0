"""``scripts/bench NAME [--json] [--kill N]``: poll, setup, memory, history, or all of them."""

import argparse
import asyncio
from importlib import import_module
import sys

from .figures import Figure, show

NAMES = ("poll", "setup", "memory", "history")


def main() -> int:
    """Run one bench; return 0 if every limit is kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--kill", type=int, default=10, help="kills of a server, for history")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        options = {"kills": arguments.kill} if name == "history" else {}
        module = import_module(f".{name}", __package__)
        figures += asyncio.run(module.run(**options))
    show(figures, as_json=arguments.as_json)
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
