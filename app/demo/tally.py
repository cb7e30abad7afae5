"""What was seen, linked, sent and received in a run of the demo, and what is missing of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

FALL, FIRE, GAS = "fall", "fire", "gas"
KINDS: Final = {FALL: {"falling_object"}, FIRE: {"thermal_fire", "smoke"}, GAS: {"gas"}}
"""The alerts that must come together in one incident of each story."""
SITES: Final = {FALL: "cuihu", FIRE: "jinxiu", GAS: "fenghe"}


class Seen(msgspec.Struct, kw_only=True):
    """One story as far as it is known. Instants are seconds after the hub's start; -1: not yet."""

    incident: str = ""
    number: str = ""
    title: str = ""
    kinds: list[str] = []
    why_linked: list[str] = []
    reason: str = ""
    numbers: dict[str, float] = {}
    on_page_at: float = -1.0
    clip_bytes: int = 0
    clip_frames: int = 0
    pictures: int = 0
    robot_at: float = -1.0
    robot_says: str = ""
    order_no: str = ""
    order_at: float = -1.0
    by_emergency_rules: bool = False
    hotline_said: str = ""
    updates: list[str] = []
    call_119: list[str] = []
    state: str = ""


class Tally:
    """Fed with what the page, the robot and the hotline say; `missing` is the verdict."""

    def __init__(self) -> None:
        self.stories: dict[str, Seen] = {}
        self.strays: list[str] = []
        """Incidents of the fire's building beside the one they should all be in."""

    def incident(self, body: dict[str, Any], since: str, now: float) -> str | None:
        """An incident as the stream told it. The story it belongs to, once it is (still) whole; None for others.

        `since` (ISO instant): only alerts that began later are of this run.
        """
        kinds = [a["kind"] for a in body.get("alerts", ()) if a["began_at"] >= since and a.get("level") != "fault"]
        story = next((s for s, wanted in KINDS.items() if wanted & set(kinds) and body["site"] == SITES[s]), None)
        if story is None or body.get("purpose", "live") != "live":
            return None
        seen = self.stories.setdefault(story, Seen(incident=body["id"], number=body["number"], on_page_at=now))
        if body["id"] != seen.incident:
            if body.get("merged_into") != seen.incident and body["id"] not in self.strays:
                self.strays.append(body["id"])
            return None
        first = next(a for a in body["alerts"] if a["kind"] in KINDS[story] and a["began_at"] >= since)
        seen.title, seen.kinds, seen.state = body["title"], sorted(set(kinds)), body["state"]
        seen.why_linked = list(body.get("why_linked", ()))
        seen.reason, seen.numbers = first.get("reason", ""), first.get("numbers", {})
        return story

    def missing(self, *, acted: bool) -> list[str]:
        """What a whole run has and this one has not. `acted`: whether somebody acknowledged and closed."""
        gone = [f"{story}: never became an incident on the page" for story in KINDS if story not in self.stories]
        for story, seen in self.stories.items():
            lacks = {
                f"lacks {', '.join(sorted(KINDS[story] - set(seen.kinds)))}": not set(seen.kinds) >= KINDS[story],
                "does not say why its signs were linked": story == FIRE and not seen.why_linked,
                "has no clip that plays": story != GAS and seen.clip_frames < 1,
                "has no picture of what was seen": story != GAS and seen.pictures < 1,
                "says no floor": story == FALL and not any("floor" in name for name in seen.numbers),
                "did not reach the grid worker": seen.robot_at < 0,
                "did not reach the hotline": not seen.order_no,
                "is not marked as handled by emergency rules": bool(seen.order_no) and not seen.by_emergency_rules,
                "reached the hotline before the worker": 0 <= seen.order_at < seen.robot_at,
                "shows no status of the hotline's": not seen.hotline_said,
                "has no five lines for the 119 call": story != FALL and len(seen.call_119) != 5,
                "told the hotline nothing of being acknowledged and closed": acted and len(seen.updates) < 2,
            }
            gone += [f"{story}: {what}" for what, true in lacks.items() if true]
        gone += [f"{stray}: stands beside the incident it belongs to" for stray in self.strays]
        return gone

    def summary(self) -> dict[str, Any]:
        """As --json prints it."""
        stories = self.stories
        return {
            "seen": {
                s: {"reason": x.reason, "numbers": x.numbers, "clip_bytes": x.clip_bytes, "clip_frames": x.clip_frames}
                for s, x in stories.items()
            },
            "linked": {
                s: {"incident": x.incident, "number": x.number, "kinds": x.kinds, "why": x.why_linked}
                for s, x in stories.items()
            },
            "sent": {
                s: {"page_at": x.on_page_at, "robot_at": x.robot_at, "robot": x.robot_says, "order": x.order_no,
                    "order_at": x.order_at, "by_emergency_rules": x.by_emergency_rules, "call_119": x.call_119}
                for s, x in stories.items()
            },
            "received": {
                s: {"hotline_status": x.hotline_said, "hotline_updates": x.updates, "state": x.state}
                for s, x in stories.items()
            },
        }  # fmt: skip
