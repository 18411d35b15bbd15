"""Facts of a response that judges share: unknown is said, never taken for zero.

Depends on: `abtest.contracts.records`. Used by: `abtest.evaluation.judges`, the service, judges that ask models.
"""

from __future__ import annotations

from abtest.contracts.records import ModelResponse
from abtest.core.errors import UnjudgeableError

REASON_CHARACTERS = 300
"""The longest reason that a verdict or a vote carries."""


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


def why_missing(response: ModelResponse | None) -> str | None:
    """Return why there is nothing to judge, or None when there is an answer, which may be empty."""
    if response is None:
        return "there is no response"
    if response.outcome == "failed":
        return f"the call failed: {response.failure_reason or 'unknown reason'}"
    return None


def answer_text(response: ModelResponse) -> str:
    """Return what is judged: of a refused or filtered response the empty text, for that is the model's doing."""
    if response.outcome in ("refused", "filtered"):
        return ""
    return response.text or ""


def shortened(reason: str) -> str:
    """Return a reason short enough for a verdict."""
    return reason if len(reason) <= REASON_CHARACTERS else f"{reason[:REASON_CHARACTERS]}…"
