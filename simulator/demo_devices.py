"""The demo's twenty-one sensors, each measuring what its kind measures."""

from __future__ import annotations

from simulator.sensors import Measured, Sensor


def demo_sensors() -> tuple[Sensor, ...]:
    """All of them, at rest."""
    return (
        _smoke("cuihu/smoke-b3-12", "3号楼12层走廊烟感", "cuihu/b3/u1/12"),
        _smoke("cuihu/smoke-b3-6", "3号楼6层走廊烟感", "cuihu/b3/u1/6"),
        _sensor("cuihu/heat-b3-1", "heat", "3号楼地下配电间温感", "cuihu/b3/u1/-1", 4, _CELSIUS),
        _gas("cuihu/gas-b2-5", "2号楼5层厨房燃气", "cuihu/b2/u1/5"),
        _lift("cuihu/lift-b3", "3号楼电梯", "cuihu/b3/u1"),
        _door("cuihu/door-b1", "1号楼单元门", "cuihu/b1/u1/1"),
        _sensor(
            "cuihu/pressure-b3",
            "pressure",
            "3号楼消火栓水压",
            "cuihu/b3/u1/12",
            6,
            Measured("water_pressure", 420, 3, 1, 0),
        ),
        _electric("cuihu/electric-b3", "3号楼配电箱", "cuihu/b3/u1/-1"),
        _smoke("fenghe/smoke-b1-3", "1号楼3层楼道烟感", "fenghe/b1/u1/3"),
        _gas("fenghe/gas-b1-4", "1号楼4层厨房燃气", "fenghe/b1/u2/4"),
        _sensor(
            "fenghe/sos-b2-2",
            "sos",
            "2号楼2层独居老人一键求助",
            "fenghe/b2/u1/2",
            10,
            _state("pressed"),
            battery=0.97,
        ),
        _water("fenghe/water-b2-1", "2号楼1层水浸", "fenghe/b2/u1/1"),
        _sensor(
            "fenghe/manhole-south",
            "manhole",
            "南门井盖",
            "fenghe/south-gate",
            12,
            Measured("tilt", 0.8, 0.1),
            battery=0.88,
        ),
        _smoke("jinxiu/smoke-b3-9", "3号楼9层走廊烟感", "jinxiu/b3/u1/9"),
        _smoke("jinxiu/smoke-b6-15", "6号楼15层走廊烟感", "jinxiu/b6/u1/15"),
        _gas("jinxiu/gas-b6-8", "6号楼8层厨房燃气", "jinxiu/b6/u1/8"),
        _sensor(
            "jinxiu/co-garage",
            "co",
            "地下车库一氧化碳",
            "jinxiu/garage",
            5,
            Measured("carbon_monoxide", 6, 1, 1, 0),
        ),
        _lift("jinxiu/lift-b5", "5号楼电梯", "jinxiu/b5/u1"),
        _water("jinxiu/water-b8", "8号楼水泵房水浸", "jinxiu/b8/u1/-1"),
        _electric("jinxiu/electric-b2", "2号楼配电箱", "jinxiu/b2/u1/-1"),
        _door("jinxiu/door-b4", "4号楼天台门", "jinxiu/b4/u1/18"),
    )


_CELSIUS = Measured("temperature", 22, 0.2)


def _state(metric: str) -> Measured:
    return Measured(metric, 0, 0, 1)


def _sensor(
    device: str, kind: str, name: str, place: str, period: float, *measures: Measured, battery: float | None = None
) -> Sensor:
    return Sensor(id=device, kind=kind, name=name, place=place, period=period, measures=measures, battery=battery)


def _smoke(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "smoke", name, place, 8, _state("smoke_alarm"), _CELSIUS, battery=0.93)


def _gas(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "gas", name, place, 5, Measured("gas", 1.5, 0.3, 0.1, 0), _state("gas_alarm"))


def _lift(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "lift", name, place, 3, _state("trapped"), Measured("speed", 0.9, 0.5, 0.01, 0))


def _door(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "door", name, place, 7, _state("open"))


def _water(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "water", name, place, 10, _state("water_alarm"), battery=0.71)


def _electric(device: str, name: str, place: str) -> Sensor:
    return _sensor(
        device,
        "electric",
        name,
        place,
        5,
        Measured("residual_current", 48, 4, 1, 0),
        Measured("temperature", 31, 0.4),
    )
