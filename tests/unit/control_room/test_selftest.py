"""The test reading that goes the whole way."""

from __future__ import annotations

import json

from control_room.selftest import EVERY, payload


def test_it_is_a_hub_json_reading_marked_as_a_test() -> None:
    id_, body = payload(1_795_000_000.25)
    assert json.loads(body) == {
        "t": "2026-11-18T11:06:40.250Z",
        "seq": int(id_),
        "values": {"selftest": int(id_)},
        "purpose": "test",
    }


def test_its_number_counts_on_over_restarts() -> None:
    numbers = [int(payload(1_795_000_000.0 + n * EVERY)[0]) for n in range(4)]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
