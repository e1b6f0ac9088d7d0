"""Errors of actions, in the owner's language."""

from collections.abc import Collection
from enum import StrEnum

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN


def one_of[E: StrEnum](kind: type[E], field: str, value: str) -> E:
    """Return the choice a call names. Raises :class:`ServiceValidationError`."""
    check_choice(field, value, tuple(kind))
    return kind(value)


def check_choice(field: str, value: str, choices: Collection[str]) -> None:
    """Raise :class:`ServiceValidationError` if a call names what cannot be chosen."""
    if value not in choices:
        raise invalid("not_a_choice", field=field, value=value, choices=", ".join(choices))


def invalid(key: str, **placeholders: str) -> ServiceValidationError:
    """Return what is wrong with a call; ``key`` is one of the exceptions in the translations."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def failed(key: str, **placeholders: str) -> HomeAssistantError:
    """Return why a call that is right could not be done."""
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
