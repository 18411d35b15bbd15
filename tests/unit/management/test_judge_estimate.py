"""The estimate of judges: calls, tokens, dollars and time of those that ask a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from entities import a_summary, definition_body, replay_body
from judge_facts import asked, by_name, code, pairwise, panel, rubric

from abtest.contracts.definition import Parameters, TestDefinition
from abtest.contracts.judging import AskedModel, JudgeFacts
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import ModelResponse, Sample, Usage
from abtest.evaluation.model import JudgeConfiguration as NamedJudge
from abtest.evaluation.service import compile_model_judge, judge_facts
from abtest.management.datasets import freeze_rows
from abtest.management.estimate import EstimatePorts, estimate_run
from abtest.management.judge_estimate import BLOCK_TOKENS, BLOCK_TOKENS_MOST, HISTORY_BASE
from abtest.management.model import DatasetSummary, Estimate, InputTokens
from abtest.management.ports import ModelLimits, ProviderFacts
from abtest.management.token_estimate import (
    FRAME_TOKENS,
    MESSAGE_TOKENS,
    STAND_IN_ERROR,
    STAND_IN_FACTOR,
    UNKNOWN_FRAME_TOKENS,
)
from abtest.runtime.catalogue import Tokenizers

ROWS = 100
FRAME = FRAME_TOKENS + 2 * MESSAGE_TOKENS
COUNTER = Tokenizers()
SAMPLES = 300 + 700 + 500 + 3 * ROWS * BLOCK_TOKENS
"""What `counted` has as a judge reads it: each question, document and reference stands in a block of its own."""
SAMPLES_MOST = SAMPLES + 3 * ROWS * (BLOCK_TOKENS_MOST - BLOCK_TOKENS)


def priced(_provider: str, model: str, usage: Usage, _batch: bool) -> tuple[Decimal | None, str | None]:
    if model == "mystery":
        return None, None
    return Decimal(usage.total_input_tokens + usage.total_output_tokens) / 1000, "configured"


class Remembered:
    """A history that knows the answers of variants, and the verdicts of judges."""

    def __init__(self, answers: PastUse | None = None, verdicts: PastUse | None = None) -> None:
        self.answers, self.verdicts = answers, verdicts
        self.prompts: list[str] = []

    def past(self, _facts: ProviderFacts, _model: str, *, base: str, prompt: str) -> PastUse | None:
        if base != HISTORY_BASE:
            return self.answers
        self.prompts.append(prompt)
        return self.verdicts


def use(output_tokens: float, *, same_prompt: bool = True) -> PastUse:
    return PastUse(2, 400, same_prompt, 1.0, 0.0, output_tokens, 0.0, None)


def known(limits: ModelLimits | None = None) -> dict[str, ProviderFacts]:
    local = ProviderFacts("openai_chat", 10, {}, limits=lambda model: limits if model == "judge-model" else None)
    return {"local": local, "replay": ProviderFacts("replay", 50, {})}


def counted(**changes: Any) -> DatasetSummary:
    """Return a summary of 100 samples: 300 tokens of inputs, 500 of references, 700 of documents in all."""
    tokens = InputTokens(by_input={"country": 300, "documents": 700}, by_part={"reference": 500}, error=0.0)
    facts: dict[str, Any] = {"input_tokens": {"o200k_base": tokens, "cl100k_base": tokens}, "documents": ROWS}
    return a_summary(ROWS, **{**facts, **changes})


def estimated(
    *facts: JudgeFacts,
    definition: TestDefinition | None = None,
    dataset: DatasetSummary | None = None,
    history: Remembered | None = None,
    limits: ModelLimits | None = None,
    recordings: dict[str, DatasetSummary] | None = None,
    asks_variants: bool = True,
) -> Estimate:
    ports = EstimatePorts(known(limits), priced, COUNTER, history)
    return estimate_run(
        definition or judged(*facts),
        dataset or counted(),
        ports,
        judges=by_name(*facts),
        recordings=recordings or {},
        detectable_effect=None,
        asks_variants=asks_variants,
    )


def judged(*facts: JudgeFacts, body: dict[str, Any] | None = None, **options: Any) -> TestDefinition:
    judges = {fact.name: {"type": fact.type, **options} for fact in facts}
    return TestDefinition.model_validate({**(body or definition_body()), "judges": judges, "primary_metric": "quality"})


def of_gpt(name: str = "quality", **changes: Any) -> JudgeFacts:
    return rubric(name, models=(asked(model="gpt-5"),), **changes)


def three_variants() -> dict[str, Any]:
    body = definition_body()
    body["variants"]["odd"] = {**body["variants"]["terse"], "prompt": {"user": "{{ country }}: its capital?"}}
    return body


@pytest.mark.parametrize(
    ("facts", "body", "calls"),
    [
        (of_gpt(calls_per_answer=3), definition_body(), ROWS * 2 * 3),
        (of_gpt(calls_per_answer=3), three_variants(), ROWS * 3 * 3),
        (pairwise("quality"), definition_body(), ROWS * 1 * 2),
        (pairwise("quality"), three_variants(), ROWS * 2 * 2),
    ],
)
def test_a_rubric_is_asked_of_each_answer__and_a_pair_in_each_order(
    facts: JudgeFacts, body: dict[str, Any], calls: int
) -> None:
    estimate = estimated(facts, definition=judged(facts, body=body))

    (judge,) = estimate.by_judge
    assert (judge.judge, judge.calls) == ("quality", calls)
    assert judge.output_tokens_max == calls * 100
    assert estimate.calls == calls + ROWS * len(body["variants"])


def test_judges_in_code_and_panels_ask_nothing() -> None:
    estimate = estimated(code("quality"), code("b"), panel("council", ["quality", "b"]))

    assert estimate.by_judge == ()
    assert estimate.calls == 2 * ROWS
    assert not any("Judges:" in note for note in estimate.notes)


def test_a_judge_reads_its_prompt_the_sample_and_the_answers() -> None:
    history = Remembered(answers=use(6), verdicts=use(40))

    (judge,) = estimated(of_gpt(), history=history).by_judge

    own = COUNTER.count("o200k_base", "How good is it?")
    answers = ROWS * 6 * 2
    assert judge.input_tokens_expected == 200 * (own + FRAME) + 2 * SAMPLES + answers
    assert judge.input_tokens == 200 * (own + FRAME + UNKNOWN_FRAME_TOKENS) + 2 * SAMPLES_MOST + ROWS * 20 * 2
    assert judge.output_tokens_expected == 200 * 40
    assert judge.output_known_from == "400 calls of 2 runs of this judge"
    assert judge.input_counted_by == "tokenizer o200k_base"


def test_a_pair_has_two_answers__in_each_order() -> None:
    history = Remembered(answers=use(6))
    pair = pairwise("quality", models=(asked(model="gpt-5"),))

    (judge,) = estimated(pair, history=history).by_judge

    own = COUNTER.count("o200k_base", "How good is it?")
    assert judge.input_tokens_expected == 2 * (ROWS * (own + FRAME) + SAMPLES + ROWS * 6 * 2)


def test_a_judge_that_is_shown_no_reference_reads_none() -> None:
    history = Remembered(answers=use(6))
    with_one = estimated(of_gpt(), history=history).by_judge[0].input_tokens_expected
    without = estimated(of_gpt(reference="none"), history=history).by_judge[0].input_tokens_expected

    assert with_one is not None
    assert without is not None
    assert with_one - without == 2 * (500 + ROWS * BLOCK_TOKENS)


def test_an_unknown_tokenizer_makes_the_bound_wider() -> None:
    history = Remembered(answers=use(6))

    (judge,) = estimated(rubric("quality"), history=history).by_judge

    own = 200 * COUNTER.count("o200k_base", "How good is it?")
    text = STAND_IN_FACTOR * (own + 2 * SAMPLES)
    assert judge.input_counted_by == "tokenizer o200k_base as a stand-in"
    assert judge.input_tokens_expected == round(text + 200 * FRAME + ROWS * 6 * 2)
    assert judge.input_tokens == pytest.approx(
        text * (1 + STAND_IN_ERROR)
        + STAND_IN_FACTOR * 2 * (SAMPLES_MOST - SAMPLES)
        + 200 * (FRAME + UNKNOWN_FRAME_TOKENS)
        + ROWS * 20 * 2,
        abs=1,
    )


def test_samples_are_counted_by_characters__where_the_dataset_has_no_tokens() -> None:
    history = Remembered(answers=use(6))
    dataset = a_summary(ROWS, input_characters={"country": 900}, part_characters={"reference": 300, "rubric": 600})

    (judge,) = estimated(of_gpt(), dataset=dataset, history=history).by_judge

    own = COUNTER.count("o200k_base", "How good is it?")
    assert judge.input_tokens_expected == 200 * (own + FRAME + 2 * BLOCK_TOKENS) + 2 * 600 + ROWS * 6 * 2
    assert "characters / 3" in judge.input_counted_by


def test_what_answers_will_be_is_not_made_up__before_a_first_run() -> None:
    estimate = estimated(of_gpt())

    (judge,) = estimate.by_judge
    assert (judge.input_tokens_expected, judge.output_tokens_expected, judge.cost_usd_expected) == (None, None, None)
    assert estimate.cost_usd_expected is None
    assert judge.cost_usd_max is not None
    assert any("How long the verdicts of quality are" in note for note in estimate.notes)


def test_the_cost_is_that_of_all_together() -> None:
    estimate = estimated(of_gpt(), history=Remembered(answers=use(6), verdicts=use(40)))

    (judge,) = estimate.by_judge
    answers = sum(v.cost_usd_max or 0 for v in estimate.by_variant)
    assert judge.cost_usd_max is not None
    assert judge.cost_usd_expected is not None
    assert judge.price_source == "configured"
    assert 0 < judge.cost_usd_expected < judge.cost_usd_max
    assert estimate.cost_usd_max == answers + judge.cost_usd_max
    assert estimate.input_tokens == sum(v.input_tokens for v in estimate.by_variant) + judge.input_tokens


def test_a_judge_without_a_price_makes_the_whole_unknown() -> None:
    estimate = estimated(rubric("quality", models=(asked(model="mystery"),)))

    assert estimate.by_judge[0].cost_usd_max is None
    assert estimate.cost_usd_max is None
    assert any("The price of the judge quality is unknown" in note for note in estimate.notes)


def test_verdicts_of_other_judges_say_something_too() -> None:
    history = Remembered(verdicts=use(40, same_prompt=False))

    (judge,) = estimated(of_gpt(version="v7"), history=history).by_judge

    assert history.prompts == ["v7"]
    assert judge.output_known_from == "400 calls of 2 runs of this model in other judges"


def test_a_verdict_is_no_longer_than_the_judge_may_write() -> None:
    (judge,) = estimated(of_gpt(), history=Remembered(verdicts=use(5_000))).by_judge

    assert judge.output_tokens_expected == judge.output_tokens_max


def test_a_judge_of_disagreements_is_an_upper_bound__and_says_so() -> None:
    history = Remembered(answers=use(6), verdicts=use(40))
    facts = (of_gpt(), of_gpt("b"), of_gpt("strong"), panel("council", ["quality", "b"], escalate_to="strong"))

    estimate = estimated(*facts, history=history)

    strong = estimate.by_judge[2]
    assert (strong.judge, strong.only_disagreements, strong.calls) == ("strong", True, 200)
    assert strong.cost_usd_max == estimate.by_judge[0].cost_usd_max
    assert (strong.input_tokens_expected, strong.output_tokens_expected, strong.cost_usd_expected) == (None,) * 3
    assert estimate.cost_usd_expected is None
    assert any(note.startswith("strong: asked only where a panel's members disagree") for note in estimate.notes)
    alone = estimated(*facts[:2], history=history)
    assert estimate.duration_s_at_least == alone.duration_s_at_least


def test_pinned_examples_are_asked_as_well() -> None:
    examples: Sequence[dict[str, Any]] = [{"name": "poor", "inputs": {"q": "?"}, "answer": "No.", "score": 1}] * 3
    fact = of_gpt(calls_per_answer=2)
    history = Remembered(answers=use(6))

    (without,) = estimated(fact, history=history).by_judge
    (judge,) = estimated(fact, definition=judged(fact, pinned_examples=examples), history=history).by_judge

    assert judge.calls == without.calls + 3 * 2
    assert judge.input_tokens_expected is not None
    assert without.input_tokens_expected is not None
    own = 6 * (COUNTER.count("o200k_base", "How good is it?") + FRAME)
    assert judge.input_tokens_expected > without.input_tokens_expected + own


def test_judging_takes_its_time_after_the_answers__and_the_bound_names_both() -> None:
    estimate = estimated(rubric("quality"), limits=ModelLimits(requests=60))

    # 200 answers, 10 in flight at 0.2 s; then 200 verdicts at 60 a minute.
    assert estimate.duration_s_at_least == pytest.approx(4.0 + 200.0)
    assert estimate.duration_bound == (
        "10 calls in flight at local, 0.2 s each (assumed), then the judges: "
        "the limit of 60 requests a minute of local/judge-model"
    )


def test_recorded_answers_are_as_long_as_their_recording_is() -> None:
    facts = of_gpt()
    definition = judged(facts, body=replay_body())
    recordings = dict.fromkeys(("old", "new"), DatasetSummary(rows=ROWS, total_bytes=3_000))

    estimate = estimated(facts, definition=definition, recordings=recordings)

    (judge,) = estimate.by_judge
    own = COUNTER.count("o200k_base", "How good is it?")
    assert judge.input_tokens_expected == 200 * (own + FRAME) + 2 * SAMPLES + 2 * 1_000
    assert judge.input_tokens == 200 * (own + FRAME + UNKNOWN_FRAME_TOKENS) + 2 * SAMPLES_MOST + 2 * 1_500
    assert estimate.calls == judge.calls
    assert estimate.cost_usd_max == judge.cost_usd_max


def test_judging_anew_asks_no_variant() -> None:
    first, anew = estimated(of_gpt()), estimated(of_gpt(), asks_variants=False)

    assert anew.by_judge == first.by_judge
    assert [(v.calls, v.cost_usd_max) for v in anew.by_variant] == [(0, 0), (0, 0)]
    assert anew.calls == anew.by_judge[0].calls
    assert anew.cost_usd_max == anew.by_judge[0].cost_usd_max


def test_the_cap_covers_judges_too() -> None:
    definition = judged(of_gpt(), body=definition_body(budget={"cap_usd": "0.01"}))

    assert any(
        "upper bound exceeds the cap of $0.01" in note for note in estimated(of_gpt(), definition=definition).notes
    )


def test_only_the_judges_own_model_is_counted__not_its_fallbacks() -> None:
    own = AskedModel(provider="local", model="gpt-5", parameters=Parameters(max_tokens=30))
    (judge,) = estimated(rubric("quality", models=(own, asked(model="mystery")))).by_judge

    assert (judge.model, judge.output_tokens_max) == ("gpt-5", 200 * 30)
    assert judge.cost_usd_max is not None


CONVERSATION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "How can I help you today?"}],
    "documents": [{"title": "Capitals", "text": "The capital of France is Paris, and has been for long. " * 10}],
    "expected_outcome": "The user knows the capital.",
    "rubric": "It names the capital in its first sentence.",
}


@pytest.mark.parametrize("judge_type", ["rubric", "pairwise"])
@pytest.mark.parametrize(
    "more", [{}, {"reference": "Paris"}, CONVERSATION, {"reference": "Paris, on the Seine", **CONVERSATION}]
)
def test_the_estimate_is_what_a_judge_really_reads(judge_type: str, more: dict[str, Any]) -> None:
    rows = [{"id": f"s{n}", "inputs": {"question": f"What is the capital of country {n}?"}, **more} for n in range(50)]
    answer = "It is Paris, as far as I know; it has been so since the tenth century."
    options = {"provider": "local", "model": "gpt-5", "dimensions": ["accuracy", "faithfulness"]}
    judge = NamedJudge(name="quality", type=judge_type, parameters=options)
    length = COUNTER.count("o200k_base", answer)

    (estimate,) = estimated(
        judge_facts([judge])["quality"],
        dataset=freeze_rows([json.dumps(row).encode() for row in rows], "samples", COUNTER).summary,
        history=Remembered(answers=use(length)),
    ).by_judge

    samples = [Sample.model_validate(row) for row in rows]
    answers = {
        variant: [ModelResponse(sample_id=s.id, variant=variant, outcome="answered", text=answer) for s in samples]
        for variant in ("terse", "wordy")
    }
    asked_for = compile_model_judge(judge).questions(samples, answers, control="terse")
    real = sum(FRAME + sum(COUNTER.count("o200k_base", text) for _, text in one.messages) for one in asked_for)
    assert estimate.calls == len(asked_for)
    assert estimate.input_tokens_expected == pytest.approx(real, rel=0.08)
    assert real < estimate.input_tokens
