"""Who may do what with an incident, and what is written down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.condition import begin
from alerts.incident import ENDED, MOVES, changed, obey, ring_again
from hub.model import Command, Incident
from tests.small_estate import START, seen
from tests.small_estate import incident as made


def incident(state: str = "new", **fields: Any) -> Incident:
    return made(begin(seen("smoke")), state=state, **fields)


def command(action: str, reason: str = "", by: str = "zhang", **details: str) -> Command:
    return Command(
        id=f"c-{action}", site="cuihu", at=START, incident="i", action=action, by=by, channel="page", reason=reason,
        details=details,
    )  # fmt: skip


def test_the_usual_life() -> None:
    now = incident()
    for action, state in (
        ("acknowledge", "acknowledged"),
        ("verify", "verifying"),
        ("confirm", "confirmed"),
        ("assign", "dispatched"),
        ("arrive", "on_scene"),
        ("resolve", "handled"),
        ("close", "closed"),
    ):
        before, moved = now, obey(now, command(action, to="wang"))
        assert not moved.refused
        now = moved.incident
        assert (now.state, now.version) == (state, before.version + 1)
        assert (moved.step.who, moved.step.action, moved.step.details["from"]) == ("zhang", action, before.state)
    assert (now.acknowledged_by, now.assigned_to) == ("zhang", "wang")


@pytest.mark.parametrize(
    ("state", "asked", "why"),
    [
        ("acknowledged", command("acknowledge"), "already acknowledged by li"),
        ("closed", command("acknowledge"), "already closed by li"),
        ("closed", command("close"), "already closed"),
        ("new", command("false_alarm"), "false_alarm needs a reason"),
        ("new", command("assign"), "assign needs someone to assign to"),
        ("new", command("explode"), "no such action: explode"),
        ("new", command("note", "  "), "a note without words"),
        ("closed", command("reopen"), "reopen needs a reason"),
    ],
)
def test_refusals_say_why_and_change_nothing(state: str, asked: Command, why: str) -> None:
    before = incident(state, acknowledged_by="li")
    moved = obey(before, asked)
    assert moved.refused == why
    assert moved.incident is before
    assert moved.step.details["refused"] == why


def test_a_note_needs_no_state_and_changes_none() -> None:
    moved = obey(incident("closed"), command("note", "来电核实过"))
    assert (moved.refused, moved.incident.state, moved.incident.version) == ("", "closed", 2)


def test_every_verdict_can_be_taken_back() -> None:
    for state in ENDED:
        assert obey(incident(state), command("reopen", "点错了")).incident.state == "acknowledged"


def test_ringing_again_is_nobodys() -> None:
    again = ring_again(incident("acknowledged", acknowledged_by="li"), START)
    assert (again.state, again.acknowledged_by, again.version) == ("new", "", 2)


@given(st.lists(st.sampled_from([*MOVES, "note", "nonsense"]), max_size=12))
def test_versions_only_grow_and_no_way_leads_out_of_the_known_states(actions: list[str]) -> None:
    now = incident()
    states = {"new", *(move.after for move in MOVES.values())}
    for action in actions:
        moved = obey(now, command(action, "why", to="wang"))
        assert moved.incident.version == now.version + (0 if moved.refused else 1)
        assert moved.incident.state in states
        assert moved.step.incident == now.id
        now = changed(moved.incident, START) if moved.refused else moved.incident
