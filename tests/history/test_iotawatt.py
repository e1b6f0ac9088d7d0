"""The client of an IoTaWatt, against a simulated unit behind a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
import json
import math
import time
from typing import Any

import aiohttp
from aiohttp import web
from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.history import iotawatt as module
from custom_components.heat_pump_hub.history.iotawatt import PAGE_ROWS, Iotawatt, parse_host
from custom_components.heat_pump_hub.history.iotawatt_answers import (
    MINUTE,
    InvalidHostError,
    IotawattError,
    LogSpan,
    Page,
    PasswordError,
    Series,
    UnitBusyError,
    UnitNameError,
    UnitUnreachableError,
    UnknownSeriesError,
    WrongAnswerError,
    decode_first,
    decode_log,
    decode_mac,
    decode_page,
    decode_series,
)
from custom_components.heat_pump_hub.simulator.iotawatt import IotawattUnit, UnitFault

HOUR = 3600
NOW = int(time.time()) // HOUR * HOUR
BEGIN = NOW - 3 * 24 * HOUR
HEAT_PUMP = Series("Heat_Pump", "W")
FREQUENCY = Series("Frequency", "Hz")


async def run[*Ts, T](job: Callable[[*Ts], T], *arguments: *Ts) -> T:
    return await asyncio.to_thread(job, *arguments)


@pytest.fixture
def unit(socket_enabled: None) -> Iterator[IotawattUnit]:
    unit = IotawattUnit(begin=BEGIN, clock=lambda: NOW + 35)
    unit.start()
    yield unit
    unit.stop()


@pytest.fixture
async def client(unit: IotawattUnit) -> AsyncIterator[Iotawatt]:
    async with aiohttp.ClientSession() as session:
        yield Iotawatt(session, f"127.0.0.1:{unit.port}", run, timeout=2)


async def test_its_own_list(client: Iotawatt) -> None:
    assert await client.series() == [
        Series("Voltage", "V"),
        Series("Mains_1", "W"),
        Series("Mains_2", "W"),
        Series("Solar", "W"),
        HEAT_PUMP,
        Series("Upstairs_Heat", "W"),
        FREQUENCY,
    ]


def test_a_name_that_cannot_be_asked_for_is_not_in_the_list() -> None:
    names = ["a", "a.b", "a,b", "[a]", "", "time", "x" * 65, "Küche 2", "a"]
    body = json.dumps({"series": [{"name": name, "unit": "Watts"} for name in names]}).encode()
    assert [one.name for one in decode_series(body)] == ["a", "Küche 2"]


def test_a_name_that_is_no_utf_8_spoils_no_other() -> None:
    body = b'{"series":[{"name":"K\xfcche","unit":"Watts"},{"name":"a","unit":"Watts"}]}'
    assert [one.name for one in decode_series(body)] == ["a"]


async def test_its_log_ends_with_the_last_whole_minute(client: Iotawatt) -> None:
    assert await client.log([HEAT_PUMP]) == LogSpan(BEGIN, NOW)


async def test_the_log_of_firmware_that_does_not_tell(socket_enabled: None) -> None:
    unit = IotawattUnit(begin=BEGIN, tells_logs=False)
    unit.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = Iotawatt(session, f"127.0.0.1:{unit.port}", run)
            found = await client.log([HEAT_PUMP])
    finally:
        unit.stop()
    # By the day: what is before holds nothing, and is not sent.
    assert BEGIN - 86_400 <= found.first <= BEGIN
    assert found.last <= time.time() - MINUTE


async def test_pages_are_the_minutes_of_the_log(client: Iotawatt, unit: IotawattUnit) -> None:
    unit.missing.append((BEGIN + 120, BEGIN + 300))
    at, last = BEGIN - 600, BEGIN + 2_500 * MINUTE
    pages: list[Page] = []
    while at < last:
        pages.append(await client.page([HEAT_PUMP, FREQUENCY], at, last))
        assert pages[-1].first == at
        at = pages[-1].end
    assert [len(page.columns[0]) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 510]
    for column, series in enumerate((HEAT_PUMP, FREQUENCY)):
        values = [value for page in pages for value in page.columns[column]]
        assert values == [
            unit.value(series.name, minute) for minute in range(BEGIN - 600, last, MINUTE)
        ]
        assert values[10:17] == [values[10], values[11], None, None, None, *values[15:17]]


async def test_a_unit_that_stops_early_says_where(
    client: Iotawatt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A larger page is cut by the unit's own limit; the next one goes on there."""
    monkeypatch.setattr(module, "PAGE_ROWS", 3)
    first = await client.page([HEAT_PUMP], BEGIN, BEGIN + 240)
    assert (first.first, first.end) == (BEGIN, BEGIN + 180)
    body = {"labels": ["Time", "a"], "data": [[BEGIN, 1.0]], "limit": BEGIN + 60}
    assert decode_page(json.dumps(body).encode(), ["a"], BEGIN, BEGIN + 120).end == BEGIN + 60


async def test_a_number_that_is_none_is_absent(client: Iotawatt, unit: IotawattUnit) -> None:
    def value(name: str, minute: int) -> float:
        return math.nan if minute == BEGIN else 4.5

    unit.value = value  # type: ignore[method-assign]
    page = await client.page([HEAT_PUMP], BEGIN, BEGIN + 120)
    assert page.columns == [[None, 4.5]]


async def test_one_request_at_a_time(client: Iotawatt, unit: IotawattUnit) -> None:
    running = most = 0
    answer = unit._answer

    def counted(path: str, asked: dict[str, str]) -> tuple[int, str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return answer(path, asked)

    unit._answer = counted  # type: ignore[method-assign]
    await asyncio.gather(*(client.series() for _ in range(4)))
    assert most == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (UnitFault.BUSY, UnitBusyError),
        (UnitFault.PASSWORD, PasswordError),
        (UnitFault.GARBAGE, WrongAnswerError),
        (UnitFault.CUT, IotawattError),
        (UnitFault.SLOW, UnitUnreachableError),
    ],
)
async def test_faults(
    client: Iotawatt, unit: IotawattUnit, fault: UnitFault, error: type[IotawattError]
) -> None:
    unit.fault = fault
    unit.delay = 4.0
    with pytest.raises(error):
        await client.page([HEAT_PUMP], BEGIN, BEGIN + 600)
    unit.fault = None
    assert (await client.page([HEAT_PUMP], BEGIN, BEGIN + 600)).end == BEGIN + 600


async def test_a_unit_that_is_off(client: Iotawatt, unit: IotawattUnit) -> None:
    unit.stop()
    with pytest.raises(UnitUnreachableError):
        await client.series()
    unit.start()
    assert await client.series()


async def test_a_series_that_is_gone(client: Iotawatt) -> None:
    with pytest.raises(UnknownSeriesError) as caught:
        await client.page([HEAT_PUMP, Series("Attic", "W")], BEGIN, BEGIN + 60)
    assert caught.value.name == "Attic"


async def test_a_name_that_is_not_known(socket_enabled: None) -> None:
    class Nowhere(aiohttp.abc.AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            raise OSError("no such name")

        async def close(self) -> None:
            pass

    connector = aiohttp.TCPConnector(resolver=Nowhere())
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(UnitNameError):
            await Iotawatt(session, "iotawatt.local", run).series()
    with pytest.raises(UnitUnreachableError):
        await Iotawatt(session, "iotawatt.local", run).series()


async def test_an_answer_that_does_not_end(
    socket_enabled: None, aiohttp_server: Callable[..., Awaitable[Any]]
) -> None:
    async def talk(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 65_536)
        return answer

    async def missing(request: web.Request) -> web.Response:
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/query", talk)
    app.router.add_get("/status", missing)
    server = await aiohttp_server(app)
    async with aiohttp.ClientSession() as session:
        client = Iotawatt(session, f"127.0.0.1:{server.port}", run)
        assert "127.0.0.1" in repr(client)
        with pytest.raises(WrongAnswerError, match="too long"):
            await client.series()
        with pytest.raises(WrongAnswerError, match="404"):
            await client.log([HEAT_PUMP])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("iotawatt.local", "iotawatt.local"),
        (" http://IWATT5:8080/ ", "iwatt5:8080"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]:81", "[2001:db8::7]:81"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "http://", "https://a", "a b", "a/b", "a?b", "u:p@a", "a:99999", "[::", "http://[a"],
)
def test_no_hosts(text: str) -> None:
    with pytest.raises(InvalidHostError):
        parse_host(text)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"labels": ["Time", "a"], "data": []},
        {"labels": ["Time", "b"], "data": [[BEGIN, 1], [BEGIN + 60, 1]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1], [BEGIN, 1]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1], [BEGIN + 120, 1]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1], [BEGIN + 60]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1], [BEGIN + 60, "1"]]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1], [BEGIN + 60, True]]},
        {"labels": ["Time", "a"], "data": [[BEGIN + 60 * i, 1] for i in range(3)]},
        {"labels": ["Time", "a"], "data": [[BEGIN, 1]], "limit": BEGIN + 120},
    ],
)
def test_pages_with_a_fault(body: object) -> None:
    with pytest.raises(WrongAnswerError):
        decode_page(json.dumps(body).encode(), ["a"], BEGIN, BEGIN + 120)


def test_logs() -> None:
    assert decode_log(b"{}") is None
    assert decode_mac(b'{"wifi":{"mac":"5C:CF:7F:00:00:01"}}') == "5c:cf:7f:00:00:01"
    for silent in (b"{}", b'{"wifi":{"connecttime":0}}', b'{"wifi":{"mac":7}}', b'{"wifi":[]}'):
        assert decode_mac(silent) is None
    assert decode_log(b'{"datalogs":[{"firstkey":0,"lastkey":0}]}') is None
    listed = {"datalogs": [{"firstkey": BEGIN + 5, "lastkey": NOW + 59}, 7]}
    assert decode_log(json.dumps(listed).encode()) == LogSpan(BEGIN + 60, NOW)
    with pytest.raises(WrongAnswerError):
        decode_first(b'{"data":[[1,2],[0]]}')
    with pytest.raises(WrongAnswerError):
        decode_first(b'{"data":7}')


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([BEGIN, BEGIN + 60, "Time", "a", "Watts"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["series", "name", "unit", "labels", "data", "limit", "datalogs", "firstkey"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode())


@given(body=BODIES)
def test_whatever_comes_raises_nothing_else(body: bytes) -> None:
    for decode in (
        decode_series,
        decode_log,
        decode_mac,
        decode_first,
        lambda body: decode_page(body, ["a"], BEGIN, BEGIN + 120),
    ):
        try:
            decode(body)
        except WrongAnswerError:
            continue


@given(
    data=JSON,
    labels=st.just(["Time", "a"]) | JSON,
    limit=st.none() | st.integers(BEGIN, BEGIN + 200),
)
def test_a_page_is_whole_or_none(data: object, labels: object, limit: int | None) -> None:
    body = json.dumps({"labels": labels, "data": data, "limit": limit}).encode()
    try:
        page = decode_page(body, ["a"], BEGIN, BEGIN + 120)
    except WrongAnswerError:
        return
    assert page.end - page.first == len(page.columns[0]) * MINUTE > 0


SECRETS = {"admin": "over the top", "user": 'käse:\\"x'}


@pytest.mark.parametrize("user", ["admin", "user"])
async def test_a_unit_with_passwords_is_read_by_both_its_users(
    unit: IotawattUnit, user: str
) -> None:
    unit.passwords = dict(SECRETS)
    async with aiohttp.ClientSession() as session:
        client = Iotawatt(
            session, f"127.0.0.1:{unit.port}", run, username=user, password=SECRETS[user]
        )
        assert len(await client.series()) == len(unit.series)
        page = await client.page([HEAT_PUMP], BEGIN, BEGIN + HOUR)
        assert page.end == BEGIN + HOUR
        # It is challenged once, and then believed.
        assert unit.logins.refused == 1
        # Another who asks from here takes the challenge away, and so does time.
        unit.logins.counters.clear()
        assert (await client.page([HEAT_PUMP], BEGIN, BEGIN + HOUR)).columns == page.columns
        assert unit.logins.refused == 2
    assert SECRETS[user] not in repr(client)
    assert not any(SECRETS[user] in one for one in (*unit.logins.seen, *unit.asked))


@pytest.mark.parametrize("login", [{}, {"username": "user", "password": "guessed"}])
async def test_a_password_that_is_wrong_or_none(unit: IotawattUnit, login: dict[str, str]) -> None:
    unit.passwords = dict(SECRETS)
    async with aiohttp.ClientSession() as session:
        client = Iotawatt(session, f"127.0.0.1:{unit.port}", run, **login)
        with pytest.raises(PasswordError) as raised:
            await client.series()
    assert "guessed" not in repr(raised.value)
    # A wrong one is tried once, and not again and again.
    assert len(unit.asked) <= 2


async def test_a_login_that_was_seen_on_the_wire_is_worth_nothing(unit: IotawattUnit) -> None:
    """As in the firmware: its counter has to grow, and nothing but digest is known."""
    unit.passwords = dict(SECRETS)
    async with aiohttp.ClientSession() as session:
        address = f"127.0.0.1:{unit.port}"
        client = Iotawatt(session, address, run, username="user", password=SECRETS["user"])
        await client.series()
        url = f"http://{address}/query?show=series"
        seen = unit.logins.seen[-1]
        assert seen.startswith("Digest ")
        for header in (seen, aiohttp.encode_basic_auth("user", SECRETS["user"])):
            async with session.get(url, headers={"Authorization": header}) as answer:
                assert answer.status == 401
        assert len(await client.series()) == len(unit.series)
