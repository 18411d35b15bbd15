"""What is sent to a judge's model: one rule for runs and for trials, so that a trial shows what a run would send.

Depends on: evaluation, `abtest.providers.capabilities`. Used by: the step AskJudge, `trial_calls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from abtest.contracts.definition import Parameters
from abtest.contracts.judging import AskedModel
from abtest.evaluation.model import ModelJudge
from abtest.providers.capabilities import unsupported
from abtest.providers.registration import ModelProvider

_SCHEMA = "output_schema"


@dataclass(frozen=True)
class Sendable:
    """What of a judge's parameters its model takes.

    Args:
        parameters: what is sent, the schema of the reply included where the model takes one.
        left_out: names of what the judge wished for and the model refuses.
        refused: what a person wrote and the model refuses, with the reason; checked when a test is created.
    """

    parameters: Parameters
    left_out: tuple[str, ...]
    refused: Mapping[str, str]


def sendable(judge: ModelJudge, asked: AskedModel, provider: ModelProvider) -> Sendable:
    """Return what can be sent to one of a judge's models.

    Args:
        judge: wants its schema sent, or not.
        asked: the model, with its parameters.
        provider: says what the model takes.
    """
    parameters = asked.parameters
    if judge.structured:
        parameters = parameters.model_copy(update={_SCHEMA: judge.output_schema})
    refused = unsupported(provider, asked.model, parameters)
    optional = {*asked.wished, _SCHEMA}
    left_out = tuple(name for name in refused if name in optional)
    defaults = {name: Parameters.model_fields[name].default for name in left_out}
    written = {name: why for name, why in refused.items() if name not in optional}
    return Sendable(parameters.model_copy(update=defaults), left_out, written)
