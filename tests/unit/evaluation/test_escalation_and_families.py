from __future__ import annotations

import pytest

from abtest.contracts.records import Verdict, Vote
from abtest.evaluation.escalation import to_escalate
from abtest.evaluation.families import model_family
from abtest.evaluation.model import JudgeConfiguration


def council(agree_within: float) -> JudgeConfiguration:
    options = {"members": ["one", "two", "three"], "on_disagreement": "escalate", "escalate_to": "strong"}
    return JudgeConfiguration(name="council", type="panel", parameters={**options, "agree_within": agree_within})


def verdict(judge: str, score: float | None, sample_id: str = "s1", variant: str = "b") -> Verdict:
    status = "invalid" if score is None else "scored"
    return Verdict(sample_id=sample_id, variant=variant, judge=judge, status=status, score=score)


@pytest.mark.parametrize(
    ("scores", "agree_within", "asked"),
    [
        ((3.0, 3.0, 3.0), 0, False),
        ((3.0, 4.0, 3.0), 0, True),
        ((3.0, 4.0, 3.0), 1, False),
        ((2.0, 3.0, 4.0), 1, True),
        ((1.1, 1.3, 1.2), 0.2, False),
        ((3.0, None, 3.0), 0, False),
        ((3.0, None, None), 5, True),
        ((None, None, None), 5, True),
    ],
)
def test_stronger_judge_is_asked__where_members_disagree_or_are_silent(
    scores: tuple[float | None, ...], agree_within: float, asked: bool
) -> None:
    given = [verdict(name, score) for name, score in zip(("one", "two", "three"), scores, strict=True)]
    found = to_escalate(council(agree_within), given)
    assert found == (frozenset({("s1", "b")}) if asked else frozenset())


def test_each_answer_is_looked_at_by_itself__and_other_judges_are_passed_over() -> None:
    given = [
        verdict("one", 1.0), verdict("two", 1.0),
        verdict("one", 1.0, variant="a"), verdict("two", 0.0, variant="a"),
        verdict("one", 0.5, "s2"),
        verdict("stranger", 9.0), verdict("stranger", 0.0, "s3"),
    ]  # fmt: skip
    assert to_escalate(council(0), given) == {("s1", "a"), ("s2", "b")}


def test_an_answer_that_does_not_exist_is_not_escalated__but_members_that_could_not_be_asked_are() -> None:
    absent = [Verdict(sample_id="s1", variant="a", judge=judge, status="not_judged") for judge in ("one", "two")]
    unasked = [
        Verdict(sample_id="s1", variant="b", judge=judge, status="not_judged", votes=(Vote(status="not_judged"),))
        for judge in ("one", "two")
    ]
    assert to_escalate(council(0), [*absent, *unasked]) == {("s1", "b")}


def test_nobody_judged__nothing_is_escalated() -> None:
    assert to_escalate(council(0), []) == frozenset()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-mini", "gpt"),
        ("openai/gpt-4.1", "gpt"),
        ("ft:gpt-4o-mini-2024-07-18:house::abc", "gpt"),
        ("openai.gpt-oss-120b-1:0", "gpt"),
        ("o3-mini", "gpt"),
        ("chatgpt-4o-latest", "gpt"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("claude-3-5-haiku-latest", "claude"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-3-70b-instruct-v1:0", "llama"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "llama"),
        ("accounts/fireworks/models/llama-v3p1-8b-instruct", "llama"),
        ("models/gemini-2.5-flash", "gemini"),
        ("google/gemma-3-27b-it", "gemma"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("qwen2.5:7b", "qwen"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mistral"),
        ("deepseek-r1-distill-llama-70b", "deepseek"),
        ("amazon.nova-pro-v1:0", "nova"),
        ("cohere.command-r-plus-v1:0", "command"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm"),
        ("smollm2", "smollm"),
        ("x-ai/grok-4", "grok"),
        ("microsoft/phi-4", "phi"),
        ("my-model", None),
        ("casanova-1", None),
        ("philosopher", None),
        ("turbo-o3x", None),
        ("", None),
    ],
)
def test_family_is_read_from_the_name__or_not_known(model: str, family: str | None) -> None:
    assert model_family(model) == family
