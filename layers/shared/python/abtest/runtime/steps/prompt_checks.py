"""Whether every prompt of a run can be made, looked at before anything is spent.

Templates that only insert were checked with the definition; what others make of a sample, only rendering tells.

Depends on: management. Used by: the step PlanRun.
"""

from __future__ import annotations

from collections.abc import Sequence

from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import Sample
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management import templates

_MOST_ISSUES = 100


def check_prompts(definition: TestDefinition, rows: Sequence[bytes]) -> None:
    """Return when every prompt can be made.

    Args:
        definition: has the templates.
        rows: of the samples.

    Raises:
        InvalidInputError: some cannot; with the first of them.
    """
    prompts = [
        (f"variants.{name}.prompt.{field}", source)
        for name, variant in definition.variants.items()
        if variant.prompt is not None
        for field, source in variant.prompt.parts().items()
        if not templates.only_inserts(source)
    ]
    if not prompts:
        return
    issues = [
        issue
        for number, row in enumerate(map(Sample.model_validate_json, rows), start=1)
        for path, source in prompts
        for issue in _prompt_issues(path, source, row, number)
    ]
    if issues:
        error = InvalidInputError(
            f"{len(issues)} prompts cannot be made, and nothing was spent. The first: {issues[0].sentence()}.",
            issues[:_MOST_ISSUES],
        )
        error.details["what_to_do"] = "Correct the template or the samples, and create the test again."
        raise error


def _prompt_issues(path: str, source: str, sample: Sample, number: int) -> list[InputIssue]:
    try:
        prompt = templates.render(source, templates.template_values(sample))
    except InvalidInputError as error:
        return [InputIssue(path, f"sample {sample.id!r}: {error.message}", line=number)]
    blank = InputIssue(path, f"sample {sample.id!r}: the prompt is empty", allowed="text in each prompt", line=number)
    return [] if prompt.strip() else [blank]
