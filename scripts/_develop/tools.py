"""Where the repository is, and the programs that ``scripts/setup`` found."""

import os
from pathlib import Path
import shlex
from typing import Final

from .errors import DevelopError

ROOT: Final = Path(__file__).resolve().parent.parent.parent
HOST: Final = "127.0.0.1"


def find_program(variable: str) -> Path:
    """Return a program by its variable, from the environment or ``.tools.env``.

    Raises :class:`DevelopError` if neither names one that exists.
    """
    for found in (os.environ.get(variable), _tools_env().get(variable)):
        if found and Path(found).is_file():
            return Path(found)
    raise DevelopError(f"{variable} names no program: run scripts/setup")


def _tools_env() -> dict[str, str]:
    try:
        lines = (ROOT / ".tools.env").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key: "".join(shlex.split(value)) for key, _, value in pairs}


def clean_environment() -> dict[str, str]:
    """Return the environment for programs: what only this one needs is left out."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
