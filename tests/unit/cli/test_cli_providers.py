"""`abtest providers check` and `health`: sentences, JSON, exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_platform import FakePlatform

from abtest_cli.main import run_cli

pytestmark = pytest.mark.usefixtures("sign_ins")


def a_check(**facts: Any) -> dict[str, Any]:
    result = {"provider": "openai", "model": "m", "ok": True, "outcome": "truncated", "reason": None, "status": 200}
    result |= {"detail": "", "what_to_do": None, "latency_ms": 412.4, "served_model": "m-2026-01-31"}
    return result | {"most_tokens": 1, "usage": None, "cost_usd": "0.00000100", "price_source": "configured"} | facts


def a_health(**facts: Any) -> dict[str, Any]:
    circuit = {"state": "closed", "since": None, "next_probe_at": None, "failed_probes": 0}
    found = {"provider": "openai", "model": "m", "window_s": 120, "attempts": 4, "answered": 3}
    found |= {"failed": {"overloaded": 1}, "success_rate": 0.75, "latency_p50_ms": 812.0, "latency_p95_ms": 2200.4}
    return found | {"last_error": None, "last_success_at": "2026-01-31T12:00:00Z", "circuit": circuit} | facts


def test_check__says_that_it_works(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.checks["m"] = a_check()
    assert run_cli(["providers", "check", "openai", "m"]) == 0
    assert "openai/m works: truncated as m-2026-01-31 in 412 ms, cost $0.000001." in capsys.readouterr().out
    assert str(platform.requests[-1].url).endswith("/v1/providers/openai/check")


def test_check__of_an_unknown_price_says_so(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.checks["m"] = a_check(served_model="m", cost_usd=None)
    assert run_cli(["providers", "check", "openai", "m"]) == 0
    assert "openai/m works: truncated in 412 ms, cost unknown." in capsys.readouterr().out


def test_check__that_fails_exits_1_and_says_what_to_do(
    platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.checks["m"] = a_check(ok=False, reason="auth", detail="HTTP 401", what_to_do="Put a valid key there.")
    assert run_cli(["providers", "check", "openai", "m"]) == 1
    assert "openai/m does not work: auth (HTTP 401). Put a valid key there." in capsys.readouterr().err


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_check__as_json_prints_nothing_else(
    platform: FakePlatform, capsys: pytest.CaptureFixture[str], ok: bool, code: int
) -> None:
    platform.checks["m"] = a_check(ok=ok)
    assert run_cli(["providers", "check", "openai", "m", "--json"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out) == platform.checks["m"]
    assert said.err == ""


def test_health__shows_rates_and_latencies(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.health["org/m:1 x"] = a_health()
    assert run_cli(["providers", "health", "a/b", "org/m:1 x"]) == 0
    said = capsys.readouterr().out
    for words in ("the last 2 min", "3 (75.0 %)", "overloaded 1", "812 ms", "2,200 ms", "closed: calls go out"):
        assert words in said
    assert platform.requests[-1].url.raw_path.startswith(b"/api/v1/providers/a%2Fb/health?model=org%2Fm%3A1%20x")


def test_health__of_an_open_circuit_says_when_it_is_tried(
    platform: FakePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"reason": "timeout", "status": None, "detail": "no answer within 120 s", "what_to_do": "Wait.", "at": "T1"}
    circuit = {"state": "open", "since": "T2", "next_probe_at": "T3", "failed_probes": 1}
    nothing = {"attempts": 0, "answered": 0, "failed": {}, "success_rate": None}
    nothing |= {"latency_p50_ms": None, "latency_p95_ms": None, "last_success_at": None}
    platform.health["m"] = a_health(last_error=error, circuit=circuit, **nothing)
    assert run_cli(["providers", "health", "openai", "m"]) == 0
    said = capsys.readouterr().out
    assert "T1 timeout (no answer within 120 s). Wait." in said
    assert "open since T2: nobody calls; the next try is due at T3" in said
    platform.health["m"] = a_health(circuit=circuit | {"state": "half_open"})
    assert run_cli(["providers", "health", "openai", "m"]) == 0
    assert "half open" in capsys.readouterr().out


def test_health__as_json(platform: FakePlatform, capsys: pytest.CaptureFixture[str]) -> None:
    platform.health["m"] = a_health()
    assert run_cli(["providers", "health", "openai", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == platform.health["m"]
