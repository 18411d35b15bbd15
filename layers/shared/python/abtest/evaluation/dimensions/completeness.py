"""Completeness: does an answer cover all that was asked?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="completeness",
    question="Does the response cover every part of what was asked?",
    anchors={
        1: "No part of what was asked is covered, or it is empty.",
        2: "A part of lesser weight is covered; the part that matters most is not.",
        3: "The part that matters most is covered; another part that was asked for is missing.",
        4: "Every part is covered; one of them is too brief to stand on its own.",
        5: "Every part is covered as fully as the question calls for.",
    },
    reads=("reference",),
)
