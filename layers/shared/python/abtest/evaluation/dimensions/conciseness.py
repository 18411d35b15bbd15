"""Conciseness: is an answer as short as its content allows?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="conciseness",
    question="Is the response as short as what it says allows?",
    anchors={
        1: "The content is hard to find among repetition, preamble and filler, or there is no content.",
        2: "More than half of the words could go without any loss of content.",
        3: "About a third could go: the question is repeated, a summary says all again, phrases are padded.",
        4: "A sentence or a few phrases could go.",
        5: "Nothing could go without losing content that was asked for.",
    },
)
