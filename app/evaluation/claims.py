"""From a detector's decided candidates to reports: one for each condition, at its highest."""

from __future__ import annotations

from app.evaluation.score import Report
from detectors.decision import Decision
from detectors.detection import CONDITION
from hub.model import Candidate

_RANK = {"suspected": 1, "alarm": 2}
_LEVELS = {"": 0, "notice": 1, "fault": 1, "pre_alarm": 2, "alarm": 3, "fire": 4}


class Claims:
    """Collects what was claimed of one recording whose time zero is `zero` (seconds since 1970)."""

    def __init__(self, zero: float) -> None:
        self._zero = zero
        self._open: dict[str, Report] = {}
        self._over: list[Report] = []

    def take(self, candidate: Candidate, decision: Decision) -> None:
        """A candidate with its decision. What ends a condition closes its report; what comes after is a new one."""
        claim = candidate.claim
        condition = claim.words.get(CONDITION, claim.subject)
        if decision.status == "clear":
            if condition in self._open:
                self._over.append(self._open.pop(condition))
            return
        if decision.status == "rejected":
            return
        f = claim.features
        report = Report(
            start=claim.start.timestamp() - self._zero,
            end=claim.end.timestamp() - self._zero,
            told=candidate.at.timestamp() - self._zero,
            status=decision.status,
            confidence=decision.confidence,
            level=decision.level,
            rule=decision.rule,
            reason=decision.reason,
            origin_floor=f.get("origin_floor"),
            max_c=f.get("max_c"),
            device=claim.subject,
            value=f.get("value"),
        )
        self._open[condition] = _merged(self._open.get(condition), report)

    def reports(self) -> tuple[Report, ...]:
        """All of them in the order told."""
        return tuple(sorted((*self._over, *self._open.values()), key=lambda report: (report.told, report.start)))


def _merged(known: Report | None, new: Report) -> Report:
    """The later claim of a condition, told when it first reached this status and level."""
    if known is None:
        return new
    higher = (_RANK[new.status], _LEVELS[new.level]) > (_RANK[known.status], _LEVELS[known.level])
    lower = (_RANK[new.status], _LEVELS[new.level]) < (_RANK[known.status], _LEVELS[known.level])
    if lower:
        return known
    told = new.told if higher else known.told
    return Report(
        **{name: getattr(new, name) for name in new.__struct_fields__}
        | {"told": told, "start": min(known.start, new.start)}
    )
