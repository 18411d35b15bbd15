"""Judges that ask a model, without the model: what making questions and verdicts of a test costs one worker.

`python tests/benchmarks/bench_asking_judges.py` prints, for each case, the CPU milliseconds to compile the judge once,
and then to make the questions, look for repairs and make the verdicts of 1,000 samples and two variants (questions of
60 words, references of 20, answers of 150), in batches as workers take them.

Options: `--samples 1000`, `--batch 50`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from decimal import Decimal
from typing import Any

from abtest.contracts.records import ModelResponse, Sample, Usage
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import compile_model_judge

CASES: dict[str, tuple[str, list[str]]] = {
    "rubric, 1 dimension": ("rubric", ["helpfulness"]),
    "rubric, 4 dimensions": ("rubric", ["helpfulness", "accuracy", "relevance", "style"]),
    "pairwise, 1 dimension": ("pairwise", ["helpfulness"]),
    "pairwise, 4 dimensions": ("pairwise", ["helpfulness", "accuracy", "relevance", "style"]),
}


def texts(chosen: random.Random, vocabulary: list[str], words: int) -> str:
    """Return some words."""
    return " ".join(chosen.choices(vocabulary, k=words))


def batch_of(
    chosen: random.Random, vocabulary: list[str], numbers: range
) -> tuple[list[Sample], dict[str, list[ModelResponse]]]:
    """Return a batch: samples, and the responses of both variants."""
    samples = [
        Sample(
            id=f"s{number}",
            inputs={"question": texts(chosen, vocabulary, 60)},
            reference=texts(chosen, vocabulary, 20),
        )
        for number in numbers
    ]
    return samples, {
        variant: [
            ModelResponse(sample_id=one.id, variant=variant, outcome="answered", text=texts(chosen, vocabulary, 150))
            for one in samples
        ]
        for variant in ("a", "b")
    }


def reply(text: str) -> tuple[int, ModelResponse]:
    """Return what a judge's model answers."""
    usage = Usage(input_tokens=900, output_tokens=60)
    return 0, ModelResponse(
        sample_id="q", variant="judge/q", outcome="answered", text=text, usage=usage, cost_usd=Decimal("0.001")
    )


def measure(judge_type: str, dimensions: list[str], count: int, size: int) -> dict[str, float]:
    """Judge all samples and return the CPU milliseconds of each part."""
    chosen = random.Random(1)
    vocabulary = ["".join(chosen.choices("abcdefghij", k=chosen.randint(2, 8))) for _ in range(2_000)]
    options = {"provider": "p", "model": "m", "dimensions": dimensions}
    times = [time.process_time()]
    judge = compile_model_judge(JudgeConfiguration(name="quality", type=judge_type, parameters=options))
    taken = {"compile": time.process_time() - times[0], "questions": 0.0, "repairs": 0.0, "verdicts": 0.0}
    value: dict[str, Any] = {"score": 4} if judge_type == "rubric" else {"preference": "1"}
    for start in range(0, count, size):
        samples, responses = batch_of(chosen, vocabulary, range(start, min(start + size, count)))
        keys = judge.output_schema["required"]
        written = json.dumps({key: {"reason": texts(chosen, vocabulary, 25), **value} for key in keys})
        times = [time.process_time()]
        questions = judge.questions(samples, responses, control="a")
        times.append(time.process_time())
        replies = {one.id: reply(written) for one in questions}
        times.append(time.process_time())
        asked_again = judge.repairs(questions, replies)
        times.append(time.process_time())
        verdicts = judge.verdicts(samples, responses, questions, replies, control="a")
        times.append(time.process_time())
        if asked_again or any(verdict.status != "scored" for verdict in verdicts):
            raise SystemExit("a reply was not read")
        for part, before, after in (("questions", 0, 1), ("repairs", 2, 3), ("verdicts", 3, 4)):
            taken[part] += times[after] - times[before]
    return {part: seconds * 1_000 for part, seconds in taken.items()}


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=50)
    options = parser.parse_args()
    print(f"{options.samples:,} samples, two variants, batches of {options.batch}; CPU milliseconds")
    for name, (judge_type, dimensions) in CASES.items():
        taken = measure(judge_type, dimensions, options.samples, options.batch)
        parts = "  ".join(f"{part} {milliseconds:6.1f}" for part, milliseconds in taken.items())
        print(f"  {name:24} {parts}  all {sum(taken.values()):6.1f}", flush=True)


if __name__ == "__main__":
    main()
