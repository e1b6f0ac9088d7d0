"""Writing to a heat pump. No Home Assistant in here."""

from .cyclic import CyclicInputs
from .errors import (
    ControlError,
    ControlOffError,
    CooldownError,
    FirmwareRestartsError,
    FirmwareUnknownError,
    GuardClosedError,
    NotAcceptedError,
    NotReadError,
    NotSavedError,
    NotWritableError,
    UnknownPointError,
    UnverifiedError,
    ValueNotAllowedError,
    WriteRefusedError,
)
from .guard import Fed, WriteGuard, WriteResult
from .ledger import Asker, Entry, Ledger, Origin, Outcome

__all__ = [
    "Asker",
    "ControlError",
    "ControlOffError",
    "CooldownError",
    "CyclicInputs",
    "Entry",
    "Fed",
    "FirmwareRestartsError",
    "FirmwareUnknownError",
    "GuardClosedError",
    "Ledger",
    "NotAcceptedError",
    "NotReadError",
    "NotSavedError",
    "NotWritableError",
    "Origin",
    "Outcome",
    "UnknownPointError",
    "UnverifiedError",
    "ValueNotAllowedError",
    "WriteGuard",
    "WriteRefusedError",
    "WriteResult",
]
