"""What the demo's city consists of: sites, buildings, grids, people, devices; plain values without addresses."""

from __future__ import annotations

import msgspec

from simulator.film import Encoding
from simulator.scene import Scene
from simulator.sensors import Happening, Sensor
from simulator.thermal import ThermalCamera


class Building(msgspec.Struct, frozen=True):
    """A building of a site: `id` is `site/building`."""

    id: str
    name: str
    floors: int


class Site(msgspec.Struct, frozen=True):
    """小区."""

    id: str
    name: str
    households: int
    buildings: tuple[Building, ...]


class Grid(msgspec.Struct, frozen=True):
    """网格. `covers` lists sites or buildings by id."""

    id: str
    name: str
    community: str
    covers: tuple[str, ...]


class Person(msgspec.Struct, frozen=True):
    """Who is told. `role`: grid_worker 网格员, community 社区, street 街道, city 市; `duty` is which one of these."""

    id: str
    name: str
    role: str
    duty: str
    robot: str


class VisibleCamera(msgspec.Struct, frozen=True, kw_only=True):
    """An RTSP camera: its id is its path on the server too. `place` is the building it looks at."""

    id: str
    name: str
    place: str
    scene: Scene
    encoding: Encoding


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens: `name` for leaving it out, the second it begins, where, in words."""

    name: str
    at: float
    subject: str
    words: str


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `story` names what happens; the makings of it are in cameras' scenes and in `script`.

    `robot_keys` gives the key of each chat robot by its name.
    """

    city: str
    street: str
    communities: dict[str, str]
    grids: tuple[Grid, ...]
    sites: tuple[Site, ...]
    people: tuple[Person, ...]
    robot_keys: dict[str, str]
    cameras: tuple[VisibleCamera, ...]
    thermal: tuple[ThermalCamera, ...]
    sensors: tuple[Sensor, ...]
    script: dict[str, tuple[Happening, ...]]
    story: tuple[Told, ...]


def edited(world: World, without: frozenset[str]) -> World:
    """The same world in which the named happenings do not take place: "fall", "hot_spot", or one of `script`.

    Raises ValueError for a name that is not in the story.
    """
    unknown = without - {told.name for told in world.story}
    if unknown:
        raise ValueError(f"nothing in the story is called {', '.join(sorted(unknown))}")
    replace = msgspec.structs.replace
    cameras, thermal = world.cameras, world.thermal
    if "fall" in without:
        cameras = tuple(replace(camera, scene=replace(camera.scene, fall=None)) for camera in cameras)
    if "hot_spot" in without:
        thermal = tuple(replace(camera, hot_spot=None) for camera in thermal)
    return replace(
        world,
        cameras=cameras,
        thermal=thermal,
        script={name: changes for name, changes in world.script.items() if name not in without},
        story=tuple(told for told in world.story if told.name not in without),
    )
