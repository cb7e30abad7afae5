"""How fast the embedded bus keeps and hands over readings, beside plain SQLite with one transaction per 100 records.

    python -m benchmarks.bus_publish [--seconds 2] [--json]

Both write 1 KB records durably (synchronous=FULL) to the same disk, in turn, best of three. The bus does more in the
same time: it encodes, gives offsets, tells its readers. `latency` is from before publish to after take, at a steady
pace, one reading at a time. `video` is what 16 cameras at 5 chunks of 60 KB a second cost, in shares of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.bus.embedded import EmbeddedBus
from hub.model import Packet, Reading, VideoChunk
from hub.topics import READINGS, VIDEO

BATCH = 100
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def reading(number: int, padding: str = "x" * 700) -> Reading:
    """A reading that takes about 1 KB as JSON."""
    site = f"site-{number % 40}"
    return Reading(
        id=f"{site}/{number}",
        site=site,
        device=padding,
        kind="heat",
        metric="temperature",
        value=float(number),
        at=AT,
        clock="hub",
        arrived_at=AT,
    )


def chunk(number: int) -> VideoChunk:
    """200 ms of a camera: five packets, 60 KB."""
    camera = f"cuihu/cam-{number % 16}"
    packets = tuple(Packet(bytes(12_000), n, n, n == 0) for n in range(5))
    return VideoChunk(
        camera=camera,
        site="cuihu",
        at=AT,
        session="s",
        sequence=number,
        codec="h264",
        num=1,
        den=90_000,
        epoch=0.0,
        gop_at=AT,
        packets=packets,
    )


def plain(directory: Path, seconds: float) -> float:
    """Records per second of SQLite alone, the bytes made beforehand."""
    value = READINGS.encode(reading(1))[1]
    with closing(sqlite3.connect(directory / "plain.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, at INTEGER, key BLOB, value BLOB)")
        count, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO record VALUES (NULL, 0, 'k', ?)", [(value,)] * BATCH)
            connection.execute("COMMIT")
            count += BATCH
    return count / passed


async def publish(directory: Path, seconds: float) -> float:
    """Records per second through publish, four publishers at once, batches of 100."""
    nouns = [reading(n) for n in range(BATCH)]
    async with EmbeddedBus(directory) as bus:
        await bus.publish(READINGS, nouns)
        begun = time.perf_counter()

        async def publisher() -> int:
            count = 0
            while time.perf_counter() - begun < seconds:
                count += len(await bus.publish(READINGS, nouns))
            return count

        counts = await asyncio.gather(*(publisher() for _ in range(4)))
        return sum(counts) / (time.perf_counter() - begun)


async def consume(directory: Path, seconds: float) -> float:
    """Records per second through take, decode and commit."""
    async with EmbeddedBus(directory) as bus:
        for first in range(0, 20_000, 500):
            await bus.publish(READINGS, [reading(n) for n in range(first, first + 500)])
        async with bus.subscribe([READINGS], "bench") as member:
            count, begun = 0, time.perf_counter()
            while time.perf_counter() - begun < seconds and (batch := await member.take(wait=0.1)):
                for delivery in batch:
                    delivery.decode()
                await member.commit(batch)
                count += len(batch)
            return count / (time.perf_counter() - begun)


async def latency(directory: Path, seconds: float, across: bool) -> dict[str, float]:
    """Milliseconds from before publish to after take at 200 readings a second, p50 and p99.

    `across` has publisher and subscriber on buses of their own, as two processes have: found by looking, not told.
    """
    took: list[float] = []
    sent: dict[str, float] = {}
    async with (
        EmbeddedBus(directory) as bus,
        EmbeddedBus(directory) as other,
        (other if across else bus).subscribe([READINGS], "bench") as member,
    ):

        async def subscriber() -> None:
            while len(took) < len(sent) or not sent or time.perf_counter() - begun < seconds:
                batch = await member.take(wait=0.2)
                now = time.perf_counter()
                took.extend(now - sent[d.decode().id] for d in batch)
                await member.commit(batch)

        begun = time.perf_counter()
        task = asyncio.create_task(subscriber())
        for number in range(int(seconds * 200)):
            noun = reading(number)
            sent[noun.id] = time.perf_counter()
            await bus.publish(READINGS, [noun])
            await asyncio.sleep(max(0.0, begun + (number + 1) / 200 - time.perf_counter()))
        await task
    parts = statistics.quantiles(took, n=100)
    return {"p50_ms": round(parts[49] * 1000, 2), "p99_ms": round(parts[98] * 1000, 2)}


async def video(directory: Path, seconds: float) -> dict[str, float]:
    """Share of a core for publishing 80 chunks of 60 KB a second, and for publishing and taking them."""
    shares = {}
    async with EmbeddedBus(directory) as bus:
        for name in ("publish", "publish_and_take"):
            async with bus.subscribe([VIDEO], name, start="latest") as member:
                cpu, begun = time.process_time(), time.perf_counter()
                for number in range(int(seconds * 80)):
                    await bus.publish(VIDEO, [chunk(number)])
                    if name == "publish_and_take":
                        await member.commit(await member.take(wait=0))
                    await asyncio.sleep(max(0.0, begun + (number + 1) / 80 - time.perf_counter()))
                shares[name] = round((time.process_time() - cpu) / (time.perf_counter() - begun), 3)
    return shares


async def best(work: Callable[[Path, float], Coroutine[Any, Any, float]], seconds: float) -> float:
    """The best of three, each in an empty folder."""
    results = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            results.append(await work(Path(directory), seconds))
    return round(max(results))


async def measure(seconds: float) -> dict[str, Any]:
    """All figures."""

    async def reference(directory: Path, seconds: float) -> float:
        return await asyncio.to_thread(plain, directory, seconds)

    found: dict[str, Any] = {
        "plain_sqlite_per_s": await best(reference, seconds),
        "publish_per_s": await best(publish, seconds),
        "consume_per_s": await best(consume, seconds),
    }
    found["publish_share_of_plain"] = round(found["publish_per_s"] / found["plain_sqlite_per_s"], 2)
    for name, across in (("latency_one_process", False), ("latency_two_processes", True)):
        with tempfile.TemporaryDirectory() as directory:
            found[name] = await latency(Path(directory), seconds, across)
    with tempfile.TemporaryDirectory() as directory:
        found["video_16_cameras_cores"] = await video(Path(directory), seconds)
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = asyncio.run(measure(options.seconds))
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
