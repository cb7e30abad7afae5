"""The demo's twenty-three sensors, each measuring what its kind measures."""

from __future__ import annotations

from simulator.sensors import Measured, Sensor


def demo_sensors() -> tuple[Sensor, ...]:
    """All of them, at rest."""
    return (
        _smoke("cuihu/smoke-b1-5", "1号楼5层烟感", "cuihu/b1/u1/5"),
        _smoke("cuihu/smoke-b3-9", "3号楼9层烟感", "cuihu/b3/u1/9"),
        _heat("cuihu/heat-b2-garage", "2号楼车库感温", "cuihu/b2/u1/-1"),
        _pressure("cuihu/pressure-b1", "1号楼消火栓水压", "cuihu/b1/u1/11"),
        _door("cuihu/door-b1-u1", "1号楼1单元门禁", "cuihu/b1/u1"),
        _lift("cuihu/lift-b1-u1", "1号楼1单元电梯", "cuihu/b1/u1"),
        _sos("cuihu/sos-b2-u1-3", "2号楼1单元3层求助按钮", "cuihu/b2/u1/3"),
        _gas("fenghe/gas-b1-4", "1号楼4层厨房燃气", "fenghe/b1/u2/4"),
        _gas("fenghe/gas-b2-1", "2号楼1层厨房燃气", "fenghe/b2/u1/1"),
        _smoke("fenghe/smoke-b2-3", "2号楼3层烟感", "fenghe/b2/u1/3"),
        _door("fenghe/door-b2-u1", "2号楼1单元门禁", "fenghe/b2/u1"),
        _sensor(
            "fenghe/water-b1-cellar",
            "water",
            "1号楼地下室水浸",
            "fenghe/b1/u1/-1",
            10,
            _state("water_alarm"),
            battery=0.71,
        ),
        _sensor(
            "fenghe/manhole-gate", "manhole", "大门井盖", "fenghe/gate", 12, Measured("tilt", 0.8, 0.1), battery=0.88
        ),
        _smoke("jinxiu/smoke-b3-15", "3号楼15层烟感", "jinxiu/b3/u2/15"),
        _smoke("jinxiu/smoke-b3-16", "3号楼16层烟感", "jinxiu/b3/u2/16"),
        _heat("jinxiu/heat-b3-15", "3号楼15层感温", "jinxiu/b3/u2/15"),
        _gas("jinxiu/gas-b5-7", "5号楼7层厨房燃气", "jinxiu/b5/u1/7"),
        _sensor(
            "jinxiu/co-garage",
            "co",
            "地下车库一氧化碳",
            "jinxiu/garage",
            5,
            Measured("carbon_monoxide", 6, 1, 1, 0),
        ),
        _lift("jinxiu/lift-b3-u1", "3号楼1单元电梯", "jinxiu/b3/u1"),
        _lift("jinxiu/lift-b5-u1", "5号楼1单元电梯", "jinxiu/b5/u1"),
        _sensor(
            "jinxiu/electric-b4",
            "electric",
            "4号楼电气火灾监控",
            "jinxiu/b4/u1/1",
            5,
            Measured("residual_current", 48, 4, 1, 0),
            Measured("temperature", 31, 0.4),
        ),
        _sos("jinxiu/sos-b6-u2-2", "6号楼2单元2层求助按钮", "jinxiu/b6/u2/2"),
        _pressure("jinxiu/pressure-b6", "6号楼消火栓水压", "jinxiu/b6/u1/18"),
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


def _heat(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "heat", name, place, 4, _CELSIUS)


def _pressure(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "pressure", name, place, 6, Measured("water_pressure", 420, 3, 1, 0))


def _sos(device: str, name: str, place: str) -> Sensor:
    return _sensor(device, "sos", name, place, 10, _state("pressed"), battery=0.97)
