"""Compare computed results with a battery case's expected values, case by case.

Usage:
    from battery_compare import mismatches
    problems = mismatches(case, got)      # [] when the case passes
"""

from __future__ import annotations

import math
from typing import Any

_CONTEXT_ONLY = ("_", "alpacaeval_cv_", "wald")


def _is_context(key: str) -> bool:
    return key.startswith(_CONTEXT_ONLY) or "INFORMATION" in key or "WRONG" in key


def _undefined(value: Any) -> bool:
    """None, NaN, or an object that carries a status instead of a number."""
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, dict):
        return "status" in value and all(_undefined(v) for k, v in value.items() if k != "status")
    if isinstance(value, (list, tuple)):
        return all(_undefined(v) for v in value)
    return False


def _bounds(tolerance: Any, key: str, expected: float) -> float:
    """Allowed |got - expected| for the value at `key` (dotted path)."""
    if not isinstance(tolerance, dict):
        return 1e-9 + 1e-9 * abs(expected)
    allowed = float(tolerance.get("abs", 0.0) or 0.0) + float(tolerance.get("rel", 0.0) or 0.0) * abs(expected)
    for name, value in tolerance.items():
        if name in ("abs", "rel") or not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        kind = "rel" if "rel" in name.split("_") else "abs"
        subject = name.replace("_" + kind, "").split("_at_")[0]
        hit = subject and (subject in key or (subject == "endpoint" and ("ci" in key or "95" in key)))
        if hit or subject in ("abs_deterministic", "deterministic"):
            allowed = max(allowed, value * abs(expected) if kind == "rel" else value)
    if allowed == 0.0:
        numbers = [v for v in tolerance.values() if isinstance(v, (int, float)) and not isinstance(v, bool)]
        allowed = max(numbers, default=1e-9)
    return max(allowed, 1e-12)


def _compare(tolerance: Any, key: str, expected: Any, got: Any) -> list[str]:
    if isinstance(expected, dict) and set(expected) == {"special"}:
        special = expected["special"]
        if special == "nan":
            return [] if _undefined(got) else [f"{key}: expected nan, got {got!r}"]
        want = math.inf if special == "inf" else -math.inf
        return [] if got == want else [f"{key}: expected {special}, got {got!r}"]
    if expected is None or expected in ("undefined", "nan"):
        return [] if _undefined(got) else [f"{key}: expected no number, got {got!r}"]
    if key.rsplit(".", 1)[-1] == "status" and isinstance(expected, str):
        return [] if isinstance(got, str) and got else [f"{key}: expected a reason (such as {expected!r}), got {got!r}"]
    if isinstance(expected, bool | str):
        return [] if got == expected else [f"{key}: expected {expected!r}, got {got!r}"]
    if isinstance(expected, (int, float)):
        if isinstance(got, bool) or not isinstance(got, (int, float)) or math.isnan(got):
            return [f"{key}: expected {expected!r}, got {got!r}"]
        return (
            []
            if abs(got - expected) <= _bounds(tolerance, key, expected)
            else [f"{key}: expected {expected!r}, got {got!r}"]
        )
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{key}: expected an object, got {got!r}"]
        found: list[str] = []
        for name, value in expected.items():
            if not _is_context(name):
                found += _entry(tolerance, f"{key}.{name}", name, value, got)
        return found
    if isinstance(expected, list):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            return [f"{key}: expected {expected!r}, got {got!r}"]
        found = []
        for index, value in enumerate(expected):
            found += _compare(tolerance, f"{key}[{index}]", value, got[index])
        return found
    return [f"{key}: cannot compare {expected!r}"]


def _entry(tolerance: Any, path: str, name: str, expected: Any, got: dict[str, Any]) -> list[str]:
    if name.endswith("_one_of"):
        base = name[: -len("_one_of")]
        if base not in got:
            return [f"{path}: missing {base!r}"]
        attempts = [_compare(tolerance, path, option, got[base]) for option in expected]
        return [] if any(not attempt for attempt in attempts) else [f"{path}: {got[base]!r} is none of {expected!r}"]
    if name not in got:
        return [] if expected is None or expected in ("undefined", "nan") else [f"{path}: missing"]
    return _compare(tolerance, path, expected, got[name])


def mismatches(case: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """Every way in which `got` (keyed as case['expected']) departs from the case; empty when it passes."""
    found: list[str] = []
    for name, expected in case["expected"].items():
        if not _is_context(name):
            found += _entry(case.get("tolerance"), name, name, expected, got)
    return found
