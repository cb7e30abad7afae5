"""Who stops talking is noticed, who was never heard too; slow ones and our own absence are not held against them."""

from __future__ import annotations

from detectors.decision import Decision
from detectors.silence import START_GRACE, Heard, Known, Silence, SilenceSettings, decide
from hub.model import Candidate

START = 1_700_000_000.0
SENSOR = Known("cuihu/smoke-1", "cuihu", "smoke", "cuihu/b3/u1/12")
CAMERA = Known("cuihu/cam-1", "cuihu", "camera", "cuihu/b3")
SETTINGS = SilenceSettings()


class Ear:
    def __init__(self, settings: SilenceSettings = SETTINGS, began: float = START) -> None:
        self.settings = settings
        self.silence = Silence(lambda _: settings, began)
        self.said: list[tuple[Candidate, Decision]] = []

    def hear(self, who: Known, *at: float) -> Ear:
        for t in at:
            self._keep(self.silence.observe(Heard(who, START + t)))
        return self

    def pass_time(self, t: float) -> Ear:
        self._keep(self.silence.advance(START + t))
        return self

    def _keep(self, found: object) -> None:
        self.said += [(one, decide(one, self.settings)) for one in found]  # type: ignore[attr-defined]

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(candidate.claim.subject, decision.status) for candidate, decision in self.said]


def test_a_sensor_that_stops_is_a_fault_and_heard_again_ends_it() -> None:
    ear = Ear().hear(SENSOR, *range(0, 200, 8))
    ear.pass_time(250)
    assert ear.heard == []
    ear.pass_time(192 + 61).pass_time(400)
    assert ear.heard == [(SENSOR.id, "alarm")]
    assert ear.said[0][1].level == "fault"
    ear.hear(SENSOR, 410)
    assert ear.heard[-1] == (SENSOR.id, "clear")
    assert ear.said[0][0].claim.words["condition"] == ear.said[1][0].claim.words["condition"]


def test_a_slow_device_is_not_called_silent_between_its_words() -> None:
    ear = Ear()
    for hour in range(10):
        ear.hear(SENSOR, hour * 3600.0)
        if hour >= 3:
            ear.pass_time(hour * 3600.0 + 3500)
    assert ear.heard == []
    ear.pass_time(9 * 3600 + 5.5 * 3600)
    assert ear.heard == [(SENSOR.id, "alarm")]


def test_a_registered_device_never_heard_is_silent_after_the_grace() -> None:
    ear = Ear()
    ear.silence.expect([SENSOR], START)
    ear.pass_time(START_GRACE - 1)
    assert ear.heard == []
    ear.pass_time(START_GRACE + 1)
    assert ear.heard == [(SENSOR.id, "alarm")]
    assert "never" in ear.said[0][1].reason


def test_who_is_registered_no_more_and_was_never_heard_is_forgotten() -> None:
    ear = Ear()
    ear.silence.expect([SENSOR, CAMERA], START)
    ear.silence.expect([CAMERA], START)
    ear.pass_time(500)
    assert ear.heard == [(CAMERA.id, "alarm")]


def test_cameras_have_no_pause_to_learn() -> None:
    ear = Ear(SilenceSettings.of_camera(30.0)).hear(CAMERA, *range(100))
    ear.pass_time(128)
    assert ear.heard == []
    ear.pass_time(131)
    assert ear.heard == [(CAMERA.id, "alarm")]


def test_our_own_absence_is_not_held_against_anyone_and_who_was_silent_still_ends() -> None:
    ear = Ear().hear(SENSOR, *range(0, 200, 8)).hear(CAMERA, *range(0, 300, 8)).pass_time(300)
    assert ear.heard == [(SENSOR.id, "alarm")]
    later = Ear(began=START + 5000)
    later.silence.restore(ear.silence.snapshot())
    later.silence.expect([SENSOR, CAMERA], START + 5000)
    later.pass_time(5000 + START_GRACE - 1)
    assert later.heard == []
    later.hear(SENSOR, 5100).hear(CAMERA, 5100)
    assert later.heard == [(SENSOR.id, "clear")]


def test_a_partition_is_remembered_by_itself() -> None:
    ear = Ear().hear(SENSOR, 1, 2).hear(CAMERA, 1, 2)
    other = Ear()
    other.silence.restore(ear.silence.snapshot(lambda name: name == CAMERA.id))
    assert other.silence.listened == {CAMERA.id}
    other.silence.forget([CAMERA.id])
    assert not other.silence.listened
