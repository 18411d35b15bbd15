"""Faithfulness: does an answer rest on the documents it was given?

Depends on: `abtest.evaluation.model`. Used by: `abtest.evaluation.registry`.
"""

from __future__ import annotations

from abtest.evaluation.model import Dimension

DIMENSION = Dimension(
    name="faithfulness",
    question=(
        "Is each claim of the response supported by the documents that are given? Judge by the documents alone, "
        "whatever else is true."
    ),
    anchors={
        1: "Its main claim contradicts the documents, or nothing in it comes from them.",
        2: "Its main claim is not in the documents, although other claims are.",
        3: "Its main claim is in the documents; a side claim is not, or is changed in a way that matters.",
        4: "Every claim that matters is in the documents; a detail goes slightly beyond them.",
        5: "Every claim can be found in the documents, or it says that the documents do not tell.",
    },
    reads=("documents",),
)
