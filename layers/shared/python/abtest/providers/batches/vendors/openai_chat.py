"""The batch interface of OpenAI Chat Completions; see `_openai`.

Depends on: the wire format's codec. Used by: the registry.
"""

from __future__ import annotations

from abtest.providers.batches.vendors._openai import OpenAiBatches
from abtest.providers.vendors.openai_chat import CODEC as DIRECT

CODEC = OpenAiBatches(DIRECT, "/v1/chat/completions")
