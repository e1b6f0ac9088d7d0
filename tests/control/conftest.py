"""Fixtures of the write guard's tests."""

import pytest

from .fakes import House


@pytest.fixture
def house() -> House:
    """Return a heat pump whose hot water setpoint is 45 °C, with an empty ledger."""
    house = House()
    house.driver.show("dhw_setpoint", 45.0)
    return house
