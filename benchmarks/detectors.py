"""What detection costs beside decoding, in the same run: CPU milliseconds per picture on one thread, best of three.

    python -m benchmarks.detectors

Films are rendered by the simulator (2 Mb/s H.264, a swaying tree, one fall). The bar is decode + detect against a
bare PyAV decoding loop. Readings and thermal frames are measured by themselves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np

from detectors import falling_object
from detectors.falling.origin import Geometry
from detectors.falling_object import FallingObject, FallingSettings
from detectors.sensor_limit import SensorLimit, SensorSettings
from detectors.thermal_fire import ThermalFire, ThermalSettings
from hub.model import Reading, ThermalFrame, utc
from hub.video import measured
from simulator.facade import View
from simulator.falling import Fall
from simulator.film import record
from simulator.masonry import Facade
from simulator.optics import Pinhole, Wall
from simulator.scene import Scene, calibration

ROUNDS = 3
SECONDS = 8.0
START = 1_700_000_000.0


def best(work: Callable[[], float]) -> float:
    """The quickest of three rounds: the others waited for somebody else."""
    return min(work() for _ in range(ROUNDS))


def film(rows: int, folder: Path) -> tuple[Path, Scene]:
    """A facade with a fall at 720 or 1080 rows."""
    scale = rows / 720
    camera = Pinhole(columns=round(1280 * scale), rows=rows, focal=760 * scale)
    scene = Scene(view=View(camera=camera, wall=Wall(), facade=Facade()), fall=Fall(at=4.0, floor=9))
    path = folder / f"{rows}.mp4"
    record(scene, path, SECONDS)
    return path, scene


def detecting(path: Path, scene: Scene) -> float:
    """CPU seconds of everything but decoding, for the whole film."""
    detector = FallingObject("c", "p", FallingSettings(), Geometry(vanishing_row=calibration(scene.view).vanishing_row))
    spent, alarms = 0.0, 0
    for frame in measured.frames(path):
        began = time.thread_time()
        found = list(detector.observe(frame.picture("c", "s", START)))
        spent += time.thread_time() - began
        alarms += sum(falling_object.decide(one, detector.settings).status == "alarm" for one in found)
    if not alarms:
        raise SystemExit("the fall was not found: the figure would mean nothing")
    return spent


def thermal(rows: int, columns: int) -> float:
    """CPU milliseconds of a thermal frame with one hot spot."""
    rng = np.random.default_rng(1)
    celsius = 18 + rng.normal(0, 0.05, (rows, columns))
    celsius[rows // 2 : rows // 2 + 8, columns // 2 : columns // 2 + 8] = 88.0
    frame = ThermalFrame(
        camera="t",
        site="s",
        at=utc(START),
        clock="device",
        arrived_at=utc(START),
        width=columns,
        height=rows,
        scale=0.04,
        offset=-273.15,
        range_low=-20,
        range_high=550,
        raw=np.round((celsius + 273.15) / 0.04).astype("<u2").tobytes(),
    )
    detector = ThermalFire("t", "p", ThermalSettings())
    count = 200
    began = time.thread_time()
    for index in range(count):
        list(detector.observe(msgspec.structs.replace(frame, at=utc(START + index / 9))))
    return 1000 * (time.thread_time() - began) / count


def readings() -> float:
    """Readings a second of a hundred heat detectors, two rules each."""
    settings = SensorSettings()
    limit = SensorLimit(lambda _: settings)
    count = 50_000
    made = [
        Reading(
            id=f"{index}",
            site="s",
            device=f"s/heat-{index % 100}",
            kind="heat",
            metric="temperature",
            value=22.0 + index % 7 / 10,
            at=utc(START + index / 100),
            clock="device",
            arrived_at=utc(START + index / 100),
        )
        for index in range(count)
    ]
    began = time.thread_time()
    for reading in made:
        list(limit.observe(reading))
    return count / (time.thread_time() - began)


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        print("picture     bare decode ms   detect ms   together / bare   share of a core at 25 fps")
        for rows in (720, 1080):
            path, scene = film(rows, Path(folder))
            pictures = measured.bare_decoding(path).pictures
            bare = 1000 * best(lambda p=path: measured.bare_decoding(p).cpu_seconds) / pictures  # type: ignore[misc]
            ours = 1000 * best(lambda p=path, s=scene: detecting(p, s)) / pictures  # type: ignore[misc]
            share = (bare + ours) * 25 / 10
            print(f"{rows:7d}p {bare:16.2f} {ours:11.2f} {(bare + ours) / bare:17.2f} {share:20.1f} %")
    for rows, columns in ((120, 160), (288, 384), (512, 640)):
        print(f"thermal {columns}x{rows}: {best(lambda r=rows, c=columns: thermal(r, c)):.2f} ms per frame")  # type: ignore[misc]
    print(f"readings: {1 / best(lambda: 1 / readings()):,.0f} a second")


if __name__ == "__main__":
    main()
