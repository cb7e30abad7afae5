"""Where everything stands and who is in charge of it: sites, devices, cameras, grids and people."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["grid_worker", "community", "street", "city"]
LADDER: Final[tuple[Role, ...]] = ("grid_worker", "community", "street", "city")
"""Who is told, in this order, when nobody answers: 网格员 → 社区 → 街道 → 市."""

Point = tuple[float, float]


class Noun(BaseModel):
    """What all nouns of the settings share: frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FloorLine(Noun):
    """Where the lower edge of a floor runs in the picture: points (column, row) in pixels, left to right."""

    floor: int
    points: tuple[Point, ...]


class Calibration(Noun):
    """How a camera's picture relates to the building. Pixels of the decoded frame.

    `vanishing_row` is the row where vertical lines meet (negative: above the picture), None if unknown.
    `facade` is the outline of the wall that is watched. `floor_height` in metres.
    """

    vanishing_row: float | None = None
    floor_lines: tuple[FloorLine, ...] = ()
    facade: tuple[Point, ...] = ()
    floor_height: float = 3.0


class Device(Noun):
    """A sensor. `id` is `site/device`; `place` is `site/building/unit/floor` or `site/area`, as far as known."""

    id: str
    site: str
    kind: str
    place: str
    name: str
    serial: str | None = None


class Camera(Noun):
    """A camera, visible or thermal. `address` is RTSP without credentials; `stream` is "base:/path" instead, where
    the base stands in hub.yaml; a thermal camera that sends its frames by MQTT has neither. `secret` names a
    user and password of hub.yaml. `sees` are the places in view."""

    id: str
    site: str
    place: str
    name: str
    kind: Literal["visible", "thermal"] = "visible"
    address: str | None = None
    stream: str | None = None
    secret: str | None = None
    calibration: Calibration | None = None
    sees: tuple[str, ...] = ()


class Unit(Noun):
    """单元: a stair or lift shaft of a building."""

    id: str
    name: str


class Building(Noun):
    """楼: floors are numbered 1 to `floors` and -1 to -`basements`."""

    id: str
    name: str
    floors: int
    basements: int = 0
    units: dict[str, Unit] = {}


class Area(Noun):
    """A place outside the buildings: a gate, a yard, a garage."""

    id: str
    name: str


class Site(Noun):
    """小区, or the premises of a dedicated grid (专属网格: business park, school, hospital)."""

    id: str
    name: str
    dedicated: bool = False
    address: str = ""
    fire_entrance: str = ""
    phone: str = ""
    households: int | None = None
    buildings: dict[str, Building] = {}
    areas: dict[str, Area] = {}


class Street(Noun):
    """街道: the level between city and community."""

    id: str
    name: str


class Community(Noun):
    """社区: the level between street and grid."""

    id: str
    name: str
    street: str


class Grid(Noun):
    """网格: belongs to exactly one community. `places` are prefixes: a site, a building, or a unit."""

    id: str
    community: str
    name: str
    places: tuple[str, ...] = ()
    households: int | None = None


class Person(Noun):
    """Someone who is told. `channels` maps a kind of channel ("wecom") to the name of a robot in hub.yaml."""

    id: str
    name: str
    role: Role
    grid: str | None = None
    community: str | None = None
    street: str | None = None
    phone: str = ""
    channels: dict[str, str] = {}


class Party(Noun):
    """部门、单位: who is whistled for and reports in by name. `helps` are the kinds of incident it is needed for."""

    id: str
    name: str
    phone: str = ""
    helps: tuple[str, ...] = ()


class City(Noun):
    """Everything that is registered. Devices and cameras by full id (`site/device`), the rest by their short ids."""

    name: str = ""
    zone: str = "Asia/Shanghai"
    sites: dict[str, Site] = {}
    streets: dict[str, Street] = {}
    communities: dict[str, Community] = {}
    grids: dict[str, Grid] = {}
    people: dict[str, Person] = {}
    parties: dict[str, Party] = {}
    devices: dict[str, Device] = {}
    cameras: dict[str, Camera] = {}

    def device(self, device_id: str) -> Device | None:
        """The sensor of this full id, if it is registered."""
        return self.devices.get(device_id)

    def camera(self, camera_id: str) -> Camera | None:
        """The camera of this full id, if it is registered."""
        return self.cameras.get(camera_id)

    def by_serial(self, serial: str) -> Device | None:
        """The sensor with a maker's serial number, for devices that don't send our ids."""
        return self._serials.get(serial)

    def place_of(self, device_id: str) -> str:
        """Where a sensor or camera stands; its site when it is not registered; "" when that is unknown too."""
        known = self.devices.get(device_id) or self.cameras.get(device_id)
        if known is not None:
            return known.place
        site = device_id.split("/", 1)[0]
        return site if site in self.sites else ""

    def grid_of(self, place: str) -> Grid | None:
        """The grid in charge of a place: the one that names its unit, else its building, else its site."""
        for prefix in prefixes(place):
            if (grid := self._grids_by_place.get(prefix)) is not None:
                return grid
        return None

    def ladder(self, grid_id: str) -> tuple[Person, ...]:
        """Whom to tell one after the other: grid workers, community, street, city; in the order of the file.

        An unknown grid ("" too) leaves the people of the city.
        """
        grid = self.grids.get(grid_id)
        community = self.communities.get(grid.community) if grid else None
        mine = {
            "grid_worker": ("grid", grid.id if grid else None),
            "community": ("community", grid.community if grid else None),
            "street": ("street", community.street if community else None),
        }

        def covers(person: Person) -> bool:
            if person.role == "city":
                return True
            field, value = mine[person.role]
            return value is not None and getattr(person, field) == value

        return tuple(p for role in LADDER for p in self.people.values() if p.role == role and covers(p))

    def site_name(self, site_id: str) -> str:
        """翠湖苑 for cuihu; the id itself when the site is unknown."""
        site = self.sites.get(site_id)
        return site.name if site else site_id

    def place_name(self, place: str) -> str:
        """翠湖苑 3号楼 12层 for cuihu/b3/u1/12. The unit is named where the building has several."""
        site_id, *rest = place.split("/")
        words = [self.site_name(site_id)]
        site = self.sites.get(site_id)
        if not rest:
            return words[0]
        if site is None or (building := site.buildings.get(rest[0])) is None:
            area = site.areas.get(rest[0]) if site else None
            return " ".join([*words, area.name if area else rest[0], *rest[1:]])
        words.append(building.name)
        if len(rest) > 1 and (len(building.units) > 1 or len(rest) == 2):
            unit = building.units.get(rest[1])
            words.append(unit.name if unit else rest[1])
        if len(rest) > 2:
            words.append(floor_name(rest[2]))
        return " ".join(words)

    @cached_property
    def _grids_by_place(self) -> dict[str, Grid]:
        return {place: grid for grid in self.grids.values() for place in grid.places}

    @cached_property
    def _serials(self) -> dict[str, Device]:
        return {device.serial: device for device in self.devices.values() if device.serial}


def floor_name(floor: str) -> str:
    """12层 for "12", 地下1层 for "-1"."""
    return f"地下{floor[1:]}层" if floor.startswith("-") else f"{floor}层"


def prefixes(place: str) -> Iterator[str]:
    """The place and all it lies in, the narrowest first: a/b/c, a/b, a."""
    steps = place.split("/")
    for depth in range(len(steps), 0, -1):
        yield "/".join(steps[:depth])
