"""How far behind each reader of the log is, and that no reader is forgotten."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

import detectors.worker
from alerts import router
from app.upkeep import behind, measure
from hub import metrics
from hub.bus import Span
from hub.bus.memory import MemoryBus
from hub.model import Command
from hub.topics import COMMANDS, GROUPS
from ingest import recorder

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "lag"),
    [
        (Span(0, 0, 10, 4), 6),
        (Span(0, 0, 10, -1), 10),  # never committed: all that is there
        (Span(0, 7, 10, 4), 3),  # retention took some: they are not behind any more, they are skipped
        (Span(0, 0, 10, 10), 0),
        (Span(0, 0, 0, -1), 0),
    ],
)
def test_how_far_behind(span: Span, lag: int) -> None:
    assert behind(span) == lag


async def test_the_lag_of_each_group_is_told() -> None:
    async with MemoryBus() as bus:
        asked = [
            Command(id=f"c{n}", site="cuihu", at=AT, incident="i", action="note", by="me", channel="page")
            for n in range(3)
        ]
        await bus.publish(COMMANDS, asked)
        async with bus.subscribe([COMMANDS], "alerts") as member:
            taken = await member.take(wait=0)
            await member.commit(taken[:1])
        await measure(bus)
    assert metrics.LAG.labels("alerts", "commands")._value.get() == 2
    assert metrics.LAG.labels("store", "readings")._value.get() == 0


def test_no_group_is_forgotten() -> None:
    assert GROUPS[router.GROUP] == router.TOPICS
    assert recorder.GROUP in GROUPS
    source = ast.parse(Path(detectors.worker.__file__).read_text("utf-8"))
    loops = [n for n in ast.walk(source) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "Loop"]
    named = {c.value for n in loops for c in n.args if isinstance(c, ast.Constant)}
    assert named
    assert named <= set(GROUPS)
