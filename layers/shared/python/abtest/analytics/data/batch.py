"""One batch laid out as columns: an array of shape (samples,) for every variant and metric, NaN being missing.

A pairwise verdict becomes a share of the preference. Of two variants, the control has the rest of it, so that their
difference is the net preference. Of several, each treatment has its own share of it against the control: its column
holds the net preference, and the control's own value is 0.

Depends on: numpy, contracts, `abtest.analytics.data.*`. Used by: `abtest.analytics.data.accumulate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from abtest.analytics.data.judging import NOT_BOTH, JudgeStatistics, position_code
from abtest.analytics.data.reasons import CODES, Reasons
from abtest.analytics.data.scores import ANSWER_LENGTH, ScoredBatch
from abtest.analytics.data.tables import Values
from abtest.analytics.judge_metric import JudgeMetric
from abtest.analytics.plan import OPERATIONAL_UNITS, AnalysisPlan
from abtest.contracts.metrics import RATE_METRICS
from abtest.contracts.records import ModelResponse, Sample, Verdict

REFUSALS = ("refused", "filtered")
NOT_THE_PROVIDERS_FAULT = ("budget", "cancelled")
MOST_WORD_CHARACTERS = 60
"""A longer text in a sample's metadata is prose, not a slice."""


class Batch:
    """The columns of one batch.

    Args:
        plan: names variants, judges, control and primary metric.
        samples: the batch.
        responses: variant to its responses, in any order.
        verdicts: of all judges and variants, in any order.

    Raises:
        ValueError: a verdict names a judge or variant the plan does not have, or a binary metric has another score
            than 0 and 1.
    """

    def __init__(
        self,
        plan: AnalysisPlan,
        samples: Sequence[Sample],
        responses: Mapping[str, Sequence[ModelResponse]],
        verdicts: Iterable[Verdict],
    ) -> None:
        self.plan = plan
        self.samples = samples
        self.rows = {sample.id: row for row, sample in enumerate(samples)}
        own = [judge.name for judge in plan.judges if judge.kind != "panel"]
        metrics = (*own, *OPERATIONAL_UNITS, *RATE_METRICS)
        self.values = {(v, m): np.full(len(samples), np.nan) for v in plan.variants for m in metrics}
        self.orders: dict[tuple[str, str], npt.NDArray[np.int8]] = {}
        self.responses: dict[str, dict[str, ModelResponse]] = {
            variant: {response.sample_id: response for response in responses.get(variant, ())}
            for variant in plan.variants
        }
        self._statuses: dict[tuple[str, str], set[str]] = {}
        self._by_judge: dict[str, list[Verdict]] = {}
        for variant in plan.variants:
            self._read_responses(variant)
        self._read_verdicts(verdicts)
        for judge in plan.judges:
            if judge.pairwise and judge.kind != "panel":
                self._share(judge.name)

    def _read_responses(self, variant: str) -> None:
        lengths = np.full(len(self.samples), np.nan)
        for sample_id, response in self.responses[variant].items():
            row = self.rows.get(sample_id)
            if row is None or response.failure_reason in NOT_THE_PROVIDERS_FAULT:
                continue
            self.values[variant, "error_rate"][row] = float(response.outcome == "failed")
            if response.outcome == "failed":
                continue
            self.values[variant, "refusal_rate"][row] = float(response.outcome in REFUSALS)
            # Judges are shown nothing of an answer that was refused.
            lengths[row] = 0 if response.outcome in REFUSALS else len(response.text or "")
            usage = response.usage
            quantities = (
                response.latency_ms,
                usage.total_input_tokens if usage else None,
                usage.total_output_tokens if usage else None,
                response.cost_usd,
            )
            for metric, value in zip(OPERATIONAL_UNITS, quantities, strict=True):
                if value is not None:
                    self.values[variant, metric][row] = float(value)
        if any(judge.kind == "model" or judge.pairwise for judge in self.plan.judges):
            self.values[variant, ANSWER_LENGTH] = lengths

    def _read_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        judges = {judge.name: judge for judge in self.plan.instruments if judge.kind != "panel"}
        dimensions = {(judge.judge, judge.dimension): judge for judge in self.plan.judges if judge.dimension}
        deciding, primary = _deciding(self.plan), self.plan.judge(self.plan.primary_metric)
        for verdict in verdicts:
            judge = judges.get(verdict.judge)
            if judge is None or verdict.variant not in self.responses:
                raise ValueError(f"a verdict of {verdict.judge!r} on {verdict.variant!r} does not belong to this test")
            row = self.rows.get(verdict.sample_id)
            if row is None:
                continue
            self._by_judge.setdefault(verdict.judge, []).append(verdict)
            if verdict.status == "scored" and verdict.score is not None:
                self._put(judge, verdict.variant, row, verdict.score)
                for name, score in verdict.dimensions.items():
                    metric = dimensions.get((verdict.judge, name))
                    if metric is not None:
                        self._put(metric, verdict.variant, row, score)
            if judge.pairwise and len(verdict.votes) > 1:
                self._order(judge, verdict, row)
                if primary is not None and primary.dimension and primary.judge == judge.name:
                    self._order(primary, verdict, row)
            if verdict.judge in deciding:
                for variant in (verdict.variant, verdict.against):
                    if variant is not None:
                        self._statuses.setdefault((variant, verdict.sample_id), set()).add(verdict.status)

    def _order(self, metric: JudgeMetric, verdict: Verdict, row: int) -> None:
        key = (verdict.variant, metric.name)
        if key not in self.orders:
            self.orders[key] = np.full(len(self.samples), NOT_BOTH, dtype=np.int8)
        self.orders[key][row] = position_code(verdict.votes, metric.dimension)

    def _put(self, metric: JudgeMetric, variant: str, row: int, score: float) -> None:
        if metric.binary and not metric.pairwise and score not in (0, 1):
            raise ValueError(f"the binary metric {metric.name!r} has scores other than 0 and 1")
        self.values[variant, metric.name][row] = score

    def _share(self, metric: str) -> None:
        """Make what a pairwise judge says of the treatments into columns of all variants."""
        control, treatments = self.plan.control, self.plan.treatments
        own = self.values[control, metric]
        if len(treatments) == 1:
            own[:] = 1 - self.values[treatments[0], metric]
            return
        for treatment in treatments:
            column = self.values[treatment, metric]
            column[:] = 2 * column - 1
            own[~np.isnan(column)] = 0.0

    def scored(self) -> ScoredBatch:
        """Return the scores, with what each sample belongs to and why a score is missing."""
        facts = list(dict.fromkeys(name for sample in self.samples for name in sample.metadata))
        return ScoredBatch(
            names=tuple(sample.id for sample in self.samples),
            values=self.values,
            clusters=tuple(sample.cluster for sample in self.samples),
            slices={name: tuple(_word(sample.metadata.get(name)) for sample in self.samples) for name in facts},
            why={variant: self._why(variant) for variant in self.plan.variants},
            orders=self.orders,
        )

    def judges(self) -> dict[str, JudgeStatistics]:
        """Return what each judge did."""
        return {name: JudgeStatistics.of(verdicts) for name, verdicts in self._by_judge.items()}

    def answered(self, variant: str) -> npt.NDArray[np.bool_]:
        """Return which samples a variant answered, shape (samples,)."""
        mine = self.responses[variant]
        found = [(r := mine.get(sample.id)) is not None and r.outcome != "failed" for sample in self.samples]
        return np.asarray(found, dtype=bool)

    def column(self, variant: str, metric: str) -> Values:
        """Return the scores of one variant on one metric, shape (samples,)."""
        return self.values[variant, metric]

    def _why(self, variant: str) -> Reasons:
        """Return why each sample lacks the primary metric; of one that has it the code says nothing."""
        found = np.zeros(len(self.samples), dtype=np.int8)
        column = self.values.get((variant, self.plan.primary_metric))
        absent = range(len(self.samples)) if column is None else np.flatnonzero(np.isnan(column)).tolist()
        for row in absent:
            sample_id = self.samples[row].id
            found[row] = CODES.get(self._reason(variant, sample_id), CODES["unknown"])
        return found

    def _reason(self, variant: str, sample_id: str) -> str:
        """Say why a sample lacks the primary metric: the call, or what became of the verdict."""
        answer = self.responses[variant].get(sample_id)
        if answer is None:
            return "no_response"
        if answer.outcome == "failed":
            return answer.failure_reason or "unknown"
        if self.plan.primary_metric in OPERATIONAL_UNITS:
            return "not_reported"
        statuses = self._statuses.get((variant, sample_id), set())
        if "invalid" in statuses:
            return "judge_invalid"
        if "not_judged" not in statuses:
            return "no_verdict"
        return "no_counterpart" if self._alone(variant, sample_id) else "not_judged"

    def _alone(self, variant: str, sample_id: str) -> bool:
        """Return whether a pairwise judge had no answer to compare an answer with."""
        if not self.plan.is_preference(self.plan.primary_metric):
            return False
        others = self.plan.treatments if variant == self.plan.control else (self.plan.control,)
        known = [self.responses[other].get(sample_id) for other in others]
        return all(answer is None or answer.outcome == "failed" for answer in known)


def _deciding(plan: AnalysisPlan) -> tuple[str, ...]:
    """Return the judges that the primary metric comes from."""
    judge = plan.judge(plan.primary_metric)
    if judge is None:
        return ()
    return judge.panel.members if judge.panel is not None else (judge.judge,)


def _word(fact: object) -> str | None:
    """Return a fact about a sample as a word to slice by; None where it is none."""
    if isinstance(fact, bool):
        return "true" if fact else "false"
    if isinstance(fact, str | int):
        word = str(fact)
        return word if word and len(word) <= MOST_WORD_CHARACTERS else None
    return None
