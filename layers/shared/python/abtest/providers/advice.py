"""What to do about a failed call, for each reason: one sentence for the person who reads the report.

Depends on: `abtest.contracts`. Used by: outages, checks, the documentation's table.
"""

from __future__ import annotations

from abtest.contracts.records import FailureReason

WHAT_TO_DO: dict[FailureReason, str] = {
    "timeout": "Check that the server is not overloaded, or raise the provider's timeout_s.",
    "connection": "Check that the base URL is right and that its server runs.",
    "tls": "Check the server's certificate: its name, its date, and that a public authority signed it.",
    "rate_limited": "Register the account's limits with the provider, lower max_in_flight, or ask for higher limits.",
    "overloaded": "The provider has too much to do: wait, or lower the provider's max_in_flight.",
    "server_error": "Look at the provider's status page or the server's log.",
    "quota": "The provider says that its credit is used up: add credit or raise the limit there.",
    "auth": "Put a valid key into the provider's secret: the present one is missing, wrong or revoked.",
    "permission": "The key is valid and may not use this model: ask for access, or use another key or model.",
    "clock_skew": "The signature's time is wrong: set this machine's clock by a time server.",
    "bad_request": "The provider refuses the request: correct the variant's parameters or prompt.",
    "context_length": "Shorten the prompt, lower max_tokens, or use a model with a longer context.",
    "not_found": "Correct the provider's base_url: nothing of this API is served there.",
    "model_not_found": "Correct the variant's model: the provider serves none of that name.",
    "model_retired": "The provider has retired the model: choose its successor.",
    "html_page": "The address serves a web page, not the API: correct base_url, or look at the proxy before it.",
    "invalid_utf8": "The server sends text that is no UTF-8: look at the server or the proxy before it.",
    "malformed": "The answer is not of this API: check that vendor and base_url belong together.",
    "mismatched": "The answer belongs to another request or another API: look at the proxy or cache before the server.",
    "too_large": "The answer is longer than any model's: check the base URL, or lower max_tokens.",
    "batch_expired": "The provider's batch ended before this request was answered: start the run again.",
    "batch_failed": "The provider's batch refused this request: look at the failures beside it, or use mode: direct.",
    "no_recording": "Add a row for this sample to the recording.",
    "budget": "Raise the test's budget.cap_usd.",
    "cancelled": "Somebody stopped the run; start it again to go on.",
}
"""By failure reason; each reason has one."""
