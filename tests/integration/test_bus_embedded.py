"""The embedded bus among several processes, when they are killed, and when the disk is full or damaged."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from structlog.testing import capture_logs

from hub.bus import Delivery, Position
from hub.bus.embedded import EmbeddedBus
from hub.bus.member import Bounds
from hub.bus.segment import Appender, Row, Segment, microseconds
from hub.bus.sqlite import told
from hub.errors import HubError, TransientError
from hub.model import Reading
from hub.topics import READINGS, THERMAL, VIDEO, Topic
from tests.bus_machine import SESSION, BusMachine
from tests.bus_places import SITES, ids, reading, take_until

ROOT = Path(__file__).resolve().parents[2]


def process(*arguments: object) -> subprocess.Popen[str]:
    """Another process of the hub."""
    command = [sys.executable, "-W", "error", "-m", "tests.bus_process", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kept(lines: list[str]) -> dict[Position, str]:
    """What a process was promised; a line cut off by its death is no promise it passed on."""
    words = [line.split() for line in lines if line.startswith(("kept ", "took ")) and line.endswith("\n")]
    return {Position(int(partition), int(offset)): name for _, partition, offset, name in words}


async def everything(directory: Path) -> dict[Position, str]:
    """All readings of a folder."""
    taken: list[Delivery[Reading]] = []
    async with EmbeddedBus(directory) as bus, bus.subscribe([READINGS], f"audit-{random.random()}") as member:
        while batch := await member.take(wait=0.1):
            taken += batch
    for partition in {d.partition for d in taken}:
        offsets = [d.offset for d in taken if d.partition == partition]
        assert offsets == list(range(len(offsets))), "no hole, none twice"
    return {Position(d.partition, d.offset): d.decode().id for d in taken}


async def test_a_killed_publisher_loses_nothing_it_was_promised(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    promised: dict[Position, str] = {}
    for attempt in range(6):
        publisher = process("publish", tmp_path, f"a{attempt}", 100_000)
        lines = [publisher.stdout.readline()]  # type: ignore[union-attr]  # it is a pipe
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        publisher.kill()
        rest, _ = publisher.communicate(timeout=30)
        lines += rest.splitlines(keepends=True)
        promised |= kept(lines)
    found = await everything(tmp_path)
    assert len(promised) > 100, f"seed {seed}"
    assert {p: found.get(p) for p in promised} == promised, f"seed {seed}"


async def test_several_processes_publish_into_one_topic(tmp_path: Path) -> None:
    publishers = [process("publish", tmp_path, f"p{n}", 300) for n in range(3)]
    outputs = [publisher.communicate(timeout=60) for publisher in publishers]
    assert [publisher.returncode for publisher in publishers] == [0, 0, 0], outputs
    promised: dict[Position, str] = {}
    for output, _ in outputs:
        part = kept(output.splitlines(keepends=True))
        assert not part.keys() & promised.keys(), "no offset given twice"
        promised |= part
    assert len(promised) == 3 * 300 * 3
    assert await everything(tmp_path) == promised


async def test_another_process_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    async with EmbeddedBus(tmp_path, session=1.0) as bus:
        first = process("consume", tmp_path, "g")
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        await bus.publish(READINGS, [reading(SITES[n % 16], n) for n in range(400)])
        lines = [first.stdout.readline() for _ in range(100)]
        first.kill()
        rest, _ = first.communicate(timeout=30)
        lines += rest.splitlines(keepends=True)
        took = kept(lines)
        safe = kept(lines[: max((i for i, line in enumerate(lines) if line == "done\n"), default=0)])
        async with bus.subscribe([READINGS], "g") as member:
            taken = await take_until(
                [member], lambda t: took.keys() | {Position(d.partition, d.offset) for d in t} == set_of(400)
            )
        again = {Position(d.partition, d.offset) for d in taken}
        assert not again & safe.keys(), "what it acknowledged does not come again"


async def test_nobody_waits_for_the_lease_of_a_killed_process(tmp_path: Path) -> None:
    first = process("consume", tmp_path, "g", 1000.0)
    assert first.stdout is not None
    assert first.stdout.readline() == "ready\n"
    async with EmbeddedBus(tmp_path, session=1000.0) as bus:
        await bus.publish(READINGS, [reading(SITES[0], 0)])
        async with bus.subscribe([READINGS], "g") as member:
            assert member.assignment.partitions == frozenset(), "it lives, so its lease holds"
        first.kill()
        first.communicate(timeout=30)
        async with bus.subscribe([READINGS], "g") as member:
            assert len(member.assignment.partitions) == 16


def set_of(count: int) -> set[Position]:
    """The positions of `count` readings spread evenly over the partitions."""
    return {Position(n % 16, n // 16) for n in range(count)}


async def test_what_another_process_publishes_arrives_soon(tmp_path: Path) -> None:
    async with EmbeddedBus(tmp_path) as bus, bus.subscribe([READINGS], "g") as member:
        publisher = process("publish", tmp_path, "a", 50)
        taken = await take_until([member], lambda t: len(t) >= 150)
        publisher.communicate(timeout=30)
        assert len(set(ids(taken))) == 150


async def test_a_full_disk_is_transient_and_keeps_what_was_promised(tmp_path: Path) -> None:
    filler = process("fill", tmp_path, 4 * 2**20)
    output, errors = filler.communicate(timeout=100)
    assert filler.returncode == 0, errors
    lines = output.splitlines(keepends=True)
    assert lines[-1] == "end\n"
    assert any(line.startswith("full ") and "readings.sqlite" in line for line in lines), "it never became full"
    found = await everything(tmp_path)
    promised = kept(lines)
    assert {p: found.get(p) for p in promised} == promised


def test_sqlite_full_is_transient(tmp_path: Path) -> None:
    path = tmp_path / "full.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (value BLOB)")
        connection.execute("PRAGMA max_page_count = 4")
        with pytest.raises(TransientError, match=r"full\.sqlite"), told(path):
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


@pytest.mark.parametrize("content", [b"", b"this is no database" * 1000])
async def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "topics" / "readings.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    async with EmbeddedBus(tmp_path) as bus:
        with pytest.raises(HubError, match=r"readings\.sqlite is damaged") as caught:
            await bus.publish(READINGS, [reading("cuihu", 1)])
        assert not isinstance(caught.value, TransientError)
        with pytest.raises(HubError, match=r"readings\.sqlite is damaged"):
            async with bus.subscribe([READINGS], "g"):
                pass


async def test_a_file_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    async with EmbeddedBus(tmp_path) as bus:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(2000)])
    path = tmp_path / "topics" / "readings.sqlite"
    with path.open("r+b") as file:
        file.seek(16384)
        file.write(b"\xff" * 16384 * 3)
    async with EmbeddedBus(tmp_path) as bus:
        with pytest.raises(HubError, match="is damaged"):
            async with bus.subscribe([READINGS], "g") as member:
                await take_until([member], lambda t: len(t) >= 2000)


async def test_a_file_another_program_holds_is_transient(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "t.sqlite", READINGS, busy=0.05)
    row = Row(1, 0, b"k", b"", b"v")
    with closing(sqlite3.connect(tmp_path / "t.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="locked"):
            appender.append([row])
        other.execute("ROLLBACK")
    assert appender.append([row]) == [0]
    appender.close()


class EmbeddedMachine(BusMachine):
    """The embedded bus, any order of use; each run has a folder of its own."""

    folder = Path()
    runs = 0

    @staticmethod
    def _open(clock: object) -> EmbeddedBus:
        EmbeddedMachine.runs += 1
        return EmbeddedBus(EmbeddedMachine.folder / str(EmbeddedMachine.runs), session=SESSION, monotonic=clock)  # type: ignore[arg-type]  # a clock

    make = _open


def test_any_order_of_use(tmp_path: Path) -> None:
    EmbeddedMachine.folder = tmp_path
    case = EmbeddedMachine.TestCase
    case.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    case("runTest").debug()


BEGIN = datetime(2026, 11, 23, 10, tzinfo=UTC)


def rows(count: int, size: int = 100, first: int = 0) -> list[Row]:
    """One row per second, over the partitions in turn."""
    return [
        Row(n % 16, microseconds(BEGIN + timedelta(seconds=n)), b"k%d" % (n % 16), b"", bytes(size))
        for n in range(first, first + count)
    ]


def short(keep_seconds: float = 1e9, keep_bytes: int = 10**12) -> Topic[Reading]:
    """A topic that keeps this."""
    return Topic("t", Reading, lambda r: r.site, keep_seconds=keep_seconds, keep_bytes=keep_bytes, durable=False)


def test_what_is_too_old_goes_and_offsets_go_on(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "t.sqlite", short(keep_seconds=160))
    segment = Segment(tmp_path / "t.sqlite")
    appender.append(rows(1600))
    while appender.retain(BEGIN + timedelta(seconds=1600)):
        pass
    assert [(b.start, b.end) for b in map(segment.bounds, range(16))] == [(90, 100)] * 16
    while appender.retain(BEGIN + timedelta(seconds=99999)):
        pass
    assert [(b.start, b.end) for b in map(segment.bounds, range(16))] == [(100, 100)] * 16
    appender.close()
    reopened = Appender(tmp_path / "t.sqlite", short())
    assert reopened.append(rows(16, first=1600)) == [100] * 16
    assert segment.fetch(3, 0, 10, 10**9)[0].offset == 100
    reopened.close()
    segment.close()


def test_what_is_too_much_goes_oldest_first(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "t.sqlite", short(keep_bytes=8 * 2**20))
    segment = Segment(tmp_path / "t.sqlite")
    for first in range(0, 1600, 160):
        appender.append(rows(160, size=20_000, first=first))
    while appender.retain(BEGIN):
        pass
    starts = [segment.bounds(p).start for p in range(16)]
    held = sum(100 - start for start in starts)
    assert max(starts) - min(starts) <= 1, "the oldest over all partitions"
    assert 7 * 2**20 < held * 20_000 < 8 * 2**20
    appender.close()
    segment.close()


def test_room_is_given_back_when_much_is_free(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    appender = Appender(path, short(keep_seconds=10))
    for first in range(0, 2400, 160):
        appender.append(rows(160, size=60_000, first=first))
    large = path.stat().st_size
    while appender.retain(BEGIN + timedelta(seconds=2400)):
        pass
    appender.close()
    assert large > 140 * 10**6
    assert path.stat().st_size < 80 * 2**20


def test_a_clock_that_jumps_leaves_no_hole(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "t.sqlite", short(keep_seconds=100))
    segment = Segment(tmp_path / "t.sqlite")
    instants = [0, 1, 2, 5000, 5001, 3, 4, 5]
    appender.append([Row(0, microseconds(BEGIN + timedelta(seconds=s)), b"k", b"", b"") for s in instants])
    while appender.retain(BEGIN + timedelta(seconds=104)):
        pass
    assert segment.bounds(0) == Bounds(6, 8)
    assert [r.at for r in segment.fetch(0, 0, 99, 99)] == [BEGIN + timedelta(seconds=s) for s in (4, 5)]
    appender.close()
    segment.close()


def test_reading_by_time_does_not_mind_a_clock_that_jumped(tmp_path: Path) -> None:
    appender = Appender(tmp_path / "t.sqlite", short())
    segment = Segment(tmp_path / "t.sqlite")
    instants = [0, 1, 2, 5000, 5001, 3, 4, 5]
    appender.append([Row(0, microseconds(BEGIN + timedelta(seconds=s)), b"k", b"", b"") for s in instants])
    pages = segment.between(0, b"k", BEGIN + timedelta(seconds=1), BEGIN + timedelta(seconds=5))
    assert [r.offset for page in pages for r in page] == [1, 2, 5, 6]
    appender.close()
    segment.close()


async def test_a_reader_overtaken_by_retention_goes_on_at_the_oldest_and_says_so(tmp_path: Path) -> None:
    async with EmbeddedBus(tmp_path) as bus, bus.subscribe([READINGS], "g") as member:
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(50)])
        first = await take_until([member], lambda t: len(t) >= 50)
        await bus.publish(READINGS, [reading("cuihu", n) for n in range(50, 60)])
        early = Topic("readings", Reading, lambda r: r.site, keep_seconds=0, keep_bytes=10**9)
        appender = Appender(tmp_path / "topics" / "readings.sqlite", early)
        await asyncio.to_thread(appender.retain, datetime.now(UTC) + timedelta(seconds=5), 5.0)
        appender.close()
        (position,) = await bus.publish(READINGS, [reading("cuihu", 60)])
        assert position.offset == 60
        with capture_logs() as logs:
            taken = await take_until([member], bool)
        assert ids(taken)[-1] == "cuihu/60"
        skipped = sum(entry["count"] for entry in logs if entry["event"] == "records_skipped")
        assert skipped + len(taken) == 11
        assert first[0].partition == position.partition


async def test_video_is_not_forced_to_the_disk_and_readings_are(tmp_path: Path) -> None:
    for topic, expected in ((READINGS, 2), (VIDEO, 1), (THERMAL, 1)):
        appender = Appender(tmp_path / f"{topic.name}.sqlite", topic)
        (mode,) = appender._connection.execute("PRAGMA synchronous").fetchone()
        assert mode == expected
        appender.close()


async def test_an_idle_bus_costs_almost_nothing(tmp_path: Path) -> None:
    async with EmbeddedBus(tmp_path) as bus, bus.subscribe([READINGS, THERMAL], "g") as member:
        before = time.process_time()
        assert await member.take(wait=1.0) == []
        assert time.process_time() - before < 0.5, "it spins"
