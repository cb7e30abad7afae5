"""From what was weighed to what is claimed: candidates get ids from their content, decided ones become detections."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from detectors.decision import Decision
from hub.identity import derived
from hub.model import LIVE, Candidate, Claim, Detection

CODE_VERSION: Final = "1"
"""Grows when the same input would give other candidates: stored ones of an older version are not compared."""

CONDITION: Final = "condition"
"""The claim's word that names what lasts; detections of one condition are one alert."""


class Origin(msgspec.Struct, frozen=True):
    """Whose candidate it is: the same for all that one detector says of one camera or device."""

    detector: str
    site: str
    revision: int = 0
    purpose: str = LIVE


def candidate(origin: Origin, claim: Claim, at: datetime) -> Candidate:
    """A candidate with an id from what was seen: the same input gives the same id again."""
    key = (origin.detector, claim.subject, claim.kind, claim.words.get(CONDITION, ""), claim.start, at, origin.purpose)
    return Candidate(
        id=derived("cand", *key, *(f"{name}={value!r}" for name, value in sorted(claim.words.items()))),
        site=origin.site,
        at=at,
        detector=origin.detector,
        code_version=CODE_VERSION,
        revision=origin.revision,
        claim=claim,
        purpose=origin.purpose,
    )


def detection(candidate: Candidate, decision: Decision, *, late: bool = False) -> Detection:
    """The detection a decision makes of a candidate. Raises ValueError for a rejected one: there is nothing to tell.

    Its id comes from detector, condition, beginning, end, status and level: the same claim made again after a restart
    is the same detection, a refined one is another of the same condition.
    """
    if decision.status == "rejected":
        raise ValueError("a rejected candidate is no detection")
    claim = candidate.claim
    condition = claim.words.get(CONDITION) or f"{candidate.detector}:{claim.subject}:{claim.start.timestamp():.3f}"
    key = (candidate.detector, condition, claim.start, claim.end, decision.status, decision.level, candidate.purpose)
    return Detection(
        id=derived("det", *key),
        site=candidate.site,
        at=candidate.at,
        detector=candidate.detector,
        status=decision.status,
        condition=condition,
        level=decision.level,
        kind=claim.kind,
        subject=claim.subject,
        place=claim.place,
        start=claim.start,
        end=claim.end,
        confidence=decision.confidence,
        rule=decision.rule,
        reason=decision.reason,
        numbers=decision.numbers,
        words={name: word for name, word in claim.words.items() if name != CONDITION},
        path=claim.path,
        revision=candidate.revision,
        late=late,
        purpose=candidate.purpose,
    )
