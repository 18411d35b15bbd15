"""Facts of a response that judges share: unknown is said, never taken for zero.

Depends on: `abtest.contracts.records`. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

from abtest.contracts.records import ModelResponse
from abtest.core.errors import UnjudgeableError


def output_tokens(response: ModelResponse, *, reasoning: bool) -> int:
    """Return the tokens that came out, as the provider counted them.

    Args:
        response: a response of any outcome.
        reasoning: whether tokens of reasoning count too.

    Raises:
        UnjudgeableError: the provider reported no usage, or none for a text that is there.
    """
    usage = response.usage
    if usage is None:
        raise UnjudgeableError("the output tokens of the call are unknown: the provider did not report usage")
    count = usage.total_output_tokens if reasoning else usage.output_tokens
    if count == 0 and response.text:
        raise UnjudgeableError("the output tokens of the call are unknown: the provider reported 0 for an answer")
    return count
