"""Coherence: does an answer hold together?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="coherence",
    question="Do the parts of the response follow from each other, without contradicting one another?",
    anchors={
        1: "It cannot be followed: it is empty, in fragments, or contradicts itself on the main point.",
        2: "Single sentences make sense, but there is no thread, or two statements of weight contradict each other.",
        3: "The thread can be followed with effort: steps are missing or stand in the wrong order.",
        4: "The thread is clear; one transition is abrupt or one point is made twice.",
        5: "Each part follows from the one before it, and nothing in it contradicts anything else.",
    },
)
