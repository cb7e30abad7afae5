"""What it costs to take in cameras: RTSP to log, beside a bare PyAV demux loop over the same RTSP.

    python -m benchmarks.video_ingest [--cameras 8] [--seconds 10] [--json]

Both watch the same simulated 1080p25 cameras (H.264, 4 Mbit/s, a key frame every two seconds), each in a process of
its own, in turn, best of three. Counted is CPU time of the whole process once all cameras are connected. The bare
loop only reads each packet's size; ours normalises, cuts chunks and keeps them on the embedded bus on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

RATE, SIZE, BITS = 25, (1920, 1080), 4_000_000
SETTLE = 4.0
"""Seconds from the start until all cameras are connected and have been probed."""


def film(path: Path, seconds: int = 4) -> Path:
    """1080p with noise and movement enough to fill its bit rate."""
    lot = np.random.default_rng(1)
    wall = lot.integers(60, 180, (SIZE[1] * 3 // 2, SIZE[0] * 2), np.uint8)
    wall[SIZE[1] :] = 128
    options = {"preset": "ultrafast", "g": str(2 * RATE), "nal-hrd": "cbr"}
    options |= {"maxrate": str(BITS), "minrate": str(BITS), "bufsize": str(BITS)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", BITS
        for i in range(seconds * RATE):
            picture = np.ascontiguousarray(wall[:, 4 * i : 4 * i + SIZE[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p")))
        container.mux(stream.encode(None))
    return path


async def serve(path: Path, cameras: int) -> None:
    """Cameras until the input ends; prints their addresses."""
    from simulator.film import Reel
    from simulator.rtsp import RtspServer, Served

    served = {f"cam{i}": Served(reel=Reel(loop=(path,))) for i in range(cameras)}
    async with RtspServer(served) as server:
        print(json.dumps([server.url(name) for name in served]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def bare(addresses: list[str], seconds: float) -> dict[str, float]:
    """A thread per camera, demuxing."""
    stop = threading.Event()
    packets = [0] * len(addresses)
    octets = [0] * len(addresses)

    def loop(number: int) -> None:
        options = {"rtsp_transport": "tcp", "analyzeduration": "500000"}
        with av.open(addresses[number], options=options, timeout=(5, 5)) as container:
            for packet in container.demux(video=0):
                packets[number] += 1
                octets[number] += packet.size
                if stop.is_set():
                    return

    threads = [threading.Thread(target=loop, args=(i,)) for i in range(len(addresses))]
    for thread in threads:
        thread.start()
    time.sleep(SETTLE)
    count, begun, cpu = sum(packets), time.perf_counter(), time.process_time()
    time.sleep(seconds)
    out = _figures(sum(packets) - count, time.process_time() - cpu, time.perf_counter() - begun, len(addresses))
    stop.set()
    for thread in threads:
        thread.join()
    return out


async def ours(addresses: list[str], seconds: float, folder: Path) -> dict[str, float]:
    """The ingest role's cameras, onto the embedded bus."""
    from hub.bus.embedded import EmbeddedBus
    from hub.model import VideoChunk
    from hub.settings.city import Camera, City
    from ingest.cameras import Cameras
    from ingest.hopper import Hopper
    from ingest.outlet import Outlet

    urls = {f"site{i}/cam": address for i, address in enumerate(addresses)}
    city = City(
        cameras={
            name: Camera(id=name, site=name.split("/")[0], place="", name=name, address="rtsp://x") for name in urls
        }
    )
    packets = 0

    def heard(chunk: VideoChunk) -> None:
        nonlocal packets
        packets += len(chunk.packets)

    async with EmbeddedBus(folder) as bus:
        hopper = Hopper(Outlet(bus), heard)
        cameras = Cameras(lambda: city, lambda camera: urls[camera.id], hopper)
        tasks = [asyncio.create_task(hopper.run(lambda: None)), asyncio.create_task(cameras.run(lambda: None))]
        await asyncio.sleep(SETTLE)
        count, begun, cpu = packets, time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        out = _figures(packets - count, time.process_time() - cpu, time.perf_counter() - begun, len(addresses))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return out


def _figures(packets: int, cpu: float, seconds: float, cameras: int) -> dict[str, float]:
    return {
        "packets_per_second": packets / seconds,
        "cpu_ms_per_packet": cpu / max(1, packets) * 1000,
        "core_share_per_camera": cpu / seconds / cameras,
    }


def measure(cameras: int, seconds: float, rounds: int = 3) -> dict[str, Any]:
    """Both in turn; the cheapest round of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = film(Path(folder) / "film.mp4")
        server = _started("serve", str(path), str(cameras))
        assert server.stdout is not None
        assert server.stdin is not None
        addresses = server.stdout.readline().strip()
        rows: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for turn in range(rounds):
            for name, row in rows.items():
                run = _started(name, addresses, str(seconds), str(Path(folder) / f"bus-{turn}"))
                out, _ = run.communicate(timeout=seconds + 60)
                row.append(json.loads(out.splitlines()[-1]))
        server.stdin.close()
        server.wait(10)
    best = {name: min(row, key=lambda one: one["cpu_ms_per_packet"]) for name, row in rows.items()}
    times = best["ours"]["cpu_ms_per_packet"] / best["bare"]["cpu_ms_per_packet"]
    return {"cameras": cameras, **best, "times_the_bare_loop": times}


def _started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.video_ingest", "--part", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, first, *rest = arguments.part
        if name == "serve":
            asyncio.run(serve(Path(first), int(rest[0])))
        elif name == "bare":
            print(json.dumps(bare(json.loads(first), float(rest[0]))))
        else:
            print(json.dumps(asyncio.run(ours(json.loads(first), float(rest[0]), Path(rest[1])))))
        return
    out = measure(arguments.cameras, arguments.seconds)
    if arguments.json:
        print(json.dumps(out))
        return
    for name in ("bare", "ours"):
        row = out[name]
        print(
            f"{name:5} {row['packets_per_second']:7.0f} packets/s  {row['cpu_ms_per_packet']:.3f} ms CPU each  "
            f"{row['core_share_per_camera']:.2%} of a core per camera"
        )
    print(f"times the bare loop: {out['times_the_bare_loop']:.2f} (at most 2.0 is promised)")


if __name__ == "__main__":
    main()
