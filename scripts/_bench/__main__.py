"""``scripts/bench NAME [--json]``: poll, setup, memory, or all of them."""

import argparse
import asyncio
from importlib import import_module
import sys

from .figures import Figure, show

NAMES = ("poll", "setup", "memory")


def main() -> int:
    """Run one bench; return 0 if every limit is kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        figures += asyncio.run(import_module(f".{name}", __package__).run())
    show(figures, as_json=arguments.as_json)
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
