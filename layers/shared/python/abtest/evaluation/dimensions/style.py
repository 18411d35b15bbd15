"""Style: is an answer well written for those who read it?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="style",
    question="Is the response well written for the person who asked: tone, wording, grammar, layout?",
    anchors={
        1: "Errors or a wrong tone make it unfit to be shown to that person.",
        2: "It can be read, but errors, jargon or layout keep getting in the way.",
        3: "It is correct and plain; wording or layout is clumsy in places.",
        4: "It reads well; one passage could be worded or laid out better.",
        5: "It reads as if a careful writer had written it for that person.",
    },
)
