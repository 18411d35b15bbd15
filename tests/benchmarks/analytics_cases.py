"""What `bench_analytics.py` measures, one case a process: `python tests/benchmarks/analytics_cases.py CASE SIZE`.

Prints one line of JSON, a list of figures. A figure's peak memory is the process's largest resident set after the
product ran and before its baseline did. Imports and a warm-up on small data are outside the times, inside the memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.data.tables import SampleGroups, ScoreTable
from abtest.analytics.engine import analyse_scores
from abtest.analytics.looks import LookState, take
from abtest.analytics.model import AnalysisPlan, Coverage, JudgeMetric, LookPosition
from abtest.analytics.offline import Request, analyse_table
from abtest.analytics.plan import DesignPlan
from abtest.analytics.statistics.bootstrap import bootstrap_mean
from abtest.analytics.statistics.bradley_terry import PairCounts, bradley_terry
from abtest.analytics.statistics.bradley_terry_bootstrap import bootstrap_bradley_terry
from abtest.analytics.statistics.paired_mean import PairedMean

Floats = npt.NDArray[np.float64]
Figure = dict[str, Any]

KILOBYTE = 1024
SEED = 20_240_601
REPLICATES = 9_999
VARIANTS = 100
REFITS = 1_000
LOOKS = 20
_MANY = 100
"""Looks that are timed together: one takes a fraction of a millisecond."""
_TESTS = ("t", "permutation", "sign", "wilcoxon", "bayesian")


def scores(kind: str, n: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return scores of two variants on the same n samples."""
    hard = random.standard_normal(n)
    a, b = (hard + 0.7 * random.standard_normal(n) + shift for shift in (0.0, 0.002))
    if kind == "binary":
        return (a > 0).astype(np.float64), (b > 0).astype(np.float64)
    if kind == "Likert":
        return np.clip(np.rint(3.5 + a), 1, 5), np.clip(np.rint(3.5 + b), 1, 5)
    return a, b


def table_of(columns: Sequence[Floats]) -> ScoreTable:
    """Return a scored row for each sample and variant, as a file's reader would."""
    n, count = columns[0].size, len(columns)
    nothing = np.zeros(count * n, dtype=np.int32)
    alone = np.full(n, -1, dtype=np.int32)
    return ScoreTable(
        groups=SampleGroups(tuple(f"sample-{i}" for i in range(n)), (), alone, (), alone),
        variants=("old", "new", "newer", "newest", "other")[:count],
        metrics=("score",),
        judges=("",),
        sample=np.repeat(np.arange(n, dtype=np.int32), count),
        variant=np.tile(np.arange(count, dtype=np.int32), n),
        metric=nothing,
        judge=nothing,
        score=np.column_stack(columns).reshape(-1),
    )


def analysis(kind: str, n: int) -> list[Figure]:
    """The whole analysis of n pairs, beside scipy's t test, Wilcoxon test and exact binomial test of the same pairs."""
    request = Request(title="benchmark")
    table = table_of(scores(kind, n, np.random.default_rng(SEED)))
    analyse_table(table_of(scores(kind, 1000, np.random.default_rng(SEED))), request)
    start = peak_mb()
    figure = measured(f"{n:,} {kind} pairs, all tests", lambda: analyse_table(table, request), repeats=5)
    figure["start_mb"] = start
    tests = analyse_table(table, request).comparisons[0].sensitivity
    if any(getattr(tests, name).status != "ok" for name in _TESTS):
        raise SystemExit(f"not all tests were made: {tests}")
    from scipy import stats

    a, b = table.score[0::2], table.score[1::2]

    def peers() -> None:
        d = b - a
        stats.ttest_rel(b, a)
        stats.wilcoxon(d, method="asymptotic")
        stats.binomtest(int((d > 0).sum()), int((d != 0).sum()))

    return [beside(figure, "scipy.stats t, Wilcoxon, binomial", peers)]


def several(_: str, n: int) -> list[Figure]:
    """Five variants, ranked by all ten pairs of them, beside the four comparisons with the control alone."""
    random = np.random.default_rng(SEED)
    hard = random.standard_normal(n)
    table = table_of([hard + random.standard_normal(n) for _ in range(5)])
    whole = measured(
        f"{n:,} samples of 5 variants, all tests", lambda: analyse_table(table, Request(title="benchmark")), repeats=3
    )

    def one_by_one() -> None:
        for treatment in table.variants[1:]:
            analyse_table(table, Request(title="benchmark", treatments=(treatment,)))

    return [beside(whole, "4 analyses of 2 variants", one_by_one)]


def engine_alone(kind: str, n: int) -> list[Figure]:
    """The same from aligned scores, as at the end of a run: without grouping a table's rows."""
    a, b = scores(kind, n, np.random.default_rng(SEED))
    plan = _plan("fixed", binary=kind == "binary")
    aligned = _aligned(a, b)
    coverage, look = Coverage(asked=n, paired={"new": n}, variants=()), LookPosition(number=1, asked=(n,), planned=n)
    analyse_scores(plan, _aligned(a[:1000], b[:1000]), coverage, look)
    figure = measured(f"{n:,} {kind} pairs, aligned", lambda: analyse_scores(plan, aligned, coverage, look), repeats=5)
    return [beside(figure, "one np.argsort of the differences", lambda: np.argsort(np.abs(b - a)))]


def bootstrap(kind: str, n: int) -> list[Figure]:
    """A bootstrap of the mean beside plain resampling in batches of 20 MB."""
    a, b = scores(kind, n, np.random.default_rng(SEED))
    d = b - a
    bootstrap_mean(d[:1000], replicates=100)
    figure = measured(
        f"bootstrap of the mean, {n:,} {kind} differences, B = {REPLICATES:,}",
        lambda: bootstrap_mean(d, replicates=REPLICATES),
        repeats=5,
    )
    return [beside(figure, "np.random integers, take, mean, in batches", lambda: _plain(d), repeats=1)]


def _plain(d: Floats) -> Floats:
    random, batch = np.random.default_rng(SEED), max(1, 2_500_000 // d.size)
    means = np.empty(REPLICATES)
    for low in range(0, REPLICATES, batch):
        high = min(REPLICATES, low + batch)
        means[low:high] = np.take(d, random.integers(0, d.size, (high - low, d.size))).mean(axis=1)
    return means


def ranking(_: str, n: int) -> list[Figure]:
    """Bradley-Terry strengths of 100 variants, and their bootstrap, beside the plain way to each."""
    random = np.random.default_rng(SEED)
    first = random.integers(0, VARIANTS, n)
    second = (first + random.integers(1, VARIANTS, n)) % VARIANTS
    strength = np.linspace(-1.5, 1.5, VARIANTS)
    chance = 1 / (1 + np.exp(strength[second] - strength[first]))
    verdict = np.where(random.random(n) < 0.1, 2, (random.random(n) > chance).astype(np.int64))

    def fit() -> object:
        return bradley_terry(PairCounts.of(first, second, verdict, VARIANTS))

    bradley_terry(PairCounts.of(first[:5000], second[:5000], verdict[:5000], VARIANTS))
    counts = PairCounts.of(first, second, verdict, VARIANTS)
    fitted = measured(f"Bradley-Terry, {n:,} comparisons of {VARIANTS} variants", fit, repeats=5)
    refitted = measured(
        f"its bootstrap, {REFITS:,} resamples", lambda: bootstrap_bradley_terry(counts, SEED, REFITS), repeats=3
    )
    few = 3

    def plain_refits() -> None:
        for _ in range(few):
            rows = random.integers(0, n, n)
            _minorised(first[rows], second[rows], verdict[rows])

    beside(fitted, "MM iterations in numpy", lambda: _minorised(first, second, verdict))
    beside(refitted, f"{few} resamples by rows and MM iterations, times {REFITS / few:.0f}", plain_refits, repeats=1)
    refitted["baseline_s"] *= REFITS / few
    return [fitted, refitted]


def _minorised(first: Any, second: Any, verdict: Any) -> Floats:
    """Return log-strengths by the MM iterations of Hunter (2004), eq. 3, to 1e-8."""
    won = np.bincount(first * VARIANTS + second, weights=np.asarray((1.0, 0.0, 0.5))[verdict], minlength=VARIANTS**2)
    lost = np.bincount(second * VARIANTS + first, weights=np.asarray((0.0, 1.0, 0.5))[verdict], minlength=VARIANTS**2)
    points = (won + lost).reshape(VARIANTS, VARIANTS)
    met, strength = points + points.T, np.ones(VARIANTS)
    for _ in range(10_000):
        new = points.sum(axis=1) / (met / (strength[:, None] + strength)).sum(axis=1)
        new /= np.exp(np.log(new).mean())
        if np.abs(np.log(new / strength)).max() < 1e-8:
            break
        strength = new
    return np.asarray(np.log(new), dtype=np.float64)


def looks(_: str, n: int) -> list[Figure]:
    """A look at 1,000 samples after few and after many: what was seen before must not cost anything."""
    plan, wave = _plan("always_valid"), 1000
    return [_look(plan, wave, before) for before in (n // 100, n // 10, n)]


def _look(plan: AnalysisPlan, wave: int, before: int) -> Figure:
    """Measure one look after `before` samples in `LOOKS` looks, beside the mean difference of all samples so far."""
    random, state = np.random.default_rng(SEED), LookState()
    seen = [scores("continuous", size, random) for size in (*[before // LOOKS] * LOOKS, wave)]
    for one in seen[:-1]:
        state = state.extended(plan, _aligned(*one))
    last = _aligned(*seen[-1])
    whole = [np.concatenate([pair[side] for pair in seen]) for side in (0, 1)]

    def look() -> None:
        for _ in range(_MANY):
            take(plan, state.extended(plan, last), planned=2 * before, final=False)

    figure = measured(f"a look at {wave:,} samples after {before:,}", look, repeats=7)
    figure["seconds"] /= _MANY
    return beside(figure, "mean difference of all so far", lambda: PairedMean.of(*whole).result())


def _aligned(a: Floats, b: Floats) -> SampleScores:
    return SampleScores(a.size, {("old", "score"): a, ("new", "score"): b})


def _plan(design: str, *, binary: bool = False) -> AnalysisPlan:
    return AnalysisPlan(
        test_name="benchmark",
        control="old",
        variants=("old", "new"),
        judges=(JudgeMetric(name="score", type="file", binary=binary),),
        primary_metric="score",
        design=DesignPlan.model_validate({"kind": design, **({"tuned_at": 5000} if design != "fixed" else {})}),
        seed=0,
    )


def measured(name: str, run: Callable[[], object], *, repeats: int) -> Figure:
    """Return the median time of a run and the peak memory until its end."""
    return {"name": name, "seconds": _seconds(run, repeats), "peak_mb": peak_mb()}


def beside(figure: Figure, name: str, run: Callable[[], object], *, repeats: int = 3) -> Figure:
    """Add a baseline's name and median time."""
    figure.update(baseline=name, baseline_s=_seconds(run, repeats))
    return figure


def _seconds(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return median(times)


def peak_mb() -> float:
    """Return the largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTE


CASES: dict[str, Callable[[str, int], list[Figure]]] = {
    "analysis": analysis,
    "several": several,
    "engine": engine_alone,
    "bootstrap": bootstrap,
    "ranking": ranking,
    "looks": looks,
}

if __name__ == "__main__":
    case, kind, size = sys.argv[1:]
    print(json.dumps(CASES[case](kind, int(size))))
