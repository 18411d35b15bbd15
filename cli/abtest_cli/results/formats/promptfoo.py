"""Results of promptfoo: every test is a sample, every provider and prompt a variant.

A test that is repeated has the same variables under another number: such samples share a cluster. A result whose
call failed is missing; one whose assertion failed is a score like any other, though promptfoo puts the reason into
`error` too.

Depends on: `gathering`, `rows`. Used by: `abtest_cli.results.reading`, by name.
Source: promptfoo, `src/types/index.ts` (`EvaluateResult`, `EvaluateSummaryV3`, `ResultFailureReason`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from abtest.analytics.data.tables import ScoreTable
from abtest_cli.results.gathering import Scores
from abtest_cli.results.mistakes import shown
from abtest_cli.results.model import Reading, ResultFormat
from abtest_cli.results.rows import objects
from abtest_cli.results.sources import Head, Source

_ROW_KEYS = {"provider", "prompt", "success", "score"}
_CALL_FAILED = 2
_OWN_VARIABLES = ("_conversation", "sessionId")
_LONGEST_LABEL = 60


def _results(document: Any) -> list[Any] | None:
    """Return the results of a file: they stand in its summary, which may be the whole file."""
    for holder in (document, document.get("results")) if isinstance(document, dict) else ():
        results = holder.get("results") if isinstance(holder, dict) else None
        if isinstance(results, list):
            return results
    return None


def _recognises(head: Head) -> bool:
    results = _results(head.document)
    if results is not None:
        return not results or (isinstance(results[0], dict) and set(results[0]) >= _ROW_KEYS)
    return head.kind == "jsonl" and set(head.columns) >= _ROW_KEYS


def _read(sources: Sequence[Source], reading: Reading) -> ScoreTable:
    scores = Scores(reading, sources, "result")
    prompts: dict[str, None] = {}
    providers: dict[str, None] = {}
    for source in sources:
        for number, row in _rows(source, reading):
            variant = _variant(row)
            sample = _sample(row)
            if variant is None or sample is None:
                allowed = "`provider` with an `id`, and `testIdx` or `vars`"
                reading.mistakes.add(f"{source.name}, result {number}", "no provider or no test", allowed=allowed)
                continue
            providers[variant[0]] = None
            prompts[variant[1]] = None
            for metric, value in _metrics(row):
                scores.add(
                    source, number, sample=sample, variant=variant, metric=metric, value=value, cluster=_variables(row)
                )

    def name(variant: Hashable) -> str:
        provider, prompt = variant if isinstance(variant, tuple) else (str(variant), "")
        if len(prompts) == 1:
            return str(provider)
        return _short(prompt) if len(providers) == 1 else f"{provider}, {_short(prompt)}"

    return scores.finish().table(without=scores.left_out, variant_name=name, shared_only=True)


def _rows(source: Source, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    head = source.head()
    if head.kind == "jsonl" and _results(head.document) is None:
        yield from objects(source, reading)
        return
    results = _results(source.document()) if head.kind not in {"csv", "zip"} else None
    if results is None:
        reading.mistakes.fail(source.name, "no list `results.results`", allowed="what `promptfoo eval -o` writes")
    if not results:
        reading.mistakes.fail(source.name, "no rows", allowed="at least one result")
    for number, row in enumerate(results, 1):
        if isinstance(row, dict):
            reading.rows += 1
            yield number, row
        else:
            reading.mistakes.add(f"{source.name}, result {number}", "is no object", found=shown(row))


def _variant(row: Mapping[str, Any]) -> tuple[str, str] | None:
    provider, prompt = row.get("provider"), row.get("prompt")
    if isinstance(provider, dict):
        provider = provider.get("label") or provider.get("id")
    if isinstance(prompt, dict):
        prompt = prompt.get("label") or prompt.get("raw")
    if not isinstance(provider, str) or not provider:
        return None
    return provider, prompt if isinstance(prompt, str) else ""


def _sample(row: Mapping[str, Any]) -> str | None:
    test = row.get("testIdx")
    if isinstance(test, int) and not isinstance(test, bool):
        return str(test)
    return _variables(row)


def _variables(row: Mapping[str, Any]) -> str | None:
    """Return the variables of the test as one text; those that promptfoo adds while it asks are no part of it."""
    case = row.get("testCase")
    variables = case.get("vars") if isinstance(case, dict) else None
    if not isinstance(variables, dict):
        variables = row.get("vars")
    if not isinstance(variables, dict) or not variables:
        return None
    kept = {name: value for name, value in variables.items() if name not in _OWN_VARIABLES}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


def _metrics(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    failed = _failed(row)
    yield "score", None if failed else row.get("score")
    yield "success", None if failed else row.get("success")
    named = row.get("namedScores")
    for name, value in named.items() if isinstance(named, dict) and not failed else ():
        yield (f"named {name}" if name in ("score", "success") else name), value


def _failed(row: Mapping[str, Any]) -> bool:
    reason = row.get("failureReason")
    if reason is not None:
        return bool(reason == _CALL_FAILED)
    # Files from before the reason was written: a failed call has an error and nobody graded anything.
    return bool(row.get("error")) and not row.get("gradingResult")


def _short(label: str) -> str:
    text = " ".join(label.split())
    if len(text) <= _LONGEST_LABEL:
        return text or "prompt"
    # The whole text decides which prompt it is; the beginning alone may be the same for two.
    digest = hashlib.sha256(label.encode(errors="replace")).hexdigest()[:6]
    return f"{text[:_LONGEST_LABEL]}... ({digest})"


FORMAT = ResultFormat(
    name="promptfoo",
    description="results of promptfoo (`promptfoo eval -o results.json` or `.jsonl`)",
    shape="a JSON object with the list `results.results`",
    recognises=_recognises,
    read=_read,
)
