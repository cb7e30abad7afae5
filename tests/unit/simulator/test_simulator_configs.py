"""The city in `configs/`, written by hand, is the one that the simulator plays: neither copies the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from simulator.demo_world import demo_world
from simulator.scene import calibration, truth

CONFIGS = Path(__file__).parents[3] / "configs"
WORLD = demo_world()


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def sites() -> dict[str, Any]:
    return {site.id: read(CONFIGS / "sites" / f"{site.id}.yaml") for site in WORLD.sites}


def test_the_same_sites_and_buildings(sites: dict[str, Any]) -> None:
    for site in WORLD.sites:
        written = sites[site.id]
        assert (written["name"], written["households"]) == (site.name, site.households)
        floors = {f"{site.id}/{name}": building["floors"] for name, building in written["buildings"].items()}
        assert floors == {building.id: building.floors for building in site.buildings}


def test_the_same_sensors_of_the_same_kind_at_the_same_place(sites: dict[str, Any]) -> None:
    written = {
        f"{site}/{name}": (sensor["kind"], f"{site}/{sensor['place']}", sensor["name"])
        for site, file in sites.items()
        for name, sensor in file["sensors"].items()
    }
    assert written == {sensor.id: (sensor.kind, sensor.place, sensor.name) for sensor in WORLD.sensors}


def test_the_same_cameras_at_the_same_addresses(sites: dict[str, Any]) -> None:
    written = {
        f"{site}/{name}": camera for site, file in sites.items() for name, camera in file.get("cameras", {}).items()
    }
    assert set(written) == {camera.id for camera in WORLD.cameras} | {camera.id for camera in WORLD.thermal}
    for camera in WORLD.cameras:
        assert written[camera.id]["stream"] == f"sim:/{camera.id}"
    for thermal in WORLD.thermal:
        assert written[thermal.id]["kind"] == "thermal"


def test_each_camera_is_calibrated_as_it_really_stands(sites: dict[str, Any]) -> None:
    """To a pixel: floor lines are straight in the picture, so two columns tell all."""
    for camera in WORLD.cameras:
        site, name = camera.id.split("/")
        written, real = sites[site]["cameras"][name]["calibration"], calibration(camera.scene.view)
        assert abs(written["vanishing_row"] - real.vanishing_row) < 1
        assert written["floor_height"] == f"{real.floor_height:g} m"
        lines = {
            line.floor: np.polyfit([spot.x for spot in line.points], [spot.y for spot in line.points], 1)
            for line in real.floor_lines
        }
        for line in written["floor_lines"]:
            for x, y in line["points"]:
                assert abs(np.polyval(lines[line["floor"]], x) - y) < 1


def test_the_fall_is_inside_the_facade_that_is_watched(sites: dict[str, Any]) -> None:
    camera = WORLD.cameras[0]
    site, name = camera.id.split("/")
    outline = np.array(sites[site]["cameras"][name]["calibration"]["facade"], np.float32)
    seen = truth(camera.scene)
    assert seen is not None
    assert all(cv2.pointPolygonTest(outline, (point.x, point.y), False) >= 0 for point in seen.path)


def test_the_same_grids_and_people() -> None:
    city = read(CONFIGS / "city.yaml")
    assert set(city["grids"]) == {grid.id for grid in WORLD.grids}
    for grid in WORLD.grids:
        written = city["grids"][grid.id]
        assert (written["name"], written["community"]) == (grid.name, grid.community)
        assert set(grid.covers) <= set(written["places"])
    people = {
        name: (person["name"], person["role"], person["channels"]["wecom"]) for name, person in city["people"].items()
    }
    assert people == {person.id: (person.name, person.role, person.robot) for person in WORLD.people}
    assert set(read(CONFIGS / "hub.yaml")["channels"]["robots"]) == set(WORLD.robot_keys)
