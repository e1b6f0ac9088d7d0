"""Heat pump families. No Home Assistant in here.

``family(key)`` imports only the module that is asked for.
"""

from importlib import import_module
from typing import Final

from .driver import Family

_MODULES: Final = {
    "idm": ".idm",
    "luxtronik": ".luxtronik",
    "nibe": ".nibe",
    "daikin": ".daikin",
}

FAMILIES: Final = tuple(_MODULES)


def family(key: str) -> Family:
    """Return a heat pump family.

    Imports pymodbus where the family needs it: call it in an executor the first time.
    Raises ``KeyError`` for an unknown key.
    """
    module = import_module(_MODULES[key], __package__)
    found: Family = module.FAMILY
    return found
