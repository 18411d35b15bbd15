"""The distribution of a sum of numbers with random signs: enumerated, on a lattice, or drawn.

Depends on: numpy, `_rademacher`. Used by: `abtest.analytics.statistics.sign_flip_permutation`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from abtest.analytics.statistics._rademacher import log_moment, tilt

MOST_ENUMERATED = 34
"""Numbers whose 2^n signs are all visited, by two halves of at most 2^17 sums each."""
MOST_DISTINCT = 1000
_LATTICE_WORK = 4_000_000
"""Complex powers spent on the exact distribution on a lattice, about a fifth of a second."""
_FINEST = 1e-6
_SAME = 1e-9
_BITS = 8

Floats = npt.NDArray[np.float64]


def enumerated_tail(sizes: Floats, least: float) -> float:
    """Return P(S >= least) by visiting every sign: pairs of sums of two halves, one of them sorted.

    Args:
        sizes: absolute values, shape (n,), n at most `MOST_ENUMERATED`.
        least: the bound on the sum.

    Source: Horowitz and Sahni (1974), Computing partitions, for the two halves.
    """
    half = sizes.size // 2
    one, other = np.sort(_all_sums(sizes[:half])), np.sort(_all_sums(sizes[half:]))
    below = np.searchsorted(one, least - other, side="left")
    return float((one.size - below).sum()) / float(one.size * other.size)


def lattice_of(sizes: Floats, counts: Floats) -> tuple[Floats, Floats, float] | None:
    """Return whole weights, their counts and the unit they are multiples of; None if there is no coarse one.

    Args:
        sizes: distinct positive values in rising order, shape (k,).
        counts: how often each occurs.
    """
    if sizes.size > MOST_DISTINCT:
        return None
    largest, unit = float(sizes[-1]), 0.0
    for size in sizes.tolist():
        unit = _common_unit(unit, size, _SAME * largest)
        if unit < _FINEST * largest:
            return None
    weights = np.rint(sizes / unit)
    if float(np.abs(sizes - weights * unit).max()) > _SAME * largest:
        return None
    whole, where = np.unique(weights, return_inverse=True)
    return whole, np.bincount(where, weights=counts).astype(np.float64), unit


def lattice_tail(weights: Floats, counts: Floats, total: int) -> tuple[float, float] | None:
    """Return P(S >= total) and P(S = total) for a sum of whole weights with random signs; None if too much work.

    The signs are tilted so that the observed total is the expected one, the tilted distribution is found by a Fourier
    transform of a window around it, and the tilt is taken out again: digits are not lost in the tail.

    Args:
        weights: distinct whole numbers, at least 1, shape (k,).
        counts: how many terms have each weight.
        total: the observed sum, at least 0 and below the sum of all weights.

    Source: discrete Fourier inversion of the generating function, Hong (2013), with exponential tilting.
    """
    lean, largest = tilt(weights, counts, total), int(weights[-1])
    plus = 1 / (1 + np.exp(-2 * lean * weights))
    most = int((weights * counts).sum())
    spread = math.sqrt(float((weights**2 * counts * plus * (1 - plus)).sum()))
    reach = min(math.ceil(12 * spread) + 32 * largest, most + 1)
    size = 1 << (2 * reach + 1).bit_length()
    if size * weights.size > _LATTICE_WORK:
        return None
    # Position j of the window is j - reach steps from the observed value; a step of a sign is two of the sum.
    observed = (total + most) // 2
    angle = -2 * math.pi / size * np.arange(size // 2 + 1)
    wave = np.ones(angle.size, dtype=np.complex128)
    for weight, count, chance in zip(weights.tolist(), counts.tolist(), plus.tolist(), strict=True):
        term = 1 - chance + chance * np.exp(1j * (angle * weight % (2 * math.pi)))
        wave *= np.abs(term) ** count * np.exp(1j * count * np.angle(term))
    wave *= np.exp(-1j * (angle * ((observed - reach) % size) % (2 * math.pi)))
    chances = np.maximum(np.fft.irfft(wave, size), 0.0)[reach:]
    scale = math.exp(log_moment(weights, counts, lean) - lean * total)
    steps = np.arange(chances.size)
    inside = chances[: min(chances.size, most - observed + 1)]
    return scale * float(inside @ np.exp(-2 * lean * steps[: inside.size])), scale * float(chances[0])


def drawn_sums(sizes: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Return sums of the sizes with random signs.

    Eight terms at a time: a random byte picks one of their 256 sums, so a draw costs n / 8 look-ups.

    Args:
        sizes: absolute values, shape (n,).
        draws: how many sums.
        random: where the signs come from.
    """
    sums = np.zeros(draws)
    for start in range(0, sizes.size, _BITS):
        table = _all_sums(sizes[start : start + _BITS])
        sums += table[random.integers(0, table.size, draws, dtype=np.uint16)]
    return sums


def drawn_sums_of_few(sizes: Floats, counts: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Return the same when few sizes occur often: a binomial count of plus signs for each distinct size."""
    sums = np.full(draws, -float(sizes @ counts))
    for size, count in zip(sizes.tolist(), counts.astype(np.int64).tolist(), strict=True):
        sums += 2 * size * random.binomial(count, 0.5, draws)
    return sums


def _all_sums(sizes: Floats) -> Floats:
    sums = np.zeros(1)
    for size in sizes.tolist():
        sums = np.concatenate((sums - size, sums + size))
    return sums


def _common_unit(one: float, other: float, nothing: float) -> float:
    """Return the greatest common divisor of two numbers, remainders below `nothing` being rounding."""
    while other > nothing:
        rest = math.fmod(one, other)
        one, other = other, 0.0 if other - rest <= nothing else rest
    return one
