"""What every step has around it: a parsed input, a JSON result, its failure under its own name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from abtest.contracts.steps import RunInput
from abtest.core.errors import BudgetExceededError
from abtest.runtime.observability import WARM_UP, step

CONTEXT = SimpleNamespace(
    function_name="step",
    memory_limit_in_mb=128,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:step",
    aws_request_id="request-1",
)
EVENT = {"workspace": "w", "run_id": "run_1", "unknown": 1}


@step(RunInput)
def echo(event: RunInput, _context: Any) -> RunInput:
    if event.run_id == "run_poor":
        raise BudgetExceededError("no money")
    return event


def test_input_is_parsed__and_the_result_is_json() -> None:
    assert echo(EVENT, CONTEXT) == {"workspace": "w", "run_id": "run_1"}  # type: ignore[arg-type]


def test_warm_up_reaches_no_code() -> None:
    assert echo(dict(WARM_UP), CONTEXT) == {"warm": True}  # type: ignore[arg-type]


def test_failure_goes_on__under_its_own_name() -> None:
    with pytest.raises(BudgetExceededError):
        echo({**EVENT, "run_id": "run_poor"}, CONTEXT)  # type: ignore[arg-type]


def test_wrong_input_is_a_failure__that_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationError):
        echo({"workspace": "w"}, CONTEXT)  # type: ignore[arg-type]

    assert '"StepsFailed"' in capsys.readouterr().out


def test_log_lines_carry_the_run__and_a_metric_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVENT, CONTEXT)  # type: ignore[arg-type]

    assert '"StepsDone"' in capsys.readouterr().out
