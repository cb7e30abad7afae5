"""What the demo's three visible cameras look at."""

from __future__ import annotations

from typing import Final

from simulator.facade import View
from simulator.masonry import Bay, Facade
from simulator.optics import Pinhole, Wall

CUIHU_B3: Final = View(
    camera=Pinhole(tilt=34.5),
    wall=Wall(distance=22.0, aside=1.5, yaw=8.0),
    facade=Facade(storeys=12),
    behind=((Wall(distance=62.0, aside=-56.0, yaw=-6.0), Facade(storeys=18, paint=(190, 196, 200), seed=5)),),
)
"""Twelve storeys with balconies, seen a little from the left."""

JINXIU_B3: Final = View(
    camera=Pinhole(tilt=36.0, focal=720.0),
    wall=Wall(distance=21.0, aside=-1.0, yaw=-10.0),
    facade=Facade(
        storeys=18,
        storey=2.9,
        width=27.0,
        paint=(112, 134, 174),
        accent=(178, 188, 196),
        bays=(
            Bay("window", -11.0, 1.7),
            Bay("balcony", -7.2, 3.4),
            Bay("narrow", -3.2, 1.0),
            Bay("narrow", 3.2, 1.0),
            Bay("balcony", 7.2, 3.4),
            Bay("window", 11.0, 1.7),
        ),
        seed=21,
    ),
    behind=((Wall(distance=56.0, aside=44.0, yaw=12.0), Facade(storeys=18, paint=(176, 182, 190), seed=23)),),
)
"""The lower half of a brick-red tower."""

JINXIU_B6: Final = View(
    camera=Pinhole(tilt=42.0, focal=700.0),
    wall=Wall(distance=24.0, aside=-2.0, yaw=-6.0),
    facade=Facade(
        storeys=18,
        storey=2.9,
        width=26.0,
        paint=(206, 204, 198),
        accent=(120, 108, 96),
        bays=(
            Bay("balcony", -9.8, 4.4),
            Bay("window", -5.4, 2.2),
            Bay("window", -2.4, 1.5),
            Bay("window", 2.4, 1.5),
            Bay("window", 5.4, 2.2),
            Bay("balcony", 9.8, 4.4),
        ),
        seed=31,
    ),
    behind=((Wall(distance=60.0, aside=52.0, yaw=8.0), Facade(storeys=18, paint=(196, 198, 200), seed=33)),),
)
"""A white tower from near its foot."""
