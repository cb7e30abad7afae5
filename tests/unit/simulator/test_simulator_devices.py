"""What simulated sensors and thermal cameras say, and when; and that the demo's world is in order."""

from __future__ import annotations

import json
import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.demo_world import GAS_AT, HOT_SPOT_AT, SMOKE_AT, demo_world
from simulator.sensors import Change, Happening, Measured, Sensor, Silence, next_word, payload, silent, values_at
from simulator.thermal import HotSpot, ThermalCamera, ThermalScene
from simulator.world import World, edited

GAS = Sensor(
    id="fenghe/gas-1",
    kind="gas",
    name="",
    place="fenghe/b1",
    period=5,
    measures=(Measured("gas", 1.5, 0.3, 0.1, 0), Measured("gas_alarm", 0, 0, 1)),
)
SCRIPT: tuple[Happening, ...] = (
    Change(device="fenghe/gas-1", metric="gas", at=20, to=40, over=10, until=60),
    Change(device="fenghe/gas-1", metric="gas_alarm", at=26, to=1),
    Change(device="another/gas-1", metric="gas", at=0, to=99),
    Silence("fenghe/gas-1", 70, 80),
)


@pytest.mark.parametrize(("t", "gas", "alarm"), [(0, 1.5, 0), (25, 20.75, 0), (30, 40, 1), (59, 40, 1), (61, 1.5, 1)])
def test_a_ramp_a_step_and_back(t: float, gas: float, alarm: float) -> None:
    values = values_at(GAS, SCRIPT, t, random.Random(1))
    assert abs(values["gas"] - gas) < 1.5
    assert values["gas_alarm"] == alarm


@given(t=st.floats(0, 1e5), seed=st.integers())
def test_values_are_finite_on_their_step_and_never_below_the_least(t: float, seed: int) -> None:
    gas = values_at(GAS, SCRIPT, t, random.Random(seed))["gas"]
    assert math.isfinite(gas)
    assert gas >= 0
    assert round(gas * 10) == pytest.approx(gas * 10)


def test_a_sensor_speaks_at_its_period_and_at_once_when_something_happens() -> None:
    spoken = [0.0]
    while spoken[-1] < 61:
        spoken.append(next_word(GAS, SCRIPT, spoken[-1]))
    assert spoken[:5] == [0, 5, 10, 15, 20]
    assert {20, 26, 60} <= set(spoken)
    assert set(range(20, 31)) <= set(spoken), "it speaks each second while the gas rises"


@given(t=st.floats(0, 1e5))
def test_the_next_word_is_always_later_and_never_beyond_the_period(t: float) -> None:
    assert t < next_word(GAS, SCRIPT, t) <= t + GAS.period


def test_silence_has_a_beginning_and_an_end() -> None:
    assert [silent(GAS, SCRIPT, t) for t in (69.9, 70, 79.9, 80)] == [False, True, True, False]


def test_the_message_is_the_hubs_json() -> None:
    said = json.loads(payload(GAS, {"gas": 1.5, "gas_alarm": 0}, 1_700_000_000.1234, 17))
    assert said == {"t": 1_700_000_000.123, "seq": 17, "values": {"gas": 1.5, "gas_alarm": 0}}
    assert GAS.topic == "property/fenghe/gas/gas-1"


BURNING = ThermalScene(ThermalCamera(id="s/t", hot_spot=HotSpot(at=25)))


def test_before_the_fire_it_is_a_cold_evening_with_structure() -> None:
    cold = BURNING.celsius(10)
    assert cold.shape == (120, 160)
    assert abs(np.median(cold) - 12) < 1
    assert cold.max() < 25
    assert cold[30:100].std() > 0.4


def test_the_hot_spot_grows_over_seconds_past_300_degrees_and_its_foot_stands_still() -> None:
    peaks = [BURNING.celsius(25 + age).max() for age in (0.25, 1, 2, 4, 10)]
    assert peaks == sorted(peaks)
    assert peaks[0] < 80
    assert peaks[-1] > 300
    feet, tops = [], []
    for age in np.arange(6, 12, 0.25):
        rows, columns = np.nonzero(BURNING.celsius(25 + age) > 150)
        assert len(rows) >= 20
        feet.append((rows.max(), columns[rows == rows.max()].mean()))
        tops.append(rows.min())
    assert np.ptp([row for row, _ in feet]) <= 1
    assert np.ptp([column for _, column in feet]) <= 2
    assert np.ptp(tops) >= 2, "flames dance at the top"


def test_a_fire_that_is_out_cools_with_a_tail() -> None:
    out = ThermalScene(ThermalCamera(id="s/t", hot_spot=HotSpot(at=0, until=20, flicker=0)))
    hottest = [float(out.celsius(t).max()) for t in (19, 30, 50, 120)]
    assert hottest == sorted(hottest, reverse=True)
    assert hottest[1] > 100
    assert hottest[-1] < 40


def test_noise_is_sixty_millikelvin_and_pictures_repeat_by_seed() -> None:
    pictures = np.stack([BURNING.celsius(t) for t in np.arange(0, 2, 0.25)])
    assert 0.045 < pictures.std(axis=0).mean() < 0.075
    assert (ThermalScene(BURNING.camera).celsius(3) == BURNING.celsius(3)).all()


def test_the_sensors_range_clips() -> None:
    narrow = ThermalScene(ThermalCamera(id="s/t", range_high=150, hot_spot=HotSpot(at=0)))
    assert narrow.celsius(20).max() == 150


def test_the_binary_frame_reads_back_in_degrees() -> None:
    message = BURNING.payload(40, 1_700_000_000.5, 9)
    assert message[:4] == b"HTF1"
    fields = struct.unpack_from("<dIHHffffB", message, 4)
    wall, sequence, width, height, scale, offset, low, high, radiometric = fields
    assert (wall, sequence, width, height, radiometric) == (1_700_000_000.5, 9, 160, 120, 1)
    assert (low, high) == (-20, 550)
    raw = np.frombuffer(message, "<u2", offset=4 + 40 - 4)
    assert len(raw) == width * height
    celsius = raw.reshape(height, width) * scale + offset
    assert np.abs(celsius - BURNING.celsius(40)).max() < 0.03


def places(world: World) -> dict[str, str]:
    """Every device's place by its id."""
    found = {sensor.id: sensor.place for sensor in world.sensors}
    found.update({camera.id: camera.place for camera in world.cameras})
    found.update({camera.id: camera.place for camera in world.thermal})
    return found


def test_the_demo_world_is_in_order() -> None:
    world = demo_world()
    where = places(world)
    assert len(where) == len(world.sensors) + len(world.cameras) + len(world.thermal) == 23 + 3 + 1
    buildings = {building.id for site in world.sites for building in site.buildings}
    covered = {place for grid in world.grids for place in grid.covers}
    assert all(covered & {building, building.split("/")[0]} for building in buildings)
    for device, place in where.items():
        assert device.split("/")[0] == place.split("/")[0]
        assert "/".join(place.split("/")[:2]) in buildings | {"fenghe/gate", "jinxiu/garage"}
    assert {told.subject for told in world.story} <= set(where)
    assert {person.robot for person in world.people} == set(world.robot_keys)
    assert [camera.encoding.codec for camera in world.cameras] == ["h264", "h264", "hevc"]


def test_hot_spot_and_smoke_are_in_one_building() -> None:
    world = demo_world()
    first, second = (places(world)[told.subject] for told in world.story if told.name in ("hot_spot", "smoke"))
    assert first.split("/")[:2] == second.split("/")[:2]


@pytest.mark.parametrize("name", ["fall", "gas", "hot_spot", "smoke"])
def test_each_happening_can_be_left_out(name: str) -> None:
    """What is left out leaves no trace in films, script or thermal pictures; the rest stays."""
    world, without = demo_world(), edited(demo_world(), frozenset({name}))
    assert {told.name for told in world.story} - {told.name for told in without.story} == {name}
    falls = [camera.scene.fall is not None for camera in without.cameras]
    fires = [camera.hot_spot is not None for camera in without.thermal]
    assert falls == [name != "fall", False, False]
    assert fires == [name != "hot_spot"]
    assert set(without.script) == {"gas", "smoke"} - {name}


def test_an_unknown_happening_is_refused() -> None:
    with pytest.raises(ValueError, match="flood"):
        edited(demo_world(), frozenset({"flood"}))


def test_the_story_happens_in_time() -> None:
    world = demo_world()
    assert max(told.at for told in world.story) <= 30
    assert tuple(told.at for told in world.story[1:]) == (GAS_AT, HOT_SPOT_AT, SMOKE_AT)
