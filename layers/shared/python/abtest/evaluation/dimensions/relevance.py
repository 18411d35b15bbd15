"""Relevance: does an answer speak of what was asked?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="relevance",
    question="Does the response speak of what was asked, and of nothing else?",
    anchors={
        1: "It speaks of something else, or is empty.",
        2: "It touches the subject, but most of it answers another question.",
        3: "It answers the question, and about half of it belongs to something else.",
        4: "It answers the question; a passage or two could go without loss.",
        5: "Every part of it serves the question that was asked.",
    },
)
