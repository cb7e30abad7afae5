"""A stretch of a camera's time that no detector saw, told so that nobody believes it was quiet."""

from __future__ import annotations

from typing import Final

from detectors.decision import Decision
from detectors.detection import CONDITION, Origin, candidate
from hub.model import Candidate, Claim, VideoChunk, utc

NAME: Final = "coverage"


def candidate_of(chunk: VideoChunk, place: str, since: float, about: str, revision: int) -> Candidate:
    """A gap that begins or is over at this chunk. `since` is seconds since 1970."""
    end = max(chunk.at.timestamp(), since)
    claim = Claim(
        kind="camera",
        subject=chunk.camera,
        place=place or chunk.site,
        start=utc(since),
        end=utc(end),
        features={"seconds": end - since},
        words={CONDITION: f"{chunk.camera}:uncovered", "about": about},
    )
    return candidate(Origin(NAME, chunk.site, revision, chunk.purpose), claim, chunk.at)


def decide(candidate: Candidate) -> Decision:
    """A notice for the quiet list, or its end with the length of the gap."""
    f = candidate.claim.features
    if candidate.claim.words["about"] == "over":
        reason = f"{f['seconds']:.0f} s were not watched for falls"
        return Decision(status="clear", level="notice", rule="uncovered", reason=reason, confidence=1.0, numbers=f)
    reason = "too far behind: watching goes on at the next key frame, what lies between is not watched"
    return Decision(status="suspected", level="notice", rule="uncovered", reason=reason, confidence=1.0, numbers=f)
