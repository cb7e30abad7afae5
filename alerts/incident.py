"""The life of an incident: who may do what next, and what is written down of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from hub.model import Command, Incident

HUB: Final = "hub"
"""Who did it, when the hub did it by itself."""

ENDED: Final = frozenset({"closed", "false_alarm"})
_OPEN: Final = frozenset({"new", "acknowledged", "verifying", "confirmed", "dispatched", "on_scene", "handled"})
_BUSY: Final = _OPEN - {"handled"}


class Move(msgspec.Struct, frozen=True):
    """From which states an action is possible, and where it leads."""

    before: frozenset[str]
    after: str
    needs_reason: bool = False


MOVES: Final[dict[str, Move]] = {
    "acknowledge": Move(frozenset({"new"}), "acknowledged"),
    "verify": Move(frozenset({"new", "acknowledged"}), "verifying"),
    "confirm": Move(frozenset({"new", "acknowledged", "verifying"}), "confirmed"),
    "assign": Move(_BUSY, "dispatched"),
    "arrive": Move(_BUSY, "on_scene"),
    "resolve": Move(_BUSY, "handled"),
    "false_alarm": Move(_OPEN, "false_alarm", needs_reason=True),
    "close": Move(_OPEN, "closed"),
    "reopen": Move(ENDED | {"handled"}, "acknowledged", needs_reason=True),
}


NOTED: Final = frozenset({"note", "called_119"})
"""Actions that are written down and move nothing: who called 119 may still have to acknowledge."""


class Step(msgspec.Struct, frozen=True):
    """One line of an incident's timeline: when, who, what, through which channel, and why."""

    incident: str
    at: datetime
    who: str
    action: str
    channel: str = ""
    reason: str = ""
    details: dict[str, str] = {}


class Moved(msgspec.Struct, frozen=True):
    """What a command did. `refused` says in words why it could not be done; then only the step is written."""

    incident: Incident
    step: Step
    refused: str = ""


def obey(incident: Incident, command: Command) -> Moved:
    """The incident after a person's command. Of two that say the same, the first wins; the second is told so."""
    details = dict(command.details)
    step = Step(incident.id, command.at, command.by, command.action, command.channel, command.reason, details)
    if command.action in NOTED:
        if command.action == "note" and not command.reason.strip():
            return _refuse(incident, step, "a note without words")
        return Moved(changed(incident, command.at), step)
    move = MOVES.get(command.action)
    if move is None:
        return _refuse(incident, step, f"no such action: {command.action}")
    if incident.state not in move.before:
        by = f" by {incident.acknowledged_by}" if command.action == "acknowledge" and incident.acknowledged_by else ""
        return _refuse(incident, step, f"already {incident.state}{by}")
    if move.needs_reason and not command.reason.strip():
        return _refuse(incident, step, f"{command.action} needs a reason")
    if command.action == "assign" and not command.details.get("to"):
        return _refuse(incident, step, "assign needs someone to assign to")
    details["from"] = incident.state
    after = changed(
        incident,
        command.at,
        state=move.after,
        assigned_to=command.details["to"] if command.action == "assign" else incident.assigned_to,
        acknowledged_by=incident.acknowledged_by or command.by,
    )
    return Moved(after, msgspec.structs.replace(step, details=details))


def changed(incident: Incident, at: datetime, **fields: object) -> Incident:
    """The next version of an incident."""
    later = max(incident.updated_at, at)
    return msgspec.structs.replace(incident, version=incident.version + 1, at=later, updated_at=later, **fields)


def ring_again(incident: Incident, at: datetime, **fields: object) -> Incident:
    """The incident is everybody's again: new, with nobody's name on it."""
    return changed(incident, at, state="new", acknowledged_by="", **fields)


def _refuse(incident: Incident, step: Step, why: str) -> Moved:
    return Moved(incident, msgspec.structs.replace(step, details={**step.details, "refused": why}), why)
