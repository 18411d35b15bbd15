"""Answers a case of the statistics battery by calling the product: mapping only, no statistics.

`compute(case)` takes a case's `id`, `item`, `function_semantics` and `inputs` (never `expected`) and returns a dict
with the keys that the case's expected object names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The adapter is also loaded by its path alone, where nobody has put its folder on the path of imports.
sys.path.insert(0, str(Path(__file__).parent))

from battery_mappings import decisions, judges, paired, pairwise, sequential

Compute = Callable[[dict[str, Any]], dict[str, Any]]

COMPUTE: dict[str, Compute] = {
    **paired.COMPUTE,
    **pairwise.COMPUTE,
    **decisions.COMPUTE,
    **judges.COMPUTE,
    **sequential.COMPUTE,
}
"""What answers a case, by the letters its identifier begins with."""


def compute(case: dict[str, Any]) -> dict[str, Any]:
    """Return what the product says to one case.

    Raises:
        LookupError: nothing answers cases of this kind.
    """
    match = re.match(r"[a-z]+", case["id"])
    answer = COMPUTE.get(match[0]) if match else None
    if answer is None:
        raise LookupError(f"nothing answers {case['id']!r} ({case['item']}); known: {', '.join(sorted(COMPUTE))}")
    return answer(case)
