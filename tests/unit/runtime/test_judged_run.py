"""The analysis of a run whose judges ask models, from the bodies it left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import JudgeCall, JudgeUse, ModelResponse, PinnedVerdict, Sample, Verdict, Vote
from abtest.management.model import DatasetSummary, Run, RunFrozen, RunPhase, TestStatus
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_analysis import analysis_so_far
from abtest.runtime.steps.run_judges import facts_of
from abtest.runtime.steps.run_rows import analysis_plan
from abtest.runtime.steps.sequential_look import look_at

NOW = datetime(2026, 1, 31, tzinfo=UTC)
WAVES, BATCHES, SIZE = 2, 2, 15
RUN = Run(
    run_id="run_1",
    test_id="test_1",
    test_name="tone",
    workspace="team",
    status=TestStatus.RUNNING,
    phase=RunPhase.ANALYSING,
    started_at=NOW,
    started_by="someone",
)


def definition(**design: object) -> TestDefinition:
    model = {"provider": "local", "model": "gpt-oss-20b", "dimensions": ["accuracy"]}
    variant = {"provider": "local", "model": "small", "prompt": {"user": "{{ question }}"}}
    return TestDefinition.model_validate(
        {
            "name": "tone",
            "dataset": {"version": "a" * 64},
            "control": "plain",
            "variants": {"plain": variant, "polite": variant},
            "judges": {
                "one": {"type": "rubric", **model},
                "two": {"type": "rubric", **model, "repeats": 2},
                "council": {"type": "panel", "members": ["one", "two"]},
            },
            "primary_metric": "council",
            "design": design or {"kind": "fixed"},
        }
    )


def verdict(sample: str, variant: str, judge: str, scores: Sequence[float]) -> Verdict:
    votes = tuple(Vote(repeat=n, status="scored", score=score) for n, score in enumerate(scores))
    use = JudgeUse(calls=len(scores), cost_usd=Decimal("0.001"), spent_usd=Decimal("0.001"))
    mean = sum(scores) / len(scores)
    return Verdict(sample_id=sample, variant=variant, judge=judge, status="scored", score=mean, votes=votes, use=use)


def written(given: TestDefinition) -> tuple[RunBodies, RunFrozen, MemoryObjectStore]:
    """A run of two waves: `polite` is better by 1 for `one`, and by 2 for `two`, which wavers a little."""
    objects = MemoryObjectStore()
    bodies = RunBodies(objects, "team", "run_1")
    for wave in range(WAVES):
        for batch in range(BATCHES):
            names = [f"s{wave}-{batch}-{i}" for i in range(SIZE)]
            write_samples(objects, wave, batch, names)
            for variant in ("plain", "polite"):
                rows = [ModelResponse(sample_id=n, variant=variant, outcome="answered", text="x") for n in names]
                bodies.write_responses(wave, variant, batch, rows)
            better = {"plain": 0.0, "polite": 1.0}
            bodies.write_verdicts(
                wave, "one", batch, [verdict(n, v, "one", [2 + x]) for n in names for v, x in better.items()]
            )
            bodies.write_verdicts(
                wave,
                "two",
                batch,
                [
                    verdict(n, v, "two", [2 + 2 * x, 2 + 2 * x - (i % 3 == 0)])
                    for i, n in enumerate(names)
                    for v, x in better.items()
                ],
            )
    bodies.write_pinned_verdicts(
        "one",
        [PinnedVerdict(judge="one", judge_version="v", example="good", status="scored", expected=5.0, score=3.0)],
    )
    asked = ModelResponse(
        sample_id="q", variant="judge/one/pinned", outcome="answered", text="{}", cost_usd=Decimal("0.5")
    )
    about_answers = asked.model_copy(update={"variant": "judge/one"})
    bodies.write_judge_calls(
        0, "one", 0, [JudgeCall(question="q", response=row) for row in (asked, about_answers)], fallback=0
    )
    frozen = RunFrozen(
        run_id="run_1",
        test_id="test_1",
        definition=given,
        dataset=DatasetSummary(rows=WAVES * BATCHES * SIZE),
        providers={},
        started_at=NOW,
        batches_by_wave=(BATCHES,) * WAVES,
        judges=dict(facts_of(given)),
    )
    return bodies, frozen, objects


def write_samples(objects: MemoryObjectStore, wave: int, batch: int, names: Sequence[str]) -> None:
    from abtest.contracts import object_keys

    body = b"".join(Sample(id=name).model_dump_json().encode() + b"\n" for name in names)
    objects.put(object_keys.samples("team", "run_1", wave, batch), body)


def test_judged_run__is_analysed_with_panel_drift_and_money() -> None:
    bodies, frozen, _ = written(definition())
    result, rows = analysis_so_far(bodies, frozen, analysis_plan(RUN, frozen, None), waves=WAVES)
    # Of `two`, a third of the answers lost 1 in one of two votes, of both variants alike.
    assert result.primary("polite").effect == 1.5
    assert [judge.judge for judge in result.judges] == ["one", "two"]
    one, two = result.judges
    assert one.drift is not None
    assert (one.drift.mean_deviation, one.drift.drifted) == (2.0, True)
    assert two.drift is None
    assert two.retest is not None
    assert two.retest.same == 2 / 3
    assert one.family == "gpt"
    # The verdicts of two judges, and one call about a pinned example.
    assert result.spent_on_judges_usd == Decimal("0.001") * 2 * 2 * 60 + Decimal("0.5")
    assert one.cost is not None
    assert (one.cost.calls, one.cost.spent_usd) == (120, Decimal("0.12"))
    assert (one.cost.pinned_calls, one.cost.pinned_spent_usd) == (1, Decimal("0.5"))
    assert [panel.panel for panel in result.panels] == ["council"]
    assert len(rows) == 60
    row = rows[0]
    assert row.score("plain", "council") == (2 + 1.5) / 2
    assert row.score("polite", "council") == (3 + 3.5) / 2


def test_look__rests_on_the_panels_score() -> None:
    bodies, frozen, objects = written(definition(kind="group_sequential", looks=2))
    stopped = look_at(RUN, frozen, bodies, 0)
    kept = bodies.look_state(0)
    assert b'"asked":[30]' in kept
    # Every pair differs alike, so no spread says how sure that is: the run goes on.
    assert stopped is None
    assert b'"n": 30' in objects.get("runs/team/run_1/waves/0000/look.json")
