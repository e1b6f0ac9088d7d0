"""Fixtures that every test may use.

The package is imported before anything else: the test plugin puts a ``custom_components``
package of its own first on the path, and whichever is imported first wins.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

import custom_components.heat_pump_hub  # noqa: F401

from .servers import VictoriaMetrics, VictoriaMetricsFactory


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that compare with a stored snapshot: Home Assistant words those differently each month."""
    for item in items:
        if "snapshot" in getattr(item, "fixturenames", ()):
            item.add_marker("snapshot")


@pytest.fixture(autouse=True)
def integration_can_be_loaded(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant find the integration in every test that has a ``hass``.

    The recorder has to be set up before ``hass``, which ``enable_custom_integrations`` asks for.
    """
    if "recorder_mock" in request.fixturenames:
        request.getfixturevalue("recorder_mock")
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare with snapshots in Home Assistant's own form, kept in ``snapshots/``."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
def victoria_metrics_factory(
    socket_enabled: None, tmp_path: Path
) -> Iterator[VictoriaMetricsFactory]:
    """Start VictoriaMetrics servers with flags of the test's own; all are gone afterwards."""
    factory = VictoriaMetricsFactory(tmp_path / "victoria-metrics")
    yield factory
    factory.close()


@pytest.fixture
def victoria_metrics(victoria_metrics_factory: VictoriaMetricsFactory) -> VictoriaMetrics:
    """Start a real, empty VictoriaMetrics on an ephemeral port of 127.0.0.1."""
    return victoria_metrics_factory()


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give every test a configuration folder of its own: the guard keeps files in it."""
    return hass_tmp_config_dir
