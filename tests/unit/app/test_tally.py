"""The demo's verdict: whole only when everything was seen, linked, sent and received."""

from typing import Any

from app.demo.tally import Seen, Tally

SINCE = "2026-11-23T10:00:00+00:00"


def alert(kind: str, at: str = "2026-11-23T10:00:20+00:00", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "level": "alarm", "began_at": at, "reason": "because", "numbers": {}, **more}


def incident(name: str, site: str, *alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": name, "number": f"n-{name}", "site": site, "state": "new", "title": "t", "alerts": alerts, **more
    }  # fmt: skip


def whole(seen: Seen) -> None:
    seen.clip_frames = seen.pictures = 1
    seen.robot_at, seen.order_at, seen.order_no = 1.0, 2.0, "o"
    seen.by_emergency_rules, seen.hotline_said = True, "20"
    seen.updates, seen.call_119 = ["40", "70"], list("12345")


def told() -> Tally:
    tally = Tally()
    fall = alert("falling_object", numbers={"origin_floor": 8.5})
    assert tally.incident(incident("a", "cuihu", fall), SINCE, 1.0) == "fall"
    assert tally.incident(incident("b", "jinxiu", alert("smoke"), alert("thermal_fire"), why_linked=["w"]), SINCE, 2.0)
    assert tally.incident(incident("c", "fenghe", alert("gas")), SINCE, 3.0) == "gas"
    for seen in tally.stories.values():
        whole(seen)
    return tally


def test_a_whole_run_lacks_nothing() -> None:
    assert told().missing(acted=True) == []


def test_each_piece_is_missed_when_it_is_not_there() -> None:
    def lacking(story: str, name: str, value: Any) -> str:
        tally = told()
        setattr(tally.stories[story], name, value)
        missing = tally.missing(acted=True)
        assert len(missing) == 1, missing
        return missing[0]

    assert "no clip" in lacking("fall", "clip_frames", 0)
    assert "no floor" in lacking("fall", "numbers", {})
    assert "lacks smoke" in lacking("fire", "kinds", ["thermal_fire"])
    assert "why" in lacking("fire", "why_linked", [])
    assert "119" in lacking("gas", "call_119", ["1"])
    assert "grid worker" in lacking("gas", "robot_at", -1.0)
    assert "before the worker" in lacking("gas", "order_at", 0.5)
    assert "emergency rules" in lacking("fire", "by_emergency_rules", False)
    assert "status of the hotline" in lacking("fire", "hotline_said", "")
    assert "acknowledged and closed" in lacking("fall", "updates", ["40"])


def test_what_was_there_before_is_not_this_runs() -> None:
    tally = Tally()
    old = alert("gas", at="2026-11-23T09:59:59+00:00")
    assert tally.incident(incident("a", "fenghe", old), SINCE, 1.0) is None
    assert tally.incident(incident("a", "fenghe", alert("gas", level="fault")), SINCE, 1.0) is None
    assert tally.incident(incident("a", "fenghe", alert("gas"), purpose="drill"), SINCE, 1.0) is None
    assert "gas: never became an incident on the page" in tally.missing(acted=False)


def test_a_second_incident_of_one_fire_is_told() -> None:
    tally = told()
    assert tally.incident(incident("z", "jinxiu", alert("smoke")), SINCE, 4.0) is None
    assert tally.missing(acted=True) == ["z: stands beside the incident it belongs to"]
    merged = told()
    merged.incident(incident("z", "jinxiu", alert("smoke"), merged_into="b"), SINCE, 4.0)
    assert merged.missing(acted=True) == []
