"""Everything that can be known to be wrong before anything is spent.

Depends on: `abtest.contracts`; what only other domains know (judges, providers) arrives through ports.
Used by: the API when a test is created, the command line before it uploads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from abtest.contracts.definition import (
    DatasetReference,
    Design,
    Guardrail,
    JudgeConfiguration,
    Prompt,
    TestDefinition,
    Variant,
    parse_shape,
)
from abtest.contracts.metrics import RESERVED_METRICS
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import nearest
from abtest.management import designs, templates
from abtest.management.model import DatasetSummary
from abtest.management.ports import JudgeCatalogue
from abtest.management.provider_checks import fallback_issues

REPLAY = "replay"


MAX_DEFINITION_BYTES = 250_000
"""A test is kept as one record of at most 400 KB, with its estimate and the dataset's summary."""
MOST_DOLLARS = 1_000_000_000
DECIMALS_OF_A_DOLLAR = 8

Part = TypeVar("Part", bound=BaseModel)


@dataclass(frozen=True)
class ReadableParts:
    """The parts of a definition that can be read, also where others cannot: what is wrong in them is told as well."""

    dataset: DatasetReference | None = None
    variants: Mapping[str, Variant] = field(default_factory=dict)
    judges: Mapping[str, JudgeConfiguration] = field(default_factory=dict)
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
    parts = ReadableParts(
        dataset=_read(raw.get("dataset"), DatasetReference),
        variants=_read_each(raw.get("variants"), Variant),
        judges=_read_each(raw.get("judges"), JudgeConfiguration),
        design=_read(raw.get("design", {}), Design),
        guardrails=_read_each(raw.get("guardrails"), Guardrail),
    )
    told = {issue.path for issue in issues}
    more = [*_names(raw), *_variants(parts), *_judges(parts, judges)]
    fallbacks = fallback_issues(raw)
    issues = [*fallbacks, *(i for i in issues if i.path not in {fallback.path for fallback in fallbacks})]
    more += designs.design_issues(parts.design)
    metrics = (*_named(raw.get("judges")), *RESERVED_METRICS)
    more += designs.guardrail_issues(parts.guardrails, raw.get("primary_metric"), metrics)
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
        judges: knows which judges need a reference.
    """
    issues = [
        issue
        for name, variant in definition.variants.items()
        if variant.prompt
        for issue in _prompt_against_dataset(f"variants.{name}.prompt", variant.prompt, dataset)
    ]
    lacking = dataset.rows - dataset.references
    for name, judge in definition.judges.items():
        usable = lacking and not judges.check(judge.type, judge.parameters)
        if usable and judges.needs_reference(judge.type, judge.parameters):
            issues.append(
                InputIssue(
                    f"judges.{name}",
                    f"{judge.type} compares with a reference, which {lacking} of {dataset.rows} samples lack",
                    allowed="a `reference` on every sample, or a judge that needs none",
                )
            )
    return issues, _warnings(definition, dataset)


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


def _names(raw: Mapping[str, Any]) -> Iterator[InputIssue]:
    variants, judges = _named(raw.get("variants")), _named(raw.get("judges"))
    control, metric = raw.get("control"), raw.get("primary_metric")
    if isinstance(control, str) and variants and control not in variants:
        message = f"not one of the variants{_guess(control, variants)}"
        yield InputIssue("control", message, control, ", ".join(variants))
    if isinstance(metric, str) and judges and metric not in judges:
        message = f"no judge measures it{_guess(metric, judges)}"
        yield InputIssue("primary_metric", message, metric, f"the name of a judge: {', '.join(judges)}")
    for name in judges:
        if name in RESERVED_METRICS:
            yield InputIssue(f"judges.{name}", "the name is taken by a metric that always exists", name, "another name")


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
        allowed = f"{MAX_DEFINITION_BYTES:,} bytes; long examples belong into the samples' inputs"
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
            yield from _template_syntax(f"{path}.prompt", variant.prompt)
    bodies = [variant.model_dump_json() for variant in definition.variants.values()]
    if len(set(bodies)) < len(bodies):
        yield InputIssue("variants", "two variants are the same, so nothing can differ", allowed="variants that differ")


def _replay(path: str, variant: Variant) -> Iterator[InputIssue]:
    if variant.recording is None:
        message = f"the provider {REPLAY!r} needs recorded outputs"
        yield InputIssue(f"{path}.recording", message, allowed="a JSONL of outputs")
    if variant.prompt is not None:
        yield InputIssue(f"{path}.prompt", "recorded outputs have no prompt", allowed="remove it")


def _template_syntax(path: str, prompt: Prompt) -> Iterator[InputIssue]:
    for part, source in prompt.parts().items():
        try:
            templates.compiled(source)
        except InvalidInputError as error:
            yield InputIssue(f"{path}.{part}", error.message, allowed="a Jinja2 template such as {{ question }}")


def _judges(definition: ReadableParts, judges: JudgeCatalogue) -> Iterator[InputIssue]:
    for name, judge in definition.judges.items():
        for issue in judges.check(judge.type, judge.parameters):
            yield InputIssue(f"judges.{name}.{issue.path}", issue.message, issue.found, issue.allowed)


def _prompt_against_dataset(path: str, prompt: Prompt, dataset: DatasetSummary) -> Iterator[InputIssue]:
    for part, source in prompt.parts().items():
        try:
            names = sorted(templates.variables(source))
        except InvalidInputError:
            # That it cannot be read was told already.
            continue
        for name in names:
            lacking = dataset.rows - dataset.input_counts.get(name, 0)
            if lacking:
                guess = _guess(name, dataset.input_counts)
                yield InputIssue(
                    f"{path}.{part}",
                    f"the template uses {{{{ {name} }}}}, which {lacking} of {dataset.rows} samples lack{guess}",
                    name,
                    ", ".join(sorted(dataset.input_counts)) or "no sample has inputs",
                )
        # Each variable is blank in some rows; only so many rows must have all of them blank.
        blanks = sum(dataset.blank_counts.get(name, 0) for name in names)
        blank = blanks - (len(names) - 1) * dataset.rows
        if blank > 0 and not templates.fixed_text(source):
            message = f"the prompt is empty for {blank} of {dataset.rows} samples"
            yield InputIssue(f"{path}.{part}", message, allowed="text in each prompt")


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


def _guess(name: str, known: Iterable[str]) -> str:
    guess = nearest(name, known)
    return f"; did you mean {guess!r}?" if guess else ""
