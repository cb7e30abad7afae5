"""Numbers carry their unit, and a mistake says what to type instead."""

import pytest
from pydantic import BaseModel, ValidationError

from hub.settings.quantity import Celsius, KelvinPerMinute, Ratio, Seconds


class Example(BaseModel):
    hold: Seconds = 1.0
    limit: Celsius = 1.0
    rise: KelvinPerMinute = 1.0
    share: Ratio = 1.0


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("hold", "3 s", 3.0),
        ("hold", "1.5 min", 90.0),
        ("hold", "200ms", 0.2),
        ("limit", "75 °C", 75.0),
        ("limit", "-30 ℃", -30.0),
        ("rise", "8.3 K/min", 8.3),
        ("rise", "1 K/s", 60.0),
        ("share", "60 %", 0.6),
    ],
)
def test_reads(field: str, text: str, value: float) -> None:
    assert getattr(Example.model_validate({field: text}), field) == pytest.approx(value)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("hold", 60, "did you mean '60 s'"),
        ("limit", "95", "did you mean '95 °C'"),
        ("limit", "７５ °C", "full-width"),
        ("hold", "3 K", "one of: s, ms, min, h, d"),
        ("hold", True, "no quantity"),
        ("hold", ".inf s", "no quantity"),
        ("hold", "1" * 400 + " s", "too large"),
        ("hold", None, "expected a number with a unit"),
        ("hold", [3], "expected a number with a unit"),
    ],
)
def test_refuses(field: str, value: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Example.model_validate({field: value})
