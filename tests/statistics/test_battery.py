"""Every case of the statistics battery, each with numbers of an independent peer that `source` names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from battery_adapter import COMPUTE, compute
from battery_compare import mismatches

CASES = Path(__file__).parent / "cases"
SIMULATIONS = "21_calibration.json"


def cases() -> list[dict[str, Any]]:
    return [
        case
        for path in sorted(CASES.glob("*.json"))
        if path.name != SIMULATIONS
        for case in json.loads(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["id"]))
def test_case__gives_the_peers_numbers(case: dict[str, Any]) -> None:
    asked = {key: case[key] for key in ("id", "item", "function_semantics", "inputs")}
    assert mismatches(case, compute(asked)) == []


def test_every_kind_of_case__has_an_answer() -> None:
    assert {case["id"].rstrip("0123456789") for case in cases()} == set(COMPUTE)


def test_wrong_number__is_a_mismatch() -> None:
    case = next(case for case in cases() if case["id"] == "pm01")
    got = compute(case) | {"mean_diff": 0.049}
    assert [line.split(":")[0] for line in mismatches(case, got)] == ["mean_diff"]
