"""A completed run to label: two variants, a judge in code, one with a scale, two that compare, and their panel."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

from entities import NOW, a_definition, a_run, a_test

from abtest.contracts import object_keys
from abtest.contracts.records import Document, ModelResponse, Sample, Turn, Verdict, Vote
from abtest.management.model import RunFrozen, RunPhase, RunVerdict
from abtest.runtime.steps.bodies import RunBodies

CONTROL, TREATMENT = "terse", "wordy"
MODEL = {"provider": "local", "model": "judge-9000"}
JUDGES: dict[str, dict[str, Any]] = {
    "correct": {"type": "exact_match"},
    "helpful": {"type": "rubric", **MODEL, "dimensions": ["helpfulness", "accuracy"]},
    "better": {"type": "pairwise", **MODEL, "dimensions": ["helpfulness"]},
    "other": {"type": "pairwise", **MODEL, "dimensions": ["helpfulness"], "parameters": {"seed": 5}},
    "council": {"type": "panel", "members": ["better", "other"], "consensus": "mean"},
}
BATCH = 10


def truth_of(metric: str, n: int, variant: str) -> float:
    """Return what people would say: of `correct` 0 or 1, of `helpful` 1 to 5, of `better` the treatment's share."""
    draw = random.Random(f"{metric} {n} {variant}").random()
    if metric == "correct":
        return float(draw < (0.5 if variant == CONTROL else 0.6))
    if metric == "helpful":
        return float(min(5, 1 + int(draw * 5 + (variant == TREATMENT) * 0.5)))
    return 1.0 if draw < 0.6 else 0.0 if draw < 0.9 else 0.5


def judged_of(metric: str, n: int, variant: str) -> float:
    """Return what the judge says: it favours the treatment."""
    truth, luck = truth_of(metric, n, variant), random.Random(f"judge {metric} {n} {variant}").random()
    if metric == "correct":
        return truth if luck > (0.1 if variant == CONTROL else 0.3) else 1.0 - truth * (variant == CONTROL)
    if metric == "helpful":
        return min(5.0, truth + (luck < 0.5) * (variant == TREATMENT))
    return truth if luck > 0.3 else 1.0


def sample(n: int, *, clusters: bool = False) -> Sample:
    """Return one sample whose metadata would give the variants away."""
    return Sample(
        id=f"secret-sample-{n}",
        inputs={"country": f"Land {n}", "=cmd": "+1"},
        reference=f"City {n}",
        messages=(Turn(role="user", content=f"Hello {n}"), Turn(role="assistant", content="Hello.")),
        documents=(Document(title="Atlas", text=f"City {n} lies in Land {n}."),),
        expected_outcome="The city is named.",
        rubric="It names one city.",
        cluster=f"group-{n // 3}" if clusters else None,
        metadata={"variant": TREATMENT, "model": "small", "judge": "judge-9000"},
    )


def answer(n: int, variant: str) -> str:
    """Return an answer that tells nothing of its variant, and tries to be a formula."""
    return f"=HYPERLINK({hashlib.sha256(f'{n}{variant}'.encode()).hexdigest()[:12]})"


def response(n: int, variant: str) -> ModelResponse:
    return ModelResponse(sample_id=f"secret-sample-{n}", variant=variant, outcome="answered", text=answer(n, variant))


def verdicts(judge: str, n: int) -> list[Verdict]:
    """Return what one judge says of one sample."""
    found = {"sample_id": f"secret-sample-{n}", "judge": judge, "status": "scored"}
    if judge in ("better", "other"):
        share = judged_of("better", n, TREATMENT)
        # Each fifth pair flips with the order; the other judge never flips.
        flips = judge == "better" and n % 5 == 0
        first, second = (0.0, 1.0) if flips else (share, share)
        votes = (
            Vote(order="control_first", status="scored", score=first),
            Vote(order="treatment_first", status="scored", score=second),
        )
        score = (first + second) / 2
        return [Verdict(**found, variant=TREATMENT, against=CONTROL, score=score, votes=votes)]
    made = []
    for variant in (CONTROL, TREATMENT):
        score = judged_of(judge, n, variant)
        dimensions = {"helpfulness": score, "accuracy": 6 - score} if judge == "helpful" else {}
        made.append(Verdict(**found, variant=variant, score=score, dimensions=dimensions))
    return made


def completed_run(
    ports: Any, workspace: str, *, samples: int = 40, clusters: bool = False, unscored: Mapping[str, int] | None = None
) -> str:
    """Keep a completed run in some stores and return its identifier.

    Args:
        ports: `tests`, `runs` and `objects`.
        unscored: judge to how many of the first samples it could not judge.
    """
    test = a_test(workspace, definition=a_definition(judges=JUDGES))
    ports.tests.create(test)
    run = ports.runs.start(a_run(test), None)
    batches = -(-samples // BATCH)
    frozen = RunFrozen(
        run_id=run.run_id,
        test_id=test.test_id,
        definition=test.definition,
        dataset=test.dataset,
        providers={},
        started_at=NOW,
        batches_by_wave=(batches,),
    )
    bodies = RunBodies(ports.objects, workspace, run.run_id)
    ports.objects.put(object_keys.frozen(workspace, run.run_id), frozen.model_dump_json().encode())
    for batch in range(batches):
        numbers = range(batch * BATCH, min(samples, (batch + 1) * BATCH))
        rows = b"".join(sample(n, clusters=clusters).model_dump_json().encode() + b"\n" for n in numbers)
        ports.objects.put(object_keys.samples(workspace, run.run_id, 0, batch), rows)
        for variant in (CONTROL, TREATMENT):
            bodies.write_responses(0, variant, batch, [response(n, variant) for n in numbers])
        for judge in JUDGES:
            if judge != "council":
                skipped = (unscored or {}).get(judge, 0)
                found = [v for n in numbers for v in verdicts(judge, n)]
                changed = [
                    v.model_copy(update={"status": "invalid", "score": None, "dimensions": {}})
                    if int(v.sample_id.rpartition("-")[2]) < skipped
                    else v
                    for v in found
                ]
                bodies.write_verdicts(0, judge, batch, changed)
    verdict = RunVerdict(decision="undecided", sentence="No difference was found.")
    ports.runs.finish(run.model_copy(update={"phase": RunPhase.DONE, "verdict": verdict}), "complete")
    return str(run.run_id)
