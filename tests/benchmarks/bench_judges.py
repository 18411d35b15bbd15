"""Every judge in code over many responses, as one worker judges them: seconds for each judge.

`python tests/benchmarks/bench_judges.py` prints, for each judge, the CPU seconds that `judge_batch` takes for the
responses of two variants to synthetic samples (references of about 40 words, answers that share most words with them).
The first line is a judge that does next to nothing. Every judge is a process of its own.

Options: `--responses 100000`, `--words 40`, `--only NAME...`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from abtest.contracts.records import ModelResponse, Sample, Usage
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.registry import judge_types
from abtest.evaluation.service import judge_batch

BATCH = 500
VARIANTS = ("a", "b")
VOCABULARY = 3_000
KEPT = 0.7
"""Share of the reference's words that an answer keeps in place."""
PERSON = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing (no reference is read)": ("contains", {"none_of": ["zz"]}),
    "exact_match": ("exact_match", {}),
    "exact_match, all normalised": (
        "exact_match",
        {"case_sensitive": False, "collapse_whitespace": True, "ignore_punctuation": True, "ignore_articles": True},
    ),
    "numeric_match": ("numeric_match", {"tolerance_rel": "0.01"}),
    "numeric_match, units": ("numeric_match", {"units": "convert"}),
    "contains": ("contains", {}),
    "contains, whole words": ("contains", {"whole_words": True}),
    "regex": ("regex", {"pattern": r"Answer: (\d+)", "group": 1}),
    "json_schema": ("json_schema", {"schema": PERSON}),
    "field_f1, records": ("field_f1", {}),
    "format": ("format", {"starts_with": ["a", "b", "c"], "lines_at_most": 5, "markdown": "forbidden"}),
    "length": ("length", {"at_least": 10, "at_most": 60}),
    "threshold": ("threshold", {"measure": "output_tokens", "at_most": "40"}),
    "edit_distance": ("edit_distance", {}),
    "edit_distance, words": ("edit_distance", {"tokens": "words"}),
    "rouge_l": ("rouge_l", {}),
    "bleu": ("bleu", {}),
    "chrf": ("chrf", {}),
    "chrf, words too": ("chrf", {"word_order": 2}),
}


def texts(words: int) -> Iterator[tuple[str, str, str]]:
    """Yield a reference and an answer to it for each variant, always the same ones."""
    chosen = random.Random(1)
    vocabulary = ["".join(chosen.choices("abcdefghijklmnop", k=chosen.randint(1, 9))) for _ in range(VOCABULARY)]
    while True:
        reference = chosen.choices(vocabulary, k=words - 2)
        end = f"Answer: {chosen.randint(1, 9)} km."
        first, second = (
            [word if chosen.random() < KEPT else chosen.choice(vocabulary) for word in reference] for _ in VARIANTS
        )
        yield " ".join([*reference, end]), " ".join([*first, end]), " ".join([*second, end])


def record(text: str) -> str:
    """Return a text as a JSON object of ten fields with some words each."""
    words = text.split()
    size = -(-len(words) // 10)
    return json.dumps({f"field_{i}": " ".join(words[i * size : (i + 1) * size]) for i in range(10)})


def measure(name: str, responses: int, words: int) -> dict[str, Any]:
    """Judge all responses in this process."""
    judge_type, parameters = CASES[name]
    judge = JudgeConfiguration(name="j", type=judge_type, parameters=parameters)
    source = texts(words)
    seconds = 0.0
    scored = 0
    for start in range(0, responses // len(VARIANTS), BATCH):
        rows = [next(source) for _ in range(min(BATCH, responses // len(VARIANTS) - start))]
        if name.endswith("records"):
            rows = [tuple(map(record, row)) for row in rows]
        samples = [Sample(id=f"s{start + number}", reference=row[0]) for number, row in enumerate(rows)]
        answers = {
            variant: [
                ModelResponse(
                    sample_id=sample.id,
                    variant=variant,
                    outcome="answered",
                    text=row[column],
                    usage=Usage(input_tokens=words, output_tokens=words),
                )
                for sample, row in zip(samples, rows, strict=True)
            ]
            for column, variant in enumerate(VARIANTS, start=1)
        }
        before = time.process_time()
        verdicts = judge_batch(judge, samples, answers)
        seconds += time.process_time() - before
        scored += sum(verdict.status == "scored" for verdict in verdicts)
    return {"seconds": seconds, "scored": scored}


def main() -> None:
    """Measure each case in a process of its own, or one case in this one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--only", nargs="*", default=sorted(CASES, key=list(CASES).index))
    parser.add_argument("--measure", help="one case, in this process")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.responses, options.words)))
        return
    print(f"{options.responses:,} responses of about {options.words} words, two variants, one worker")
    missing = set(judge_types()) - {judge_type for judge_type, _ in CASES.values()}
    for name in options.only:
        arguments = ["--measure", name, "--responses", str(options.responses), "--words", str(options.words)]
        ran = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
        found = json.loads(ran.stdout)
        print(f"  {name:34} {found['seconds']:6.2f} s   {found['scored']:,} scored", flush=True)
    if missing:
        print(f"not measured: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
