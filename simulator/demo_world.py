"""The demo's own city: two small sites that share one grid, and a large one with two grids.

`configs/` describes the same city to the hub, written by hand: the simulator shares nothing with what it checks.
`python -m simulator.demo_world` prints what such a description needs.
"""

from __future__ import annotations

import sys

from simulator.demo_devices import demo_sensors
from simulator.demo_views import CUIHU_B2, FENGHE_B1, JINXIU_B5
from simulator.falling import Fall
from simulator.film import Encoding
from simulator.scene import Scene, calibration
from simulator.sensors import Change
from simulator.thermal import HotSpot, ThermalCamera
from simulator.world import Building, Grid, Person, Site, Told, VisibleCamera, World

FALL_AT, GAS_AT, HOT_SPOT_AT, SMOKE_AT = 15.0, 18.0, 25.0, 30.0
FALL_FLOOR = 8


def demo_world(seed: int = 1) -> World:
    """Twenty-three sensors, three visible cameras and a thermal one. The same seed gives the same world."""
    return World(
        city="云川市",
        street="yingbin",
        communities={"tongxin": "同心社区", "heping": "和平社区"},
        grids=(
            Grid("tongxin-1", "同心社区第一网格", "tongxin", ("cuihu", "fenghe")),
            Grid("heping-1", "和平社区第一网格", "heping", tuple(f"jinxiu/b{n}" for n in range(1, 4))),
            Grid("heping-2", "和平社区第二网格", "heping", tuple(f"jinxiu/b{n}" for n in range(4, 7))),
        ),
        sites=(
            Site("cuihu", "翠湖苑", 198, _buildings("cuihu", 3, 11)),
            Site("fenghe", "丰和里", 144, _buildings("fenghe", 2, 6)),
            Site("jinxiu", "锦绣城", 864, _buildings("jinxiu", 6, 18)),
        ),
        people=(
            Person("wang-xiulan", "王秀兰", "grid_worker", "tongxin-1", "grid-tongxin-1"),
            Person("li-jianguo", "李建国", "grid_worker", "heping-1", "grid-heping-1"),
            Person("zhao-min", "赵敏", "grid_worker", "heping-2", "grid-heping-2"),
            Person("chen-guihua", "陈桂花", "community", "tongxin", "community"),
            Person("liu-zhiqiang", "刘志强", "community", "heping", "community"),
            Person("sun-li", "孙丽", "street", "yingbin", "street"),
            Person("zhou-haitao", "周海涛", "city", "", "city"),
        ),
        robot_keys={
            "grid-tongxin-1": "sim-tongxin-1",
            "grid-heping-1": "sim-heping-1",
            "grid-heping-2": "sim-heping-2",
            "community": "sim-community",
            "street": "sim-street",
            "city": "sim-city",
        },
        cameras=_cameras(seed),
        thermal=(
            ThermalCamera(
                id="jinxiu/thermal-b3",
                name="3号楼热成像",
                place="jinxiu/b3",
                hot_spot=HotSpot(at=HOT_SPOT_AT),
                seed=seed,
            ),
        ),
        sensors=demo_sensors(),
        script={
            "gas": (
                Change(device="fenghe/gas-b1-4", metric="gas", at=GAS_AT, to=38.0, over=9.0),
                Change(device="fenghe/gas-b1-4", metric="gas_alarm", at=GAS_AT + 6.0, to=1),
            ),
            "smoke": (
                Change(device="jinxiu/smoke-b3-15", metric="smoke_alarm", at=SMOKE_AT, to=1),
                Change(device="jinxiu/smoke-b3-15", metric="temperature", at=SMOKE_AT, to=41.0, over=20.0),
            ),
        },
        story=(
            Told(name="fall", at=FALL_AT, subject="cuihu/cam-b2-east", words=f"翠湖苑2号楼{FALL_FLOOR}层有物坠落"),
            Told(name="gas", at=GAS_AT, subject="fenghe/gas-b1-4", words="丰和里1号楼4层燃气浓度上升"),
            Told(name="hot_spot", at=HOT_SPOT_AT, subject="jinxiu/thermal-b3", words="锦绣城3号楼外墙出现热点"),
            Told(name="smoke", at=SMOKE_AT, subject="jinxiu/smoke-b3-15", words="锦绣城3号楼15层烟感报警"),
        ),
    )


def _buildings(site: str, count: int, floors: int) -> tuple[Building, ...]:
    return tuple(Building(f"{site}/b{n}", f"{n}号楼", floors) for n in range(1, count + 1))


def _cameras(seed: int) -> tuple[VisibleCamera, ...]:
    fall = Fall(at=FALL_AT, floor=FALL_FLOOR)
    return (
        VisibleCamera(
            id="cuihu/cam-b2-east",
            name="2号楼东侧",
            place="cuihu/b2",
            scene=Scene(view=CUIHU_B2, fall=fall, title="CUIHU B2 EAST", seed=seed),
            encoding=Encoding(),
        ),
        VisibleCamera(
            id="fenghe/cam-b1-south",
            name="1号楼南侧",
            place="fenghe/b1",
            scene=Scene(view=FENGHE_B1, period=4.0, title="FENGHE B1 SOUTH", seed=seed + 1),
            encoding=Encoding(b_frames=2),
        ),
        VisibleCamera(
            id="jinxiu/cam-b5-west",
            name="5号楼西侧",
            place="jinxiu/b5",
            scene=Scene(view=JINXIU_B5, period=4.0, title="JINXIU B5 WEST", seed=seed + 2),
            encoding=Encoding(codec="hevc"),
        ),
    )


def _describe() -> None:
    """Print ids, kinds, places, and each camera's calibration in the form of a site file."""
    world = demo_world()
    lines = [f"{sensor.id:24}{sensor.kind:10}{sensor.place}" for sensor in world.sensors]
    lines += [f"{camera.id:24}thermal   {camera.place}" for camera in world.thermal]
    for camera in world.cameras:
        measured = calibration(camera.scene.view)
        facade = ", ".join(f"[{spot.x:g}, {spot.y:g}]" for spot in measured.facade)
        lines += [
            f"{camera.id:24}{camera.encoding.codec:10}{camera.place}",
            "    calibration:",
            f"      vanishing_row: {measured.vanishing_row:g}",
            f"      floor_height: {measured.floor_height:g} m",
            "      floor_lines:",
            *(
                f"        - {{floor: {line.floor}, points: "
                f"[{', '.join(f'[{spot.x:g}, {spot.y:g}]' for spot in line.points)}]}}"
                for line in measured.floor_lines
            ),
            f"      facade: [{facade}]",
        ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    _describe()
