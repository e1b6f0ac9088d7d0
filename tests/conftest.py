"""Fixtures that every test may use.

The package is imported before anything else: the test plugin puts a ``custom_components``
package of its own first on the path, and whichever is imported first wins.
"""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gaierror
import ssl
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import settings
import pytest
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

import custom_components.heat_pump_hub  # noqa: F401
from custom_components.heat_pump_hub import anomaly
from custom_components.heat_pump_hub.history.wire import Wire

from .fake_detector import FakeDetector
from .fakes import FakeFamily, families
from .servers import VictoriaMetrics, VictoriaMetricsFactory

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


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


@pytest.fixture(autouse=True)
def names_are_the_sessions_affair(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where a test answers for the session, no other connection is made."""
    if "aioclient_mock" not in request.fixturenames:
        yield
        return
    with patch.object(Wire, "_connect", side_effect=gaierror("mocked")):
        yield


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare with snapshots in Home Assistant's own form, kept in ``snapshots/``."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    """Put a heat pump that a test can steer in the place of all families."""
    fake = FakeFamily()
    with families(fake):
        yield fake


@pytest.fixture
def detector(fake: FakeFamily) -> Generator[FakeDetector]:
    """Put a detector that answers what a test prepared in the place of the real one."""
    detector = FakeDetector()
    with (
        patch.object(anomaly, "LOAD_DELAY", 2.0),
        patch.object(anomaly, "_load_detector", detector.load),
    ):
        yield detector


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


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Return a server context with a certificate that nobody trusts."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "homehub")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
