"""The test a plan is made for, seen as three functions of samples, effect and power, each the inverse of another.

Depends on: `abtest.analytics.planning`. Used by: `abtest.analytics.power.plan`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from abtest.analytics.model import Method
from abtest.analytics.planning import (
    power_clustered_t,
    power_mcnemar,
    sample_size_proportions,
    sample_size_t,
    sample_size_win_rate,
)
from abtest.analytics.planning.design_effect import STATISTIC as CLUSTERS
from abtest.analytics.planning.design_effect import DesignEffect, design_effect
from abtest.analytics.planning.sample_size_mcnemar_exact import WHERE_EXACTNESS_ENDS, sample_size_mcnemar_exact
from abtest.analytics.power.request import PowerRequest
from abtest.analytics.power.spread import discordance_at, has_own_test, variance
from abtest.analytics.sequential._root import root

_NEAR_LARGEST = 1 - 1e-9


class Kernel(Protocol):
    """One test at a fixed end; None where what is asked for does not exist.

    Args of the functions: `n` pairs, or samples of each variant; `effect` signed; `power` between alpha and 1.
    """

    @property
    def methods(self) -> tuple[Method, ...]:
        """What it computes with."""

    def power(self, n: float, effect: float) -> float | None:
        """Return the chance to find an effect."""

    def samples(self, effect: float, power: float) -> float | None:
        """Return the samples that find an effect with a power."""

    def effect(self, n: float, power: float, sign: int) -> float | None:
        """Return the smallest effect of one sign that is found with a power, with its sign."""


def kernel_of(request: PowerRequest) -> Kernel:
    """Return the test the analysis of such a run will use.

    Args:
        request: checked.
    """
    if not has_own_test(request):
        return MeanKernel(request)
    if request.metric == "win_rate":
        return WinRateKernel(request.ties or 0.0, request.alpha)
    return McNemarKernel(request) if request.paired else SharesKernel(request.baseline or 0.0, request.alpha)


@dataclass(frozen=True)
class MeanKernel:
    """A t test of means, with clusters where there are any; the spread may depend on the effect."""

    request: PowerRequest

    @property
    def methods(self) -> tuple[Method, ...]:
        """The t test, and what clusters cost."""
        clustered = (power_clustered_t.STATISTIC, CLUSTERS)
        return clustered if self._shape is not None else (sample_size_t.STATISTIC,)

    def power(self, n: float, effect: float) -> float | None:
        """Return the chance to find an effect."""
        sd = self._sd(effect)
        if sd == 0:
            return None
        design, alpha, shape = self._design, self.request.alpha, self._shape
        if shape is None:
            return sample_size_t.power_t(n, effect / sd, design=design, alpha=alpha).power
        found = power_clustered_t.power_clustered_t(n, effect / sd, shape, self._mean_size, design=design, alpha=alpha)
        return found.power

    def samples(self, effect: float, power: float) -> float | None:
        """Return the samples that find an effect."""
        sd = self._sd(effect)
        if sd == 0:
            return None
        design, alpha, shape = self._design, self.request.alpha, self._shape
        if shape is None:
            return sample_size_t.sample_size_t(effect / sd, power=power, design=design, alpha=alpha).n
        found = power_clustered_t.sample_size_clustered_t(
            effect / sd, shape, self._mean_size, power=power, design=design, alpha=alpha
        )
        return found.n

    def effect(self, n: float, power: float, sign: int) -> float | None:
        """Return the smallest effect that is found."""
        if self.request.metric != "mean":
            return _smallest(self.power, n, power, sign * largest_effect(self.request, sign))
        design, alpha, shape = self._design, self.request.alpha, self._shape
        if shape is None:
            found = sample_size_t.detectable_effect_t(n, power=power, design=design, alpha=alpha)
        else:
            found = power_clustered_t.detectable_effect_clustered_t(
                n, shape, self._mean_size, power=power, design=design, alpha=alpha
            )
        return None if found.effect is None else sign * found.effect * self._sd(0.0)

    @property
    def _design(self) -> sample_size_t.Design:
        return "paired" if self.request.paired else "two_sample"

    @cached_property
    def _shape(self) -> DesignEffect | None:
        return shape_of(self.request)

    @cached_property
    def _mean_size(self) -> float:
        return mean_cluster_size(self.request)

    def _sd(self, effect: float) -> float:
        # Two samples: the standard deviation within one of them, whose variance is half of that of a difference.
        return math.sqrt(variance(self.request, effect) / (1 if self.request.paired else 2))


@dataclass(frozen=True)
class McNemarKernel:
    """The exact McNemar test; its normal approximation where pairs are very many."""

    request: PowerRequest
    methods: tuple[Method, ...] = (power_mcnemar.STATISTIC, power_mcnemar.EXACT_POWER)

    def power(self, n: float, effect: float) -> float | None:
        """Return the chance to find an effect."""
        if n > WHERE_EXACTNESS_ENDS:
            return self._as_verdicts(discordance_at(self.request, effect)).power(n, effect / 2)
        one, other = self._shares(effect)
        return power_mcnemar.power_mcnemar(math.floor(n), one, other, alpha=self.request.alpha).power

    def samples(self, effect: float, power: float) -> float | None:
        """Return the pairs that find an effect."""
        one, other = self._shares(effect)
        return sample_size_mcnemar_exact(one, other, power=power, alpha=self.request.alpha).n

    def effect(self, n: float, power: float, sign: int) -> float | None:
        """Return the smallest effect that is found."""
        largest = largest_effect(self.request, sign)
        discordance = self.request.discordance
        if discordance is None:
            return _smallest(self.power, n, power, sign * largest)
        if n > WHERE_EXACTNESS_ENDS:
            half = self._as_verdicts(discordance).effect(n, power, 1)
            found = None if half is None else 2 * half
        else:
            found = power_mcnemar.detectable_difference_mcnemar(
                math.floor(n), discordance, power=power, alpha=self.request.alpha
            ).effect
        return None if found is None or found > largest else sign * found

    def _as_verdicts(self, discordance: float) -> WinRateKernel:
        # Pairs that differ are won or lost, pairs that agree tie; the lead of the wins is the difference of the shares.
        return WinRateKernel(1 - discordance, self.request.alpha)

    def _shares(self, effect: float) -> tuple[float, float]:
        half = discordance_at(self.request, effect) / 2
        return max(0.0, half + effect / 2), max(0.0, half - effect / 2)


@dataclass(frozen=True)
class SharesKernel:
    """A test of two independent shares."""

    baseline: float
    alpha: float
    methods: tuple[Method, ...] = (sample_size_proportions.STATISTIC,)

    def power(self, n: float, effect: float) -> float | None:
        """Return the chance to find an effect."""
        return sample_size_proportions.power_proportions(n, self.baseline, self._other(effect), alpha=self.alpha).power

    def samples(self, effect: float, power: float) -> float | None:
        """Return the samples of each variant that find an effect."""
        return sample_size_proportions.sample_size_proportions(
            self.baseline, self._other(effect), power=power, alpha=self.alpha
        ).n

    def effect(self, n: float, power: float, sign: int) -> float | None:
        """Return the smallest effect that is found."""
        # A loss of passes is a gain of fails.
        share = self.baseline if sign > 0 else 1 - self.baseline
        found = sample_size_proportions.detectable_difference(n, share, power=power, alpha=self.alpha).effect
        return None if found is None else sign * found

    def _other(self, effect: float) -> float:
        return min(1.0, max(0.0, self.baseline + effect))


@dataclass(frozen=True)
class WinRateKernel:
    """A test of verdicts with ties against 1/2; the effect is what the win rate is above it."""

    ties: float
    alpha: float
    methods: tuple[Method, ...] = (sample_size_win_rate.STATISTIC,)

    def power(self, n: float, effect: float) -> float | None:
        """Return the chance to find an effect."""
        return sample_size_win_rate.power_win_rate(n, 0.5 + abs(effect), ties=self.ties, alpha=self.alpha).power

    def samples(self, effect: float, power: float) -> float | None:
        """Return the verdicts that find an effect."""
        return sample_size_win_rate.sample_size_win_rate(
            0.5 + abs(effect), ties=self.ties, power=power, alpha=self.alpha
        ).n

    def effect(self, n: float, power: float, sign: int) -> float | None:
        """Return the smallest effect that is found."""
        found = sample_size_win_rate.detectable_win_rate(n, ties=self.ties, power=power, alpha=self.alpha).effect
        return None if found is None else sign * (found - 0.5)


def largest_effect(request: PowerRequest, sign: int) -> float:
    """Return the size of the largest effect of one sign that can be; infinite for a mean."""
    if request.metric == "mean":
        return math.inf
    if request.metric == "win_rate":
        return (1 - (request.ties or 0.0)) / 2
    baseline, discordance = request.baseline, request.discordance
    room = 1.0 if baseline is None else 1 - baseline if sign > 0 else baseline
    if request.paired and discordance is not None:
        # Of the samples that differ, no more can be won than the control fails.
        room = min(discordance, 1.0 if baseline is None else max(0.0, 2 * room - discordance))
    return room


def shape_of(request: PowerRequest) -> DesignEffect | None:
    """Return what the clusters cost; None where no two samples belong together."""
    clusters = request.clusters
    return None if clusters is None or max(clusters.sizes) == 1 else design_effect(clusters.sizes, clusters.icc)


def mean_cluster_size(request: PowerRequest) -> float:
    """Return the mean number of samples in a cluster; 1 without clusters."""
    sizes = request.clusters.sizes if request.clusters is not None else (1,)
    return sum(sizes) / len(sizes)


def _smallest(power_at: Callable[[float, float], float | None], n: float, power: float, largest: float) -> float | None:
    """Return the effect between 0 and the largest, signed, at which the power is reached."""

    def excess(part: float) -> float:
        return (power_at(n, part * largest) or 0.0) - power

    # At the largest effect itself nothing may vary any more, and so no test exists.
    if largest == 0 or excess(_NEAR_LARGEST) < 0:
        return None
    return largest * root(excess, 0.0, _NEAR_LARGEST, tolerance=1e-8)
