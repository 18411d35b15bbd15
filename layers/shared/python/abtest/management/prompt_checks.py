"""What can be wrong with a prompt: its template, and what the template takes that the samples lack.

Depends on: templates. Used by: `abtest.management.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.contracts.definition import Prompt
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import nearest
from abtest.management import templates
from abtest.management.model import DatasetSummary


def syntax_issues(path: str, prompt: Prompt) -> Iterator[InputIssue]:
    """Yield an issue for each part of a prompt that is no template.

    Args:
        path: of the prompt.
        prompt: its parts are templates.
    """
    for part, source in prompt.parts().items():
        try:
            templates.compiled(source)
        except InvalidInputError as error:
            yield InputIssue(f"{path}.{part}", error.message, allowed="a Jinja2 template such as {{ question }}")


def sample_issues(path: str, prompt: Prompt, dataset: DatasetSummary) -> Iterator[InputIssue]:
    """Yield what the samples lack for a prompt, and how many prompts would be empty.

    Args:
        path: of the prompt.
        prompt: a part that is no template is passed over: that was told already.
        dataset: summary of the frozen samples.
    """
    for part, source in prompt.parts().items():
        try:
            names = sorted(templates.variables(source))
        except InvalidInputError:
            # That it cannot be read was told already.
            continue
        for name in names:
            lacking = dataset.rows - dataset.input_counts.get(name, 0)
            if lacking:
                near = nearest(name, dataset.input_counts)
                guess = f"; did you mean {near!r}?" if near else ""
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
