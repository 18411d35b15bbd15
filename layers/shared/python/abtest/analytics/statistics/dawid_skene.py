"""Dawid-Skene consensus: true categories and each judge's confusion matrix, estimated together without any label.

Depends on: numpy, scipy.sparse. Used by: `abtest.analytics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._rating_table import (
    CodedRatings,
    Floats,
    Integers,
    RatingTable,
    distinct_rows,
    rating_rows,
)
from abtest.analytics.statistics.majority_vote import UNRATED, Label, coded_patterns, labels_of, vote_shares, winners

STATISTIC = Method(
    name="Dawid-Skene consensus",
    formula="T_ik proportional to p_k times the product over judges j of pi_jk(rating_ij); p_k = mean of T_ik; "
    "pi_jk(l) = sum of T_ik over samples that j rated l / sum of T_ik over samples that j rated; start: vote shares",
    source="Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm, "
    "eq. 2.3 to 2.5",
)
_TOLERANCE = 1e-12
_EQUAL = 1e-9
_IDENTIFIED = 3
"""Judges from which the model has one solution for almost all parameters (Allman, Matias and Rhodes 2009)."""


@dataclass(frozen=True)
class DawidSkene:
    """The fitted model; what does not exist is None and `status` says why.

    Args:
        status: `ok`; `no_data`: no rating; `single_judge`: errors of one judge cannot be told from the truth, the
            posterior is its ratings; `confounded`: the same for two judges, the numbers depend on the start;
            `single_category`: everybody always said the same; `not_converged`: the numbers are the last ones.
        categories: ascending, shape (categories,).
        posterior: probability of each category for each sample, shape (samples, categories), the prior where nobody
            rated; without columns when there is no data.
        codes: position of the most probable category, or `TIE`, or `UNRATED`; shape (samples,).
        prior: share of each true category.
        confusion: probability that judge j says l when k is true, shape (judges, k, l); a row of zeros where a judge
            met no sample of the category.
        log_likelihood: of the ratings.
        iterations: EM steps taken.
    """

    status: Status
    categories: tuple[float, ...]
    posterior: Floats
    codes: Integers
    prior: Floats | None = None
    confusion: Floats | None = None
    log_likelihood: float | None = None
    iterations: int = 0

    def labels(self) -> list[Label]:
        """Return the most probable category, "tie" where several are, None where nobody rated."""
        return labels_of(self.categories, self.codes)


def dawid_skene(ratings: Any, *, max_iterations: int = 2_000) -> DawidSkene:
    """Return the maximum-likelihood consensus, unsmoothed, from the vote shares on.

    Args:
        ratings: shape (judges, samples), None or NaN where a judge did not rate.
        max_iterations: EM steps after which it gives up; it ends when the log-likelihood gains less than 1e-12.

    Raises:
        ValueError: the ratings are no matrix, have too many distinct values, or there is no step to take.

    Assumes: given the true category, judges err independently and each the same way on all samples of the category;
    what is missing is like the rest. With few samples the likelihood has several peaks; the start decides.
    Source: Dawid and Skene (1979), eq. 2.3 to 2.5.
    """
    if max_iterations < 1:
        raise ValueError(f"the iterations are at least 1; got {max_iterations}")
    rows = rating_rows(ratings)
    patterns, positions, repeats = distinct_rows(rows)
    rated = ~np.isnan(patterns).all(axis=1)
    table = RatingTable(patterns[rated], repeats[rated])
    if not table.samples:
        return DawidSkene("no_data", (), np.zeros((len(rows), 0)), np.full(len(rows), UNRATED, dtype=np.int64))
    # Checks the number of categories before anything is as large as samples times categories.
    coded = coded_patterns(table.patterns)
    start = vote_shares(coded)
    row = np.full(len(patterns), -1)
    row[rated] = np.arange(len(start))
    if table.judges == 1:
        prior = table.repeats @ start / table.samples
        return _result("single_judge", coded, _Fit(start, prior), row[positions])
    fit = _expectation_maximisation(table.coded(), start, max_iterations)
    few: Status = "ok" if table.judges >= _IDENTIFIED else "confounded"
    status: Status = few if fit.converged else "not_converged"
    return _result("single_category" if coded.categories.size == 1 else status, coded, fit, row[positions])


@dataclass(frozen=True)
class _Fit:
    posterior: Floats
    prior: Floats
    confusion: Floats | None = None
    log_likelihood: float | None = None
    iterations: int = 0
    converged: bool = True


def _result(status: Status, coded: CodedRatings, fit: _Fit, rows: Integers) -> DawidSkene:
    """Return the fit with a row for each sample; row -1 stands for samples that nobody rated."""
    posterior = np.concatenate((fit.posterior, fit.prior[None, :]))
    codes = np.append(winners(fit.posterior, _EQUAL), UNRATED)
    return DawidSkene(
        status,
        tuple(coded.categories.tolist()),
        posterior[rows],
        codes[rows],
        fit.prior,
        fit.confusion,
        fit.log_likelihood,
        fit.iterations,
    )


def _expectation_maximisation(coded: CodedRatings, start: Floats, max_iterations: int) -> _Fit:
    """Return the fit of the distinct patterns, each counting as often as it occurs."""
    judges, width = coded.codes.shape[1], coded.categories.size
    votes = _indicators(coded)
    gathered, weight = votes.T.tocsr(), coded.repeats[:, None].astype(np.float64)
    posterior, before, converged, step = start, -np.inf, False, 0
    while step < max_iterations and not converged:
        step += 1
        mass = posterior * weight
        prior = mass.sum(axis=0) / weight.sum()
        counts = np.asarray(gathered @ mass).reshape(judges, width, width)
        met = counts.sum(axis=1, keepdims=True)
        given = counts / np.where(met > 0, met, 1.0)
        joint = votes @ _log(given).reshape(judges * width, width) + _log(prior)
        highest = joint.max(axis=1, keepdims=True)
        odds = np.exp(joint - highest)
        total = odds.sum(axis=1, keepdims=True)
        posterior = odds / total
        likelihood = float((weight * (highest + np.log(total))).sum())
        # The sum itself is not known better than its rounding.
        converged = likelihood - before <= max(_TOLERANCE, 8 * np.finfo(np.float64).eps * abs(likelihood))
        before = likelihood
    return _Fit(posterior, prior, given.transpose(0, 2, 1), before, step, converged)


def _indicators(coded: CodedRatings) -> Any:
    """Return the sparse matrix (patterns, judges * categories) with 1 where a judge gave that rating."""
    from scipy.sparse import csr_array

    judges, width = coded.codes.shape[1], coded.categories.size
    columns = (np.arange(judges) * width + coded.codes)[coded.present]
    ends = np.concatenate(([0], np.cumsum(coded.rated)))
    return csr_array((np.ones(columns.size), columns, ends), shape=(len(coded.codes), judges * width))


def _log(probabilities: Floats) -> Floats:
    """Return logarithms, that of 0 being so low that the exponential is 0 again beside any possible row."""
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)), dtype=np.float64)
