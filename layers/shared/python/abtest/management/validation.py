"""Everything that can be known to be wrong before anything is spent.

Depends on: `abtest.contracts`; what only other domains know (judges, providers) arrives through ports;
the checks of prompts, judges, metrics and designs.
Used by: the API when a test is created, the command line before it uploads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from abtest.contracts.definition import (
    DatasetReference,
    Design,
    Guardrail,
    JudgeConfiguration,
    TestDefinition,
    Variant,
    parse_shape,
)
from abtest.contracts.judging import JudgeFacts
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import nearest
from abtest.management import designs, judge_checks, judge_template_checks, metric_checks, prompt_checks
from abtest.management.metric_checks import JudgeMetrics
from abtest.management.model import DatasetSummary
from abtest.management.ports import JudgeCatalogue
from abtest.management.provider_checks import REPLAY, fallback_issues

MAX_DEFINITION_BYTES = 250_000
"""A test is kept as one record of at most 400 KB, with its estimate and the dataset's summary."""
FEWEST_VARIANTS = 2
MOST_DOLLARS = 1_000_000_000
DECIMALS_OF_A_DOLLAR = 8

Part = TypeVar("Part", bound=BaseModel)


@dataclass(frozen=True)
class ReadableParts:
    """The parts of a definition that can be read, also where others cannot: what is wrong in them is told as well.

    Args:
        facts: of those judges that are right.
    """

    dataset: DatasetReference | None = None
    variants: Mapping[str, Variant] = field(default_factory=dict)
    judges: Mapping[str, JudgeConfiguration] = field(default_factory=dict)
    facts: Mapping[str, JudgeFacts] = field(default_factory=dict)
    design: Design | None = None
    guardrails: Mapping[str, Guardrail] = field(default_factory=dict)


Checkable = TestDefinition | ReadableParts


def parse_definition(raw: Mapping[str, Any], judges: JudgeCatalogue) -> TestDefinition:
    """Return a definition that is right in itself.

    Args:
        raw: decoded JSON or YAML.
        judges: knows the judge types and their parameters.

    Raises:
        InvalidInputError: with every issue at once.
    """
    definition, _, issues = check_definition(raw, judges)
    if issues or definition is None:
        raise InvalidInputError("The test definition cannot be used.", issues)
    return definition


def check_definition(
    raw: Mapping[str, Any], judges: JudgeCatalogue
) -> tuple[TestDefinition | None, ReadableParts, list[InputIssue]]:
    """Return the definition (None when its shape is wrong), its readable parts, and every issue it has in itself.

    Args:
        raw: decoded JSON or YAML.
        judges: knows the judge types and their parameters.
    """
    definition, issues = parse_shape(raw)
    configured = _read_each(raw.get("judges"), JudgeConfiguration)
    parts = ReadableParts(
        dataset=_read(raw.get("dataset"), DatasetReference),
        variants=_read_each(raw.get("variants"), Variant),
        judges=configured,
        facts=judges.facts(configured),
        design=_read(raw.get("design", {}), Design),
        guardrails=_read_each(raw.get("guardrails"), Guardrail),
    )
    clearer = [*fallback_issues(raw), *_too_few_variants(raw, parts)]
    issues = [*clearer, *(issue for issue in issues if issue.path not in {one.path for one in clearer})]
    told = {issue.path for issue in issues}
    more = [*_control(raw), *_variants(parts), *judge_checks.option_issues(configured, judges)]
    more += judge_checks.asked_model_issues(parts.facts, parts.variants)
    more += designs.design_issues(parts.design)
    more += _metrics(raw, parts)
    if definition is not None:
        more += [*_money(definition), *_size(definition)]
    return definition, parts, issues + [issue for issue in more if issue.path not in told]


def check_against_dataset(
    definition: Checkable, dataset: DatasetSummary, judges: JudgeCatalogue
) -> tuple[list[InputIssue], list[str]]:
    """Return what the dataset lacks for this definition (issues), and what a person should know (warnings).

    Args:
        definition: a definition, or what can be read of one.
        dataset: summary of the frozen samples.
        judges: knows what judges read and of which family models are.
    """
    issues = [
        issue
        for name, variant in definition.variants.items()
        if variant.prompt
        for issue in prompt_checks.sample_issues(f"variants.{name}.prompt", variant.prompt, dataset)
    ]
    facts = definition.facts if isinstance(definition, ReadableParts) else judges.facts(definition.judges)
    issues += judge_checks.sample_issues(facts, dataset)
    issues += judge_template_checks.template_issues(definition.judges, dataset)
    warnings = _warnings(definition, dataset)
    warnings += judge_checks.model_warnings(facts, definition.variants, judges.family)
    warnings += judge_checks.sample_warnings(
        facts, dataset, lambda name: judges.read_documents(definition.judges[name])
    )
    warnings += judge_template_checks.template_warnings(definition.judges, dataset)
    return issues, warnings


def _read(raw: Any, model: type[Part]) -> Part | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        # Its shape was told already.
        return None


def _read_each(raw: Any, model: type[Part]) -> dict[str, Part]:
    parts = raw.items() if isinstance(raw, Mapping) else ()
    read = {name: _read(part, model) for name, part in parts if isinstance(name, str)}
    return {name: part for name, part in read.items() if part is not None}


def _named(raw: Any) -> list[str]:
    return [name for name in raw if isinstance(name, str)] if isinstance(raw, Mapping) else []


def _control(raw: Mapping[str, Any]) -> Iterator[InputIssue]:
    variants, control = _named(raw.get("variants")), raw.get("control")
    if isinstance(control, str) and variants and control not in variants:
        guess = nearest(control, variants)
        message = f"not one of the variants{f'; did you mean {guess!r}?' if guess else ''}"
        yield InputIssue("control", message, control, ", ".join(variants))


def _too_few_variants(raw: Mapping[str, Any], parts: ReadableParts) -> Iterator[InputIssue]:
    variants = raw.get("variants")
    if not isinstance(variants, Mapping) or len(variants) >= FEWEST_VARIANTS:
        return
    pairwise = [name for name, fact in parts.facts.items() if fact.pairwise]
    compared = f"; the judge {pairwise[0]!r} compares the control's answer with a treatment's" if pairwise else ""
    message = f"a test compares at least two variants{compared}"
    yield InputIssue("variants", message, ", ".join(_named(variants)) or "none", "the control and 1 to 9 others")


def _metrics(raw: Mapping[str, Any], parts: ReadableParts) -> Iterator[InputIssue]:
    metrics = JudgeMetrics(_named(raw.get("judges")), parts.facts)
    yield from metric_checks.name_issues(metrics)
    yield from metric_checks.primary_issues(raw.get("primary_metric"), parts.design, metrics)
    yield from metric_checks.guardrail_metric_issues(parts.guardrails, metrics)
    yield from designs.guardrail_issues(parts.guardrails, raw.get("primary_metric"))


def _money(definition: TestDefinition) -> Iterator[InputIssue]:
    cap = definition.budget.cap_usd
    if cap is not None and (cap > MOST_DOLLARS or cap != round(cap, DECIMALS_OF_A_DOLLAR)):
        allowed = f"at most {MOST_DOLLARS:,} dollars, with up to {DECIMALS_OF_A_DOLLAR} decimals"
        yield InputIssue("budget.cap_usd", "the amount cannot be kept exactly", str(cap)[:80], allowed)


def _size(definition: TestDefinition) -> Iterator[InputIssue]:
    try:
        size = len(definition.model_dump_json().encode())
    except ValueError as error:
        yield InputIssue("(whole)", f"the definition cannot be kept: {error}", allowed="plain JSON values")
        return
    if size > MAX_DEFINITION_BYTES:
        allowed = (
            f"{MAX_DEFINITION_BYTES:,} bytes; what is long and differs by sample belongs into its inputs or documents"
        )
        yield InputIssue("(whole)", "the definition is too long", f"{size:,} bytes", allowed)


def _variants(definition: ReadableParts) -> Iterator[InputIssue]:
    for name, variant in definition.variants.items():
        path = f"variants.{name}"
        if variant.provider == REPLAY:
            yield from _replay(path, variant)
        elif variant.prompt is None:
            allowed = "a prompt with `user` and maybe `system`"
            yield InputIssue(f"{path}.prompt", "this field is required", allowed=allowed)
        elif variant.recording is not None:
            yield InputIssue(f"{path}.recording", f"only the provider {REPLAY!r} plays recordings", allowed="remove it")
        if variant.prompt is not None:
            yield from prompt_checks.syntax_issues(f"{path}.prompt", variant.prompt)
    bodies = [variant.model_dump_json() for variant in definition.variants.values()]
    if len(set(bodies)) < len(bodies):
        yield InputIssue("variants", "two variants are the same, so nothing can differ", allowed="variants that differ")


def _replay(path: str, variant: Variant) -> Iterator[InputIssue]:
    if variant.recording is None:
        message = f"the provider {REPLAY!r} needs recorded outputs"
        yield InputIssue(f"{path}.recording", message, allowed="a JSONL of outputs")
    if variant.prompt is not None:
        yield InputIssue(f"{path}.prompt", "recorded outputs have no prompt", allowed="remove it")


def _warnings(definition: Checkable, dataset: DatasetSummary) -> list[str]:
    warnings = []
    units = dataset.clusters if dataset.clusters is not None else dataset.rows
    warnings += designs.design_warnings(definition.design, units)
    if units < 30:
        what = "clusters" if dataset.clusters is not None else "samples"
        warnings.append(f"Only {units} {what}: intervals will be wide, and small effects will not be found.")
    sampled = [n for n, v in definition.variants.items() if v.prompt and v.parameters.temperature != 0]
    if sampled:
        warnings.append(
            f"{', '.join(sampled)}: temperature is not 0, so answers differ between runs; "
            "the ledger keeps the first ones."
        )
    return warnings
