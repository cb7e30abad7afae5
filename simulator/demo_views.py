"""What the demo's three visible cameras look at."""

from __future__ import annotations

from typing import Final

from simulator.facade import View
from simulator.masonry import Bay, Facade
from simulator.optics import Pinhole, Wall

CUIHU_B2: Final = View(
    camera=Pinhole(tilt=34.0),
    wall=Wall(distance=21.0, aside=1.5, yaw=8.0),
    facade=Facade(storeys=11),
    behind=((Wall(distance=62.0, aside=-56.0, yaw=-6.0), Facade(storeys=18, paint=(190, 196, 200), seed=5)),),
)
"""Eleven storeys with balconies, seen a little from the left."""

FENGHE_B1: Final = View(
    camera=Pinhole(tilt=27.0, focal=820.0),
    wall=Wall(distance=17.0, aside=-1.0, yaw=-10.0),
    facade=Facade(
        storeys=6,
        storey=2.8,
        width=27.0,
        paint=(106, 128, 172),
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
    behind=((Wall(distance=48.0, aside=30.0, yaw=12.0), Facade(storeys=9, paint=(176, 182, 190), seed=23)),),
)
"""Six storeys of an older brick house."""

JINXIU_B5: Final = View(
    camera=Pinhole(tilt=42.0, focal=700.0),
    wall=Wall(distance=24.0, aside=-2.0, yaw=-6.0),
    facade=Facade(
        storeys=18,
        storey=2.95,
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
