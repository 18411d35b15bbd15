from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from abtest.analytics.model import JudgeMetric
from abtest.analytics.plan import OPERATIONAL_UNITS
from abtest.analytics.power.detectable import detectable_effect_binary
from abtest.analytics.wording import effect_text, level_text, p_text, value_text
from abtest.contracts.metrics import OPERATIONAL_METRICS
from tests.unit.analytics.support import plan_of


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"control": "other"}, "none of the variants"),
        ({"primary_metric": "other"}, "none of correct, latency_ms"),
        ({"judges": (JudgeMetric(name="cost_usd", type="x", binary=True),)}, "names of their own"),
        ({"alpha": 0.0}, "greater than 0"),
        ({"variants": ("terse",)}, "at least 2"),
    ],
)
def test_plan_that_cannot_work__is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        plan_of(**given)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.62, "points", "+62.0 points"),
        (-0.03, "points", "−3.0 points"),
        (0.0001, "points", "±0.0 points"),
        (-123.4, "ms", "−123 ms"),
        (12345.6, "ms", "+12,346 ms"),
        (2.456, "tokens", "+2.46 tokens"),
        (0.0000123, "usd", "+$0.0000123"),
        (-0.4123, "score", "−0.412"),
        (0.0, "score", "±0"),
    ],
)
def test_effect_reads_as_a_person_says_it__by_unit(value: float, unit: str, text: str) -> None:
    assert effect_text(value, unit) == text


def test_value_reads_as_a_person_says_it__by_unit() -> None:
    assert value_text(0.815, "points") == "81.5 %"
    assert value_text(None, "ms") == "–"
    assert value_text(0.00234, "usd") == "$0.00234"
    assert level_text(0.05) == "95 %"
    assert level_text(0.001) == "99.9 %"


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1"),
        (0.4512, "p = 0.45"),
        (0.03214, "p = 0.0321"),
        (3.1e-15, "p = 3.1e-15"),
        (3.1e-6, "p = 3.1e-6"),
        (1e-300, "p < 1e-300"),
        (0.049996, "p = 0.049996"),
        (0.050001, "p = 0.05"),
    ],
)
def test_p_value_is_never_zero_and_never_crosses_alpha__by_rounding(p: float, text: str) -> None:
    assert p_text(p) == text


def test_detectable_effect__shrinks_with_samples_and_agreement() -> None:
    effects = [detectable_effect_binary(n) for n in (50, 100, 1000)]
    assert all(effect is not None for effect in effects)
    assert sorted(effects, reverse=True) == effects  # type: ignore[type-var]
    assert detectable_effect_binary(100, discordance=0.2) < detectable_effect_binary(100)  # type: ignore[operator]


@pytest.mark.parametrize("n", [0, 1, 5, 10])
def test_too_few_samples__detect_nothing(n: int) -> None:
    assert detectable_effect_binary(n) is None


@pytest.mark.parametrize(
    "given", [{"n": -1}, {"n": 10, "alpha": 1}, {"n": 10, "power": 0.5}, {"n": 10, "discordance": 0}]
)
def test_impossible_question_about_power__is_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        detectable_effect_binary(**given)  # type: ignore[arg-type]


def test_importing_what_the_api_needs__does_not_import_numpy() -> None:
    analytics = ("model", "power.detectable", "wording", "decision.deciding")
    modules = ", ".join(f"abtest.analytics.{name}" for name in analytics)
    reporting = "abtest.reporting.report, abtest.reporting.exports, abtest.reporting.portfolio"
    evaluation = "abtest.evaluation.service, abtest.evaluation.registry"
    code = (
        f"import sys, {modules}, {reporting}, {evaluation}; "
        "print([m for m in ('numpy', 'scipy', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_operational_metrics__have_the_names_that_all_domains_share() -> None:
    assert tuple(OPERATIONAL_UNITS) == OPERATIONAL_METRICS
