"""The city put together from its files; every name that leads nowhere is a mistake with its position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.errors import Mistake
from hub.redact import redact
from hub.settings.city import (
    Area,
    Building,
    Calibration,
    Camera,
    City,
    Community,
    Device,
    Grid,
    Party,
    Person,
    Site,
    Street,
    Unit,
    prefixes,
)
from hub.settings.deployment import Deployment
from hub.settings.document import Document
from hub.settings.node import Step, locate
from hub.settings.wording import suggestion
from hub.settings.written import CameraEntry, CityFile, SiteFile

HOUSEHOLDS = (300, 500)
"""Households of a community grid, in principle (城乡社区网格化); outside of it is worth a word, never a refusal."""

_SCOPE = {"grid_worker": "grid", "community": "community", "street": "street"}


class _Findings:
    """Mistakes and warnings of one file, each pointed at a path in it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []

    def refuse(self, path: Sequence[Step], problem: str, remedy: str = "", *, at_key: bool = False) -> None:
        self.mistakes.append(self._at(path, problem, remedy, at_key=at_key))

    def warn(self, path: Sequence[Step], problem: str, remedy: str = "", *, at_key: bool = True) -> None:
        self.warnings.append(self._at(path, problem, remedy, at_key=at_key))

    def _at(self, path: Sequence[Step], problem: str, remedy: str, *, at_key: bool) -> Mistake:
        at = locate(self.document.root, path, "extra_forbidden" if at_key else "value_error")
        return Mistake(at.file, at.line, at.column, ".".join(map(str, path)), problem, remedy)


class Assembled:
    """The city as far as it could be put together, and what is wrong with it."""

    def __init__(self) -> None:
        self.city = City()
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []

    def take(self, findings: _Findings) -> None:
        self.mistakes += findings.mistakes
        self.warnings += findings.warnings


def assemble(
    city_file: tuple[Document, CityFile] | None,
    site_files: Mapping[str, tuple[Document, SiteFile]],
    unread: frozenset[str],
    deployment: Deployment | None,
) -> Assembled:
    """Join the files. `unread` are sites whose files have mistakes of their own: names into them are not judged.

    Without a deployment (a worker that loads a checked revision) the names of robots and secrets are not judged.
    """
    result = Assembled()
    sites: dict[str, Site] = {}
    devices: dict[str, Device] = {}
    cameras: dict[str, Camera] = {}
    for site_id, (document, written) in site_files.items():
        findings = _Findings(document)
        site = _site(site_id, written, findings)
        sites[site_id] = site
        _devices(site, written, devices, findings)
        _cameras(site, written, cameras, findings, deployment)
        result.take(findings)
    _serials(site_files, result)
    city = City(sites=sites, devices=devices, cameras=cameras)
    if city_file is not None:
        findings = _Findings(city_file[0])
        city = _governed(city, city_file[1], unread, deployment, findings)
        result.take(findings)
        _ungoverned(city, site_files, result)
    result.city = city
    return result


def _site(site_id: str, written: SiteFile, findings: _Findings) -> Site:
    if written.site != site_id:
        findings.refuse(("site",), f"the file is named {site_id}.yaml", f"write 'site: {site_id}' or rename the file")
    for area in written.areas:
        if area in written.buildings:
            findings.refuse(("areas", area), f"'{area}' is a building already", "choose another id", at_key=True)
    return Site(
        id=site_id,
        name=written.name,
        dedicated=written.dedicated,
        address=written.address,
        fire_entrance=written.fire_entrance,
        phone=written.phone,
        households=written.households,
        buildings={
            name: Building(
                id=name,
                name=b.name,
                floors=b.floors,
                basements=b.basements,
                units={u: Unit(id=u, name=unit.name) for u, unit in b.units.items()},
            )
            for name, b in written.buildings.items()
        },
        areas={name: Area(id=name, name=area.name) for name, area in written.areas.items()},
    )


def place_problem(site: Site, place: str) -> tuple[str, str] | None:
    """Why a place relative to its site leads nowhere, and what to write; None when it exists."""
    name, *rest = place.split("/")
    if name in site.areas:
        return (f"'{name}' is an area, it has no units or floors", f"write '{name}'") if rest else None
    building = site.buildings.get(name)
    if building is None:
        return f"there is no building or area '{name}' in {site.id}", suggestion(name, {*site.buildings, *site.areas})
    if rest and rest[0] not in building.units:
        return f"building {name} has no unit '{rest[0]}'", suggestion(rest[0], building.units)
    if len(rest) > 1:
        floor = int(rest[1])
        if not (1 <= floor <= building.floors or -building.basements <= floor <= -1):
            below = f" and -1 to -{building.basements}" if building.basements else ""
            return f"building {name} has no floor {floor}", f"its floors are 1 to {building.floors}{below}"
    return None


def _check_place(site: Site, place: str, path: Sequence[Step], findings: _Findings) -> None:
    if (problem := place_problem(site, place)) is not None:
        findings.refuse(path, *problem)


def _devices(site: Site, written: SiteFile, devices: dict[str, Device], findings: _Findings) -> None:
    for name, sensor in written.sensors.items():
        _check_place(site, sensor.place, ("sensors", name, "place"), findings)
        devices[f"{site.id}/{name}"] = Device(
            id=f"{site.id}/{name}",
            site=site.id,
            kind=sensor.kind,
            place=f"{site.id}/{sensor.place}",
            name=sensor.name,
            serial=sensor.serial,
        )


def _cameras(
    site: Site, written: SiteFile, cameras: dict[str, Camera], findings: _Findings, deployment: Deployment | None
) -> None:
    for name, camera in written.cameras.items():
        path = ("cameras", name)
        if name in written.sensors:
            findings.refuse(path, f"'{name}' is a sensor already", "ids are never used twice", at_key=True)
        _check_place(site, camera.place, (*path, "place"), findings)
        for index, seen in enumerate(camera.sees):
            _check_place(site, seen, (*path, "sees", index), findings)
        _check_source(camera, path, findings, deployment)
        _check_calibration(site, camera, path, findings)
        cameras[f"{site.id}/{name}"] = Camera(
            id=f"{site.id}/{name}",
            site=site.id,
            place=f"{site.id}/{camera.place}",
            name=camera.name,
            kind=camera.kind,
            address=camera.address,
            stream=camera.stream,
            secret=camera.secret,
            calibration=Calibration(**camera.calibration.model_dump()) if camera.calibration else None,
            sees=tuple(f"{site.id}/{seen}" for seen in camera.sees),
        )


def _check_source(camera: CameraEntry, path: tuple[str, str], findings: _Findings, known: Deployment | None) -> None:
    if camera.address is not None and redact(camera.address) != camera.address:
        remedy = "put user and password under cameras.secrets in hub.yaml and name them with 'secret:'"
        findings.refuse((*path, "address"), "the address holds a password", remedy)
    if camera.address is not None and camera.stream is not None:
        findings.refuse(
            (*path, "stream"), "'address' and 'stream' both say where the camera is", "keep one", at_key=True
        )
    if camera.kind == "visible" and camera.address is None and camera.stream is None:
        findings.refuse(path, "no address", "add 'address: rtsp://...' or 'stream: <base>:/<path>'", at_key=True)
    if known is None:
        return
    base = camera.stream.split(":", 1)[0] if camera.stream else None
    if base is not None and base not in known.cameras.bases:
        remedy = suggestion(base, known.cameras.bases) or "add it under cameras.bases"
        findings.refuse((*path, "stream"), f"hub.yaml has no camera base '{base}'", remedy)
    if camera.secret is not None and camera.secret not in known.cameras.secrets:
        remedy = suggestion(camera.secret, known.cameras.secrets) or "add it under cameras.secrets"
        findings.refuse((*path, "secret"), f"hub.yaml has no camera secret '{camera.secret}'", remedy)


def _check_calibration(site: Site, camera: CameraEntry, path: tuple[str, str], findings: _Findings) -> None:
    calibration = camera.calibration
    if calibration is None:
        return
    path_to = (*path, "calibration")
    highest = max((b.floors for b in site.buildings.values()), default=0)
    seen: set[int] = set()
    for index, line in enumerate(calibration.floor_lines):
        here = (*path_to, "floor_lines", index, "floor")
        if line.floor in seen:
            findings.refuse(here, f"floor {line.floor} is drawn twice", "keep one line")
        seen.add(line.floor)
        if line.floor > highest + 1:  # the roof's edge may be drawn as one floor more
            findings.refuse(here, f"no building of {site.id} has a floor {line.floor}", f"the highest is {highest}")
    if 0 < len(calibration.facade) < 3:
        findings.refuse((*path_to, "facade"), "an outline needs at least three points", "", at_key=True)


def _serials(site_files: Mapping[str, tuple[Document, SiteFile]], result: Assembled) -> None:
    first: dict[str, str] = {}
    for site_id, (document, written) in site_files.items():
        findings = _Findings(document)
        for name, sensor in written.sensors.items():
            if sensor.serial is None:
                continue
            if sensor.serial in first:
                problem = f"the serial number belongs to {first[sensor.serial]} already"
                findings.refuse(("sensors", name, "serial"), problem, "correct one of them")
            first.setdefault(sensor.serial, f"{site_id}/{name}")
        result.take(findings)


def _governed(
    city: City, written: CityFile, unread: frozenset[str], deployment: Deployment | None, findings: _Findings
) -> City:
    try:
        ZoneInfo(written.city.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        findings.refuse(("city", "zone"), f"no such time zone: '{written.city.zone}'", "such as Asia/Shanghai")
    for name, community in written.communities.items():
        _known(("communities", name, "street"), "street", community.street, written.streets, findings)
    _grids(city, written, unread, findings)
    _people(written, deployment, findings)
    return City(
        name=written.city.name,
        zone=written.city.zone,
        sites=city.sites,
        devices=city.devices,
        cameras=city.cameras,
        streets={k: Street(id=k, name=v.name) for k, v in written.streets.items()},
        communities={k: Community(id=k, name=v.name, street=v.street) for k, v in written.communities.items()},
        grids={k: Grid(id=k, **v.model_dump()) for k, v in written.grids.items()},
        people={k: Person(id=k, **v.model_dump()) for k, v in written.people.items()},
        parties={k: Party(id=k, **v.model_dump()) for k, v in written.parties.items()},
    )


def _known(path: Sequence[Step], what: str, name: str, known: Mapping[str, object], findings: _Findings) -> None:
    if name not in known:
        findings.refuse(path, f"there is no {what} '{name}'", suggestion(name, known) or f"add it under '{path[0]}'")


def _grids(city: City, written: CityFile, unread: frozenset[str], findings: _Findings) -> None:
    owner: dict[str, str] = {}
    for name, grid in written.grids.items():
        _known(("grids", name, "community"), "community", grid.community, written.communities, findings)
        for index, place in enumerate(grid.places):
            path = ("grids", name, "places", index)
            site_id, _, rest = place.partition("/")
            if place in owner:
                findings.refuse(path, f"'{place}' belongs to the grid {owner[place]} already", "name it once")
            owner.setdefault(place, name)
            if site_id in unread:
                continue
            if site_id not in city.sites:
                findings.refuse(path, f"there is no site '{site_id}'", suggestion(site_id, city.sites))
            elif rest:
                _check_place(city.sites[site_id], rest, path, findings)
        low, high = HOUSEHOLDS
        if grid.households is not None and not low <= grid.households <= high:
            problem = f"{grid.households} households; a grid has {low} to {high} in principle"
            findings.warn(("grids", name, "households"), problem, at_key=False)
        if not any(p.role == "grid_worker" and p.grid == name for p in written.people.values()):
            findings.warn(("grids", name), "no grid worker", "alarms go to the community at once")


def _people(written: CityFile, deployment: Deployment | None, findings: _Findings) -> None:
    known: dict[str, Mapping[str, object]] = {
        "grid": written.grids,
        "community": written.communities,
        "street": written.streets,
    }
    for name, person in written.people.items():
        path = ("people", name)
        scope = _SCOPE.get(person.role)
        for field, places in known.items():
            value = getattr(person, field)
            if field == scope and value is None:
                findings.refuse(path, f"a {person.role} needs a {field}", f"add '{field}:'", at_key=True)
            elif field != scope and value is not None:
                findings.refuse((*path, field), f"a {person.role} has no {field}", "delete the line", at_key=True)
            elif value is not None:
                _known((*path, field), field, value, places, findings)
        if not person.channels:
            findings.warn(path, "no channel", "nobody can be reached by message; add 'channels:'")
        for kind, robot in person.channels.items() if deployment is not None else ():
            robots = deployment.channels.robots if deployment is not None else {}
            if robot not in robots:
                remedy = suggestion(robot, robots) or "add it under channels.robots"
                findings.refuse((*path, "channels", kind), f"hub.yaml has no robot '{robot}'", remedy)
            elif robots[robot].kind != kind:
                problem = f"the robot '{robot}' is of the kind {robots[robot].kind}, not {kind}"
                findings.refuse(
                    (*path, "channels", kind), problem, f"write '{robots[robot].kind}: {robot}'", at_key=True
                )


def _ungoverned(city: City, site_files: Mapping[str, tuple[Document, SiteFile]], result: Assembled) -> None:
    """Places no grid is in charge of."""
    named = {prefix for grid in city.grids.values() for place in grid.places for prefix in prefixes(place)}
    for site_id, (document, written) in site_files.items():
        findings = _Findings(document)
        if site_id not in named:
            findings.warn(("site",), "no grid is in charge of this site", "name it under 'grids' in city.yaml")
        else:
            for kind, names in (("buildings", written.buildings), ("areas", written.areas)):
                for name in names:
                    if city.grid_of(f"{site_id}/{name}") is None and f"{site_id}/{name}" not in named:
                        findings.warn((kind, name), "no grid is in charge of it", "name it under 'grids' in city.yaml")
        result.take(findings)
