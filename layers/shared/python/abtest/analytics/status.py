"""What every part of an analysis is made of: frozen values, finite numbers, and whether a result has its numbers.

Depends on: pydantic. Used by: `abtest.analytics.model`, which names it again for everyone else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, le=1)]

Status = Literal[
    "ok",
    "no_data",
    "too_few",
    "constant",
    "one_cluster",
    "no_discordant_pairs",
    "all_ties",
    "disconnected",
    "separated",
    "not_converged",
    "confounded",
    "no_length_variation",
    "no_covariate_variation",
    "uninformative_judge",
    "single_judge",
    "single_category",
    "no_labels",
    "out_of_range",
    "unreachable",
    "drifting",
    "not_categorical",
]
"""Whether a result has its numbers:

`ok`; `no_data`: nothing to compute from; `too_few`: too few observations for this number (one pair has no spread);
`constant`: every pair (or every cluster) differs by the same amount, so a t test does not exist; `one_cluster`: all
pairs belong together; `no_discordant_pairs`: the variants never disagreed, p is 1 by convention; `all_ties`: no
comparison was decisive; `disconnected`: groups of variants were never compared with each other; `separated`: a variant
(or group) always won, so its strength is infinite; `not_converged`: an iteration did not settle; `confounded`: two
causes cannot be told apart in these data; `no_length_variation`: both answers are always equally long, so the raw win
rate is the length-controlled one; `no_covariate_variation`: the covariate is constant, so nothing was adjusted;
`uninformative_judge`: the judge does no better than chance against the human labels;
`single_judge`: agreement needs two; `single_category`: everybody always said the same; `no_labels`: no human
label to correct by; `out_of_range`: a value lies outside its declared scale; `unreachable`: no sample size reaches it;
`drifting`: the intervals of a confidence sequence so far have nothing in common, so the mean did not stay the same;
`not_categorical`: too many different scores for a method that counts votes.
"""


class AnalysisModel(BaseModel):
    """A part of an analysis: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
