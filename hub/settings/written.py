"""What people write in city.yaml and sites/<id>.yaml, before names and places are joined up."""

from __future__ import annotations

from typing import Final, Literal, get_args

from pydantic import Field, StrictBool

from hub.settings.city import Noun, Point, Role
from hub.settings.quantity import Metres
from hub.settings.text import FullPlace, Id, Name, RelativePlace, StreamAddress, StreamPath

SensorKind = Literal[
    "smoke", "heat", "gas", "co", "water", "pressure", "door", "lift", "sos", "manhole", "electric", "panel"
]
SENSOR_KINDS: Final[tuple[str, ...]] = get_args(SensorKind)


class UnitEntry(Noun):
    """单元"""

    name: Name = Field(description="单元名称，例如 1单元")


class BuildingEntry(Noun):
    """楼栋"""

    name: Name = Field(description="楼栋名称，例如 3号楼")
    floors: int = Field(ge=1, le=200, description="地上层数")
    basements: int = Field(0, ge=0, le=10, description="地下层数")
    units: dict[Id, UnitEntry] = Field({}, description="单元，按编号命名，例如 u1")


class AreaEntry(Noun):
    """楼外区域"""

    name: Name = Field(description="区域名称，例如 东门、地下车库")


class SensorEntry(Noun):
    """传感器"""

    name: Name = Field(description="传感器名称，值班人员看到的就是它")
    kind: SensorKind = Field(
        description="类型：smoke 烟感，heat 温感，gas 燃气，co 一氧化碳，water 水浸，pressure 水压，door 门磁，"
        "lift 电梯，sos 一键求助，manhole 井盖，electric 电气火灾，panel 消防主机"
    )
    place: RelativePlace = Field(description="位置，相对本小区：楼栋/单元/楼层，例如 b3/u1/12；或区域，例如 gate")
    serial: Name | None = Field(None, description="厂家序列号；设备不按本系统编号上报时用它对应")


class FloorLineEntry(Noun):
    """楼层线"""

    floor: int = Field(ge=-10, le=200, description="楼层号；线画在该层楼板下沿")
    points: tuple[Point, ...] = Field(min_length=2, description="线上的点 [列, 行]，像素，从左到右")


class CalibrationEntry(Noun):
    """摄像机标定"""

    vanishing_row: float | None = Field(None, description="竖直线的灭点所在行，像素；在画面上方时为负")
    floor_lines: tuple[FloorLineEntry, ...] = Field((), description="楼层线，最好四条以上")
    facade: tuple[Point, ...] = Field((), description="所看外墙的轮廓，至少三个点 [列, 行]")
    floor_height: Metres = Field(3.0, gt=1, le=10, description="层高")


class CameraEntry(Noun):
    """摄像机"""

    name: Name = Field(description="摄像机名称")
    kind: Literal["visible", "thermal"] = Field("visible", description="visible 可见光，thermal 热成像")
    place: RelativePlace = Field(description="安装位置，相对本小区")
    address: StreamAddress | None = Field(None, description="RTSP 地址，不含用户名和密码，例如 rtsp://10.0.0.8/1")
    stream: StreamPath | None = Field(None, description="或写 基址名:/路径，基址在 hub.yaml 的 cameras.bases 中")
    secret: Id | None = Field(None, description="hub.yaml 中 cameras.secrets 里的用户名密码的名字")
    sees: tuple[RelativePlace, ...] = Field((), description="画面里能看到的位置，例如 b3")
    calibration: CalibrationEntry | None = Field(None, description="标定：楼层线、灭点、外墙轮廓")


class SiteFile(Noun):
    """configs/sites/<小区编号>.yaml：一个小区的楼栋、传感器和摄像机"""

    site: Id = Field(description="小区编号，与文件名相同")
    name: Name = Field(description="小区名称")
    dedicated: StrictBool = Field(False, description="是否专属网格的场所（园区、学校、医院等）")
    address: str = Field("", max_length=200, description="报警时念给 119 的地址")
    fire_entrance: str = Field("", max_length=200, description="消防车从哪里进")
    phone: str = Field("", max_length=40, description="值班室电话")
    households: int | None = Field(None, ge=0, description="户数")
    buildings: dict[Id, BuildingEntry] = Field({}, description="楼栋，按编号命名，例如 b3")
    areas: dict[Id, AreaEntry] = Field({}, description="楼外区域，按编号命名")
    sensors: dict[Id, SensorEntry] = Field({}, description="传感器，按编号命名")
    cameras: dict[Id, CameraEntry] = Field({}, description="摄像机，按编号命名")


class CityEntry(Noun):
    """市"""

    name: Name = Field(description="市名")
    zone: str = Field("Asia/Shanghai", description="时区，只用于给人看的时间")


class StreetEntry(Noun):
    """街道"""

    name: Name = Field(description="街道名称")


class CommunityEntry(Noun):
    """社区"""

    name: Name = Field(description="社区名称")
    street: Id = Field(description="所属街道的编号")


class GridEntry(Noun):
    """网格"""

    name: Name = Field(description="网格名称")
    community: Id = Field(description="所属社区的编号；一个网格只属于一个社区")
    places: tuple[FullPlace, ...] = Field(min_length=1, description="管辖位置：小区、小区/楼栋 或 小区/楼栋/单元")
    households: int | None = Field(None, ge=0, description="户数；一般 300 至 500 户")


class PersonEntry(Noun):
    """人员"""

    name: Name = Field(description="姓名")
    role: Role = Field(description="grid_worker 网格员，community 社区，street 街道，city 市")
    grid: Id | None = Field(None, description="网格员所在网格的编号")
    community: Id | None = Field(None, description="社区人员所在社区的编号")
    street: Id | None = Field(None, description="街道人员所在街道的编号")
    phone: str = Field("", max_length=40, description='电话，加引号，例如 "13800000000"')
    channels: dict[Id, Id] = Field({}, description="推送方式：渠道类型（wecom）: hub.yaml 中机器人的名字")


class PartyEntry(Noun):
    """部门、单位"""

    name: Name = Field(description="名称")
    phone: str = Field("", max_length=40, description="电话")
    helps: tuple[Id, ...] = Field((), description="哪些类型的事件需要它到场，例如 lift")


class CityFile(Noun):
    """configs/city.yaml：市、街道、社区、网格、人员和协作单位"""

    city: CityEntry = Field(description="本市")
    streets: dict[Id, StreetEntry] = Field({}, description="街道，按编号命名")
    communities: dict[Id, CommunityEntry] = Field({}, description="社区，按编号命名")
    grids: dict[Id, GridEntry] = Field({}, description="网格，按编号命名")
    people: dict[Id, PersonEntry] = Field({}, description="人员，按编号命名；同级人员按书写顺序通知")
    parties: dict[Id, PartyEntry] = Field({}, description="协作单位，按编号命名")
