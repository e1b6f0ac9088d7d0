"""Run pytest on a newer Home Assistant than the test plugin was made for.

As a program: ``_pytest_latest.py ARGUMENTS`` is ``pytest ARGUMENTS`` with this file loaded as the
first plugin, in the workers of pytest-xdist too. As that plugin it does, before any other plugin is
imported, what pytest-homeassistant-custom-component 0.13.375 (Home Assistant 2026.10.4) misses on
2026.11.0: Home Assistant is imported first, because it puts its own packages in the place of httpx
and voluptuous, and a function that lives elsewhere there stands where the plugin looks for it.
"""

import os
from pathlib import Path
import sys

import homeassistant.components.logger as logger_component
from homeassistant.components.logger import helpers

NAME = "_clear_logger_overwrites"

if not hasattr(logger_component, NAME):
    setattr(logger_component, NAME, getattr(helpers, NAME))


def main() -> int:
    """Run pytest with the arguments of this program and return its exit code."""
    # Workers get neither this program nor its arguments, but they do read these two.
    options = os.environ.get("PYTEST_ADDOPTS", "")
    os.environ["PYTEST_ADDOPTS"] = f"-p {Path(__file__).stem} {options}".strip()
    here = str(Path(__file__).resolve().parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (here, os.environ.get("PYTHONPATH", "")))
    )
    if here not in sys.path:
        sys.path.insert(0, here)

    import pytest

    return int(pytest.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
