"""What a real VictoriaMetrics holds in the end is what was read.

Hold and poll are far shorter than in a house, and the server writes to its disk as often.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
import json
from pathlib import Path
from random import Random
import sys
import time
from urllib.parse import quote

import aiohttp
import pytest

from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.server import HistoryError
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from tests.servers import (
    Server,
    VictoriaMetrics as RealServer,
    VictoriaMetricsFactory,
    find_program,
)

from .conftest import PASSWORD, USER, encoder
from .proof import HOLD, House, expected, held, poll

type Build = Callable[..., House]


@pytest.fixture
async def build(session: aiohttp.ClientSession, tmp_path: Path) -> AsyncIterator[Build]:
    """Build houses of one journal; all are gone afterwards."""
    houses: list[House] = []

    def house(
        server: RealServer | VictoriaMetrics, folder: Path = tmp_path, **more: float
    ) -> House:
        if isinstance(server, RealServer):
            server = VictoriaMetrics(session, server.url, kept=True)
        houses.append(House(folder / "journal.sqlite", server, **more))
        return houses[-1]

    yield house
    for one in houses:
        await one.stop()


@pytest.fixture
def start() -> int:
    """Return a time of yesterday, in ms."""
    return int(time.time() - 86_400) * 1000 + 123


@pytest.mark.parametrize("old", [False, True], ids=["new", "1.79.5"])
async def test_every_sample_is_there_with_its_time_and_value(
    victoria_metrics_factory: VictoriaMetricsFactory, build: Build, start: int, old: bool
) -> None:
    # As in a house, what is asked for too early is not found for ten seconds.
    server = victoria_metrics_factory("-storage.cacheSizeIndexDBTagFilters=0", old=old)
    house = await build(server, hold=2.0).open()
    polls = [poll(index, start) for index in range(200)]
    for snapshot in polls[:100]:
        house.feed.take(snapshot)
        await asyncio.sleep(0)
    for frame in encoder("keller").encode(polls[100:]):
        house.journal.outbox.put(frame)
    await house.verified()
    assert await held(server) == expected(polls, "keller")
    assert house.shipper.coding is (Coding.GZIP if old else Coding.ZSTD)
    assert house.shipper.stats.verified == 6 * 200


async def test_labels_survive(victoria_metrics: RealServer, build: Build, start: int) -> None:
    house = await build(victoria_metrics).open()
    house.feed.take(poll(0, start))
    await house.verified()
    [series] = await victoria_metrics.export('{__name__="heatpump_circuit_a_flow_temperature"}')
    assert series["metric"] == {
        "__name__": "heatpump_circuit_a_flow_temperature",
        "heatpump_id": "keller",
        "manufacturer": "IDM",
        "model": 'Navigator "2.0" Südhang',
        "circuit": "a",
    }


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("old", [False, True], ids=["new", "1.79.5"])
async def test_a_server_that_is_killed_again_and_again_loses_nothing(
    victoria_metrics_factory: VictoriaMetricsFactory, build: Build, start: int, old: bool
) -> None:
    server = victoria_metrics_factory(old=old)
    house = await build(server, hold=HOLD).open()
    random = Random(4)
    index = 0
    for _ in range(5):
        until = time.monotonic() + random.uniform(0.3, 2.0)
        while time.monotonic() < until:
            house.feed.take(poll(index, start))
            index += 1
            await asyncio.sleep(0.02)
        await asyncio.to_thread(server.kill)
        for _ in range(random.randrange(15)):
            house.feed.take(poll(index, start))
            index += 1
            await asyncio.sleep(0.02)
        await asyncio.to_thread(server.start)
    house.journal.outbox.draw()
    await house.verified()
    assert old or house.shipper.stats.lost > 0
    assert await held(server) == expected([poll(n, start) for n in range(index)], "keller")


async def test_a_stop_during_an_outage_loses_nothing(
    victoria_metrics: RealServer, build: Build, start: int
) -> None:
    await asyncio.to_thread(victoria_metrics.kill)
    polls = [poll(index, start) for index in range(35)]
    for part in (polls[:12], polls[12:]):
        house = await build(victoria_metrics).open()
        for snapshot in part:
            house.feed.take(snapshot)
            await asyncio.sleep(0.01)
        await house.stop()
    await asyncio.to_thread(victoria_metrics.start)
    house = await build(victoria_metrics).open()
    assert house.shipper.stats.queued_samples == 35 * 6
    await house.verified()
    assert await held(victoria_metrics) == expected(polls, "keller")


async def test_a_writer_that_is_killed_loses_at_most_what_it_had_not_posted(
    victoria_metrics: RealServer, build: Build, start: int, tmp_path: Path
) -> None:
    random = Random(7)
    reports: list[tuple[int, int]] = []
    for number in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.history.writer",
            str(tmp_path / "journal.sqlite"),
            victoria_metrics.url,
            str(start + number * 86_400),
            # Longer than a server forgets that is killed later.
            str(HOLD),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        taken = posted = 0
        ending = random.randrange(20, 60)
        while taken < ending:
            taken, posted = map(int, (await process.stdout.readline()).split()[:2])
            if taken >= 15 and number % 2 and victoria_metrics.running:
                # Both die: what is older than W is on the writer's disk.
                await asyncio.to_thread(victoria_metrics.kill)
        process.kill()
        await process.wait()
        reports.append((taken, posted))
        if not victoria_metrics.running:
            await asyncio.to_thread(victoria_metrics.start)
    house = await build(victoria_metrics).open()
    await house.verified()
    found = await held(victoria_metrics)
    for number, (taken, posted) in enumerate(reports):
        first = start + number * 86_400
        polls = [poll(index, first) for index in range(taken)]
        # With its server alive, at least what was posted; with both dead, what is older than W.
        safe = posted // 6 if number % 2 == 0 else 0
        for key, samples in expected(polls[:safe], "keller").items():
            assert samples.items() <= found[key].items()
    for key, samples in found.items():
        everything = {
            stamp: value
            for number, (taken, _) in enumerate(reports)
            for stamp, value in expected(
                [poll(n, start + number * 86_400) for n in range(taken + 5)], "keller"
            )[key].items()
        }
        assert samples.items() <= everything.items()


async def test_wrong_password_loses_nothing_until_it_is_right(
    session: aiohttp.ClientSession,
    victoria_metrics: RealServer,
    vmauth: Server,
    build: Build,
    start: int,
) -> None:
    wrong = VictoriaMetrics(session, vmauth.url, username=USER, password="stale", kept=True)
    house = await build(wrong).open()
    polls = [poll(index, start) for index in range(5)]
    for snapshot in polls:
        house.feed.take(snapshot)
        await asyncio.sleep(0.02)
    assert house.shipper.stats.queued_samples == 30
    house.shipper.replace_server(
        VictoriaMetrics(session, vmauth.url, username=USER, password=PASSWORD, kept=True)
    )
    await house.verified()
    assert await held(victoria_metrics) == expected(polls, "keller")


async def test_retention_of_a_real_server_keeps_old_samples_at_home(
    victoria_metrics_factory: VictoriaMetricsFactory, build: Build, start: int
) -> None:
    server = victoria_metrics_factory("-retentionPeriod=2d")
    house = await build(server).open()
    old = poll(0, start - 5 * 86_400_000)
    house.feed.take(old)
    house.feed.take(poll(1, start))
    async with asyncio.timeout(30):
        while house.shipper.stats.verified < 6:
            await asyncio.sleep(0.02)
    assert house.shipper.stats.queued_samples == 6
    assert house.shipper.stats.oldest == round(old.time.timestamp() * 1000)


@pytest.fixture
def cluster(victoria_metrics: RealServer, tmp_path: Path) -> Iterator[Server]:
    """Start vmagent, which takes a cluster's insert paths, and vmauth, which maps select paths."""
    try:
        program = find_program("HPH_VMAGENT", "vmagent")
    except FileNotFoundError as err:
        pytest.skip(str(err))
    agent = Server(
        program,
        [
            "-enableMultitenantHandlers",
            f"-remoteWrite.url={victoria_metrics.url}/api/v1/write",
            "-remoteWrite.flushInterval=100ms",
            f"-remoteWrite.tmpDataPath={tmp_path / 'agent'}",
            "-httpListenAddr=127.0.0.1:{port}",
        ],
        tmp_path / "vmagent.log",
    )
    agent.start()
    users = [
        user
        for tenant, login in (
            ("7:3", {"bearer_token": "token-of-seven"}),
            ("8", {"username": "eight", "password": "word-of-eight"}),
        )
        for user in [
            {
                **login,
                "url_map": [
                    {
                        "src_paths": [f"/insert/{tenant}/prometheus/.*"],
                        "url_prefix": f"{agent.url}",
                    },
                    {
                        "src_paths": [f"/select/{tenant}/prometheus/.*"],
                        "drop_src_path_prefix_parts": 3,
                        "url_prefix": f"{victoria_metrics.url}/?extra_filters[]="
                        + quote(
                            "{"
                            + ",".join(
                                f'vm_{part}_id="{number}"'
                                for part, number in zip(
                                    ("account", "project"),
                                    [*tenant.split(":"), "0"][:2],
                                    strict=True,
                                )
                            )
                            + "}"
                        ),
                    },
                ],
            }
        ]
    ]
    config = tmp_path / "cluster.json"
    config.write_text(json.dumps({"users": users}), encoding="utf-8")
    gate = Server(
        find_program("HPH_VMAUTH", "vmauth"),
        [f"-auth.config={config}", "-httpListenAddr=127.0.0.1:{port}"],
        tmp_path / "vmauth-cluster.log",
    )
    yield gate.start()
    gate.stop()
    agent.stop()


async def test_tenants_of_a_cluster_store_and_verify_apart(
    session: aiohttp.ClientSession,
    victoria_metrics: RealServer,
    cluster: Server,
    build: Build,
    start: int,
    tmp_path: Path,
) -> None:
    seven = VictoriaMetrics(
        session, cluster.url, password="token-of-seven", tenant="7:3", kept=True
    )
    eight = VictoriaMetrics(
        session, cluster.url, username="eight", password="word-of-eight", tenant="8"
    )
    house = await build(seven).open()
    polls = [poll(index, start) for index in range(5)]
    for snapshot in polls:
        house.feed.take(snapshot)
    await house.verified()
    assert house.shipper.stats.verified == 30
    stored = await victoria_metrics.export('{heatpump_id="keller"}')
    assert {(s["metric"]["vm_account_id"], s["metric"]["vm_project_id"]) for s in stored} == {
        ("7", "3")
    }
    assert sum(len(s["values"]) for s in stored) == 30
    # A tenant without a project is in project 0.
    other = await build(eight, tmp_path / "eight").open()
    other.feed.take(polls[0])
    await other.verified()
    stored = await victoria_metrics.export(
        '{heatpump_id="keller",vm_account_id="8",vm_project_id="0"}'
    )
    assert sum(len(s["values"]) for s in stored) == 6
    first, last = (round(polls[index].time.timestamp() * 1000) for index in (0, -1))
    assert await seven.counts("keller", first, last) == {5: 6}
    assert await eight.counts("keller", first, last) == {1: 6}
    # A tenant that claims to be another one gets nowhere, by token or by password.
    for login in (
        {"password": "token-of-seven", "tenant": "8"},
        {"username": "eight", "password": "word-of-eight", "tenant": "7:3"},
    ):
        spoof = VictoriaMetrics(session, cluster.url, **login)
        with pytest.raises(HistoryError):
            await spoof.write(b"")
        with pytest.raises(HistoryError):
            await spoof.counts("keller", first, last)
