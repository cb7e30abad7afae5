"""Places, devices and people: how they are found, and what is refused when a name leads nowhere."""

from __future__ import annotations

import pytest

from hub.settings.city import City, Device, prefixes
from tests.unit.hub.small_city import CITY, HUB, SITE, checked, only, where


def city() -> City:
    found = checked()
    assert found.mistakes == ()
    return found.city


def test_finds_devices_and_cameras_by_their_full_id() -> None:
    assert city().device("cuihu/smoke-b3-12") == Device(
        id="cuihu/smoke-b3-12",
        site="cuihu",
        kind="smoke",
        place="cuihu/b3/u1/12",
        name="3号楼12层烟感",
        serial="SN-0042",
    )
    assert city().by_serial("SN-0042") == city().device("cuihu/smoke-b3-12")
    assert city().device("cuihu/unknown") is None
    camera = city().camera("cuihu/cam-b3")
    assert camera is not None
    assert camera.sees == ("cuihu/b3",)
    assert camera.calibration is not None
    assert camera.calibration.floor_lines[0].points == ((0.0, 700.0), (1279.0, 690.0))


def test_the_narrowest_grid_is_in_charge() -> None:
    def grid(place: str) -> str | None:
        found = city().grid_of(place)
        return found.id if found else None

    assert grid("cuihu/b1/u2/3") == "one"
    assert grid("cuihu/b3/u1/12") == "two"
    assert grid("cuihu/gate") == "two"
    assert grid("elsewhere/b1") is None


def test_the_ladder_climbs_from_the_grid_to_the_city() -> None:
    assert [person.name for person in city().ladder("one")] == ["王秀兰", "陈桂花", "孙丽", "周海涛"]
    assert [person.name for person in city().ladder("two")] == ["李建国", "陈桂花", "孙丽", "周海涛"]
    assert [person.name for person in city().ladder("")] == ["周海涛"]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("cuihu/b3/u1/12", "翠湖苑 3号楼 12层"),
        ("cuihu/b1/u2/-1", "翠湖苑 1号楼 2单元 地下1层"),
        ("cuihu/b1/u2", "翠湖苑 1号楼 2单元"),
        ("cuihu/b3", "翠湖苑 3号楼"),
        ("cuihu/gate", "翠湖苑 东门"),
        ("cuihu", "翠湖苑"),
        ("cuihu/b9/u1", "翠湖苑 b9 u1"),
        ("unplaced", "unplaced"),
        ("", ""),
    ],
)
def test_places_have_names_people_say(place: str, name: str) -> None:
    assert city().place_name(place) == name


def test_a_device_nobody_registered_is_placed_at_its_site() -> None:
    assert city().place_of("cuihu/smoke-b3-12") == "cuihu/b3/u1/12"
    assert city().place_of("cuihu/new-thing") == "cuihu"
    assert city().place_of("nowhere/new-thing") == ""
    assert list(prefixes("a/b/c")) == ["a/b/c", "a/b", "a"]


@pytest.mark.parametrize(
    ("old", "new", "problem", "remedy"),
    [
        ("place: b3/u1/12", "place: b3/u1/13", "no floor 13", "1 to 12"),
        ("place: b3/u1/12", "place: b3/u2/12", "no unit 'u2'", "known here: u1"),
        ("place: b3/u1/12", "place: b4/u1/12", "no building or area 'b4'", "known here: b1, b3, gate"),
        ("place: b3/u1/12", "place: b3/u1/0", "no floor 0", "1 to 12"),
        ("place: b1/u2}", "place: b1/u2/-2}", "no floor -2", "-1 to -1"),
        ("place: b1/u2}", "place: gate/u2}", "is an area", "write 'gate'"),
        ("kind: smoke", "kind: smok", "none of the words", "did you mean 'smoke'?"),
        ("sees: [b3]", "sees: [b7]", "no building or area 'b7'", ""),
        ("floor: 2,", "floor: 20,", "no building of cuihu has a floor 20", "12"),
        ("facade: [[0, 0], [10, 0], [10, 10]]", "facade: [[0, 0], [1, 1]]", "at least three", ""),
        ("  cam-b3:", "  smoke-b3-12:", "is a sensor already", "never used twice"),
        ("stream: nvr:/b3", "stream: nvx:/b3", "no camera base 'nvx'", "did you mean 'nvr'?"),
        ("secret: nvr", "secret: nvx", "no camera secret 'nvx'", "did you mean 'nvr'?"),
        ("stream: nvr:/b3", "address: rtsp://admin:s3cret@10.0.0.8/1", "holds a password", "cameras.secrets"),
        ("site: cuihu", "site: cuhu", "the file is named cuihu.yaml", "site: cuihu"),
        ("  gate: {name: 东门}", "  b3: {name: 东门}", "is a building already", ""),
        ("floors: 12,", "floors: 12, flors: 3,", "unknown key 'flors'", "did you mean 'floors'?"),
        ("name: 翠湖苑", "nome: 翠湖苑", "", ""),
    ],
)
def test_points_at_what_is_wrong_with_a_site(old: str, new: str, problem: str, remedy: str) -> None:
    text = SITE.replace(old, new, 1)
    found = checked(sites__cuihu=text)
    line = where(SITE, old)[0]
    mine = [m for m in found.mistakes if m.file == "sites/cuihu.yaml" and problem in m.problem and remedy in m.remedy]
    assert mine, "\n".join(map(str, found.mistakes))
    assert line in {m.line for m in mine}
    assert "s3cret" not in "".join(map(str, found.mistakes))


@pytest.mark.parametrize(
    ("old", "new", "problem", "remedy", "at"),
    [
        (
            "community: tongxin\n    places",
            "community: tongxing\n    places",
            "no community",
            "did you mean",
            "tongxing",
        ),
        ("places: [cuihu/b1]", "places: [cuihu/b9]", "no building or area 'b9'", "known here: b1", "cuihu/b9"),
        ("places: [cuihu/b1]", "places: [cuiho]", "there is no site 'cuiho'", "did you mean 'cuihu'?", "cuiho"),
        ("places: [cuihu/b1]", "places: [cuihu]", "belongs to the grid one already", "", "cuihu]\n"),
        (
            "street: yingbin}\ngrids",
            "street: yinbin}\ngrids",
            "no street 'yinbin'",
            "did you mean 'yingbin'?",
            "yinbin}",
        ),
        ("grid: two, ", "grid: tow, ", "no grid 'tow'", "did you mean 'two'?", "tow"),
        ("role: grid_worker, grid: two, ", "role: grid_worker, ", "needs a grid", "add 'grid:'", "li:"),
        ("role: city, ", "role: city, grid: one, ", "has no grid", "delete", "grid: one, "),
        ("role: street, ", "role: strt, ", "none of the words", "did you mean 'street'?", "strt"),
        ("zhou: {", "Zhou: {", "does not fit", "", "Zhou"),
        ("{name: 云川市}", "{name: 云川市, zone: Asia/Shanhai}", "no such time zone", "", "Asia/Shanhai"),
        (
            "zhou: {name: 周海涛, role: city, channels: {wecom: grid-one}}",
            "zhou: {name: 周海涛, role: city, channels: {wecom: grid-on}}",
            "no robot 'grid-on'",
            "'grid-one'",
            "grid-on}",
        ),
        (
            "zhou: {name: 周海涛, role: city, channels: {wecom: grid-one}}",
            "zhou: {name: 周海涛, role: city, channels: {feishu: grid-one}}",
            "of the kind wecom",
            "",
            "feishu",
        ),
    ],
)
def test_points_at_what_is_wrong_with_the_city(old: str, new: str, problem: str, remedy: str, at: str) -> None:
    text = CITY.replace(old, new, 1)
    assert text != CITY
    mistake = only(checked(city=text)) if "belongs" not in problem else checked(city=text).mistakes[0]
    assert problem in mistake.problem
    assert remedy in mistake.remedy
    if "belongs" not in problem:
        assert (mistake.line, mistake.column) == where(text, at)


def test_a_place_in_a_broken_site_is_not_called_missing() -> None:
    found = checked(sites__cuihu=SITE.replace("floors: 12,", "floors: many,"))
    assert {m.file for m in found.mistakes} == {"sites/cuihu.yaml"}
    assert "whole number" in only(found).problem


def test_every_mistake_of_every_file_is_listed() -> None:
    found = checked(
        sites__cuihu=SITE.replace("b3/u1/12", "b3/u1/99").replace("sees: [b3]", "sees: [b7]"),
        city=CITY.replace("grid: two", "grid: tow"),
        hub=HUB.replace("kind: wecom", "kind: wechat"),
    )
    assert {m.file for m in found.mistakes} == {"sites/cuihu.yaml", "city.yaml", "hub.yaml"}
    assert len(found.mistakes) == 4


def test_an_unusual_number_of_households_is_a_word_not_a_refusal() -> None:
    found = checked(city=CITY.replace("households: 320", "households: 812"))
    assert found.mistakes == ()
    assert [(w.path, w.line) for w in found.warnings] == [("grids.one.households", where(CITY, "households")[0])]


def test_a_place_without_a_grid_is_a_warning() -> None:
    found = checked(city=CITY.replace("places: [cuihu]", "places: [cuihu/b3]"))
    assert found.mistakes == ()
    assert [(w.file, w.path) for w in found.warnings] == [("sites/cuihu.yaml", "areas.gate")]


def test_two_devices_cannot_share_a_serial_number() -> None:
    text = SITE.replace("place: b1/u2}", "place: b1/u2, serial: SN-0042}")
    assert "cuihu/smoke-b3-12 already" in only(checked(sites__cuihu=text)).problem


def test_a_visible_camera_needs_an_address() -> None:
    mistake = only(checked(sites__cuihu=SITE.replace("    stream: nvr:/b3\n", "")))
    assert mistake.problem == "no address"
    assert (mistake.line, mistake.column) == where(SITE, "cam-b3:")
