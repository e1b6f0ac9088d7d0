"""Why a write did not happen, or is not known to have happened.

Every error has a ``translation_key`` and ``placeholders``; Home Assistant's side
turns any of them into its own error in one place.
"""

from typing import ClassVar

from ..drivers.driver import RefusedError, WriteBlockedError
from ..drivers.points import Point, Value


def _text(value: Value | None) -> str:
    """Return a value as a placeholder: numbers without trailing zeros, None as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:.10g}"


class ControlError(Exception):
    """Base of every error of the write guard."""

    translation_key: ClassVar[str]

    def __init__(self, message: str, key: str, **details: Value | None) -> None:
        """Keep the point's key and what the translation names."""
        super().__init__(message)
        self.key = key
        self.placeholders = {"key": key} | {name: _text(value) for name, value in details.items()}


class ControlOffError(ControlError):
    """The owner did not allow control; nothing was written."""

    translation_key = "control_off"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for."""
        super().__init__(f"{key} not written: control is switched off", key)


class GuardClosedError(ControlError):
    """The heat pump is being unloaded; nothing was written."""

    translation_key = "guard_closed"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for."""
        super().__init__(f"{key} not written: the heat pump is being unloaded", key)


class UnknownPointError(ControlError):
    """The heat pump has no such point."""

    translation_key = "unknown_point"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for."""
        super().__init__(f"{key} is not a point of this heat pump", key)


class NotWritableError(ControlError):
    """The point cannot be written, or not by us of our own accord."""

    translation_key = "not_writable"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for."""
        super().__init__(f"{key} cannot be written", key)


class ValueNotAllowedError(ControlError):
    """The value is outside the point's bounds, off its steps or not an option."""

    translation_key = "value_not_allowed"

    def __init__(self, point: Point, value: Value, options: tuple[str, ...] = ()) -> None:
        """``options`` are the slugs that may be written, for a point that has them."""
        self.value = value
        self.minimum = point.minimum
        self.maximum = point.maximum
        self.step = point.step
        self.options = options
        unit = point.unit or ""
        allowed = (
            "one of " + ", ".join(options)
            if options
            else f"{_text(point.minimum)} to {_text(point.maximum)} {unit}".rstrip()
            + (f" in steps of {_text(point.step)}" if point.step else "")
        )
        super().__init__(
            f"{point.key} not written: {_text(value)} is not allowed ({allowed})",
            point.key,
            value=value,
            minimum=point.minimum,
            maximum=point.maximum,
            step=point.step or 10**-point.decimals,
            unit=f" {unit}" if unit else "",
            options=", ".join(options),
        )


class CooldownError(ControlError):
    """The register was written too recently; nothing was written."""

    translation_key = "cooldown"

    def __init__(self, key: str, seconds_left: int) -> None:
        """``seconds_left`` until the register may be written, at least 1."""
        self.seconds_left = seconds_left
        super().__init__(
            f"{key} not written: written recently, wait {seconds_left} s",
            key,
            seconds_left=seconds_left,
        )


class NotReadError(ControlError):
    """The present value could not be read, so it was not written."""

    translation_key = "not_read"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for; the driver's error is the cause."""
        super().__init__(f"{key} not written: its present value could not be read", key)


class NotSavedError(ControlError):
    """The time of the write could not be saved, so it was not written."""

    translation_key = "not_saved"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for; the storage's error is the cause."""
        super().__init__(f"{key} not written: the time of the write could not be saved", key)


class WriteRefusedError(ControlError):
    """The heat pump refused the write; the register was not written."""

    translation_key = "write_refused"

    def __init__(self, key: str, value: Value, code: int | None) -> None:
        """``code`` is the protocol's reason, where there is one."""
        self.value = value
        self.code = code
        super().__init__(
            f"{key}: the heat pump refused {_text(value)} (code {_text(code)})",
            key,
            value=value,
            code=code,
        )


class FirmwareRestartsError(ControlError):
    """The heat pump's firmware restarts it on every write; nothing was written."""

    translation_key = "firmware_restarts"

    def __init__(self, key: str, firmware: str) -> None:
        """``firmware`` as the heat pump names it."""
        super().__init__(
            f"{key} not written: firmware {firmware} restarts on every write",
            key,
            firmware=firmware,
        )


class FirmwareUnknownError(ControlError):
    """The heat pump's firmware, which might restart on a write, is not known."""

    translation_key = "firmware_unknown"

    def __init__(self, key: str) -> None:
        """``key`` is what was asked for; nothing was written."""
        super().__init__(f"{key} not written: the firmware is not known", key)


class NotAcceptedError(ControlError):
    """The write went out, but the heat pump keeps showing another value."""

    translation_key = "not_accepted"

    def __init__(self, key: str, value: Value, shown: Value | None) -> None:
        """``shown`` is what it holds after the last read-back, None: no value."""
        self.value = value
        self.shown = shown
        super().__init__(
            f"{key}: {_text(value)} was not accepted, the heat pump shows {_text(shown)}",
            key,
            value=value,
            shown=shown,
        )


class UnverifiedError(ControlError):
    """The write may have gone out, but could not be read back."""

    translation_key = "unverified"

    def __init__(self, key: str, value: Value) -> None:
        """``value`` is what was written; the driver's last error, if any, is the cause."""
        self.value = value
        super().__init__(
            f"{key}: it is not known whether {_text(value)} was accepted", key, value=value
        )


def refusal(key: str, value: Value, error: RefusedError) -> ControlError:
    """Return why a driver refused a write."""
    if not isinstance(error, WriteBlockedError):
        return WriteRefusedError(key, value, error.code)
    if error.firmware is None:
        return FirmwareUnknownError(key)
    return FirmwareRestartsError(key, error.firmware)
