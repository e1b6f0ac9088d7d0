"""Every fault of a link, on every family, in a real Home Assistant."""

from collections.abc import AsyncGenerator

from homeassistant.core import HomeAssistant
import pytest

from scripts._bench.fault_rig import KINDS, Case, Rig, befall, cases, rig, short_timeouts

pytestmark = pytest.mark.usefixtures("socket_enabled")

TIMEOUT = 0.3


@pytest.fixture
async def machine(
    hass: HomeAssistant, request: pytest.FixtureRequest
) -> AsyncGenerator[tuple[Rig, list[Case]]]:
    """Return a heat pump that is set up, and the faults that can befall it."""
    key = request.param
    with short_timeouts(TIMEOUT):
        async with rig(hass, key) as found:
            yield found, cases(key, polls=2)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", KINDS, indirect=True)
async def test_every_fault_heals_by_itself(machine: tuple[Rig, list[Case]]) -> None:
    """No wrong value, healed within two polls, no reload, two lines, one connection a poll."""
    rig, faults = machine
    broken = [outcome for case in faults if not (outcome := await befall(rig, case)).ok]
    assert broken == []
    learned = rig.coordinator.driver.learned()
    assert [learned.get(what, []) for what in ("quarantine", "strikes", "splits")] == [[], [], []]
    assert rig.server.writes == []
