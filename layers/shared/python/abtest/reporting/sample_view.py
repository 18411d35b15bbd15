"""One sample as a page shows it: answers side by side, each with what every judge says of it.

Depends on: `abtest.analytics.plan`, `abtest.reporting.rows`. Used by: `abtest.reporting.report`.
"""

from __future__ import annotations

from typing import Any

from abtest.analytics.model import OPERATIONAL_UNITS, AnalysisPlan, JudgeMetric
from abtest.analytics.wording import MINUS, significant
from abtest.contracts.records import ModelResponse, Verdict, Vote
from abtest.reporting.rows import PairedRow

EVEN = 0.5


def row_view(plan: AnalysisPlan, row: PairedRow) -> dict[str, Any]:
    """Return a row as the template shows it."""
    metric = plan.primary_metric
    judged = metric not in OPERATIONAL_UNITS
    scores = [row.score(variant, metric) for variant in plan.variants]
    kind = "differ" if row.spread(metric) > 0 else "missing" if judged and None in scores else "same"
    answers = []
    for variant in plan.variants:
        response = row.responses.get(variant)
        marks = [_mark(plan, row, variant, judge) for judge in plan.instruments if _concerns(row, variant, judge)]
        answers.append({"variant": variant, "response": response, "marks": marks, "facts": _facts(response)})
    return {"sample": row.sample, "kind": kind, "answers": answers}


def _concerns(row: PairedRow, variant: str, judge: JudgeMetric) -> bool:
    """Return whether there is anything to show: a judge of disagreements says nothing about most answers.

    A run that did not finish has no scores of panels at all.
    """
    if judge.kind == "panel" and not row.panels:
        return False
    return not judge.escalated_only or row.verdict(variant, judge.name) is not None


def _mark(plan: AnalysisPlan, row: PairedRow, variant: str, judge: JudgeMetric) -> dict[str, str]:
    verdict = row.verdict(variant, judge.name)
    score = row.score(variant, judge.name)
    tone, text = _unscored(verdict, judge) if score is None else _scored(score, judge)
    return {"metric": judge.name, "tone": tone, "text": text, "reason": _reason(plan, row, variant, judge)}


def _unscored(verdict: Verdict | None, judge: JudgeMetric) -> tuple[str, str]:
    silent = verdict is None or verdict.status == "not_judged"
    return "open", "no score" if judge.kind == "panel" or not silent else "not judged"


def _scored(score: float, judge: JudgeMetric) -> tuple[str, str]:
    if judge.preference:
        if score == EVEN:
            return "plain", "tie"
        share = "" if score in (0, 1) else f" {100 * score:.0f} %"
        return ("good", f"preferred{share}") if score > EVEN else ("bad", f"not preferred{share}")
    if judge.binary:
        return ("good", "✓ pass") if score == 1 else ("bad", "✗ fail")
    return "plain", _score_text(score)


def _reason(plan: AnalysisPlan, row: PairedRow, variant: str, judge: JudgeMetric) -> str:
    """Return why, with the scores by dimension and by the order in which the answers were shown."""
    verdict = row.verdict(variant, judge.name)
    names = [other for other in plan.judges if other.judge == judge.name and other.dimension is not None]
    scores = [(other.dimension, row.score(variant, other.name)) for other in names]
    parts = [f"{name} {_short(score, judge)}" for name, score in scores if score is not None]
    if verdict is not None and judge.pairwise:
        parts += _by_order(verdict.votes)
    told = " · ".join(parts)
    why = (verdict and verdict.reason) or ""
    return f"{why} ({told})" if why and told else why or told


def _by_order(votes: tuple[Vote, ...]) -> list[str]:
    """Return what single votes said, the answer being shown first or second."""
    found = []
    for order, place in (("treatment_first", "shown first"), ("control_first", "shown second")):
        words = [_word(vote) for vote in votes if vote.order == order]
        if words:
            found.append(f"{place}: {', '.join(words)}")
    return found


def _word(vote: Vote) -> str:
    if vote.score is None:
        return "not read" if vote.status == "invalid" else "not asked"
    return "tie" if vote.score == EVEN else "preferred" if vote.score > EVEN else "not preferred"


def _short(score: float, judge: JudgeMetric) -> str:
    return f"{100 * score:.0f} %" if judge.preference else _score_text(score)


def _score_text(score: float) -> str:
    if score == round(score) and abs(score) < 1e6:
        return f"{MINUS if score < 0 else ''}{abs(score):.0f}"
    return f"{MINUS if score < 0 else ''}{significant(abs(score))}"


def _facts(response: ModelResponse | None) -> list[str]:
    if response is None:
        return []
    facts = []
    if response.latency_ms is not None:
        facts.append(f"{response.latency_ms:,.0f} ms")
    if response.usage is not None:
        facts.append(f"{response.usage.total_input_tokens:,} → {response.usage.total_output_tokens:,} tokens")
    if response.from_ledger:
        facts.append("from ledger")
    return facts
