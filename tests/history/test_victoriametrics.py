"""What a server says is told apart, and secrets stay secret."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import logging
import socket
import ssl
import traceback
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import aiohttp
from aiohttp import web
import pytest

from custom_components.heat_pump_hub.history.address import ServerUrl, parse_tenant, parse_url
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.server import (
    AuthRejectedError,
    CertificateError,
    EncryptionError,
    HistoryError,
    InvalidTenantError,
    InvalidUrlError,
    NobodyListensError,
    NotVictoriaMetricsError,
    OverloadedError,
    RefusedError,
    UnknownNameError,
    UnreachableError,
)
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from custom_components.heat_pump_hub.history.wire import Wire
from tests.servers import Server, VictoriaMetrics as RealServer, VictoriaMetricsFactory, free_port

from .conftest import PASSWORD, USER, Stub


@pytest.fixture(params=[False, True], ids=["session", "kept"], autouse=True)
def _way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask everything both ways: nobody may notice a difference."""
    made: list[VictoriaMetrics] = []
    initialize = VictoriaMetrics.__init__

    def keep(client: VictoriaMetrics, *args: Any, **options: Any) -> None:
        initialize(client, *args, **options, kept=request.param)
        made.append(client)

    with patch.object(VictoriaMetrics, "__init__", keep):
        yield
    for client in made:
        with suppress(AttributeError):
            # Of those that refused their address.
            client.close()


def status(code: int, text: str = "", **headers: str) -> Callable[..., web.StreamResponse]:
    """Answer every request with one status."""
    return lambda _request, _body: web.Response(status=code, text=text, headers=headers)


def sent_credentials(stub: Stub) -> str:
    """Return user and password of the first request."""
    scheme, _, pair = stub.requests[0].headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return b64decode(pair).decode()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://nas:8428", "http://nas:8428"),
        (" https://nas:8428/ ", "https://nas:8428"),
        ("https://proxy/metrics/vm/", "https://proxy/metrics/vm"),
        ("HTTP://NAS", "http://nas"),
        ("http://[fe80::1]:8428/", "http://[fe80::1]:8428"),
    ],
)
def test_address_is_cleaned(text: str, url: str) -> None:
    assert parse_url(text) == ServerUrl(url)


def test_credentials_are_taken_out_of_the_address() -> None:
    parsed = parse_url("https://ke%40ller:ge%2Fheim@nas:8428/vm")
    assert parsed == ServerUrl("https://nas:8428/vm", "ke@ller", "ge/heim")
    assert "heim" not in repr(parsed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nas:8428",
        "ftp://nas",
        "file:///etc/passwd",
        "http://",
        "http://:8428",
        "http://nas:99999",
        "http://user:geheim@nas:port",
        "http://[::1",
        "http://na s",
        "http://nas/?a=b",
        "http://nas/#a",
    ],
)
def test_what_is_no_address_is_rejected(text: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        parse_url(text)
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


async def test_write_sends_the_body_to_the_import(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    await VictoriaMetrics(session, f"{stub.url}/prefix/").write(b"line\n")
    assert [request.path for request in stub.requests] == ["/prefix/api/v1/import"]
    assert [request.method for request in stub.requests] == ["POST"]
    assert stub.bodies == [b"line\n"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (200, NotVictoriaMetricsError),
        (301, NotVictoriaMetricsError),
        (400, RefusedError),
        (401, AuthRejectedError),
        (403, AuthRejectedError),
        (404, NotVictoriaMetricsError),
        (405, NotVictoriaMetricsError),
        (413, RefusedError),
        (429, OverloadedError),
        (500, OverloadedError),
        (502, OverloadedError),
        (503, OverloadedError),
    ],
)
async def test_status_is_told_apart(
    session: aiohttp.ClientSession, stub: Stub, code: int, error: type[HistoryError]
) -> None:
    stub.answer = status(code, "because of that", Location="/elsewhere")
    with pytest.raises(error, match=str(code)) as caught:
        await VictoriaMetrics(session, stub.url).write(b"line\n")
    assert type(caught.value) is error
    assert len(stub.requests) == 1


async def test_reason_of_the_server_is_kept_short(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    stub.answer = status(400, "cannot parse\n this " + 1000 * "x")
    with pytest.raises(RefusedError, match="cannot parse this xxx") as caught:
        await VictoriaMetrics(session, stub.url).write(b"line\n")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17.0), ("soon", None), ("-4", None), ("", None), ("²", None)]
)
async def test_retry_after_in_seconds(
    session: aiohttp.ClientSession, stub: Stub, header: str, seconds: float | None
) -> None:
    stub.answer = status(503, **{"Retry-After": header})
    with pytest.raises(OverloadedError) as caught:
        await VictoriaMetrics(session, stub.url).write(b"line\n")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("gmt", [True, False])
async def test_retry_after_as_a_date(session: aiohttp.ClientSession, stub: Stub, gmt: bool) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=10)
    text = format_datetime(moment, usegmt=True)
    stub.answer = status(503, **{"Retry-After": text if gmt else text.replace("GMT", "-0000")})
    with pytest.raises(OverloadedError) as caught:
        await VictoriaMetrics(session, stub.url).write(b"line\n")
    assert caught.value.retry_after is not None
    assert 500 < caught.value.retry_after <= 600


async def test_name_that_does_not_resolve(session: aiohttp.ClientSession) -> None:
    key = SimpleNamespace(host="nas", port=8428, is_ssl=False, ssl=True)
    error = aiohttp.ClientConnectorDNSError(cast("Any", key), OSError(-2, "unknown"))
    with (
        patch.object(Wire, "_connect", side_effect=socket.gaierror(-2, "unknown")),
        patch.object(session, "_request", side_effect=error),
        pytest.raises(UnknownNameError),
    ):
        await VictoriaMetrics(session, "http://nas:8428").check()


async def test_certificate_that_nobody_trusts(
    session: aiohttp.ClientSession, self_signed: ssl.SSLContext
) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=self_signed)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(CertificateError):
        await VictoriaMetrics(session, f"https://127.0.0.1:{port}").check()
    server.close()
    await server.wait_closed()


async def test_nobody_listens(session: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    context = ssl.create_default_context()
    with pytest.raises(NobodyListensError, match=r"127\.0\.0\.1") as caught:
        await VictoriaMetrics(session, url, verify_ssl=context).check()
    assert "SSLContext" not in str(caught.value)


async def test_silent_server(session: aiohttp.ClientSession) -> None:
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UnreachableError, match="in time"):
        await VictoriaMetrics(session, f"http://127.0.0.1:{port}", timeout=0.05).write(b"a\n")
    server.close()
    await server.wait_closed()


async def test_server_that_hangs_up(session: aiohttp.ClientSession) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UnreachableError):
        await VictoriaMetrics(session, f"http://127.0.0.1:{port}").write(b"a\n")
    server.close()
    await server.wait_closed()


async def test_plain_server_behind_https(session: aiohttp.ClientSession, stub: Stub) -> None:
    with pytest.raises(EncryptionError):
        await VictoriaMetrics(session, stub.url.replace("http", "https")).check()


async def test_closed_session(session: aiohttp.ClientSession, stub: Stub) -> None:
    server = VictoriaMetrics(session, stub.url)
    await session.close()
    with pytest.raises(UnreachableError, match="closed"):
        await server.write(b"")


@pytest.mark.parametrize(
    ("username", "password"), [(USER, PASSWORD), ("Jürg", "pässwort"), (USER, None)]
)
async def test_credentials_are_sent(
    session: aiohttp.ClientSession, stub: Stub, username: str, password: str | None
) -> None:
    await VictoriaMetrics(session, stub.url, username=username, password=password).write(b"")
    assert sent_credentials(stub) == f"{username}:{password or ''}"


async def test_credentials_of_the_address_are_sent(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    await VictoriaMetrics(session, stub.url.replace("://", "://anna:geheim@")).write(b"")
    assert sent_credentials(stub) == "anna:geheim"


async def test_no_credentials_no_header(session: aiohttp.ClientSession, stub: Stub) -> None:
    await VictoriaMetrics(session, stub.url).write(b"")
    assert "Authorization" not in stub.requests[0].headers


async def test_secrets_show_nowhere(
    session: aiohttp.ClientSession, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.Response(
            status=401, text=f"{PASSWORD} {request.headers['Authorization']} is wrong"
        )

    stub.answer = echo
    url = stub.url.replace("://", f"://{USER}:{PASSWORD}@")
    server = VictoriaMetrics(session, url)
    unreachable = VictoriaMetrics(
        session, f"http://127.0.0.1:{free_port()}", username=USER, password=PASSWORD
    )
    shown = [repr(server), str(server), server.url]
    for one in (server, unreachable):
        with pytest.raises(HistoryError) as caught:
            await one.write(b"a\n")
        shown += traceback.format_exception(caught.value)
        shown.append(repr(caught.value))
    secrets = [PASSWORD, b64encode(f"{USER}:{PASSWORD}".encode()).decode()]
    text = "".join(shown) + caplog.text
    assert "*** is wrong" in text
    assert not [secret for secret in secrets if secret in text]


async def test_real_server_is_recognised_and_nothing_is_stored(
    session: aiohttp.ClientSession, victoria_metrics: RealServer
) -> None:
    info = await VictoriaMetrics(session, victoria_metrics.url).check()
    assert info.readable
    assert info.retention == timedelta(days=3650)
    assert info.deduplicates is True
    assert await victoria_metrics.count() == 0


async def test_default_flags_are_told(
    session: aiohttp.ClientSession, victoria_metrics_factory: VictoriaMetricsFactory
) -> None:
    server = victoria_metrics_factory("-dedup.minScrapeInterval=0s", "-retentionPeriod=1")
    info = await VictoriaMetrics(session, server.url).check()
    assert info.retention == timedelta(days=31)
    assert info.deduplicates is False


async def test_path_prefix(
    session: aiohttp.ClientSession, victoria_metrics_factory: VictoriaMetricsFactory
) -> None:
    server = victoria_metrics_factory("-http.pathPrefix=/history")
    assert (await VictoriaMetrics(session, f"{server.url}/history/").check()).readable
    with pytest.raises(NotVictoriaMetricsError):
        await VictoriaMetrics(session, f"{server.url}/elsewhere").check()


async def test_vmauth_takes_the_right_password_only(
    session: aiohttp.ClientSession, vmauth: Server
) -> None:
    right = VictoriaMetrics(session, vmauth.url, username=USER, password=PASSWORD)
    assert (await right.check()).readable
    for username, password in ((USER, "wrong"), (None, None)):
        wrong = VictoriaMetrics(session, vmauth.url, username=username, password=password)
        with pytest.raises(AuthRejectedError):
            await wrong.check()


async def test_vmauth_without_backend_is_overload(
    session: aiohttp.ClientSession, vmauth: Server, victoria_metrics: RealServer
) -> None:
    victoria_metrics.stop()
    with pytest.raises(OverloadedError, match="502"):
        await VictoriaMetrics(session, vmauth.url, username=USER, password=PASSWORD).write(b"")


@pytest.mark.parametrize("code", [400, 403, 404])
async def test_gateway_that_only_takes_writes(
    session: aiohttp.ClientSession, stub: Stub, code: int
) -> None:
    stub.answer = lambda request, _body: web.Response(
        status=204 if request.path == "/api/v1/import" else code
    )
    info = await VictoriaMetrics(session, stub.url).check()
    assert not info.readable
    assert info.retention is None
    assert info.deduplicates is None


@pytest.mark.parametrize(
    "text", ["<html>", "[]", '{"data": {}}', '{"data": {"result": "1"}}', '{"data": null}']
)
async def test_answer_that_is_no_query_result(
    session: aiohttp.ClientSession, stub: Stub, text: str
) -> None:
    stub.answer = status(200, text)
    with pytest.raises(NotVictoriaMetricsError, match="query"):
        await VictoriaMetrics(session, stub.url).query("1")


async def test_web_server_is_not_victoriametrics(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    stub.answer = status(200, "<html>Welcome to nginx!</html>")
    with pytest.raises(NotVictoriaMetricsError):
        await VictoriaMetrics(session, stub.url).check()


@pytest.mark.parametrize("text", ["<html>", "{}", "[]"])
async def test_answer_that_is_no_export(
    session: aiohttp.ClientSession, stub: Stub, text: str
) -> None:
    stub.answer = status(200, text)
    with pytest.raises(NotVictoriaMetricsError, match="series"):
        await VictoriaMetrics(session, stub.url).export("{}", end=1.0)


async def test_query_at_a_time_and_export(
    session: aiohttp.ClientSession, victoria_metrics: RealServer
) -> None:
    server = VictoriaMetrics(session, victoria_metrics.url)
    await server.write(
        b'{"metric":{"__name__":"heatpump_cop"},"values":[3.5,4.25],'
        b'"timestamps":[1790000000001,1790000030002]}\n'
    )
    await victoria_metrics.flush()
    [found] = await server.query("heatpump_cop", at=1_790_000_031.0)
    assert found["value"][1] == "4.25"
    [series] = await server.export('{__name__="heatpump_cop"}', end=1_790_000_100.0)
    assert series.metric == {"__name__": "heatpump_cop"}
    assert list(series.values) == [3.5, 4.25]
    assert list(series.timestamps) == [1_790_000_000_001, 1_790_000_030_002]


@pytest.mark.parametrize(
    ("text", "tenant"), [(None, None), ("  ", None), (" 7 ", "7"), ("007:0", "7:0")]
)
def test_tenant_is_cleaned(text: str | None, tenant: str | None) -> None:
    assert parse_tenant(text) == tenant


@pytest.mark.parametrize("text", ["a", "1:2:3", ":", "1:", "-1", "1/2", "4294967296", "1 2"])
def test_what_is_no_tenant_is_rejected(text: str) -> None:
    with pytest.raises(InvalidTenantError):
        parse_tenant(text)


async def test_a_tenant_has_paths_of_its_own(session: aiohttp.ClientSession, stub: Stub) -> None:
    stub.answer = lambda request, _body: (
        web.Response(status=204)
        if request.method == "POST"
        else web.json_response({"data": {"result": []}})
    )
    server = VictoriaMetrics(session, f"{stub.url}/gate", tenant="7:3")
    await server.write(b"", Coding.GZIP)
    await server.query("up")
    assert [request.path for request in stub.requests] == [
        "/gate/insert/7:3/prometheus/api/v1/import",
        "/gate/select/7:3/prometheus/api/v1/query",
    ]
    assert stub.requests[0].headers["Content-Encoding"] == "gzip"


async def test_a_password_without_a_user_is_a_token(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    stub.answer = status(401, "no such token geheim")
    with pytest.raises(AuthRejectedError) as caught:
        await VictoriaMetrics(session, stub.url, password="geheim").write(b"")
    assert stub.requests[0].headers["Authorization"] == "Bearer geheim"
    assert "geheim" not in str(caught.value)


async def test_counts_are_asked_for_the_span_and_without_statistics(
    session: aiohttp.ClientSession, stub: Stub
) -> None:
    stub.answer = lambda _request, _body: web.json_response(
        {"data": {"result": [{"metric": {"samples": "10"}, "value": [1, "150"]}]}}
    )
    found = await VictoriaMetrics(session, stub.url).counts('a"b', 1_000, 31_000)
    assert found == {10: 150}
    assert stub.requests[0].query["query"] == (
        'count_values("samples", count_over_time({heatpump_id="a\\"b",stat="",source=""}[30001ms]))'
    )
    assert stub.requests[0].query["time"] == "31.000"


@pytest.mark.parametrize("one", [{}, {"metric": {"samples": "many"}, "value": [1, "1"]}, 5])
async def test_counts_that_are_none(
    session: aiohttp.ClientSession, stub: Stub, one: object
) -> None:
    stub.answer = lambda _request, _body: web.json_response({"data": {"result": [one]}})
    with pytest.raises(NotVictoriaMetricsError):
        await VictoriaMetrics(session, stub.url).counts("a", 1, 2)
