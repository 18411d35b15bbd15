"""Accuracy: are the claims of an answer true?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="accuracy",
    question="Are the facts, numbers and steps of reasoning in the response correct?",
    anchors={
        1: "The main claim or the final result is wrong, or most claims are.",
        2: "The main claim is partly right, but an error in it would mislead a reader who relies on it.",
        3: "The main claim is right; one or more side claims are wrong in a way that matters.",
        4: "Every claim that matters is right; a detail is imprecise and would mislead nobody.",
        5: "Every claim that can be checked is right, and nothing uncertain is put as certain.",
    },
    reads=("reference", "documents"),
)
