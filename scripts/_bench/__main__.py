"""``scripts/bench NAME [--json] [--kill N] [--data DIR]``: poll, setup, memory, history, detection, or all.

Detection needs ``--data DIR`` and is left out of all without it.
"""

import argparse
import asyncio
from importlib import import_module
from pathlib import Path
import sys

from .figures import Figure, show

NAMES = ("poll", "setup", "memory", "history", "detection")
MODULES = {"detection": "detector"}
"""Where a bench is not called like its module."""


def main() -> int:
    """Run one bench; return 0 if every limit is kept."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--kill", type=int, default=10, help="kills of a server, for history")
    parser.add_argument("--data", type=Path, help="recordings and benchmarks, for detection")
    arguments = parser.parse_args()
    if arguments.name == "detection" and arguments.data is None:
        parser.error("detection needs --data DIR")
    figures: list[Figure] = []
    for name in NAMES if arguments.name == "all" else (arguments.name,):
        options = {"kills": arguments.kill} if name == "history" else {}
        if name == "detection":
            if arguments.data is None:
                continue
            options = {"data": arguments.data}
        module = import_module(f".{MODULES.get(name, name)}", __package__)
        figures += asyncio.run(module.run(**options))
    show(figures, as_json=arguments.as_json)
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
