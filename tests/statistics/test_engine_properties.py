"""Laws that the analysis of any table obeys, whatever its rows: symmetry, invariance, additivity, consistency."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.analytics.data.scores import Column, SampleScores
from abtest.analytics.data.tables import PairwiseTable, SampleGroups, ScoreTable
from abtest.analytics.looks import LookState
from abtest.analytics.model import AnalysisResult, Comparison
from abtest.analytics.offline import Margin, Request, analyse_table
from abtest.analytics.plan import DesignPlan
from abtest.analytics.service import analyse
from abtest_cli.analysis_json import analysis_object
from tests.unit.analytics.support import plan_of, statistics_of

VARIANTS = ("a", "b", "c")
FIXED = DesignPlan()
SEQUENTIAL = (
    (DesignPlan(kind="always_valid"), 1, None),
    (DesignPlan(kind="group_sequential", looks=3), 3, None),
    (DesignPlan(kind="group_sequential", looks=4, spending="pocock"), 2, 40),
)
SCALES = {"binary": (0.0, 1.0), "thirds": (0.0, 1 / 3, 2 / 3, 1.0), "likert": (1.0, 2.0, 3.0, 4.0, 5.0)}
TABLES = settings(max_examples=80, deadline=None)


@dataclass(frozen=True)
class Rows:
    """A table as lists: scores by sample, variant, metric and judge, NaN being missing."""

    scores: Any
    clusters: tuple[int, ...] | None
    slices: tuple[int, ...] | None

    @property
    def samples(self) -> int:
        return int(self.scores.shape[0])


@st.composite
def rows(draw: st.DrawFn, *, metrics: int = 1, most: int = 18, missing: bool = True, grouped: bool = True) -> Rows:
    """Draw a table of three variants and one or two judges."""
    samples = draw(st.integers(1, most))
    judges = draw(st.integers(1, 2))
    values = [*SCALES[draw(st.sampled_from(sorted(SCALES)))], *([math.nan] if missing and draw(st.booleans()) else [])]
    size = samples * len(VARIANTS) * metrics * judges
    flat = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
    groups = st.none() | st.lists(st.integers(-1, 4), min_size=samples, max_size=samples).map(tuple)
    scores = np.array(flat).reshape(samples, len(VARIANTS), metrics, judges)
    return Rows(scores, draw(groups) if grouped else None, draw(groups) if grouped else None)


def table(given: Rows, *, order: Any = None, names: Any = None) -> ScoreTable:
    """Return rows as a table.

    Args:
        given: the rows.
        order: of all scores; None leaves them as they are.
        names: code that each sample gets; None its index.
    """
    at = np.indices(given.scores.shape).reshape(4, -1)
    at = at if order is None else at[:, order]
    codes = np.arange(given.samples) if names is None else np.asarray(names)
    none = np.full(given.samples, -1)
    groups = [none if g is None else np.asarray(g) for g in (given.clusters, given.slices)]
    inverse = np.argsort(codes)
    cluster, slices = (g[inverse].astype(np.int32) for g in groups)
    metrics, judges = given.scores.shape[2:]
    return ScoreTable(
        groups=SampleGroups(
            samples=tuple(f"s{i}" for i in inverse),
            clusters=tuple(f"c{i}" for i in range(5)),
            cluster=cluster,
            slices=tuple(f"l{i}" for i in range(5)),
            slice=slices,
        ),
        variants=VARIANTS,
        metrics=tuple(f"m{i}" for i in range(metrics)),
        judges=tuple(f"j{i}" for i in range(judges)),
        sample=codes[at[0]].astype(np.int32),
        variant=at[1].astype(np.int32),
        metric=at[2].astype(np.int32),
        judge=at[3].astype(np.int32),
        score=given.scores[tuple(at)],
    )


def ask(**given: Any) -> Request:
    return Request(**{"title": "t", "control": "a", **given})


def analysed(given: Rows, **options: Any) -> AnalysisResult:
    return analyse_table(table(given), ask(**options))


def same(one: Any, other: Any, path: str = "") -> None:
    """Assert that two JSON values are equal, numbers but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for index, (x, y) in enumerate(zip(one, other, strict=True)):
            same(x, y, f"{path}[{index}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, rel=1e-7, abs=1e-9), path
    else:
        assert one == other, path


def numbers(result: AnalysisResult) -> dict[str, Any]:
    """Return what an analysis says in numbers: everything but sentences and examples of samples."""
    whole = analysis_object(result)
    found = {k: whole[k] for k in ("coverage", "comparisons", "guardrails", "slices", "ranking", "agreement")}
    return {**found, "outcome": whole["decision"]["outcome"]}


def primary(result: AnalysisResult, treatment: str = "b") -> Comparison:
    return next(c for c in result.comparisons if c.primary and c.treatment == treatment)


@seed(1)
@TABLES
@given(rows(), st.randoms(use_true_random=False))
def test_order_of_rows__changes_nothing(given: Rows, random: Any) -> None:
    order = list(range(given.scores.size))
    random.shuffle(order)
    plain, shuffled = (analyse_table(table(given, order=o), ask()) for o in (None, order))
    same(numbers(plain), numbers(shuffled))


@seed(2)
@TABLES
@given(rows(), st.randoms(use_true_random=False))
def test_names_of_samples_and_their_order__change_nothing(given: Rows, random: Any) -> None:
    names = list(range(given.samples))
    random.shuffle(names)
    plain, renamed = (analyse_table(table(given, names=n), ask()) for n in (None, names))
    one, other = numbers(plain), numbers(renamed)
    same(one, other)


@seed(3)
@TABLES
@given(rows())
def test_names_of_judges_and_clusters__change_nothing(given: Rows) -> None:
    turned = np.ascontiguousarray(given.scores[:, :, :, ::-1])
    other = {-1: -1, 0: 3, 1: 0, 2: 4, 3: 1, 4: 2}
    clusters = None if given.clusters is None else tuple(other[code] for code in given.clusters)
    one = numbers(analysed(given))
    two = numbers(analysed(replace(given, scores=turned, clusters=clusters)))
    for found in (one, two):
        (found["agreement"] or {}).pop("judges", None)
    same(one, two)


@seed(4)
@TABLES
@given(rows(), st.sampled_from([(FIXED, 1, None), *SEQUENTIAL]))
def test_swapped_arms__mirror_the_comparison(given: Rows, design: tuple[DesignPlan, int, int | None]) -> None:
    plan, look, planned = design
    options: dict[str, Any] = {"design": plan, "look": look, "planned": planned}
    one = primary(analysed(given, treatments=("b",), **options))
    other = primary(analysed(given, control="b", treatments=("a",), **options), "a")
    assert (one.n, one.status, one.test) == (other.n, other.status, other.test)
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    same([one.se, one.p_value, one.mean_control], [other.se, other.p_value, other.mean_treatment])
    if one.effect is not None and other.effect is not None:
        assert one.effect == pytest.approx(-other.effect, abs=1e-12)
        assert one.win_rate == pytest.approx(1 - (other.win_rate or 0.0))
    if one.ci_low is not None and other.ci_high is not None:
        assert one.ci_low == pytest.approx(-other.ci_high, rel=1e-9, abs=1e-9)
    if one.sensitivity is not None and other.sensitivity is not None:
        for name in ("t", "permutation", "sign", "wilcoxon"):
            same(getattr(one.sensitivity, name).p_value, getattr(other.sensitivity, name).p_value, name)


@seed(5)
@TABLES
@given(rows(), st.sampled_from([(FIXED, 1, None), *SEQUENTIAL]))
def test_intervals__nest_in_alpha(given: Rows, design: tuple[DesignPlan, int, int | None]) -> None:
    plan, look, planned = design
    # An always-valid interval is tuned for its own level; with one tuning the levels nest.
    found = [
        primary(analysed(given, treatments=("b",), alpha=alpha, design=plan, look=look, planned=planned))
        for alpha in (0.2, 0.05, 0.01)
    ]
    if plan.kind == "always_valid":
        found = found[:1]
    for narrow, wide in pairwise(found):
        if None not in (narrow.ci_low, wide.ci_low, narrow.ci_high, wide.ci_high):
            assert wide.ci_low <= narrow.ci_low + 1e-9  # type: ignore[operator]
            assert narrow.ci_high <= wide.ci_high + 1e-9  # type: ignore[operator]
        assert narrow.effect == wide.effect
    for one in found:
        if one.ci_low is not None and one.ci_high is not None and one.effect is not None:
            assert one.ci_low <= one.effect <= one.ci_high


@seed(6)
@TABLES
@given(rows(missing=False))
def test_one_more_variant__leaves_the_unadjusted_p_alone(given: Rows) -> None:
    # Whether a metric is binary is a fact of all variants that are compared.
    alone = primary(analysed(given, treatments=("b",)))
    among = primary(analysed(given, treatments=("b", "c")))
    binary = bool(np.isin(given.scores[:, :2].mean(axis=3), (0, 1)).all())
    if binary == bool(np.isin(given.scores.mean(axis=3), (0, 1)).all()):
        same(alone.p_value, among.p_value)
        same([alone.effect, alone.ci_low, alone.ci_high], [among.effect, among.ci_low, among.ci_high])
    if among.p_value is not None and among.p_value_adjusted is not None:
        assert among.p_value_adjusted >= among.p_value


def of_name(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a JSON value with the name it stands under."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from of_name(below, key)
    elif isinstance(value, list):
        for below in value:
            yield from of_name(below, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


@seed(7)
@settings(max_examples=60, deadline=None)
@given(rows(metrics=2), st.sampled_from([(FIXED, 1, None), *SEQUENTIAL]), st.sampled_from(["m0", "m1", "m1:p50"]))
def test_every_number__is_finite_and_stands_beside_its_status(
    given: Rows, design: tuple[DesignPlan, int, int | None], guarded: str
) -> None:
    plan, look, planned = design
    margins = {} if guarded.endswith("p50") and set(np.unique(given.scores[:, :, 1])) <= {0, 1} else {guarded: 0.3}
    result = analyse_with_margins(given, margins, design=plan, look=look, planned=planned)
    if result is None:
        return
    said = json.loads(json.dumps(analysis_object(result), allow_nan=False))
    for name, value in of_name(said):
        assert math.isfinite(value), name
        if name in ("p_value", "p_adjusted", "p_value_adjusted"):
            assert 0 < value <= 1
    for row in said["coverage"]["variants"]:
        assert row["asked"] == row["judged"] + sum(row["missing"].values())
        assert row["judged"] <= row["answered"] <= row["asked"]
    for one in said["comparisons"]:
        complete = one["p_value"] is not None and one["effect"] is not None
        assert complete == (one["status"] in ("ok", "no_discordant_pairs")), one
        assert one["wins"] + one["losses"] + one["ties"] == one["n"]
        assert one["n"] + one["n_missing"] == said["coverage"]["asked"]
        assert (one["sensitivity"] is None) or plan.kind == "fixed"


def analyse_with_margins(given: Rows, margins: dict[str, float], **options: Any) -> AnalysisResult | None:
    """Return the analysis, or None where the margin is refused because the metric is a share."""
    from abtest.core.errors import InvalidInputError

    asked = {name: Margin(value) for name, value in margins.items()}
    try:
        return analysed(given, margins=asked, **options)
    except InvalidInputError as error:
        assert "quantile" in error.issues[0].message
        return None


@seed(8)
@settings(max_examples=80, deadline=None)
@given(
    rows(metrics=2, most=30),
    st.sampled_from([(FIXED, 1, None), *SEQUENTIAL]),
    st.sampled_from([0.05, 0.3, 0.9]),
    st.booleans(),
    st.sampled_from([0.05, 0.2]),
)
def test_decision_and_guardrails__follow_from_their_numbers(
    given: Rows, design: tuple[DesignPlan, int, int | None], margin: float, lower: bool, alpha: float
) -> None:
    plan, look, planned = design
    result = analyse_with_margins(
        given,
        {"m0": margin, "m1": margin},
        alpha=alpha,
        lower_is_better=("m0", "m1") if lower else (),
        design=plan,
        look=look,
        planned=planned,
    )
    assert result is not None
    for one in result.guardrails:
        holds = one.p_value_adjusted is not None and one.p_value_adjusted < alpha
        assert (one.verdict == "holds") == holds
        if one.p_value is not None and one.loss_high is not None and one.margin is not None:
            gap = one.margin - one.loss_high
            assert abs(gap) < 1e-9 or (one.p_value < alpha) == (gap > 0)
        if one.verdict == "broken":
            assert one.loss_low is not None and one.margin is not None and one.loss_low > one.margin
    decision, taken = result.decision, result.decision.treatment
    sides = {t: side_of(primary(result, t), alpha) for t in ("b", "c")}
    kept = {t: {g.verdict for g in result.guardrails if g.treatment == t} for t in ("b", "c")}
    if decision.outcome == "ship_treatment":
        assert taken is not None and sides[taken] == "better" and kept[taken] <= {"holds"}
    elif decision.outcome == "no_worse":
        assert taken is not None and sides[taken] != "better" and kept[taken] <= {"holds"}
    elif decision.outcome == "keep_control":
        assert all(sides[t] == "worse" or "broken" in kept[t] for t in ("b", "c"))
    else:
        assert decision.outcome == "undecided"


def side_of(one: Comparison, alpha: float) -> str:
    """Return on which side of no difference the declared test puts a treatment."""
    p = one.p_value if one.p_value_adjusted is None else one.p_value_adjusted
    if one.status != "ok" or p is None or p >= alpha or not one.effect:
        return "open"
    return "better" if (one.effect < 0) == one.lower_is_better else "worse"


def test_tables_of_the_laws__reach_every_decision() -> None:
    random = np.random.default_rng(5)
    seen = set()
    for gain in (0.8, 0.0, -0.8):
        for margin in (0.3, None):
            base = random.normal(size=(60, 1, 1, 1))
            shift = np.array([0.0, gain, gain]).reshape(1, 3, 1, 1)
            scores = base + shift + 0.3 * random.normal(size=(60, 3, 1, 1))
            margins = {} if margin is None else {"m0": Margin(margin)}
            seen.add(analysed(Rows(scores, None, None), margins=margins).decision.outcome)
    assert seen == {"ship_treatment", "keep_control", "no_worse", "undecided"}


def test_margin_of_several_treatments__is_adjusted_by_holm() -> None:
    random = np.random.default_rng(2)
    noise = random.normal(size=(40, 1))
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    control = random.normal(size=(40, 1))
    # Both treatments stand 1.9 standard errors inside the margin: one-sided p about 0.032, twice that by Holm.
    margin = 0.1 + 1.9 / math.sqrt(40)
    treatment = control - 0.1 + noise
    scores = np.stack([control, treatment, treatment], axis=1).reshape(40, 3, 1, 1)
    alone = analysed(Rows(scores, None, None), treatments=("b",), margins={"m0": Margin(margin)})
    among = analysed(Rows(scores, None, None), margins={"m0": Margin(margin)})
    p = float(stats.t.sf(1.9, 39))
    assert (alone.decision.outcome, among.decision.outcome) == ("no_worse", "undecided")
    assert f"one-sided p = {p:.3g}" in alone.decision.reasons[0]
    assert any(f"Holm-adjusted one-sided p = {2 * p:.3g}" in reason for reason in among.decision.reasons)


@seed(9)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, None])] * 2), min_size=1, max_size=40), st.integers(1, 9))
def test_batches_added_up__are_the_run(pairs: list[tuple[float | None, float | None]], size: int) -> None:
    plan = plan_of()
    scores = {name: [pair[side] for pair in pairs] for side, name in enumerate(plan.variants)}
    whole = analyse(plan, statistics_of(plan, scores))
    parts = [
        statistics_of(plan, {name: values[start : start + size] for name, values in scores.items()}, start=start)
        for start in range(0, len(pairs), size)
    ]
    merged = analyse(plan, type(parts[0]).merge(parts))
    same(
        merged.model_dump(mode="json", exclude={"insights", "warnings"}),
        whole.model_dump(mode="json", exclude={"insights", "warnings"}),
    )


@seed(10)
@settings(max_examples=40, deadline=None)
@given(rows(most=24), st.integers(1, 7))
def test_waves_of_looks_added_up__are_the_pooled_sums(given: Rows, size: int) -> None:
    plan = plan_of(VARIANTS[:2])
    values = given.scores[:, :, 0, 0]
    codes = given.clusters or (-1,) * given.samples
    words = [None if code < 0 else f"c{code}" for code in codes]

    def wave(part: slice) -> SampleScores:
        scores = {(name, "correct"): values[part, side] for side, name in enumerate(VARIANTS[:2])}
        cluster = Column.of(words[part]) if any(words) else None
        return SampleScores(samples=len(values[part]), values=scores, cluster=cluster)

    whole = LookState().extended(plan, wave(slice(None)))
    state = LookState()
    for start in range(0, given.samples, size):
        state = state.extended(plan, wave(slice(start, start + size)))
    assert state.asked[-1] == whole.asked[-1] == given.samples
    one, other = state.pairs["b"].result(0.05), whole.pairs["b"].result(0.05)
    assert (one.n, one.status, one.clusters) == (other.n, other.status, other.clusters)
    same([one.effect, one.se, one.p_value], [other.effect, other.se, other.p_value])


@seed(11)
@TABLES
@given(
    st.lists(st.tuples(st.sampled_from([(0, 1), (1, 0)]), st.integers(0, 3)), min_size=1, max_size=24),
    st.sampled_from([(FIXED, 1, None), *SEQUENTIAL]),
)
def test_verdicts_told_from_the_other_side__mirror_the_comparison(
    told: list[tuple[tuple[int, int], int]], design: tuple[DesignPlan, int, int | None]
) -> None:
    plan, look, planned = design
    shown, verdicts = zip(*told, strict=True)
    count = len(told)
    nobody = np.full(count, -1, np.int32)
    first = np.array([pair[0] for pair in shown], np.int32)
    verdict = np.array(verdicts, np.int32)
    groups = SampleGroups(tuple(map(str, range(count))), (), nobody, (), nobody)
    straight = PairwiseTable(
        groups,
        ("a", "b"),
        ("",),
        np.arange(count, dtype=np.int32),
        first,
        1 - first,
        verdict,
        np.zeros(count, np.int32),
    )
    turned = replace(straight, first=1 - first, second=first, verdict=np.array([1, 0, 2, 3], np.int32)[verdict])
    options: dict[str, Any] = {"design": plan, "look": look, "planned": planned}
    one, other = (analyse_table(t, ask(**options)) for t in (straight, turned))
    same(numbers(one)["comparisons"], numbers(other)["comparisons"])
    if one.position is not None and other.position is not None and one.position.first_rate is not None:
        assert one.position.first_rate == pytest.approx(1 - (other.position.first_rate or 0.0))
    swapped = primary(analyse_table(straight, ask(control="b", **options)), "a")
    assert (swapped.wins, swapped.losses) == (primary(one).losses, primary(one).wins)
    same(swapped.p_value, primary(one).p_value)
