"""Why there is no answer or no score, in a few words for a person.

Depends on: nothing. Used by: the reports, the command line.
"""

from __future__ import annotations

REASONS = {
    "timeout": "timed out",
    "connection": "connection lost",
    "tls": "no secure connection",
    "rate_limited": "rate limited",
    "overloaded": "provider overloaded",
    "server_error": "provider error",
    "quota": "quota used up",
    "auth": "key refused",
    "permission": "not permitted",
    "clock_skew": "clock wrong",
    "bad_request": "request refused",
    "context_length": "input too long",
    "not_found": "address not found",
    "model_not_found": "model not found",
    "model_retired": "model retired",
    "html_page": "web page for an answer",
    "invalid_utf8": "answer is not UTF-8",
    "malformed": "malformed answer",
    "mismatched": "answer of another API",
    "too_large": "answer too large",
    "batch_expired": "batch expired",
    "batch_failed": "batch failed",
    "no_recording": "no recording",
    "budget": "budget used up",
    "cancelled": "cancelled",
    "no_response": "no response",
    "no_verdict": "no verdict",
    "judge_invalid": "judge could not score",
    "not_judged": "not judged",
    "no_counterpart": "nothing to compare with",
    "judges_disagree": "judges disagree",
    "too_few_judges": "one judge only",
    "no_majority": "no majority of judges",
    "not_escalated": "disagreement not settled",
    "not_reported": "not reported",
    "unknown": "unknown reason",
}


def reason_text(name: str) -> str:
    """Return a reason for a person; one that has no words of its own, by its name."""
    return REASONS.get(name, name.replace("_", " "))
