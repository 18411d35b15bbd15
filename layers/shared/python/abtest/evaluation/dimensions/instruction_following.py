"""Instruction following: does an answer keep to what it was told?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="instruction_following",
    question="Does the response keep every instruction of the question: task, format, length, language, what to avoid?",
    anchors={
        1: "It does not do the task that was set.",
        2: "It does the task, and breaks most of the instructions about how.",
        3: "It does the task, and breaks one instruction that a reader would notice at once.",
        4: "It keeps all instructions that matter; one is kept in spirit and not to the letter.",
        5: "It keeps every instruction to the letter.",
    },
)
