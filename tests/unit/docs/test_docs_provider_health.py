"""The numbers and fields of docs/provider-health.md are those of the code."""

from __future__ import annotations

import re
from typing import get_args

from documents import DOCS, read, sections, table

from abtest.adapters.dynamodb import shared_state
from abtest.contracts.records import FailureReason
from abtest.providers.health import check, circuit, record

PAGE = " ".join(read(DOCS / "provider-health.md").split())


def test_numbers_of_the_circuit__are_those_of_the_code() -> None:
    assert circuit.FAILED_SHARE == 0.5
    assert "at least half of the latest attempts" in PAGE
    assert f"at least {circuit.FEWEST_ATTEMPTS} in at most {circuit.LONGEST_WINDOW_S} s" in PAGE
    assert f"the last {circuit.SHORTEST_WINDOW_S} s, and as much before as holds {circuit.FEWEST_ATTEMPTS}" in PAGE
    assert f"the last {circuit.QUICK_WINDOW_S} s are enough" in PAGE
    assert f"at least half of at least {circuit.FEWEST_QUICK_ATTEMPTS} attempts" in PAGE
    assert f"when it is {circuit.COUNTED_AT_AGE_S} s old" in PAGE
    assert f"for {circuit.FIRST_COOLDOWN_S:g} s, and twice as long" in PAGE
    assert f"up to {circuit.LONGEST_COOLDOWN_S:g} s. A server" in PAGE
    assert f"a lease of {circuit.LEASE_S:g} s" in PAGE


def test_reasons_that_open_the_circuit__are_all_told() -> None:
    told = PAGE.partition("could not serve: ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", told)) == circuit.AVAILABILITY_FAILURES


def test_numbers_of_record_and_check__are_those_of_the_code() -> None:
    assert f"for the last {record.WINDOW_S} s" in PAGE
    assert f"for {shared_state.LIFETIME_S // 86_400} days expires" in PAGE
    assert 2 ** (0.5 / record.BINS_PER_OCTAVE) - 1 < 0.045
    assert "within 4.5 %" in PAGE
    assert f"ends within {check.LONGEST_CHECK_S:g} s" in PAGE


def test_fields_of_the_record__are_all_told() -> None:
    rows = table(sections(DOCS / "provider-health.md")["The record"])
    assert set(rows) == set(record.HealthView.model_fields) - {"provider", "model", "window_s"}
    for field in record.CircuitView.model_fields:
        assert f"`{field}`" in rows["circuit"][1]


def test_states_of_the_circuit_and_reasons_of_a_check__are_all_told() -> None:
    page = sections(DOCS / "provider-health.md")
    assert set(table(page["The circuit"])) == set(get_args(circuit.CircuitState))
    never = {"context_length", "batch_expired", "batch_failed", "no_recording", "budget", "cancelled"}
    assert set(table(page["The check"])) == set(get_args(FailureReason)) - never
