"""A city of one site, small enough to be read in a test, and small settings models for its tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.errors import Mistake
from hub.settings.check import Checked, examine
from hub.settings.quantity import Celsius, Ratio, Seconds

CONFIGS = Path(__file__).parents[3] / "configs"


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at: Celsius = Field(80.0, ge=40, le=400)
    hold: Seconds = Field(20.0, ge=0, le=600)
    why: str = ""


class Thermal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    share: Ratio = Field(0.5, ge=0, le=1)
    count: int = Field(3, ge=1)
    colour: Literal["white-hot", "black-hot"] = "white-hot"
    outline: tuple[tuple[float, float], ...] = ()
    rules: dict[str, Rule] = {}

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        for name, rule in self.rules.items():
            if rule.at > 300 and rule.hold > 60:
                raise ValueError(f"rules.{name}.hold: too long for such heat; write '60 s' or less")
        return self


class Alerts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    again: Seconds = Field(30.0, gt=0)


SECTIONS: dict[str, type[BaseModel]] = {"thermal": Thermal, "alerts": Alerts}

CITY = """\
city: {name: 云川市}
streets:
  yingbin: {name: 迎宾街道}
communities:
  tongxin: {name: 同心社区, street: yingbin}
grids:
  one:
    name: 第一网格
    community: tongxin
    places: [cuihu/b1]
    households: 320
  two:
    name: 第二网格
    community: tongxin
    places: [cuihu]
people:
  wang:
    name: 王秀兰
    role: grid_worker
    grid: one
    channels: {wecom: grid-one}
  li: {name: 李建国, role: grid_worker, grid: two, channels: {wecom: grid-one}}
  chen: {name: 陈桂花, role: community, community: tongxin, channels: {wecom: grid-one}}
  sun: {name: 孙丽, role: street, street: yingbin, channels: {wecom: grid-one}}
  zhou: {name: 周海涛, role: city, channels: {wecom: grid-one}}
"""

SITE = """\
site: cuihu
name: 翠湖苑
buildings:
  b1: {name: 1号楼, floors: 11, basements: 1, units: {u1: {name: 1单元}, u2: {name: 2单元}}}
  b3: {name: 3号楼, floors: 12, units: {u1: {name: 1单元}}}
areas:
  gate: {name: 东门}
sensors:
  smoke-b3-12:
    name: 3号楼12层烟感
    kind: smoke
    place: b3/u1/12
    serial: SN-0042
  door-b1: {name: 1号楼门禁, kind: door, place: b1/u2}
cameras:
  cam-b3:
    name: 3号楼南侧
    place: b3
    stream: nvr:/b3
    secret: nvr
    sees: [b3]
    calibration:
      vanishing_row: -420.5
      floor_lines:
        - {floor: 2, points: [[0, 700], [1279, 690]]}
      facade: [[0, 0], [10, 0], [10, 10]]
  thermal-b3: {name: 3号楼热像, kind: thermal, place: b3}
"""

HUB = """\
cameras:
  bases: {nvr: "rtsp://10.0.0.2:554/live"}
  secrets: {nvr: {username: hub, password: {env: NVR_PASSWORD}}}
channels:
  robots:
    grid-one: {kind: wecom, url: "https://robots.example/send", key: {env: ROBOT_KEY}}
"""

DEFAULTS = """\
thermal:
  rules:
    fixed: {at: 80 °C, hold: 20 s}
"""

FILES = {"city.yaml": CITY, "sites/cuihu.yaml": SITE, "hub.yaml": HUB, "tuning/defaults.yaml": DEFAULTS}


def checked(**changes: str | None) -> Checked:
    """The small city checked, with some files replaced; names have `__` for `/` and no ending. None leaves one out."""
    files: dict[str, str | None] = dict(FILES)
    files |= {f"{name.replace('__', '/').replace('_0', '-')}.yaml": text for name, text in changes.items()}
    raw = {name: text.encode() for name, text in files.items() if text is not None}
    return examine(raw, SECTIONS, folder=CONFIGS, environ={})


def only(found: Checked) -> Mistake:
    """Its one mistake."""
    assert len(found.mistakes) == 1, "\n".join(map(str, found.mistakes))
    return found.mistakes[0]


def where(text: str, needle: str, offset: int = 0) -> tuple[int, int]:
    """Line and column, from 1, of the first `needle` in `text`, moved by `offset` columns."""
    before = text[: text.index(needle)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1 + offset
