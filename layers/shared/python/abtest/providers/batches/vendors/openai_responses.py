"""The batch interface of OpenAI Responses; see `_openai`.

Depends on: the wire format's codec. Used by: the registry.
"""

from __future__ import annotations

from abtest.providers.batches.vendors._openai import OpenAiBatches
from abtest.providers.vendors.openai_responses import CODEC as DIRECT

CODEC = OpenAiBatches(DIRECT, "/v1/responses")
