"""What can be wrong with the names of metrics: those that judges make, and the ones that a test decides by.

Depends on: `abtest.contracts`. Used by: `abtest.management.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.definition import Design, Guardrail
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.metrics import RESERVED_METRICS
from abtest.core.errors import InputIssue
from abtest.core.registry import nearest

LONGEST_NAME = 64
"""Most characters of a metric's name; `primary_metric` takes no longer one."""


@dataclass(frozen=True)
class JudgeMetrics:
    """What the judges of a test measure.

    Args:
        judges: every judge's name as it was written.
        facts: of the judges that are right.
    """

    judges: Sequence[str]
    facts: Mapping[str, JudgeFacts]

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric that is known to be made; of a judge that is wrong only its overall score."""
        return tuple(dict.fromkeys(name for judge in self.judges for name in self._of(judge)))

    def measured(self, name: str) -> bool:
        """Return whether a judge makes a metric; of a judge that is wrong any dimension may be one."""
        unclear = tuple(f"{judge}." for judge in self.judges if judge not in self.facts)
        return name in self.names or name.startswith(unclear)

    def maker(self, name: str) -> JudgeFacts | None:
        """Return the judge that makes a metric, None where it is not known."""
        return next((fact for fact in self.facts.values() if name in {m.name for m in fact.metrics}), None)

    @property
    def only_escalated(self) -> Mapping[str, str]:
        """Judges that are asked only where a panel's members disagree, each with such a panel."""
        return only_escalated(self.facts)

    def _of(self, judge: str) -> tuple[str, ...]:
        known = self.facts.get(judge)
        return (judge,) if known is None else (judge, *(metric.name for metric in known.metrics))


def only_escalated(facts: Mapping[str, JudgeFacts]) -> dict[str, str]:
    """Return the judges that are asked only where a panel's members disagree, each with such a panel.

    Args:
        facts: of all judges of a test.
    """
    members = {member for fact in facts.values() for member in fact.members}
    escalated = {fact.escalate_to: name for name, fact in facts.items() if fact.escalate_to is not None}
    return {
        judge: panel
        for judge, panel in escalated.items()
        if judge in facts and judge not in members and facts[judge].kind == "model"
    }


def name_issues(metrics: JudgeMetrics) -> Iterator[InputIssue]:
    """Yield what is wrong with the names that judges give to metrics."""
    taken: dict[str, str] = {}
    for judge in metrics.judges:
        path = f"judges.{judge}"
        if judge in RESERVED_METRICS:
            yield InputIssue(path, "the name is taken by a metric that always exists", judge, "another name")
        made = metrics.facts[judge].metrics if judge in metrics.facts else ()
        for name in dict.fromkeys((judge, *(metric.name for metric in made))):
            if len(name) > LONGEST_NAME:
                message = f"its metric {name!r} has {len(name)} characters, and no field could name it"
                yield InputIssue(path, message, allowed=f"{LONGEST_NAME} characters: a shorter judge or dimension")
            if name in taken:
                message = f"{taken[name]} makes a metric {name!r} too, so nobody could tell the two apart"
                yield InputIssue(path, message, name, "another name")
            taken.setdefault(name, f"the judge {judge!r}")


def primary_issues(metric: object, design: Design | None, metrics: JudgeMetrics) -> Iterator[InputIssue]:
    """Yield what is wrong with the metric that a test decides by.

    Args:
        metric: as it was written.
        design: None where it cannot be read.
        metrics: of the test's judges.
    """
    if not isinstance(metric, str) or not metrics.judges:
        return
    if not metrics.measured(metric):
        what = "the name of a judge" if len(metrics.names) == len(metrics.judges) else "a judge, or JUDGE.DIMENSION"
        message = f"no judge measures it{_guess(metric, metrics.names)}"
        yield InputIssue("primary_metric", message, metric, f"{what}: {', '.join(metrics.names)}")
        return
    maker = metrics.maker(metric)
    if maker is None:
        return
    yield from _escalated("primary_metric", metric, maker, metrics)
    if design is not None and design.kind != "fixed":
        yield from _never_final(metric, maker, design)


def guardrail_metric_issues(guardrails: Mapping[str, Guardrail], metrics: JudgeMetrics) -> Iterator[InputIssue]:
    """Yield what is wrong with the metrics that guardrails name.

    Args:
        guardrails: by name.
        metrics: of the test's judges; the metrics that always exist may be named as well.
    """
    for name, guardrail in guardrails.items():
        path, metric = f"guardrails.{name}.metric", guardrail.metric
        maker = metrics.maker(metric)
        if maker is not None:
            yield from _escalated(path, metric, maker, metrics)
            yield from _relative(f"guardrails.{name}.margin_relative", guardrail, maker)
        elif metric not in RESERVED_METRICS and not metrics.measured(metric):
            known = (*metrics.names, *RESERVED_METRICS)
            yield InputIssue(path, f"nobody measures it{_guess(metric, known)}", metric, ", ".join(known))


def _escalated(path: str, metric: str, maker: JudgeFacts, metrics: JudgeMetrics) -> Iterator[InputIssue]:
    panel = metrics.only_escalated.get(maker.name)
    if panel is not None:
        message = (
            f"{maker.name!r} is asked only where the members of {panel!r} disagree, so most answers lack its score"
        )
        yield InputIssue(path, message, metric, f"{panel}, or a judge that judges every answer")


def _relative(path: str, guardrail: Guardrail, maker: JudgeFacts) -> Iterator[InputIssue]:
    """Yield a margin that is a share of nothing: the control's own preference is what the treatment leaves it, or 0."""
    if maker.pairwise and guardrail.margin_relative is not None:
        message = f"{guardrail.metric!r} is a preference, of which the control has no value of its own"
        yield InputIssue(path, message, f"{guardrail.margin_relative:g}", "margin, as a net preference: 0.05, for one")


def _never_final(metric: str, maker: JudgeFacts, design: Design) -> Iterator[InputIssue]:
    if maker.consensus != "dawid_skene":
        # An escalation too is final before the look: it belongs to the wave.
        return
    why = f"the panel {maker.name!r} weighs its members anew with each look, which changes scores of earlier looks"
    message = f"{why}; a {design.kind} design may stop only on scores that are final"
    allowed = "design.kind: fixed; or another consensus, or one of its members as the primary metric"
    yield InputIssue("primary_metric", message, metric, allowed)


def _guess(name: str, known: Sequence[str]) -> str:
    guess = nearest(name, known)
    return f"; did you mean {guess!r}?" if guess else ""
