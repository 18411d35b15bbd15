"""One judge that asks a model as an instrument: its prompts, and the version that names all that may move its scores.

Depends on: `abtest.core.hashing`, `abtest.evaluation.asking`. Used by: `abtest.evaluation.judges.rubric`,
`abtest.evaluation.judges.pairwise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.core.errors import InvalidInputError
from abtest.core.hashing import content_hash
from abtest.evaluation.asking.options import AskingParameters, TemplateOptions
from abtest.evaluation.asking.prompts import Prompts
from abtest.evaluation.model import Dimension
from abtest.evaluation.prompt_templates import FRAME, REPAIR, latest
from abtest.evaluation.versions import version_of

_FORMAT = 1
"""Changes when replies are read or joined in another way, so that the versions of all judges do too."""


@dataclass(frozen=True)
class Instrument:
    """What facts and judge are both made of.

    Args:
        type: the judge's type, which its built-in template is named by.
        form: what a reply looks like, for the model to read.
        what: what is given after each reason.
        values: what templates may use of the judge.
        options: what else may move a score.
    """

    type: str
    parameters: AskingParameters
    dimensions: tuple[Dimension, ...]
    template: TemplateOptions | None
    form: str
    what: str
    values: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompts(self) -> Prompts:
        """The judge's prompts, compiled."""
        return Prompts(
            self.type,
            *self._parts,
            self.values,
            form=self.form,
            what=self.what,
            reference=self.parameters.reference != "never",
        )

    @property
    def version(self) -> str:
        """Names the instrument: neither its name in a test nor its fallbacks are part of it."""
        return version_of(
            {
                "format": _FORMAT,
                "type": self.type,
                # A parameter is the same whether it was written or is the judge's own choice.
                "model": self.parameters.models()[0].model_dump(mode="json", exclude={"wished"}),
                "templates": [content_hash(list(self._parts)), latest(FRAME).sha256, latest(REPAIR).sha256],
                "form": self.form,
                "values": self.values,
                "weights": [one.weight for one in self.dimensions],
                "reference": self.parameters.reference,
                "repeats": self.parameters.repeats,
                "structured": self.parameters.structured_output,
                **self.options,
            }
        )

    @property
    def _parts(self) -> tuple[str, str]:
        """The system and the user part: the judge's own where it has them, else the built-in ones."""
        built_in = latest(self.type)
        if self.template is None:
            return built_in.system, built_in.user
        return self.template.system or built_in.system, self.template.user or built_in.user

    def check(self) -> None:
        """Return when the prompts can be made of the judge's own options.

        Raises:
            ValueError: the templates need something that its dimensions have not.
        """
        try:
            self.prompts.fixed_text()
        except InvalidInputError as error:
            raise ValueError(error.message) from error

    def common(self, name: str) -> dict[str, Any]:
        """Return the arguments that every `AskingJudge` takes, by name."""
        return {
            "name": name,
            "version": self.version,
            "models": self.parameters.models(),
            "prompts": self.prompts,
            "repeats": self.parameters.repeats,
            "needs_reference": self.parameters.reference == "required",
            "structured": self.parameters.structured_output == "auto",
            "dimensions": tuple(one.name for one in self.dimensions),
        }


def facts_of(
    name: str, instrument: Instrument, metrics: Sequence[MetricFacts], *, pairwise: bool, calls_per_answer: int
) -> JudgeFacts:
    """Return what is known of a judge before it judges."""
    return JudgeFacts(
        name=name,
        type=instrument.type,
        kind="model",
        pairwise=pairwise,
        reference=instrument.parameters.reference_use,
        metrics=tuple(metrics),
        models=instrument.parameters.models(),
        version=instrument.version,
        calls_per_answer=calls_per_answer,
        fixed_text=instrument.prompts.fixed_text(),
    )


def reply_schema(names: Sequence[str], what: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of a reply that has a reason and a value for each name.

    Args:
        names: of dimensions.
        what: the value is called.
        value: its own schema.
    """
    # A model writes the properties in their order: first the reason, then the value that follows from it.
    part = {
        "type": "object",
        "properties": {"reason": {"type": "string"}, what: dict(value)},
        "required": ["reason", what],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": dict.fromkeys(names, part),
        "required": list(names),
        "additionalProperties": False,
    }
