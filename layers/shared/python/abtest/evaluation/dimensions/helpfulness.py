"""Helpfulness: does an answer get the person who asked further?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="helpfulness",
    question="Could the person who asked do with this response what they asked for?",
    anchors={
        1: "They are no further than before: it is empty, refuses without need, or serves another purpose.",
        2: "They get a hint at best and have to do nearly all of the work themselves.",
        3: "They get a usable part, and have to look up or work out another part of weight.",
        4: "They can do what they asked for, after filling in something small by themselves.",
        5: "They can do what they asked for at once, and are warned of what they would likely run into.",
    },
)
